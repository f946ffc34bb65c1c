/* grant_pool - see grant_pool.h. */
#include "ledgerd/flow/grant_pool.h"

#include "ledgerd/core/exact.h"
#include "ledgerd/store/store_grant.h"

static int set_limit(const struct policy *policy, struct pool *pool, struct error *err)
{
    static const struct rounding down = {.places = 6, .mode = ROUNDING_TRUNCATE};
    const struct policy_share *share = policy_share(policy, pool->share);
    struct exact limit;
    enum points_result result;

    exact_init(&limit);
    exact_set_points(&limit, pool->supply);
    exact_multiply_decimal(&limit, share != NULL ? share->overgrant : DECIMAL_ONE);
    result = exact_round(&limit, down, &pool->limit);
    exact_release(&limit);
    if (result != POINTS_OK || points_subtract(pool->limit, pool->net, &pool->left) != POINTS_OK ||
        points_subtract(pool->left, pool->lapsed, &pool->left) != POINTS_OK) {
        return error_set_reason(err, ERROR_REFUSED, "overflow", "the sums of pool %s/%d do not fit",
                                pool->share, pool->fiscal_year);
    }
    return 0;
}

int pool_read(struct store *store, const struct policy *policy, const char *share, int fiscal_year,
              struct pool *pool, struct error *err)
{
    struct pool_sums sums;

    if (store_read_pool(store, share, fiscal_year, &sums, err) != 0) {
        return -1;
    }
    *pool = (struct pool){.share = share,
                          .fiscal_year = fiscal_year,
                          .supply = sums.supply,
                          .net = sums.net,
                          .lapsed = sums.lapsed};
    return set_limit(policy, pool, err);
}

int pool_with(const struct policy *policy, const struct pool *pool, struct points lent,
              struct pool *then, struct error *err)
{
    *then = *pool;
    if (points_add(pool->supply, lent, &then->supply) != POINTS_OK) {
        return error_set_reason(err, ERROR_REFUSED, "overflow", "the sums of pool %s/%d do not fit",
                                pool->share, pool->fiscal_year);
    }
    return set_limit(policy, then, err);
}
