/* store_close - see store_close.h. */
#include "ledgerd/store/store_close.h"

#include "ledgerd/store/query.h"

int store_closed_through(struct store *store, struct month *closed, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT max(month) FROM ledger.month_close");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *closed = rows_is_null(&rows, 0, 0) ? MONTH_NONE : rows_month(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_close_first(struct store *store, struct month *first, struct instant *running,
                      struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT least((SELECT min(month) FROM ledger.transfer_total), "
                       "(SELECT min(month) FROM ledger.usage_total), "
                       "(SELECT min(month) FROM ledger.meter_total)), "
                       "(SELECT min(start_at) FROM ledger.accrual)");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *first = rows_is_null(&rows, 0, 0) ? MONTH_NONE : rows_month(&rows, 0, 0);
    *running = rows_is_null(&rows, 0, 1) ? INSTANT_NEVER : rows_instant(&rows, 0, 1);
    rows_release(&rows);
    return 0;
}

int store_close_sources(struct store *store, close_source_fn *each, void *context,
                        struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query,
               "SELECT name, read_to FROM (SELECT s.name, greatest(s.last_record_at, s.read_to, "
               "(SELECT max(a.end_at) FROM ledger.accrual a WHERE a.source_no = s.source_no)) "
               "AS read_to FROM ledger.source s) x WHERE read_to IS NOT NULL "
               "ORDER BY name COLLATE \"C\"");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows) && result == 0; i++) {
        result = each(context, rows_text(&rows, i, 0), rows_instant(&rows, i, 1), err);
    }
    rows_release(&rows);
    return result;
}

int store_close_entries(struct store *store, struct month month, close_entry_fn *each,
                        void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT n, source, id, reason FROM ledger.quarantine WHERE state = 'open' "
                       "AND (month IS NULL OR $1 BETWEEN coalesce(first_month, month) AND month) "
                       "ORDER BY n");
    query_month(&query, month);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows) && result == 0; i++) {
        result = each(context, rows_i64(&rows, i, 0), rows_text(&rows, i, 1),
                      rows_text(&rows, i, 2), rows_text(&rows, i, 3), err);
    }
    rows_release(&rows);
    return result;
}

int store_close_running(struct store *store, struct instant until, struct strbuf *records,
                        size_t *count, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT record FROM ledger.accrual WHERE start_at < $1 OR "
                       "(record::jsonb ->> 'submitted')::timestamptz < $1 "
                       "ORDER BY source_no, id");
    query_instant(&query, until);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *count = rows_count(&rows);
    for (size_t i = 0; i < *count; i++) {
        strbuf_add(records, rows_text(&rows, i, 0), rows_length(&rows, i, 0));
        strbuf_add_char(records, '\n');
    }
    rows_release(&rows);
    return records->failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

int store_close_insert(struct store *store, const struct month_close *close, struct error *err)
{
    struct query query;

    query_init(&query,
               "INSERT INTO ledger.month_close (month, closed_at, audit_n, statements, "
               "statements_digest, digest, report, transfers, moved_micro) "
               "SELECT $1, $2, $3, $4, $5, $6, $7, coalesce(sum(transfers), 0)::bigint, "
               "coalesce(sum(amount_micro), 0) FROM ledger.transfer_total WHERE month <= $1");
    query_month(&query, close->month);
    query_instant(&query, close->closed_at);
    query_i64(&query, close->audit_n);
    query_i32(&query, (int32_t)close->statements);
    query_text(&query, close->statements_digest);
    query_text(&query, close->digest);
    query_text(&query, close->report);
    return query_run(store, &query, NULL, NULL, err);
}

int store_close_statement(struct store *store, struct month month, const char *project,
                          const char *digest, const char *document, struct error *err)
{
    struct query query;

    query_init(&query, "INSERT INTO ledger.month_statement (month, project_id, digest, document) "
                       "VALUES ($1, $2, $3, $4)");
    query_month(&query, month);
    query_text(&query, project);
    query_text(&query, digest);
    query_text(&query, document);
    return query_run(store, &query, NULL, NULL, err);
}

int store_close_read(struct store *store, struct month month, const char *project, char **document,
                     struct instant *closed_at, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, project == NULL
                           ? "SELECT report, closed_at FROM ledger.month_close WHERE month = $1"
                           : "SELECT s.document, c.closed_at FROM ledger.month_statement s "
                             "JOIN ledger.month_close c USING (month) "
                             "WHERE month = $1 AND s.project_id = $2");
    query_month(&query, month);
    if (project != NULL) {
        query_text(&query, project);
    }
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *document = NULL;
    if (rows_count(&rows) > 0) {
        *document = rows_copy(&rows, 0, 0);
        if (closed_at != NULL) {
            *closed_at = rows_instant(&rows, 0, 1);
        }
        result = *document != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
    }
    rows_release(&rows);
    return result;
}

int store_close_each(struct store *store, stored_close_fn *each, void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT month, digest, report, statements, statements_digest "
                       "FROM ledger.month_close ORDER BY month");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows) && result == 0; i++) {
        const struct stored_close close = {
            .month = rows_month(&rows, i, 0),
            .digest = rows_text(&rows, i, 1),
            .report = rows_text(&rows, i, 2),
            .statements = (size_t)rows_i64(&rows, i, 3),
            .statements_digest = rows_text(&rows, i, 4),
        };
        result = each(context, &close, err);
    }
    rows_release(&rows);
    return result;
}

int store_statement_each(struct store *store, struct month month, stored_statement_fn *each,
                         void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT month, project_id, digest, document FROM ledger.month_statement "
                       "WHERE month = $1 ORDER BY project_id");
    query_month(&query, month);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows) && result == 0; i++) {
        result = each(context, rows_month(&rows, i, 0), rows_text(&rows, i, 1),
                      rows_text(&rows, i, 2), rows_text(&rows, i, 3), err);
    }
    rows_release(&rows);
    return result;
}
