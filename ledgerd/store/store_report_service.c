/* Questions of the reports about services, and the walk over their answers. */
#include "ledgerd/store/store_report_service.h"

#include "ledgerd/store/query.h"

/* Two roll-ups whose rows need not meet: points have the month by the month rule, counts the
 * physical one. */
static const char SERVED_SQL[] =
    "SELECT CASE WHEN p.kind = 'service' THEN p.project_id ELSE '' END, s.name, u.class, u.meter,"
    "       sum(u.points)::bigint, sum(u.list)::bigint, sum(u.amount)::text"
    "  FROM (SELECT project_id, source_no, class, '' COLLATE \"C\" AS meter, points_micro AS "
    "points,"
    "               list_micro AS list, 0 AS amount"
    "          FROM ledger.usage_total WHERE month = $1"
    "        UNION ALL"
    "        SELECT project_id, source_no, class, meter, 0, 0, amount"
    "          FROM ledger.meter_total WHERE month = $1 AND NOT is_held) u"
    "  JOIN ledger.project p USING (project_id)"
    "  JOIN ledger.source s USING (source_no)"
    " GROUP BY 1, 2, 3, 4 ORDER BY 1, s.name COLLATE \"C\", 3, 4";

/* Between two services the direction tells who served: it is paid, and pays back. */
static const char SERVICE_MOVES_SQL[] =
    "SELECT a.project_id COLLATE \"C\", coalesce(p.share, '') COLLATE \"C\", t.kind = 'refund',"
    "       o.kind = 'project' OR (o.kind = 'service' AND (t.kind = 'refund') = (t.micro < 0)),"
    "       sum(t.micro)::bigint"
    "  FROM (SELECT debit_account AS account_no, credit_account AS other_no, kind,"
    "               adjusted_micro - amount_micro AS micro"
    "          FROM ledger.transfer_total WHERE month = $1"
    "        UNION ALL"
    "        SELECT credit_account, debit_account, kind, amount_micro - adjusted_micro"
    "          FROM ledger.transfer_total WHERE month = $1) t"
    "  JOIN ledger.account a ON a.account_no = t.account_no"
    "  JOIN ledger.account o ON o.account_no = t.other_no"
    "  LEFT JOIN ledger.project p ON p.project_id = o.project_id"
    " WHERE a.kind = 'service' AND t.kind IN ('charge', 'refund')"
    " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

static int month_rows(struct store *store, const char *sql, struct month month, struct rows *rows,
                      struct error *err)
{
    struct query query;
    query_init(&query, sql);
    query_month(&query, month);
    return query_run(store, &query, rows, NULL, err);
}

int store_report_served(struct store *store, struct month month, report_served_fn *fn,
                        void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (month_rows(store, SERVED_SQL, month, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_served row = {.service = rows_text(&rows, i, 0),
                                    .source = rows_text(&rows, i, 1),
                                    .klass = rows_text(&rows, i, 2),
                                    .meter = rows_text(&rows, i, 3),
                                    .points = rows_points(&rows, i, 4),
                                    .list_points = rows_points(&rows, i, 5),
                                    .count = rows_text(&rows, i, 6)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

int store_report_service_moves(struct store *store, struct month month, report_service_move_fn *fn,
                               void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (month_rows(store, SERVICE_MOVES_SQL, month, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_service_move row = {.service = rows_text(&rows, i, 0),
                                          .share = rows_text(&rows, i, 1),
                                          .is_refund = rows_bool(&rows, i, 2),
                                          .is_served = rows_bool(&rows, i, 3),
                                          .points = rows_points(&rows, i, 4)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}
