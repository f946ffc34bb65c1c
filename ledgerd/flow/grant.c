/* grant - see grant.h. Making a grant; what happens to it afterwards is in grant_change.c. */
#include "ledgerd/flow/grant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/grant_draw.h"
#include "ledgerd/flow/grant_info.h"
#include "ledgerd/flow/grant_pool.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_policy.h"
#include "ledgerd/store/store_post.h"

enum { REQUEST_BYTES = 1024 };

struct making {
    const struct grant_request *request;
    struct grant_result *result;
    char canonical[REQUEST_BYTES]; /* the arguments as they were given */

    /* Settled under the lock: */
    const struct catalog *catalog;
    const struct catalog_project *project;
    const struct policy *policy;
    struct instant from, to;
    int fiscal_year;
    struct pool pool;   /* of the project's share, after the loan */
    struct pool lender; /* of the lending share, before it */
};

/* Defaults are not filled in: the same command given later is still the same. */
static int write_canonical(const struct grant_request *request, char *out, struct error *err)
{
    char from[32] = "-", to[32] = "-", points[POINTS_TEXT_BYTES];
    int length;

    if (instant_is_set(request->from)) {
        snprintf(from, sizeof from, "%" PRId64, request->from.us);
    }
    if (instant_is_set(request->to)) {
        snprintf(to, sizeof to, "%" PRId64, request->to.us);
    }
    length = snprintf(out, REQUEST_BYTES, "project=%s points=%s from=%s to=%s lend_from=%s",
                      request->project, points_format(request->points, points), from, to,
                      request->lend_from != NULL ? request->lend_from : "-");
    return length < REQUEST_BYTES ? 0
                                  : error_set(err, ERROR_ARGUMENT, "the arguments are too long");
}

static int check_request(const struct grant_request *request, struct error *err)
{
    size_t key_length = request->key != NULL ? strlen(request->key) : 0;

    if (manual_check(&request->act, err) != 0) {
        return -1;
    }
    if (request->points.micro <= 0) {
        return error_set(err, ERROR_ARGUMENT, "a grant is of more than 0 points");
    }
    if (request->key != NULL &&
        (key_length == 0 || !usage_is_clean(request->key, key_length, GRANT_KEY_BYTES))) {
        return error_set(err, ERROR_ARGUMENT, "a key is plain text of 1 to %d bytes",
                         GRANT_KEY_BYTES);
    }
    return 0;
}

static int settle_validity(struct making *making, struct error *err)
{
    const struct grant_request *request = making->request;
    const struct calendar *calendar = &making->catalog->calendar;
    struct period year;
    char from[INSTANT_TEXT_BYTES], to[INSTANT_TEXT_BYTES], end[INSTANT_TEXT_BYTES];

    making->from = instant_is_set(request->from) ? request->from : request->act.now;
    making->fiscal_year = calendar_fiscal_year_of(calendar, making->from);
    year = calendar_fiscal_year(calendar, making->fiscal_year);
    making->to = instant_is_set(request->to) ? request->to : year.to;
    zone_format(calendar->zone, making->from, from);
    zone_format(calendar->zone, making->to, to);
    if (instant_compare(making->to, making->from) <= 0) {
        return error_set(err, ERROR_ARGUMENT, "a grant's end (%s) must lie after its start (%s)",
                         to, from);
    }
    if (instant_compare(making->to, year.to) > 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "a grant may not span two fiscal years: %s to %s goes beyond %s, the end "
                         "of fiscal year %d",
                         from, to, zone_format(calendar->zone, year.to, end), making->fiscal_year);
    }
    return 0;
}

static int settle_project(struct making *making, struct error *err)
{
    const char *id = making->request->project;

    making->project = catalog_project(making->catalog, id);
    if (making->project == NULL) {
        return project_unknown(id, err);
    }
    if (making->project->is_service) {
        return error_set_reason(err, ERROR_REFUSED, "is_service",
                                "'%s' is a service: it earns points and is granted none", id);
    }
    if (making->project->is_closed) {
        return error_set_reason(err, ERROR_REFUSED, "project_closed", "project '%s' is closed", id);
    }
    if (making->project->grant_count >= BALANCE_GRANTS_MAX) {
        return error_set_reason(err, ERROR_REFUSED, "too_many_grants",
                                "project '%s' has %d grants, more are not kept", id,
                                BALANCE_GRANTS_MAX);
    }
    return 0;
}

