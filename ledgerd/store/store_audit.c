/* store_audit - see store_audit.h. */
#include "ledgerd/store/store_audit.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"

void audit_rows_release(struct audit_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].actor);
        free(rows->rows[i].verb);
        free(rows->rows[i].subject);
        free(rows->rows[i].detail);
        free(rows->rows[i].note);
        free(rows->rows[i].ref);
    }
    free(rows->rows);
    *rows = (struct audit_rows){0};
}

int store_add_audit(struct store *store, const struct audit_row *row, int64_t *n, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "INSERT INTO ledger.audit (at, actor, verb, subject, detail, note, ref) "
                       "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING n");
    query_instant(&query, row->at);
    query_text(&query, row->actor);
    query_text(&query, row->verb);
    query_text(&query, row->subject);
    query_text(&query, row->detail);
    query_text(&query, row->note);
    query_text(&query, row->ref);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *n = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_read_audit(struct store *store, struct instant from, struct instant to,
                     struct audit_rows *list, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT n, at, actor, verb, subject, detail, note, ref FROM ledger.audit "
                       "WHERE at >= coalesce($1, '-infinity') AND at < coalesce($2, 'infinity') "
                       "ORDER BY n");
    query_instant(&query, from);
    query_instant(&query, to);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *list = (struct audit_rows){.rows = calloc(rows_count(&rows) + 1, sizeof *list->rows)};
    if (list->rows == NULL) {
        rows_release(&rows);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        struct audit_row *row = &list->rows[list->count++];
        char **const fields[] = {&row->actor,  &row->verb, &row->subject,
                                 &row->detail, &row->note, &row->ref};

        row->n = rows_i64(&rows, i, 0);
        row->at = rows_instant(&rows, i, 1);
        for (int f = 0; f < 6; f++) {
            *fields[f] = rows_copy(&rows, i, f + 2);
            if (*fields[f] == NULL) {
                rows_release(&rows);
                audit_rows_release(list);
                return error_set(err, ERROR_INTERNAL, "out of memory");
            }
        }
    }
    rows_release(&rows);
    return 0;
}
