/* store_access - see store_access.h. */
#include "ledgerd/store/store_access.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"

void access_token_rows_release(struct access_token_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].name);
        free(rows->rows[i].roles);
        free(rows->rows[i].project);
        free(rows->rows[i].user);
        free(rows->rows[i].created_by);
        free(rows->rows[i].revoked_by);
    }
    free(rows->rows);
    *rows = (struct access_token_rows){0};
}

/* False if out of memory. */
static bool take_row(const struct rows *rows, size_t i, struct access_token_row *row)
{
    row->name = rows_copy(rows, i, 0);
    row->roles = rows_copy(rows, i, 1);
    row->project = rows_copy(rows, i, 2);
    row->user = rows_copy(rows, i, 3);
    row->created_at = rows_instant(rows, i, 4);
    row->created_by = rows_copy(rows, i, 5);
    row->revoked_at = rows_instant(rows, i, 6);
    row->revoked_by = rows_copy(rows, i, 7);
    return row->name != NULL && row->roles != NULL && row->user != NULL &&
           row->created_by != NULL && (row->project != NULL || rows_is_null(rows, i, 2)) &&
           (row->revoked_by != NULL || rows_is_null(rows, i, 7));
}

int store_read_access_tokens(struct store *store, const char *name, struct access_token_rows *list,
                             struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT name, roles, project_id, user_name, created_at, created_by, "
                       "revoked_at, revoked_by FROM ledger.access_token "
                       "WHERE $1 IS NULL OR name = $1 ORDER BY name");
    query_text(&query, name);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *list = (struct access_token_rows){.rows = calloc(rows_count(&rows) + 1, sizeof *list->rows)};
    for (size_t i = 0; list->rows != NULL && i < rows_count(&rows); i++) {
        if (!take_row(&rows, i, &list->rows[list->count++])) {
            access_token_rows_release(list);
            break;
        }
    }
    rows_release(&rows);
    return list->rows != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_add_access_token(struct store *store, const struct access_token_row *row,
                           const unsigned char sha256[ACCESS_SHA256_BYTES], bool *added,
                           struct error *err)
{
    struct query query;
    int64_t affected = 0;

    query_init(&query, "INSERT INTO ledger.access_token "
                       "(name, sha256, roles, project_id, user_name, created_at, created_by) "
                       "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING");
    query_text(&query, row->name);
    query_bytes(&query, sha256, ACCESS_SHA256_BYTES);
    query_text(&query, row->roles);
    query_text(&query, row->project);
    query_text(&query, row->user);
    query_instant(&query, row->created_at);
    query_text(&query, row->created_by);
    if (query_run(store, &query, NULL, &affected, err) != 0) {
        return -1;
    }
    *added = affected > 0;
    return 0;
}

int store_revoke_access_token(struct store *store, const char *name, struct instant now,
                              const char *by, bool *revoked, struct error *err)
{
    struct query query;
    int64_t affected = 0;

    query_init(&query, "UPDATE ledger.access_token SET revoked_at = $2, revoked_by = $3 "
                       "WHERE name = $1 AND revoked_at IS NULL");
    query_text(&query, name);
    query_instant(&query, now);
    query_text(&query, by);
    if (query_run(store, &query, NULL, &affected, err) != 0) {
        return -1;
    }
    *revoked = affected > 0;
    return 0;
}