static int refuse_over_pool(const struct pool *pool, struct points wanted, const char *what,
                            struct error *err)
{
    char left[POINTS_TEXT_BYTES], limit[POINTS_TEXT_BYTES], points[POINTS_TEXT_BYTES];

    return error_set_reason(err, ERROR_REFUSED, "over_pool",
                            "pool %s/%d has %s left of %s, cannot %s %s", pool->share,
                            pool->fiscal_year, points_format(pool->left, left),
                            points_format(pool->limit, limit), what, points_format(wanted, points));
}

/* The lender must be able to spare the points, and its own grants must still fit what it keeps. */
static int settle_loan(struct store *store, struct making *making, struct error *err)
{
    const struct grant_request *request = making->request;
    struct points minus = {-request->points.micro};
    struct pool lender_then, borrower_then;

    if (strcmp(request->lend_from, making->project->share) == 0) {
        return error_set(err, ERROR_ARGUMENT, "share %s does not lend to itself",
                         request->lend_from);
    }
    if (policy_share(making->policy, request->lend_from) == NULL) {
        return error_set_reason(err, ERROR_REFUSED, "unknown_share", "policy %s has no share '%s'",
                                making->policy->name, request->lend_from);
    }
    if (pool_read(store, making->policy, request->lend_from, making->fiscal_year, &making->lender,
                  err) != 0 ||
        pool_with(making->policy, &making->lender, minus, &lender_then, err) != 0 ||
        pool_with(making->policy, &making->pool, request->points, &borrower_then, err) != 0) {
        return -1;
    }
    if (lender_then.left.micro < 0 || lender_then.supply.micro < 0) {
        return refuse_over_pool(&making->lender, request->points, "lend", err);
    }
    making->pool = borrower_then;
    return 0;
}

static int settle_pool(struct store *store, struct making *making, struct error *err)
{
    const struct grant_request *request = making->request;

    if (pool_read(store, making->policy, making->project->share, making->fiscal_year, &making->pool,
                  err) != 0) {
        return -1;
    }
    if (request->lend_from != NULL && settle_loan(store, making, err) != 0) {
        return -1;
    }
    if (points_compare(making->pool.left, request->points) < 0) {
        return refuse_over_pool(&making->pool, request->points, "grant", err);
    }
    return points_subtract(making->pool.left, request->points, &making->result->pool_left) ==
                   POINTS_OK
               ? 0
               : error_set(err, ERROR_INTERNAL, "the pool's sum does not fit");
}

/* The loan, if there is one, and the grant. Returns the number of lines, or -1. */
static int write_lines(struct store *store, const struct making *making, int64_t grant_id,
                       struct post_line *lines, struct error *err)
{
    const struct grant_request *request = making->request;
    struct month month = calendar_month_of(&making->catalog->calendar, making->from);
    int32_t pool, lender;
    int count = 0;

    if (store_pool_account(store, making->project->share, making->fiscal_year, &pool, err) != 0) {
        return -1;
    }
    if (request->lend_from != NULL) {
        if (store_pool_account(store, request->lend_from, making->fiscal_year, &lender, err) != 0) {
            return -1;
        }
        lines[count++] = (struct post_line){.debit_account = lender,
                                            .credit_account = pool,
                                            .month = month,
                                            .amount = request->points,
                                            .kind = TRANSFER_LEND,
                                            .grant_id = grant_id};
    }
    lines[count++] = (struct post_line){.debit_account = pool,
                                        .credit_account = making->project->account,
                                        .month = month,
                                        .amount = request->points,
                                        .kind = TRANSFER_GRANT,
                                        .grant_id = grant_id};
    return count;
}

/* For the audit list: what was given, with the defaults filled in. */
static int record_act(struct store *store, const struct making *making, int64_t *audit_n,
                      struct error *err)
{
    const struct grant_request *request = making->request;
    const struct zone *zone = making->catalog->calendar.zone;
    char points[POINTS_TEXT_BYTES], from[INSTANT_TEXT_BYTES], to[INSTANT_TEXT_BYTES];
    char detail[REQUEST_BYTES];

