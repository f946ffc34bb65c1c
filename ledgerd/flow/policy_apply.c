/* policy_apply - see policy_apply.h. */
#include "ledgerd/flow/policy_apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/agreed.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/policy_doc.h"
#include "ledgerd/store/store_post.h"

struct applying {
    const struct policy_apply_request *request;
    struct policy_apply_result *result;
    const struct policy *policy; /* as parsed */
    struct calendar calendar;    /* its own */
};

/* One supply entry on its way into the book. */
struct minting {
    const struct policy_supply *supply;
    const struct policy *split_by; /* in force at its start */
    struct points total;
    struct points parts[POLICY_SHARES_MAX];
};

void policy_apply_result_release(struct policy_apply_result *result)
{
    free(result->mints);
    result->mints = NULL;
    result->mint_count = 0;
}

/* spent/service is where services spend: a share of that name would share the account. */
static int check_share_names(const struct policy *policy, struct error *err)
{
    if (policy_share(policy, "service") != NULL) {
        return error_set(err, ERROR_INPUT, "policy '%s': a share cannot be called 'service'",
                         policy->name);
    }
    return 0;
}

static int check_calendar(const struct catalog *catalog, const struct policy *policy,
                          struct error *err)
{
    const struct policy *first;

    if (catalog->policies.count == 0) {
        return 0;
    }
    first = catalog->policies.policies[0];
    if (strcmp(first->timezone, policy->timezone) != 0) {
        return error_set_reason(err, ERROR_REFUSED, "calendar_fixed",
                                "policy '%s' says time zone %s, but the book is kept in %s, which "
                                "cannot change",
                                policy->name, policy->timezone, first->timezone);
    }
    if (first->fiscal_month != policy->fiscal_month || first->fiscal_day != policy->fiscal_day) {
        return error_set_reason(
            err, ERROR_REFUSED, "calendar_fixed",
            "policy '%s' says that the fiscal year starts on %02d-%02d, but the "
            "book's starts on %02d-%02d, which cannot change",
            policy->name, policy->fiscal_month, policy->fiscal_day, first->fiscal_month,
            first->fiscal_day);
    }
    return 0;
}

/* The policy in force at t once `policy` is there. */
static const struct policy *policy_then(const struct catalog *catalog, const struct policy *policy,
                                        struct instant t)
{
    const struct policy *known = policies_at(&catalog->policies, t);

    if (instant_compare(policy->effective_from, t) > 0 ||
        (known != NULL && instant_compare(known->effective_from, policy->effective_from) > 0)) {
        return known;
    }
    return policy;
}

static bool is_same_supply(const struct policy_supply *a, const struct policy_supply *b)
{
    return a->fiscal_year == b->fiscal_year && instant_compare(a->from, b->from) == 0 &&
           instant_compare(a->to, b->to) == 0 && strcmp(a->resource, b->resource) == 0 &&
           decimal_equal(a->count, b->count) && decimal_equal(a->hours, b->hours) &&
           decimal_equal(a->points_per_hour, b->points_per_hour);
}

/* What is to be minted of an entry; *is_new is false if it is in the book. */
static int plan_minting(struct store *store, const struct catalog *catalog,
                        const struct policy *policy, struct minting *minting, bool *is_new,
                        struct error *err)
{
    const struct policy_supply *supply = minting->supply;
    struct supply_row row;

    if (store_read_supply(store, supply->id, &row, err) != 0) {
        return -1;
    }
    *is_new = !row.found;
    if (row.found) {
        return is_same_supply(&row.supply, supply)
                   ? 0
                   : error_set_reason(
                         err, ERROR_REFUSED, "supply_differs",
                         "policy '%s': supply '%s' was minted with other figures: what "
                         "is minted stays, give what is new an id of its own",
                         policy->name, supply->id);
    }
    minting->split_by = policy_then(catalog, policy, supply->from);
    if (minting->split_by == NULL) {
        return error_set(err, ERROR_INPUT,
                         "policy '%s': supply '%s' begins before any policy is in force, so that "
                         "nothing says how it is split",
                         policy->name, supply->id);
    }
    return policy_supply_points(supply, &minting->total, err) != 0 ||
                   policy_split(minting->split_by, minting->total, minting->parts, err) != 0
               ? -1
               : 0;
}

