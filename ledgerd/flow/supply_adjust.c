/* supply_adjust - see supply_adjust.h. */
#include "ledgerd/flow/supply_adjust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/grant_pool.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_correct.h"
#include "ledgerd/store/store_policy.h"
#include "ledgerd/store/store_post.h"

struct adjusting {
    const struct supply_adjust_request *request;
    struct supply_adjust_result *result;
    const struct catalog *catalog;
    struct policy *split; /* only its shares count */
    struct points parts[POLICY_SHARES_MAX];
};

static int check_pool(struct store *store, const struct policy *policy,
                      const struct adjusting *adjusting, size_t i, struct points *left,
                      struct error *err)
{
    const char *share = adjusting->split->shares[i].name;
    char text[2][POINTS_TEXT_BYTES];
    struct pool pool, then;

    if (pool_read(store, policy, share, adjusting->result->fiscal_year, &pool, err) != 0 ||
        pool_with(policy, &pool, adjusting->parts[i], &then, err) != 0) {
        return -1;
    }
    /* What has lapsed at the year's end comes back out of expired/<share>. */
    if (adjusting->parts[i].micro < 0 &&
        (then.left.micro < -then.lapsed.micro || then.supply.micro < 0)) {
        return error_set_reason(
            err, ERROR_REFUSED, "over_pool",
            "pool %s/%d has %s left to grant, cannot take %s out of its supply: "
            "revoke grants first",
            share, pool.fiscal_year, points_format(pool.left, text[0]),
            points_format((struct points){-adjusting->parts[i].micro}, text[1]));
    }
    *left = then.left;
    return 0;
}

static int settle(struct store *store, struct adjusting *adjusting, struct error *err)
{
    const struct supply_adjust_request *request = adjusting->request;
    struct supply_adjust_result *result = adjusting->result;
    const struct policy *policy = policy_for_acts(adjusting->catalog, request->act.now, err);

    if (policy == NULL || store_read_supply_split(store, request->supply, adjusting->split,
                                                  &result->fiscal_year, err) != 0) {
        return -1;
    }
    if (adjusting->split->share_count == 0) {
        return error_set_reason(err, ERROR_REFUSED, "unknown_supply",
                                "no policy has minted a supply entry '%s'", request->supply);
    }
    if (policy_split(adjusting->split, request->points, adjusting->parts, err) != 0) {
        return -1;
    }
    result->points = request->points;
    result->part_count = adjusting->split->share_count;
    for (size_t i = 0; i < result->part_count; i++) {
        struct supply_part *part = &result->parts[i];

        snprintf(part->share, sizeof part->share, "%s", adjusting->split->shares[i].name);
        part->points = adjusting->parts[i];
        if (check_pool(store, policy, adjusting, i, &part->pool_left, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static struct month month_of_act(const struct adjusting *adjusting)
{
    const struct calendar *calendar = &adjusting->catalog->calendar;
    struct month month = calendar_month_of(calendar, adjusting->request->act.now);
    struct month first = calendar_fiscal_year_first_month(calendar, adjusting->result->fiscal_year);

    if (month.number < first.number) {
        return first;
    }
    return month.number > first.number + 11 ? (struct month){first.number + 11} : month;
}

static int post_parts(struct store *store, const struct adjusting *adjusting,
                      const struct post_entry *opened, int64_t entry_id, struct error *err)
{
    struct post_line lines[POLICY_SHARES_MAX];
    struct post_entry entry = *opened;
    int32_t source, pool;

    if (store_supply_account(store, &source, err) != 0) {
        return -1;
    }
    entry.lines = lines;
    for (size_t i = 0; i < adjusting->split->share_count; i++) {
        int64_t micro = adjusting->parts[i].micro;

        if (micro == 0) {
            continue;
        }
        if (store_pool_account(store, adjusting->split->shares[i].name,
                               adjusting->result->fiscal_year, &pool, err) != 0) {
            return -1;
        }
        lines[entry.line_count++] = (struct post_line){
            .debit_account = micro > 0 ? source : pool,
            .credit_account = micro > 0 ? pool : source,
            .month = month_of_act(adjusting),
            .amount = {micro > 0 ? micro : -micro},
            .kind = TRANSFER_MINT,
        };
    }
    return store_post_lines(store, &entry, entry_id, err);
}

static int book(struct store *store, const struct adjusting *adjusting, struct error *err)
{
    const struct supply_adjust_request *request = adjusting->request;
    struct post_entry entry = {.kind = "adjust", .booked_at = request->act.now};
    char detail[128], points[POINTS_TEXT_BYTES];
    int64_t entry_id;

    snprintf(detail, sizeof detail, "%s points, fiscal year %d",
             points_format(request->points, points), adjusting->result->fiscal_year);
    if (manual_record(store, &request->act, "supply adjust", request->supply, detail,
                      &entry.audit_n, err) != 0 ||
        store_open_entry(store, &entry, &entry_id, err) != 0 ||
        store_add_adjustment(store, request->supply, request->points, adjusting->split,
                             adjusting->parts, entry_id, request->act.now, err) != 0 ||
        post_parts(store, adjusting, &entry, entry_id, err) != 0) {
        return -1;
    }
    return expire_pools(store, adjusting->catalog, request->act.now, err);
}

static int adjust(struct store *store, void *context, struct error *err)
{
    struct adjusting *adjusting = context;
    struct catalog *catalog = catalog_load(store, err);
    int result;

    if (catalog == NULL) {
        return -1;
    }
    adjusting->catalog = catalog;
    result = settle(store, adjusting, err) != 0 || book(store, adjusting, err) != 0 ? -1 : 0;
    catalog_destroy(catalog);
    return result;
}

int supply_adjust(struct store *store, const struct supply_adjust_request *request,
                  struct supply_adjust_result *result, struct error *err)
{
    struct adjusting adjusting = {.request = request, .result = result};
    int status;

    if (manual_check(&request->act, err) != 0) {
        return -1;
    }
    if (points_is_zero(request->points)) {
        return error_set(err, ERROR_ARGUMENT, "an adjustment is of more or less than 0 points");
    }
    if (request->act.note == NULL || *request->act.note == '\0') {
        return error_set(err, ERROR_ARGUMENT, "why is the supply adjusted? --note is missing");
    }
    adjusting.split = calloc(1, sizeof *adjusting.split);
    if (adjusting.split == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    status = store_transact(store, STORE_BOOKING, adjust, &adjusting, err);
    free(adjusting.split);
    return status;
}
