/* store_project - see store_project.h. */
#include "ledgerd/store/store_project.h"

#include <stdio.h>
#include <stdlib.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_policy.h"
#include "ledgerd/store/store_position.h"

enum { ACCOUNT_NAME_BYTES = 256 };

void project_rows_release(struct project_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].id);
        free(rows->rows[i].name);
        free(rows->rows[i].share);
    }
    free(rows->rows);
    *rows = (struct project_rows){0};
}

void name_pairs_release(struct name_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->pairs[i].first);
        free(pairs->pairs[i].second);
    }
    free(pairs->pairs);
    *pairs = (struct name_pairs){0};
}

int store_read_projects(struct store *store, const char *id, struct project_rows *list,
                        struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT p.project_id, p.name, p.share, p.kind = 'service', p.account_no, "
               "p.overdraft_micro, n.posted_micro, n.accrued_micro, p.added_at, p.closed_at "
               "FROM ledger.project p JOIN ledger.project_position n USING (project_id) "
               "WHERE $1 IS NULL OR p.project_id = $1 ORDER BY p.project_id COLLATE \"C\"");
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *list = (struct project_rows){.rows = calloc(rows_count(&rows) + 1, sizeof *list->rows)};
    for (size_t i = 0; list->rows != NULL && i < rows_count(&rows); i++) {
        struct project_row *row = &list->rows[list->count++];

        row->id = rows_copy(&rows, i, 0);
        row->name = rows_copy(&rows, i, 1);
        row->share = rows_copy(&rows, i, 2);
        row->is_service = rows_bool(&rows, i, 3);
        row->account = (int32_t)rows_i64(&rows, i, 4);
        row->overdraft = rows_points(&rows, i, 5);
        row->posted = rows_points(&rows, i, 6);
        row->accrued = rows_points(&rows, i, 7);
        row->added_at = rows_instant(&rows, i, 8);
        row->closed_at = rows_instant(&rows, i, 9);
        if (row->id == NULL || row->name == NULL || (row->share == NULL && !row->is_service)) {
            project_rows_release(list);
            break;
        }
    }
    rows_release(&rows);
    return list->rows != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

static int read_pairs(struct store *store, const char *sql, const char *project,
                      struct name_pairs *list, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, sql);
    query_text(&query, project);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *list = (struct name_pairs){.pairs = calloc(rows_count(&rows) + 1, sizeof *list->pairs)};
    for (size_t i = 0; list->pairs != NULL && i < rows_count(&rows); i++) {
        struct name_pair *pair = &list->pairs[list->count++];

        pair->first = rows_copy(&rows, i, 0);
        pair->second = rows_copy(&rows, i, 1);
        if (pair->first == NULL || pair->second == NULL) {
            name_pairs_release(list);
            break;
        }
    }
    rows_release(&rows);
    return list->pairs != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_read_services(struct store *store, const char *project, struct name_pairs *pairs,
                        struct error *err)
{
    return read_pairs(store,
                      "SELECT source, class FROM ledger.service_class WHERE project_id = $1 "
                      "ORDER BY source COLLATE \"C\", class COLLATE \"C\"",
                      project, pairs, err);
}

int store_read_aliases(struct store *store, const char *project, struct name_pairs *pairs,
                       struct error *err)
{
    return read_pairs(store,
                      "SELECT source, name FROM ledger.project_alias WHERE project_id = $1 "
                      "ORDER BY source COLLATE \"C\", name COLLATE \"C\"",
                      project, pairs, err);
}

int store_read_members(struct store *store, const char *project, struct name_pairs *pairs,
                       struct error *err)
{
    return read_pairs(store,
                      "SELECT user_name, role FROM ledger.project_member WHERE project_id = $1 "
                      "ORDER BY user_name COLLATE \"C\"",
                      project, pairs, err);
}

static int add_account(struct store *store, const char *id, const char *share, int32_t *account,
                       struct error *err)
{
    char name[ACCOUNT_NAME_BYTES];
    struct query query;
    struct rows rows;

    snprintf(name, sizeof name, "%s/%s", share != NULL ? "project" : "service", id);
    query_init(&query, "INSERT INTO ledger.account (name, kind, project_id) VALUES ($1, $2, $3) "
                       "RETURNING account_no");
    query_text(&query, name);
    query_text(&query, share != NULL ? "project" : "service");
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *account = (int32_t)rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_add_project(struct store *store, const char *id, const char *share, const char *name,
                      struct instant now, struct error *err)
{
    struct query query;
    int32_t account;

