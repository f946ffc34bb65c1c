/* store_catalog - see store_catalog.h. One statement a table, in the order in which the catalog is
 * built. */
#include "ledgerd/store/store_catalog.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"

static int out_of_memory(struct rows *rows, struct error *err)
{
    rows_release(rows);
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

static int run(struct store *store, const char *sql, struct rows *rows, struct error *err)
{
    struct query query;

    query_init(&query, sql);
    return query_run(store, &query, rows, NULL, err);
}

int store_read_versions(struct store *store, int64_t *version, int64_t *rating_version,
                        struct error *err)
{
    struct rows rows;

    if (run(store, "SELECT version, rating_version FROM ledger.catalog_version", &rows, err) != 0) {
        return -1;
    }
    *version = rows_i64(&rows, 0, 0);
    *rating_version = rows_i64(&rows, 0, 1);
    rows_release(&rows);
    return 0;
}

static int read_agreed(struct store *store, const char *sql, struct agreed_rows *agreed,
                       struct error *err)
{
    struct rows rows;

    if (run(store, sql, &rows, err) != 0) {
        return -1;
    }
    agreed->rows = calloc(rows_count(&rows) + 1, sizeof *agreed->rows);
    if (agreed->rows == NULL) {
        return out_of_memory(&rows, err);
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        struct agreed_row *row = &agreed->rows[agreed->count++];

        row->number = rows_i64(&rows, i, 0);
        row->name = rows_copy(&rows, i, 1);
        row->effective_from = rows_instant(&rows, i, 2);
        row->document = rows_copy(&rows, i, 3);
        row->applied_at = rows_instant(&rows, i, 4);
        if (row->name == NULL || row->document == NULL) {
            return out_of_memory(&rows, err);
        }
    }
    rows_release(&rows);
    return 0;
}

static int read_projects(struct store *store, struct catalog_rows *catalog, struct error *err)
{
    struct rows rows;

    if (run(store,
            "SELECT p.project_id, p.name, p.share, p.kind = 'service', p.closed_at IS NOT NULL, "
            "p.account_no, s.account_no, p.overdraft_micro FROM ledger.project p "
            "JOIN ledger.account s ON s.name = 'spent/' || coalesce(p.share, 'service') "
            "ORDER BY p.project_id COLLATE \"C\"",
            &rows, err) != 0) {
        return -1;
    }
    catalog->projects = calloc(rows_count(&rows) + 1, sizeof *catalog->projects);
    if (catalog->projects == NULL) {
        return out_of_memory(&rows, err);
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        struct catalog_project_row *row = &catalog->projects[catalog->project_count++];

        row->id = rows_copy(&rows, i, 0);
        row->name = rows_copy(&rows, i, 1);
        row->share = rows_copy(&rows, i, 2);
        row->is_service = rows_bool(&rows, i, 3);
        row->is_closed = rows_bool(&rows, i, 4);
        row->account = (int32_t)rows_i64(&rows, i, 5);
        row->spent_account = (int32_t)rows_i64(&rows, i, 6);
        row->overdraft = rows_points(&rows, i, 7);
        if (row->id == NULL || row->name == NULL || (row->share == NULL && !row->is_service)) {
            return out_of_memory(&rows, err);
        }
    }
    rows_release(&rows);
    return 0;
}

static int read_names(struct store *store, const char *sql, struct catalog_name_row **names,
                      size_t *count, struct error *err)
{
    struct rows rows;

    if (run(store, sql, &rows, err) != 0) {
        return -1;
    }
    *names = calloc(rows_count(&rows) + 1, sizeof **names);
    if (*names == NULL) {
        return out_of_memory(&rows, err);
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        struct catalog_name_row *row = &(*names)[(*count)++];

        row->project = rows_copy(&rows, i, 0);
        row->first = rows_copy(&rows, i, 1);
        row->second = rows_copy(&rows, i, 2);
        if (row->project == NULL || row->first == NULL || row->second == NULL) {
            return out_of_memory(&rows, err);
        }
    }
    rows_release(&rows);
    return 0;
}

static int read_grants(struct store *store, struct catalog_rows *catalog, struct error *err)
{
    struct rows rows;

    if (run(store,
            "SELECT project_id, grant_id, points_micro, valid_from, valid_to, is_revoked "
            "FROM ledger.grant_now ORDER BY project_id COLLATE \"C\", grant_id",
            &rows, err) != 0) {
        return -1;
    }
    catalog->grants = calloc(rows_count(&rows) + 1, sizeof *catalog->grants);
    if (catalog->grants == NULL) {
        return out_of_memory(&rows, err);
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        struct catalog_grant_row *row = &catalog->grants[catalog->grant_count++];

        row->project = rows_copy(&rows, i, 0);
        row->id = rows_i64(&rows, i, 1);
        row->points = rows_points(&rows, i, 2);
        row->from = rows_instant(&rows, i, 3);
        row->to = rows_instant(&rows, i, 4);
        row->is_revoked = rows_bool(&rows, i, 5);
        if (row->project == NULL) {
            return out_of_memory(&rows, err);
        }
    }
    rows_release(&rows);
    return 0;
}

static int read_edges(struct store *store, struct catalog_rows *catalog, struct error *err)
{
    struct rows rows;

    if (run(store,
            "SELECT project_id, edge FROM ledger.grant_edge "
            "ORDER BY project_id COLLATE \"C\", edge",
            &rows, err) != 0) {
        return -1;
    }
    catalog->edges = calloc(rows_count(&rows) + 1, sizeof *catalog->edges);
    if (catalog->edges == NULL) {
        return out_of_memory(&rows, err);
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        struct catalog_edge_row *row = &catalog->edges[catalog->edge_count++];

        row->project = rows_copy(&rows, i, 0);
        row->at = rows_instant(&rows, i, 1);
        if (row->project == NULL) {
            return out_of_memory(&rows, err);
        }
    }
    rows_release(&rows);
    return 0;
}

static int read_limits(struct store *store, struct catalog_rows *catalog, struct error *err)
{
    struct rows rows;

    if (run(store,
            "SELECT limit_no, project_id, user_name, period, points_micro "
            "FROM ledger.project_limit ORDER BY project_id, user_name, limit_no",
            &rows, err) != 0) {
        return -1;
    }
    catalog->limits = calloc(rows_count(&rows) + 1, sizeof *catalog->limits);
    if (catalog->limits == NULL) {
        return out_of_memory(&rows, err);
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        struct catalog_limit_row *row = &catalog->limits[catalog->limit_count++];

        row->number = (int32_t)rows_i64(&rows, i, 0);
        row->project = rows_copy(&rows, i, 1);
        row->user = rows_copy(&rows, i, 2);
        row->points = rows_points(&rows, i, 4);
        if (row->project == NULL || row->user == NULL) {
            return out_of_memory(&rows, err);
        }
        if (limit_period_parse(rows_text(&rows, i, 3), &row->period) != 0) {
            rows_release(&rows);
            return error_set(err, ERROR_INTERNAL, "limit %d has no period", row->number);
        }
    }
    rows_release(&rows);
    return 0;
}

static int read_all(struct store *store, struct catalog_rows *rows, struct error *err)
{
    if (store_read_versions(store, &rows->version, &rows->rating_version, err) != 0 ||
        read_agreed(store,
                    "SELECT policy_no, name, effective_from, document, applied_at "
                    "FROM ledger.policy ORDER BY effective_from",
                    &rows->policies, err) != 0 ||
        read_agreed(store,
                    "SELECT card_no, name, effective_from, document, applied_at "
                    "FROM ledger.rate_card ORDER BY effective_from",
                    &rows->cards, err) != 0 ||
        read_projects(store, rows, err) != 0) {
        return -1;
    }
    if (read_names(store,
                   "SELECT project_id, source, class FROM ledger.service_class "
                   "ORDER BY source COLLATE \"C\", class COLLATE \"C\"",
                   &rows->services, &rows->service_count, err) != 0 ||
        read_names(store,
                   "SELECT project_id, source, name FROM ledger.project_alias "
                   "ORDER BY source COLLATE \"C\", name COLLATE \"C\"",
                   &rows->aliases, &rows->alias_count, err) != 0 ||
        read_names(store,
                   "SELECT project_id, user_name, role FROM ledger.project_member "
                   "ORDER BY project_id COLLATE \"C\", user_name COLLATE \"C\"",
                   &rows->members, &rows->member_count, err) != 0) {
        return -1;
    }
    return read_grants(store, rows, err) != 0 || read_edges(store, rows, err) != 0 ||
                   read_limits(store, rows, err) != 0 ||
                   store_read_slurm(store, &rows->slurm, err) != 0 ||
                   store_read_access(store, &rows->access, err) != 0
               ? -1
               : 0;
}

int store_read_catalog(struct store *store, struct catalog_rows *rows, struct error *err)
{
    *rows = (struct catalog_rows){0};
    if (read_all(store, rows, err) != 0) {
        catalog_rows_release(rows);
        return -1;
    }
    return 0;
}

void agreed_rows_release(struct agreed_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].name);
        free(rows->rows[i].document);
    }
    free(rows->rows);
    *rows = (struct agreed_rows){0};
}

static void names_release(struct catalog_name_row *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i].project);
        free(names[i].first);
        free(names[i].second);
    }
    free(names);
}

void catalog_rows_release(struct catalog_rows *rows)
{
    agreed_rows_release(&rows->policies);
    agreed_rows_release(&rows->cards);
    for (size_t i = 0; i < rows->project_count; i++) {
        free(rows->projects[i].id);
        free(rows->projects[i].name);
        free(rows->projects[i].share);
    }
    free(rows->projects);
    names_release(rows->services, rows->service_count);
    names_release(rows->aliases, rows->alias_count);
    names_release(rows->members, rows->member_count);
    for (size_t i = 0; i < rows->grant_count; i++) {
        free(rows->grants[i].project);
    }
    free(rows->grants);
    for (size_t i = 0; i < rows->edge_count; i++) {
        free(rows->edges[i].project);
    }
    free(rows->edges);
    for (size_t i = 0; i < rows->limit_count; i++) {
        free(rows->limits[i].project);
        free(rows->limits[i].user);
    }
    free(rows->limits);
    slurm_rows_release(&rows->slurm);
    access_rows_release(&rows->access);
    *rows = (struct catalog_rows){0};
}
