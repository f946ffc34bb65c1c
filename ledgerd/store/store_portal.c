/* store_portal - the portal's queries; see store_portal.h. */
#include "ledgerd/store/store_portal.h"

#include "ledgerd/store/query.h"

static const char TRANSFERS_SQL[] =
    "SELECT t.transfer_id, t.entry_id, t.month, t.kind, d.name, c.name, t.amount_micro,"
    "       coalesce(s.name, ''), t.charges, coalesce(t.grant_id, 0), t.booked_at,"
    "       coalesce(t.belongs_to, t.month)"
    "  FROM ledger.transfer t"
    "  JOIN ledger.account d ON d.account_no = t.debit_account"
    "  JOIN ledger.account c ON c.account_no = t.credit_account"
    "  LEFT JOIN ledger.source s ON s.source_no = t.source_no"
    " WHERE t.month BETWEEN $1 AND $2 AND (t.debit_account = $3 OR t.credit_account = $3)"
    "   AND t.transfer_id > $4"
    " ORDER BY t.transfer_id LIMIT $5";

int store_read_transfers(struct store *store, const struct portal_transfer_query *wanted,
                         portal_transfer_fn *fn, void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, TRANSFERS_SQL);
    query_month(&query, wanted->first);
    query_month(&query, wanted->last);
    query_i32(&query, wanted->account);
    query_i64(&query, wanted->after);
    query_i32(&query, wanted->limit);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows) && result == 0; i++) {
        const struct portal_transfer row = {
            .transfer_id = rows_i64(&rows, i, 0),
            .entry_id = rows_i64(&rows, i, 1),
            .month = rows_month(&rows, i, 2),
            .kind = rows_text(&rows, i, 3),
            .debit_account = rows_text(&rows, i, 4),
            .credit_account = rows_text(&rows, i, 5),
            .points = rows_points(&rows, i, 6),
            .source = rows_text(&rows, i, 7),
            .charges = rows_i64(&rows, i, 8),
            .grant_id = rows_i64(&rows, i, 9),
            .booked_at = rows_instant(&rows, i, 10),
            .belongs_to = rows_month(&rows, i, 11),
        };
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}
