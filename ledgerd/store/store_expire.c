/* store_expire - see store_expire.h. */
#include "ledgerd/store/store_expire.h"

#include <stdio.h>
#include <stdlib.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_policy.h"

/* Extensions only ever lengthen, so a grant whose first end is still to come cannot have ended. */
#define DUE_GRANTS                                                                      \
    "FROM ledger.project_grant g WHERE g.valid_to <= $1 "                               \
    "AND NOT EXISTS (SELECT FROM ledger.grant_expiry x WHERE x.grant_id = g.grant_id) " \
    "AND NOT EXISTS (SELECT FROM ledger.grant_change c WHERE c.grant_id = g.grant_id "  \
    "AND c.kind = 'extend' AND c.valid_to > $1)"

/* Every pool with its balance and with what it has lapsed, from the totals. */
#define POOLS                                                                                   \
    "SELECT a.share, a.fiscal_year, a.account_no, coalesce(sum(x.amount), 0)::bigint AS left, " \
    "coalesce(-sum(x.amount) FILTER (WHERE x.kind = 'expire' AND o.kind = 'expired'), 0)"       \
    "::bigint AS lapsed FROM ledger.account a JOIN LATERAL ("                                   \
    "SELECT t.kind, t.amount_micro AS amount, t.debit_account AS other "                        \
    "FROM ledger.transfer_total t WHERE t.credit_account = a.account_no UNION ALL "             \
    "SELECT t.kind, -t.amount_micro, t.credit_account FROM ledger.transfer_total t "            \
    "WHERE t.debit_account = a.account_no) x ON true JOIN ledger.account o ON o.account_no = "  \
    "x.other WHERE a.kind = 'pool' GROUP BY 1, 2, 3"

int store_expiry_is_due(struct store *store, struct instant now, bool *is_due, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT EXISTS (SELECT " DUE_GRANTS ") OR EXISTS ("
                       "SELECT FROM ledger.book b JOIN ledger.account a ON a.kind = 'pool' "
                       "AND ((a.fiscal_year + 1)::text || '-' || b.fiscal_year_start)::timestamp "
                       "AT TIME ZONE b.timezone <= $1 JOIN (" POOLS ") p USING (account_no) "
                       "WHERE p.left > 0 OR (p.left < 0 AND p.lapsed > 0))");
    query_instant(&query, now);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *is_due = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

void due_projects_release(struct due_projects *due)
{
    for (size_t i = 0; due->ids != NULL && i < due->count; i++) {
        free(due->ids[i]);
    }
    free(due->ids);
    *due = (struct due_projects){0};
}

int store_read_due_projects(struct store *store, struct instant now, struct due_projects *due,
                            struct error *err)
{
    struct query query;
    struct rows rows;
    bool failed;

    query_init(&query, "SELECT DISTINCT g.project_id " DUE_GRANTS " ORDER BY 1");
    query_instant(&query, now);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *due = (struct due_projects){.ids = calloc(rows_count(&rows) + 1, sizeof *due->ids)};
    failed = due->ids == NULL;
    for (size_t i = 0; !failed && i < rows_count(&rows); i++) {
        due->ids[i] = rows_copy(&rows, i, 0);
        failed = due->ids[i] == NULL;
        due->count += !failed;
    }
    rows_release(&rows);
    if (failed) {
        due_projects_release(due);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

void expiries_release(struct expiries *expiries)
{
    free(expiries->rows);
    *expiries = (struct expiries){0};
}

int store_read_expiries(struct store *store, const char *project, struct expiries *expiries,
                        struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT x.grant_id, x.sink_micro, x.pool_micro FROM ledger.grant_expiry x "
                       "JOIN ledger.project_grant g USING (grant_id) WHERE g.project_id = $1 "
                       "ORDER BY x.grant_id");
    query_text(&query, project);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *expiries = (struct expiries){.rows = calloc(rows_count(&rows) + 1, sizeof *expiries->rows)};
    for (size_t i = 0; expiries->rows != NULL && i < rows_count(&rows); i++) {
        expiries->rows[expiries->count++] = (struct expiry){
            .grant_id = rows_i64(&rows, i, 0),
            .sink = rows_points(&rows, i, 1),
            .pool = rows_points(&rows, i, 2),
        };
    }
    rows_release(&rows);
    return expiries->rows != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_put_expiry(struct store *store, const struct expiry *expiry, struct instant now,
                     struct error *err)
{
    struct query query;

    query_init(&query, "INSERT INTO ledger.grant_expiry (grant_id, sink_micro, pool_micro, "
                       "settled_at) VALUES ($1, $2, $3, $4) ON CONFLICT (grant_id) DO UPDATE SET "
                       "sink_micro = excluded.sink_micro, pool_micro = excluded.pool_micro, "
                       "settled_at = excluded.settled_at");
    query_i64(&query, expiry->grant_id);
    query_points(&query, expiry->sink);
    query_points(&query, expiry->pool);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

void ended_pools_release(struct ended_pools *pools)
{
    for (size_t i = 0; pools->rows != NULL && i < pools->count; i++) {
        free(pools->rows[i].share);
    }
    free(pools->rows);
    *pools = (struct ended_pools){0};
}

int store_read_ended_pools(struct store *store, int fiscal_year, struct ended_pools *pools,
                           struct error *err)
{
    struct query query;
    struct rows rows;
    bool failed;

    query_init(&query, "SELECT share, fiscal_year, account_no, p.left, lapsed FROM (" POOLS ") p "
                       "WHERE fiscal_year < $1 ORDER BY 2, 1");
    query_i32(&query, fiscal_year);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *pools = (struct ended_pools){.rows = calloc(rows_count(&rows) + 1, sizeof *pools->rows)};
    failed = pools->rows == NULL;
    for (size_t i = 0; !failed && i < rows_count(&rows); i++) {
        pools->rows[i] = (struct ended_pool){
            .share = rows_copy(&rows, i, 0),
            .fiscal_year = (int)rows_i64(&rows, i, 1),
            .account = (int32_t)rows_i64(&rows, i, 2),
            .left = rows_points(&rows, i, 3),
            .lapsed = rows_points(&rows, i, 4),
        };
        failed = pools->rows[i].share == NULL;
        pools->count += !failed;
    }
    rows_release(&rows);
    if (failed) {
        ended_pools_release(pools);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

int store_expired_account(struct store *store, const char *share, int32_t *account,
                          struct error *err)
{
    char name[128];

    snprintf(name, sizeof name, "expired/%s", share);
    return store_ensure_account(store, name, "expired", share, 0, account, err);
}
