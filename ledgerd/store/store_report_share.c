/* Questions of the reports about shares, and the walk over their answers. */
#include "ledgerd/store/store_report_share.h"

#include "ledgerd/store/query.h"

/* What came so late that the fiscal year was over counts in the last month of its own. */
static const char SHARE_MOVES_SQL[] =
    "WITH moved AS (SELECT debit_account, credit_account, month, kind, amount_micro"
    "                 FROM ledger.transfer_total WHERE month BETWEEN $1 AND $2"
    "               UNION ALL"
    "               SELECT debit_account, credit_account, month, kind, -amount_micro"
    "                 FROM ledger.transfer WHERE month BETWEEN $1 AND $2 AND belongs_to < $1"
    "               UNION ALL"
    "               SELECT debit_account, credit_account, $2, kind, amount_micro"
    "                 FROM ledger.transfer WHERE month >= $1 + interval '1 year'"
    "                  AND belongs_to >= $1 AND belongs_to < $1 + interval '1 year'"
    "                  AND $2 = $1 + interval '11 months')"
    " SELECT t.month, coalesce(a.share, p.share), a.kind = 'pool', t.kind, sum(t.micro)::bigint"
    "  FROM (SELECT debit_account AS account_no, month, kind, -amount_micro AS micro FROM moved"
    "        UNION ALL"
    "        SELECT credit_account, month, kind, amount_micro FROM moved) t"
    "  JOIN ledger.account a USING (account_no)"
    "  LEFT JOIN ledger.project p ON p.project_id = a.project_id"
    " WHERE a.kind IN ('pool', 'project')"
    " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

/* GPU time and list points come from two roll-ups whose rows need not meet: one has the physical
 * month, the other the month by the month rule. */
static const char SHARE_USAGE_SQL[] =
    "SELECT u.month, coalesce(p.share, ''),"
    "       CASE WHEN p.kind = 'service' THEN p.project_id ELSE '' END,"
    "       s.name, u.class, sum(u.list_micro)::bigint, sum(u.gpu_seconds)::text"
    "  FROM (SELECT month, project_id, source_no, class, list_micro, 0 AS gpu_seconds"
    "          FROM ledger.usage_total WHERE month BETWEEN $1 AND $2"
    "        UNION ALL"
    "        SELECT month, project_id, source_no, class, 0, amount"
    "          FROM ledger.meter_total"
    "         WHERE month BETWEEN $1 AND $2 AND meter = 'gpu' AND is_held) u"
    "  JOIN ledger.project p USING (project_id)"
    "  JOIN ledger.source s USING (source_no)"
    " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5";

static const char SUPPLY_SQL[] =
    "SELECT s.supply_id, s.resource, s.valid_from, s.valid_to, s.count::text, s.hours::text,"
    "       s.minted_micro, h.share, h.fraction::text,"
    "       h.points_micro + coalesce((SELECT sum(b.points_micro) FROM ledger.supply_adjustment j"
    "         JOIN ledger.supply_adjustment_share b USING (adjustment_no)"
    "         WHERE j.supply_id = s.supply_id AND b.share = h.share), 0)::bigint,"
    "       coalesce((SELECT sum(j.points_micro) FROM ledger.supply_adjustment j"
    "         WHERE j.supply_id = s.supply_id), 0)::bigint"
    "  FROM ledger.supply s JOIN ledger.supply_share h USING (supply_id)"
    " WHERE s.fiscal_year = $1"
    " ORDER BY s.valid_from, s.supply_id COLLATE \"C\", h.share COLLATE \"C\"";

static int months_rows(struct store *store, const char *sql, struct month first, struct month last,
                       struct rows *rows, struct error *err)
{
    struct query query;
    query_init(&query, sql);
    query_month(&query, first);
    query_month(&query, last);
    return query_run(store, &query, rows, NULL, err);
}

int store_report_share_moves(struct store *store, struct month first, struct month last,
                             report_share_move_fn *fn, void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (months_rows(store, SHARE_MOVES_SQL, first, last, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_share_move row = {.month = rows_month(&rows, i, 0),
                                        .share = rows_text(&rows, i, 1),
                                        .is_pool = rows_bool(&rows, i, 2),
                                        .kind = rows_text(&rows, i, 3),
                                        .points = rows_points(&rows, i, 4)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

int store_report_share_usage(struct store *store, struct month first, struct month last,
                             report_share_usage_fn *fn, void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (months_rows(store, SHARE_USAGE_SQL, first, last, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_share_usage row = {.month = rows_month(&rows, i, 0),
                                         .share = rows_text(&rows, i, 1),
                                         .service = rows_text(&rows, i, 2),
                                         .source = rows_text(&rows, i, 3),
                                         .klass = rows_text(&rows, i, 4),
                                         .list_points = rows_points(&rows, i, 5),
                                         .gpu_seconds = rows_text(&rows, i, 6)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

int store_report_supply(struct store *store, int fiscal_year, report_supply_fn *fn, void *context,
                        struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;
    query_init(&query, SUPPLY_SQL);
    query_i32(&query, fiscal_year);
    if (query_run(store, &query, &rows, NULL, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_supply row = {.id = rows_text(&rows, i, 0),
                                    .resource = rows_text(&rows, i, 1),
                                    .from = rows_instant(&rows, i, 2),
                                    .to = rows_instant(&rows, i, 3),
                                    .count = rows_text(&rows, i, 4),
                                    .hours = rows_text(&rows, i, 5),
                                    .minted = rows_points(&rows, i, 6),
                                    .share = rows_text(&rows, i, 7),
                                    .fraction = rows_text(&rows, i, 8),
                                    .points = rows_points(&rows, i, 9),
                                    .adjusted = rows_points(&rows, i, 10)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}
