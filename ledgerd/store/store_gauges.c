/* store_gauges - see store_gauges.h. */
#include "ledgerd/store/store_gauges.h"

#include "ledgerd/store/hold_lapse.h"
#include "ledgerd/store/query.h"

static const char GAUGES_SQL[] =
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM ledger.hold h WHERE state = 'open' "
    "        AND " HOLD_COUNTS " ORDER BY expires_at LIMIT $2) o), "
    "       (SELECT coalesce(sum(points_micro - "
    "covered_micro), 0)::bigint FROM ledger.accrual)";

int store_read_gauges(struct store *store, struct instant now, struct store_gauges *gauges,
                      struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, GAUGES_SQL);
    query_instant(&query, now);
    query_i64(&query, STORE_GAUGES_OPEN_MAX);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    gauges->open_holds = rows_i64(&rows, 0, 0);
    gauges->uncovered = rows_points(&rows, 0, 1);
    rows_release(&rows);
    return store_pull_list(store, gauges->pulls, &gauges->pull_count, err);
}
