/* grant_change - take grants back, make them last longer, list them. See grant.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/grant_draw.h"
#include "ledgerd/flow/grant_info.h"
#include "ledgerd/flow/grant_pool.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_policy.h"
#include "ledgerd/store/store_post.h"

enum { DETAIL_BYTES = 256 };

/* What both verbs begin and end with. */
struct changing {
    const struct manual_act *act;
    int64_t id;
    const void *request;
    struct grant_result *result;
    int (*change)(struct store *store, struct changing *changing, struct error *err);
    const struct catalog *catalog; /* of the transaction */
    struct grant_info grant;       /* as it stands before */
};

static int refuse_over(const struct grant_info *grant, const char *why, struct error *err)
{
    return error_set_reason(err, ERROR_REFUSED, "grant_over", "grant %" PRId64 " of %s %s",
                            grant->id, grant->project, why);
}

static int finish(struct store *store, struct changing *changing, struct error *err)
{
    const struct policy *policy = policy_for_acts(changing->catalog, changing->act->now, err);
    struct grant_result *result = changing->result;
    struct pool pool;

    if (policy == NULL ||
        expire_project(store, changing->catalog, changing->grant.project, changing->act->now,
                       err) != 0 ||
        grant_info_read(store, changing->id, changing->act->now, &result->grant, err) != 0 ||
        pool_read(store, policy, result->grant.share, result->grant.fiscal_year, &pool, err) != 0) {
        return -1;
    }
    result->repeated = false;
    result->pool_left = pool.left;
    return 0;
}

static int run_change(struct store *store, void *context, struct error *err)
{
    struct changing *changing = context;
    struct catalog *catalog;
    int result = -1;

    if (grant_info_read(store, changing->id, changing->act->now, &changing->grant, err) != 0) {
        return -1;
    }
    catalog = catalog_load(store, err);
    if (catalog == NULL) {
        return -1;
    }
    changing->catalog = catalog;
    if (changing->change(store, changing, err) == 0 && finish(store, changing, err) == 0) {
        result = 0;
    }
    catalog_destroy(catalog);
    return result;
}

/* How much is to be taken back; no more than remains. */
static int settle_points(const struct grant_revoke_request *request, const struct grant_info *grant,
                         struct points *points, struct error *err)
{
    char remaining[POINTS_TEXT_BYTES], wanted[POINTS_TEXT_BYTES];

    if (grant->state == GRANT_EXPIRED) {
        return refuse_over(grant, "has expired", err);
    }
    if (grant->remaining.micro <= 0) {
        return refuse_over(grant, "has nothing left to take back", err);
    }
    *points = request->has_points ? request->points : grant->remaining;
    if (points_compare(*points, grant->remaining) > 0) {
        return error_set_reason(err, ERROR_REFUSED, "over_remaining",
                                "grant %" PRId64 " of %s has %s left, cannot revoke %s", grant->id,
                                grant->project, points_format(grant->remaining, remaining),
                                points_format(*points, wanted));
    }
    return 0;
}

static int revoke(struct store *store, struct changing *changing, struct error *err)
{
    const struct grant_info *grant = &changing->grant;
    const struct catalog_project *project = catalog_project(changing->catalog, grant->project);
    struct post_line line = {.kind = TRANSFER_REVOKE, .grant_id = grant->id};
    struct post_entry entry = {
        .kind = "revoke", .booked_at = changing->act->now, .line_count = 1, .lines = &line};
    char detail[DETAIL_BYTES], text[POINTS_TEXT_BYTES];
    int64_t entry_id;

    if (settle_points(changing->request, grant, &line.amount, err) != 0 ||
        store_pool_account(store, grant->share, grant->fiscal_year, &line.credit_account, err) !=
            0) {
        return -1;
    }
    line.debit_account = project->account;
    line.month = calendar_month_of(&changing->catalog->calendar, changing->act->now);
    snprintf(detail, sizeof detail, "grant %" PRId64 ", %s points", grant->id,
             points_format(line.amount, text));
    if (manual_record(store, changing->act, "grant revoke", grant->project, detail, &entry.audit_n,
                      err) != 0 ||
        store_post_entry(store, &entry, &entry_id, err) != 0) {
        return -1;
    }
    return store_add_revocation(store, grant->id, line.amount,
                                points_compare(line.amount, grant->remaining) == 0, entry_id,
                                changing->act->now, err);
}

int grant_revoke(struct store *store, const struct grant_revoke_request *request,
                 struct grant_result *result, struct error *err)
{
    struct changing changing = {.act = &request->act,
                                .id = request->id,
                                .request = request,
                                .result = result,
                                .change = revoke};

    if (manual_check(&request->act, err) != 0) {
        return -1;
    }
    if (request->has_points && request->points.micro <= 0) {
        return error_set(err, ERROR_ARGUMENT, "more than 0 points are taken back");
    }
    return store_transact(store, STORE_BOOKING, run_change, &changing, err);
}

static int check_extension(const struct changing *changing, struct instant to, struct error *err)
{
    const struct grant_info *grant = &changing->grant;
    const struct calendar *calendar = &changing->catalog->calendar;
    struct period year = calendar_fiscal_year(calendar, grant->fiscal_year);
    char text[INSTANT_TEXT_BYTES], limit[INSTANT_TEXT_BYTES];

    if (grant->state == GRANT_EXPIRED || grant->state == GRANT_REVOKED) {
        return refuse_over(grant, grant->state == GRANT_EXPIRED ? "has expired" : "was revoked",
                           err);
    }
    zone_format(calendar->zone, to, text);
    if (instant_compare(to, grant->to) <= 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "grant %" PRId64 " is valid until %s: %s does not extend it", grant->id,
                         zone_format(calendar->zone, grant->to, limit), text);
    }
    if (instant_compare(to, year.to) > 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "a grant may not span two fiscal years: %s lies beyond %s, the end of "
                         "fiscal year %d",
                         text, zone_format(calendar->zone, year.to, limit), grant->fiscal_year);
    }
    return 0;
}

static int extend(struct store *store, struct changing *changing, struct error *err)
{
    const struct grant_extend_request *request = changing->request;
    const struct grant_info *grant = &changing->grant;
    const struct catalog_project *project = catalog_project(changing->catalog, grant->project);
    const struct zone *zone = &changing->catalog->zone;
    char detail[DETAIL_BYTES], to[INSTANT_TEXT_BYTES], before[INSTANT_TEXT_BYTES];

    if (check_extension(changing, request->to, err) != 0) {
        return -1;
    }
    snprintf(detail, sizeof detail, "grant %" PRId64 " to %s, until now %s", grant->id,
             zone_format(zone, request->to, to), zone_format(zone, grant->to, before));
    if (manual_record(store, changing->act, "grant extend", grant->project, detail, NULL, err) !=
            0 ||
        store_add_extension(store, grant->id, request->to, changing->act->now, err) != 0) {
        return -1;
    }
    return grant_draw_cut(store, project, request->to, INSTANT_NONE, err);
}

int grant_extend(struct store *store, const struct grant_extend_request *request,
                 struct grant_result *result, struct error *err)
{
    struct changing changing = {.act = &request->act,
                                .id = request->id,
                                .request = request,
                                .result = result,
                                .change = extend};

    if (manual_check(&request->act, err) != 0) {
        return -1;
    }
    return store_transact(store, STORE_BOOKING, run_change, &changing, err);
}