static int post_minting(struct store *store, const struct minting *minting,
                        const struct calendar *calendar, const struct post_entry *entry,
                        int64_t entry_id, struct error *err)
{
    struct post_line lines[POLICY_SHARES_MAX];
    struct post_entry posted = *entry;
    int32_t source, pool;

    posted.lines = lines;
    posted.line_count = 0;
    if (store_supply_account(store, &source, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < minting->split_by->share_count; i++) {
        if (store_pool_account(store, minting->split_by->shares[i].name,
                               minting->supply->fiscal_year, &pool, err) != 0) {
            return -1;
        }
        if (minting->parts[i].micro == 0) {
            continue; /* a transfer moves something */
        }
        lines[posted.line_count++] = (struct post_line){
            .debit_account = source,
            .credit_account = pool,
            .month = calendar_month_of(calendar, minting->supply->from),
            .amount = minting->parts[i],
            .kind = TRANSFER_MINT,
        };
    }
    return store_post_lines(store, &posted, entry_id, err);
}

static void note_minting(struct policy_apply_result *result, const struct minting *minting)
{
    struct policy_mint *mint = &result->mints[result->mint_count++];

    snprintf(mint->supply_id, sizeof mint->supply_id, "%s", minting->supply->id);
    mint->fiscal_year = minting->supply->fiscal_year;
    mint->total = minting->total;
    mint->part_count = minting->split_by->share_count;
    for (size_t i = 0; i < mint->part_count; i++) {
        snprintf(mint->parts[i].share, sizeof mint->parts[i].share, "%s",
                 minting->split_by->shares[i].name);
        mint->parts[i].points = minting->parts[i];
    }
}

static int mint_supply(struct store *store, const struct applying *applying,
                       const struct catalog *catalog, int64_t policy_no,
                       const struct post_entry *entry, struct error *err)
{
    const struct policy *policy = applying->policy;
    int64_t entry_id;

    if (store_open_entry(store, entry, &entry_id, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < policy->supply_count; i++) {
        struct minting minting = {.supply = &policy->supply[i]};
        bool is_new;

        if (plan_minting(store, catalog, policy, &minting, &is_new, err) != 0) {
            return -1;
        }
        if (!is_new) {
            continue;
        }
        if (store_add_supply(store, policy_no, minting.supply, minting.total, minting.split_by,
                             minting.parts, err) != 0 ||
            post_minting(store, &minting, &applying->calendar, entry, entry_id, err) != 0) {
            return -1;
        }
        note_minting(applying->result, &minting);
    }
    return 0;
}

static int ensure_share_accounts(struct store *store, const struct policy *policy,
                                 struct error *err)
{
    char start[16];

    for (size_t i = 0; i < policy->share_count; i++) {
        if (store_share_sinks(store, policy->shares[i].name, err) != 0) {
            return -1;
        }
    }
    snprintf(start, sizeof start, "%02d-%02d", policy->fiscal_month, policy->fiscal_day);
    return store_fix_calendar(store, policy->timezone, start, err);
}

static int record_act(struct store *store, const struct applying *applying, int64_t *audit_n,
                      struct error *err)
{
    const struct policy_apply_request *request = applying->request;
    char detail[128], when[INSTANT_TEXT_BYTES];

    snprintf(detail, sizeof detail, "effective_from %s%s",
             zone_format(applying->calendar.zone, applying->policy->effective_from, when),
             request->retroactive ? " retroactive" : "");
    return manual_record(store, &request->act, "policy apply", applying->policy->name, detail,
                         audit_n, err);
}

static int apply_under_lock(struct store *store, const struct applying *applying,
                            const struct catalog *catalog, struct error *err)
{
    const struct policy_apply_request *request = applying->request;
    struct agreed_candidate candidate = {
        .kind = AGREED_POLICY,
        .name = applying->policy->name,
        .effective_from = applying->policy->effective_from,
        .json = request->json,
        .length = request->length,
        .retroactive = request->retroactive,
        .zone = applying->calendar.zone,
    };
    struct post_entry entry = {.kind = "policy", .booked_at = request->act.now};
    int64_t policy_no;

    applying->result->mint_count = 0; /* an attempt that was rolled back leaves nothing */
    if (check_calendar(catalog, applying->policy, err) != 0 ||
        agreed_check(store, &candidate, &applying->result->unchanged, err) != 0) {
        return -1;
    }
    if (applying->result->unchanged) {
        return 0;
    }
    if (agreed_add(store, &candidate, request->act.now, &policy_no, err) != 0 ||
        ensure_share_accounts(store, applying->policy, err) != 0 ||
        record_act(store, applying, &entry.audit_n, err) != 0) {
        return -1;
    }
    return mint_supply(store, applying, catalog, policy_no, &entry, err);
}

static int apply(struct store *store, void *context, struct error *err)
{
    struct catalog *catalog = catalog_load(store, err);
    int result;

    if (catalog == NULL) {
        return -1;
    }
    result = apply_under_lock(store, context, catalog, err);
    catalog_destroy(catalog);
    return result;
}

/* What the document's own rules leave open. */
static int check_document(struct applying *applying, struct zone *zone, struct error *err)
{
    const struct policy *policy = applying->policy;

    if (check_share_names(policy, err) != 0) {
        return -1;
    }
    if (zone_load(policy->timezone, zone, err) != 0) {
        return error_prefix(err, "policy '%s'", policy->name);
    }
    applying->calendar = (struct calendar){zone, policy->fiscal_month, policy->fiscal_day};
    return 0;
}

int policy_apply(struct store *store, const struct policy_apply_request *request,
                 struct policy_apply_result *result, struct error *err)
{
    struct applying applying = {.request = request, .result = result};
    struct zone *zone = NULL;
    struct policy *policy = NULL;
    int status = -1;

    memset(result, 0, sizeof *result);
    if (manual_check(&request->act, err) != 0 ||
        policy_doc_parse(request->json, request->length, &policy, err) != 0) {
        return -1;
    }
    applying.policy = policy;
    snprintf(result->name, sizeof result->name, "%s", policy->name);
    result->effective_from = policy->effective_from;
    zone = malloc(sizeof *zone);
    result->mints = calloc(policy->supply_count + 1, sizeof *result->mints);
    if (zone == NULL || result->mints == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    if (check_document(&applying, zone, err) == 0 &&
        store_transact(store, STORE_BOOKING, apply, &applying, err) == 0) {
        status = 0;
    }
done:
    if (status != 0) {
        policy_apply_result_release(result);
    }
    free(zone);
    policy_destroy(policy);
    return status;
}

int policy_show(struct store *store, struct instant at, struct agreed_document *document,
                struct error *err)
{
    return agreed_show(store, AGREED_POLICY, at, document, err);
}