    snprintf(detail, sizeof detail, "%s points, %s to %s%s%s%s%s",
             points_format(request->points, points), zone_format(zone, making->from, from),
             zone_format(zone, making->to, to), request->lend_from != NULL ? ", lent by " : "",
             request->lend_from != NULL ? request->lend_from : "",
             request->key != NULL ? ", key " : "", request->key != NULL ? request->key : "");
    return manual_record(store, &request->act, "grant", making->project->id, detail, audit_n, err);
}

static int book_grant(struct store *store, const struct making *making, int64_t *id,
                      struct error *err)
{
    const struct grant_request *request = making->request;
    struct post_line lines[2];
    struct post_entry entry = {.kind = "grant", .booked_at = request->act.now, .lines = lines};
    struct grant_new grant = {
        .project = making->project->id,
        .share = making->project->share,
        .fiscal_year = making->fiscal_year,
        .points = request->points,
        .from = making->from,
        .to = making->to,
        .lend_from = request->lend_from,
        .key = request->key,
        .request = making->canonical,
        .granted_at = request->act.now,
    };
    int count;

    if (record_act(store, making, &entry.audit_n, err) != 0 ||
        store_open_entry(store, &entry, &grant.entry_id, err) != 0 ||
        store_add_grant(store, &grant, id, err) != 0) {
        return -1;
    }
    count = write_lines(store, making, *id, lines, err);
    if (count < 0) {
        return -1;
    }
    entry.line_count = (size_t)count;
    return store_post_lines(store, &entry, grant.entry_id, err) != 0 ||
                   grant_draw_cut(store, making->project, making->from, making->to, err) != 0
               ? -1
               : 0;
}

static int make_new(struct store *store, struct making *making, struct error *err)
{
    int64_t id;

    making->policy = policy_for_acts(making->catalog, making->request->act.now, err);
    if (making->policy == NULL || settle_project(making, err) != 0 ||
        settle_validity(making, err) != 0 || settle_pool(store, making, err) != 0 ||
        book_grant(store, making, &id, err) != 0 ||
        expire_project(store, making->catalog, making->project->id, making->request->act.now,
                       err) != 0) {
        return -1;
    }
    return grant_info_read(store, id, making->request->act.now, &making->result->grant, err);
}

/* The key is known: answer the first result, if the arguments are the same. */
static int answer_again(struct store *store, struct making *making, int64_t id,
                        const char *canonical, struct error *err)
{
    const struct grant_request *request = making->request;
    struct grant_result *result = making->result;
    struct pool pool;

    if (strcmp(canonical, making->canonical) != 0) {
        return error_set_reason(err, ERROR_REFUSED, "key_differs",
                                "key '%s' was used for another grant (%s)", request->key,
                                canonical);
    }
    making->policy = policy_for_acts(making->catalog, request->act.now, err);
    if (making->policy == NULL ||
        grant_info_read(store, id, request->act.now, &result->grant, err) != 0 ||
        pool_read(store, making->policy, result->grant.share, result->grant.fiscal_year, &pool,
                  err) != 0) {
        return -1;
    }
    result->repeated = true;
    result->pool_left = pool.left;
    return 0;
}

static int make_under_lock(struct store *store, struct making *making, struct error *err)
{
    int64_t id = 0;
    char *canonical = NULL;
    int result;

    making->result->repeated = false;
    if (making->request->key != NULL &&
        store_find_grant(store, making->request->key, &id, &canonical, err) != 0) {
        return -1;
    }
    result = id != 0 ? answer_again(store, making, id, canonical, err)
                     : make_new(store, making, err);
    free(canonical);
    return result;
}

static int make(struct store *store, void *context, struct error *err)
{
    struct making *making = context;
    struct catalog *catalog = catalog_load(store, err);
    int result;

    if (catalog == NULL) {
        return -1;
    }
    making->catalog = catalog;
    result = make_under_lock(store, making, err);
    catalog_destroy(catalog);
    return result;
}

int grant_make(struct store *store, const struct grant_request *request,
               struct grant_result *result, struct error *err)
{
    struct making making = {.request = request, .result = result};

    if (check_request(request, err) != 0 || write_canonical(request, making.canonical, err) != 0) {
        return -1;
    }
    return store_transact(store, STORE_BOOKING, make, &making, err);
}
