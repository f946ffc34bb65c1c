/* store_report_late - see store_report_late.h. */
#include "ledgerd/store/store_report_late.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"

/* What came late, side by side: each charge and refund of a record by its transfer, and every other
 * transfer of a project by its grant. A service that served the usage stands on the other side. */
static const char LATE_SQL[] =
    "WITH late AS MATERIALIZED (SELECT * FROM ledger.transfer"
    "  WHERE month = $1 AND belongs_to IS NOT NULL),"
    " item AS (SELECT l.transfer_id, l.belongs_to AS month, c.record_no, c.project_id, c.source_no,"
    "           -c.points_micro AS micro FROM late l JOIN ledger.charge c"
    "             ON c.transfer_id = l.transfer_id AND c.month = l.belongs_to AND c.month = ANY "
    "($3)"
    "         UNION ALL"
    "         SELECT l.transfer_id, l.belongs_to, r.record_no, r.project_id, r.source_no,"
    "           r.points_micro FROM late l JOIN ledger.refund r"
    "             ON r.transfer_id = l.transfer_id AND r.month = l.belongs_to),"
    " named AS (SELECT record_no, min(id COLLATE \"C\") AS id FROM ledger.usage_record"
    "           WHERE record_no IN (SELECT record_no FROM item)"
    "             AND record_no BETWEEN (SELECT min(record_no) FROM item)"
    "                               AND (SELECT max(record_no) FROM item) GROUP BY 1),"
    " sided AS (SELECT month, project_id, source_no, record_no, micro FROM item"
    "         UNION ALL"
    "         SELECT i.month, a.project_id, i.source_no, i.record_no, -i.micro FROM item i"
    "           JOIN late l USING (transfer_id) JOIN ledger.account a"
    "             ON a.account_no IN (l.debit_account, l.credit_account)"
    "          WHERE a.kind = 'service' AND a.project_id <> i.project_id)"
    " SELECT month, project_id, source, id, micro FROM ("
    "   SELECT s.month, s.project_id, o.name AS source, n.id, sum(s.micro)::bigint AS micro"
    "     FROM sided s JOIN named n USING (record_no) JOIN ledger.source o USING (source_no)"
    "    GROUP BY 1, 2, 3, 4"
    "   UNION ALL"
    "   SELECT l.belongs_to, a.project_id, l.kind, coalesce(l.grant_id, l.transfer_id)::text,"
    "          sum(CASE a.account_no WHEN l.debit_account THEN -l.amount_micro"
    "                                ELSE l.amount_micro END)::bigint"
    "     FROM late l JOIN ledger.account a ON a.account_no IN (l.debit_account, l.credit_account)"
    "    WHERE a.project_id IS NOT NULL AND l.source_no = 0 GROUP BY 1, 2, 3, 4) x"
    " WHERE micro <> 0 AND ($2::text IS NULL OR project_id = $2)"
    " ORDER BY month, project_id COLLATE \"C\", source COLLATE \"C\", id COLLATE \"C\"";

/* The closed months to which something belongs that counts in this one. */
static int read_months(struct store *store, struct month month, struct month **months,
                       size_t *count, struct error *err)
{
    struct query query;
    struct rows rows;
    query_init(&query, "SELECT DISTINCT belongs_to FROM ledger.transfer"
                       " WHERE month = $1 AND belongs_to IS NOT NULL");
    query_month(&query, month);
    if (query_run(store, &query, &rows, NULL, err) < 0) {
        return -1;
    }
    *count = rows_count(&rows);
    *months = calloc(*count + 1, sizeof **months);
    for (size_t i = 0; *months != NULL && i < *count; i++) {
        (*months)[i] = rows_month(&rows, i, 0);
    }
    rows_release(&rows);
    return *months != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory for the report");
}

static int read_late(struct store *store, struct month month, const char *project,
                     const struct month *months, size_t count, struct rows *rows, struct error *err)
{
    struct query query;
    query_init(&query, LATE_SQL);
    query_month(&query, month);
    query_text(&query, project);
    query_month_array(&query, months, count);
    return query_run(store, &query, rows, NULL, err);
}

int store_report_late(struct store *store, struct month month, const char *project,
                      report_late_fn *fn, void *context, struct error *err)
{
    struct month *months;
    struct rows rows;
    size_t count;
    int result = 0;
    if (read_months(store, month, &months, &count, err) < 0) {
        return -1;
    }
    if (count > 0) {
        result = read_late(store, month, project, months, count, &rows, err);
    }
    free(months);
    if (count == 0 || result < 0) {
        return result;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_late row = {.month = rows_month(&rows, i, 0),
                                  .project = rows_text(&rows, i, 1),
                                  .source = rows_text(&rows, i, 2),
                                  .id = rows_text(&rows, i, 3),
                                  .points = rows_points(&rows, i, 4)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}