    if ((share != NULL && store_share_sinks(store, share, err) != 0) ||
        add_account(store, id, share, &account, err) != 0) {
        return -1;
    }
    query_init(&query, "INSERT INTO ledger.project (project_id, kind, share, name, account_no, "
                       "added_at) VALUES ($1, $2, $3, $4, $5, $6)");
    query_text(&query, id);
    query_text(&query, share != NULL ? "project" : "service");
    query_text(&query, share);
    query_text(&query, name);
    query_i32(&query, account);
    query_instant(&query, now);
    if (query_run(store, &query, NULL, NULL, err) != 0) {
        return -1;
    }
    query_init(&query, "INSERT INTO ledger.project_position (project_id) VALUES ($1)");
    query_text(&query, id);
    return query_run(store, &query, NULL, NULL, err);
}

int store_add_service(struct store *store, const char *project, const char *source,
                      const char *klass, char **taken_by, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT project_id FROM ledger.service_class WHERE source = $1 AND class = $2");
    query_text(&query, source);
    query_text(&query, klass);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *taken_by = rows_count(&rows) > 0 ? rows_copy(&rows, 0, 0) : NULL;
    rows_release(&rows);
    if (*taken_by != NULL) {
        return 0;
    }
    query_init(&query, "INSERT INTO ledger.service_class (project_id, source, class) "
                       "VALUES ($1, $2, $3)");
    query_text(&query, project);
    query_text(&query, source);
    query_text(&query, klass);
    return query_run(store, &query, NULL, NULL, err);
}

int store_rename_project(struct store *store, const char *id, const char *name, struct error *err)
{
    struct query query;

    query_init(&query, "UPDATE ledger.project SET name = $2 WHERE project_id = $1");
    query_text(&query, id);
    query_text(&query, name);
    return query_run(store, &query, NULL, NULL, err);
}

int store_close_project(struct store *store, const char *id, struct instant now, struct error *err)
{
    struct query query;

    query_init(&query, "UPDATE ledger.project SET closed_at = $2 WHERE project_id = $1 "
                       "AND closed_at IS NULL");
    query_text(&query, id);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

int store_set_overdraft(struct store *store, const char *id, struct points overdraft,
                        struct error *err)
{
    struct query query;

    query_init(&query, "UPDATE ledger.project SET overdraft_micro = $2 WHERE project_id = $1");
    query_text(&query, id);
    query_points(&query, overdraft);
    return query_run(store, &query, NULL, NULL, err) != 0
               ? -1
               : store_touch_positions(store, &id, 1, err);
}

int store_set_alias(struct store *store, const char *project, const char *source, const char *name,
                    char **before, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT project_id FROM ledger.project_alias WHERE source = $1 AND name = $2");
    query_text(&query, source);
    query_text(&query, name);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *before = rows_count(&rows) > 0 ? rows_copy(&rows, 0, 0) : NULL;
    rows_release(&rows);
    query_init(&query,
               "INSERT INTO ledger.project_alias AS a (source, name, project_id) "
               "VALUES ($1, $2, $3) ON CONFLICT (source, name) DO UPDATE "
               "SET project_id = excluded.project_id WHERE a.project_id <> excluded.project_id");
    query_text(&query, source);
    query_text(&query, name);
    query_text(&query, project);
    if (query_run(store, &query, NULL, NULL, err) != 0) {
        free(*before);
        *before = NULL;
        return -1;
    }
    return 0;
}

int store_set_member(struct store *store, const char *project, const char *user, bool is_pi,
                     struct instant now, bool *changed, struct error *err)
{
    struct query query;
    int64_t affected;

    query_init(&query,
               "INSERT INTO ledger.project_member AS m (project_id, user_name, role, added_at) "
               "VALUES ($1, $2, $3, $4) ON CONFLICT (project_id, user_name) DO UPDATE "
               "SET role = excluded.role WHERE m.role <> excluded.role");
    query_text(&query, project);
    query_text(&query, user);
    query_text(&query, is_pi ? "pi" : "member");
    query_instant(&query, now);
    if (query_run(store, &query, NULL, &affected, err) != 0) {
        return -1;
    }
    *changed = affected > 0;
    return 0;
}

int store_remove_member(struct store *store, const char *project, const char *user, bool *changed,
                        struct error *err)
{
    struct query query;
    int64_t affected;

    query_init(&query,
               "DELETE FROM ledger.project_member WHERE project_id = $1 AND user_name = $2");
    query_text(&query, project);
    query_text(&query, user);
    if (query_run(store, &query, NULL, &affected, err) != 0) {
        return -1;
    }
    *changed = affected > 0;
    return 0;
}
