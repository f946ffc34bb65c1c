/* The tokens of a source in a time, from its records. */
#include "ledgerd/store/store_reconcile_tokens.h"

#include "ledgerd/store/query.h"

/* Records of tokens are never amended, so each has one version. Parts of a token count for none. */
static const char BOOKED_SQL[] =
    "SELECT u.class, split_part(m.pair, '=', 1),"
    "       trunc(sum(split_part(m.pair, '=', 2)::numeric))::bigint"
    "  FROM ledger.usage_record u JOIN ledger.source s USING (source_no)"
    " CROSS JOIN LATERAL regexp_split_to_table(u.meters, ' ') AS m(pair)"
    " WHERE s.name = $1 AND u.month BETWEEN $2 AND $3 AND u.end_at >= $4 AND u.end_at < $5"
    "   AND m.pair <> ''"
    " GROUP BY 1, 2 ORDER BY 1, 2";

int store_booked_tokens(struct store *store, const struct booked_span *span, booked_tokens_fn *fn,
                        void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;
    query_init(&query, BOOKED_SQL);
    query_text(&query, span->source);
    query_month(&query, span->first);
    query_month(&query, span->last);
    query_instant(&query, span->from);
    query_instant(&query, span->to);
    if (query_run(store, &query, &rows, NULL, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        result = fn(context, rows_text(&rows, i, 0), rows_text(&rows, i, 1), rows_i64(&rows, i, 2),
                    err);
    }
    rows_release(&rows);
    return result;
}
