/* policy - see policy.h. */
#include "ledgerd/core/policy.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/exact.h"
#include "ledgerd/core/usage.h"

static const struct rounding to_micro = {.places = 6, .mode = ROUNDING_TRUNCATE};

void policy_destroy(struct policy *policy)
{
    if (policy == NULL) {
        return;
    }
    free(policy->supply);
    free(policy);
}

void policies_release(struct policies *policies)
{
    for (size_t i = 0; i < policies->count; i++) {
        policy_destroy(policies->policies[i]);
    }
    free(policies->policies);
    *policies = (struct policies){0};
}

const struct policy *policies_at(const struct policies *policies, struct instant t)
{
    size_t low = 0, high = policies->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (instant_compare(policies->policies[middle]->effective_from, t) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? NULL : policies->policies[low - 1];
}

const struct policy_share *policy_share(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->share_count; i++) {
        if (strcmp(policy->shares[i].name, name) == 0) {
            return &policy->shares[i];
        }
    }
    return NULL;
}

static bool instant_is_usable(struct instant t)
{
    return t.us >= 0 && t.us < INSTANT_LIMIT_US;
}

static bool share_name_is_good(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

static int shares_check(const struct policy *policy, struct error *err)
{
    struct exact sum, term, one;
    int order;

    if (policy->share_count == 0) {
        return error_set(err, ERROR_INPUT, "policy '%s': it names no share", policy->name);
    }
    exact_init(&sum);
    exact_init(&term);
    exact_init(&one);
    for (size_t i = 0; i < policy->share_count; i++) {
        exact_set_decimal(&term, policy->shares[i].fraction);
        exact_add(&sum, &term);
    }
    exact_set_i64(&one, 1);
    order = exact_compare(&sum, &one);
    exact_release(&sum);
    exact_release(&term);
    exact_release(&one);
    if (order != 0) {
        return error_set(err, ERROR_INPUT,
                         "policy '%s': the fractions of the shares add up to %s than 1; they must "
                         "add up to exactly 1",
                         policy->name, order > 0 ? "more" : "less");
    }
    for (size_t i = 0; i < policy->share_count; i++) {
        const char *name = policy->shares[i].name;

        if (!share_name_is_good(name)) {
            return error_set(err, ERROR_INPUT,
                             "policy '%s': share '%s': a name is made of a-z, 0-9, '_' and '-'",
                             policy->name, name);
        }
        if (policy_share(policy, name) != &policy->shares[i]) {
            return error_set(err, ERROR_INPUT, "policy '%s': share '%s' is there twice",
                             policy->name, name);
        }
    }
    return 0;
}

static int supply_error(const struct policy *policy, const struct policy_supply *supply,
                        const char *why, struct error *err)
{
    return error_set(err, ERROR_INPUT, "policy '%s': supply '%s': %s", policy->name, supply->id,
                     why);
}

static int supply_check(const struct policy *policy, size_t number, struct error *err)
{
    const struct policy_supply *supply = &policy->supply[number];
    struct points total;

    if (supply->id[0] == '\0') {
        return error_set(err, ERROR_INPUT, "policy '%s': supply %zu has no id", policy->name,
                         number);
    }
    for (size_t i = 0; i < number; i++) {
        if (strcmp(policy->supply[i].id, supply->id) == 0) {
            return supply_error(policy, supply, "the id is there twice", err);
        }
    }
    if (!instant_is_usable(supply->from) || !instant_is_usable(supply->to) ||
        instant_compare(supply->from, supply->to) >= 0) {
        return supply_error(policy, supply, "from must lie before to, both in 1970 to 9998", err);
    }
    if (policy_supply_points(supply, &total, err) != 0) {
        return error_prefix(err, "policy '%s'", policy->name);
    }
    return 0;
}

int policy_validate(const struct policy *policy, struct error *err)
{
    if (policy->name[0] == '\0' ||
        !usage_is_clean(policy->name, strlen(policy->name), POLICY_NAME_BYTES - 1)) {
        return error_set(err, ERROR_INPUT,
                         "policy: 'policy' must be a name of 1 to %d bytes of plain text",
                         POLICY_NAME_BYTES - 1);
    }
    if (!instant_is_usable(policy->effective_from)) {
        return error_set(err, ERROR_INPUT,
                         "policy '%s': effective_from is missing or outside 1970 to 9998",
                         policy->name);
    }
    if (policy->fiscal_month < 1 || policy->fiscal_month > 12 || policy->fiscal_day != 1) {
        return error_set(err, ERROR_INPUT,
                         "policy '%s': a fiscal year starts on the first day of a month",
                         policy->name);
    }
    if (policy->share_count > POLICY_SHARES_MAX || policy->supply_count > POLICY_SUPPLY_MAX) {
        return error_set(err, ERROR_INPUT,
                         "policy '%s': more than %d shares or more than %d supply entries",
                         policy->name, POLICY_SHARES_MAX, POLICY_SUPPLY_MAX);
    }
    if (shares_check(policy, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < policy->supply_count; i++) {
        if (supply_check(policy, i, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int policy_check_periods(const struct policy *policy, const struct calendar *calendar,
                         struct error *err)
{
    for (size_t i = 0; i < policy->supply_count; i++) {
        const struct policy_supply *supply = &policy->supply[i];
        struct period year = calendar_fiscal_year(calendar, supply->fiscal_year);

        if (instant_compare(supply->from, year.from) < 0 ||
            instant_compare(supply->to, year.to) > 0) {
            return supply_error(policy, supply, "it does not lie inside its fiscal year", err);
        }
    }
    return 0;
}

int policy_supply_points(const struct policy_supply *supply, struct points *total,
                         struct error *err)
{
    struct exact product, whole;
    struct points cut;
    int result = -1;

    exact_init(&product);
    exact_init(&whole);
    exact_set_decimal(&product, supply->count);
    exact_multiply_decimal(&product, supply->hours);
    exact_multiply_decimal(&product, supply->points_per_hour);
    if (exact_round(&product, to_micro, &cut) != POINTS_OK) {
        error_set_reason(err, ERROR_INPUT, "overflow",
                         "supply '%s': count x hours x points_per_hour is too large", supply->id);
        goto done;
    }
    exact_set_points(&whole, cut);
    if (exact_compare(&whole, &product) != 0) {
        error_set(err, ERROR_INPUT,
                  "supply '%s': count x hours x points_per_hour has more than six decimals",
                  supply->id);
        goto done;
    }
    *total = cut;
    result = 0;
done:
    exact_release(&product);
    exact_release(&whole);
    return result;
}

/* The first share with the largest fraction: it takes what cutting leaves over. */
static size_t largest_share(const struct policy *policy)
{
    size_t largest = 0;

    for (size_t i = 1; i < policy->share_count; i++) {
        if (decimal_compare(policy->shares[i].fraction, policy->shares[largest].fraction) > 0) {
            largest = i;
        }
    }
    return largest;
}

int policy_split(const struct policy *policy, struct points total, struct points *parts,
                 struct error *err)
{
    struct points rest = total;
    size_t largest;
    struct exact part;

    if (policy->share_count == 0) {
        return error_set(err, ERROR_INTERNAL, "policy '%s' has no share to split among",
                         policy->name);
    }
    exact_init(&part);
    for (size_t i = 0; i < policy->share_count; i++) {
        exact_set_points(&part, total);
        exact_multiply_decimal(&part, policy->shares[i].fraction);
        (void)exact_round(&part, to_micro, &parts[i]); /* at most total: it fits */
        rest.micro -= parts[i].micro;                  /* of total's sign, ever smaller */
    }
    exact_release(&part);
    largest = largest_share(policy);
    parts[largest].micro += rest.micro;
    return 0;
}
