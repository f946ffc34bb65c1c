/* store_gauges - see store_gauges.h. */
#include "ledgerd/store/store_gauges.h"

#include "ledgerd/store/query.h"

static const char GAUGES_SQL[] =
    "SELECT count(*) FILTER (WHERE expires_at > $1), "
    "       coalesce(sum(held_micro) FILTER (WHERE expires_at > $1), 0)::bigint, "
    "       count(*) FILTER (WHERE expires_at <= $1), "
    "       (SELECT coalesce(sum(points_micro - covered_micro), 0)::bigint FROM ledger.accrual) "
    "  FROM ledger.hold WHERE state = 'open'";

int store_read_gauges(struct store *store, struct instant now, struct store_gauges *gauges,
                      struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, GAUGES_SQL);
    query_instant(&query, now);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *gauges = (struct store_gauges){
        .open_holds = rows_i64(&rows, 0, 0),
        .held = rows_points(&rows, 0, 1),
        .lapsed_holds = rows_i64(&rows, 0, 2),
        .uncovered = rows_points(&rows, 0, 3),
    };
    rows_release(&rows);
    return 0;
}
