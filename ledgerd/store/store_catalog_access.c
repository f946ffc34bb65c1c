/* store_catalog_access - see store_catalog_access.h. */
#include "ledgerd/store/store_catalog_access.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

enum { COLUMN_SHA256, COLUMN_NAME, COLUMN_ROLES, COLUMN_PROJECT, COLUMN_USER, COLUMN_COUNT };

static const char *take_text(const struct rows *rows, size_t row, int column, char **end)
{
    const char *kept = *end;

    *end = stpcpy(*end, rows_text(rows, row, column)) + 1;
    return kept;
}

static size_t text_bytes(const struct rows *rows)
{
    size_t bytes = 1;

    for (size_t i = 0; i < rows_count(rows); i++) {
        for (int column = COLUMN_NAME; column < COLUMN_COUNT; column++) {
            bytes += rows_length(rows, i, column) + 1;
        }
    }
    return bytes;
}

static void take_row(const struct rows *rows, size_t row, char **end, struct access_row *token)
{
    memcpy(token->sha256, rows_bytes(rows, row, COLUMN_SHA256), sizeof token->sha256);
    token->name = take_text(rows, row, COLUMN_NAME, end);
    token->roles = take_text(rows, row, COLUMN_ROLES, end);
    token->project = take_text(rows, row, COLUMN_PROJECT, end);
    token->user = take_text(rows, row, COLUMN_USER, end);
}

int store_read_access(struct store *store, struct access_rows *list, struct error *err)
{
    struct query query;
    struct rows rows;
    char *end;

    query_init(&query, "SELECT sha256, name, roles, coalesce(project_id, ''), user_name "
                       "FROM ledger.access_token WHERE revoked_at IS NULL ORDER BY sha256");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *list = (struct access_rows){.rows = calloc(rows_count(&rows) + 1, sizeof *list->rows),
                                 .texts = malloc(text_bytes(&rows))};
    if (list->rows == NULL || list->texts == NULL) {
        access_rows_release(list);
        rows_release(&rows);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    end = list->texts;
    for (size_t i = 0; i < rows_count(&rows); i++) {
        take_row(&rows, i, &end, &list->rows[list->count++]);
    }
    rows_release(&rows);
    return 0;
}

void access_rows_release(struct access_rows *rows)
{
    free(rows->rows);
    free(rows->texts);
    *rows = (struct access_rows){0};
}
