/* rate_cost - see rate_cost.h. Formulas: contract section 5. */
#include "ledgerd/core/rate_cost.h"

#include <string.h>

#include "ledgerd/core/rate.h"

enum { HOUR_SECONDS = 3600, MILLION = 1000000 };

static const char attributes_prefix[] = "attributes.";

/* Consulting a card: the rule that matches, and what it demands of the record.
 * ---------------------- */

/* Every complaint names the record and the card; `format` says what is wrong. */
#define COST_ERROR(err, reason, cost, format, ...)                                         \
    error_set_reason(err, ERROR_INPUT, reason, "record %s of %s: rate card '%s': " format, \
                     (cost)->record->id, (cost)->record->source,                           \
                     (cost)->cards->cards[(cost)->card]->name, __VA_ARGS__)

static const struct ratecard_price *price_find(const struct ratecard_price *prices, size_t count,
                                               const char *meter)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(prices[i].meter, meter) == 0) {
            return &prices[i];
        }
    }
    return NULL;
}

/* The record's value for a factor table, "" if absent. */
static const char *factor_value(const struct usage_record *record, const char *key)
{
    const char *value = record->qos;

    if (strncmp(key, attributes_prefix, sizeof attributes_prefix - 1) == 0) {
        value = usage_attribute(record, key + sizeof attributes_prefix - 1);
    }
    return value != NULL ? value : "";
}

static const struct decimal *factor_find(const struct ratecard_factor_table *table,
                                         const char *value)
{
    const struct decimal *other = NULL;

    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->factors[i].value, value) == 0) {
            return &table->factors[i].factor;
        }
        if (strcmp(table->factors[i].value, "*") == 0) {
            other = &table->factors[i].factor;
        }
    }
    return other;
}

/* factors = product over the rule's tables */
static int factors_compute(struct rate_cost *cost, struct error *err)
{
    exact_set_i64(&cost->factors, 1);
    for (size_t i = 0; i < cost->rule->factor_table_count; i++) {
        const struct ratecard_factor_table *table = &cost->rule->factor_tables[i];
        const char *value = factor_value(cost->record, table->key);
        const struct decimal *factor = factor_find(table, value);

        if (factor == NULL) {
            return COST_ERROR(err, "factor_unknown", cost, "no factor for %s '%.200s'", table->key,
                              value);
        }
        exact_multiply_decimal(&cost->factors, *factor);
    }
    return 0;
}

static int required_check(const struct rate_cost *cost, struct error *err)
{
    for (size_t i = 0; i < cost->rule->require_count; i++) {
        const char *name = cost->rule->require[i];
        const struct decimal *quantity = usage_meter(cost->record, name);

        if (quantity == NULL || decimal_is_zero(*quantity)) {
            return COST_ERROR(err, "meter_required", cost, "meter '%s' is %s and must be above 0",
                              name, quantity == NULL ? "missing" : "0");
        }
    }
    return 0;
}

/* hourly = factors x combine over the rule's per-hour meters of (quantity x price) */
static int hourly_compute(struct rate_cost *cost, struct error *err)
{
    const struct ratecard_rule *rule = cost->rule;
    struct exact term;
    bool any = false;

    exact_init(&term);
    exact_set_i64(&cost->hourly, 0);
    for (size_t i = 0; i < rule->per_hour_count; i++) {
        const struct decimal *quantity = usage_meter(cost->record, rule->per_hour[i].meter);

        if (quantity == NULL) {
            continue;
        }
        any = true;
        exact_set_decimal(&term, *quantity);
        exact_multiply_decimal(&term, rule->per_hour[i].price);
        if (rule->combine == COMBINE_SUM) {
            exact_add(&cost->hourly, &term);
        } else if (exact_compare(&term, &cost->hourly) > 0) {
            exact_set(&cost->hourly, &term);
        }
    }
    exact_release(&term);
    if (!any && rule->per_hour_count > 0) {
        return COST_ERROR(err, "meter_unpriced", cost,
                          "none of the meters that the rule for class '%s' prices is there",
                          cost->record->klass);
    }
    exact_multiply(&cost->hourly, &cost->factors);
    exact_set(&cost->elapsed_hourly, &cost->hourly);
    exact_multiply_decimal(&cost->elapsed_hourly, rule->elapsed_weight);
    return 0;
}

static void held_mark(struct rate_cost *cost)
{
    const struct ratecard_rule *rule = cost->rule;

    for (size_t i = 0; i < cost->record->meter_count; i++) {
        const char *name = cost->record->meters[i].name;
        cost->held[i] = cost->held[i] || rate_meter_is_standard(name) ||
                        price_find(rule->per_hour, rule->per_hour_count, name) != NULL;
    }
}

static int card_consult(struct rate_cost *cost, size_t card, struct error *err)
{
    const struct usage_record *record = cost->record;
    int rule = ratecard_match(cost->cards->cards[card], record->source, record->klass);

    cost->card = card;
    if (rule < 0) {
        return COST_ERROR(err, "no_rate", cost, "no rule for class '%s'", record->klass);
    }
    cost->rule = &cost->cards->cards[card]->rules[rule];
    held_mark(cost);
    if (factors_compute(cost, err) != 0 || required_check(cost, err) != 0) {
        return -1;
    }
    return hourly_compute(cost, err);
}

/* The parts.
 * --------------------------------------------------------------------------------------- */

/* hours = seconds of [from, to) x E/W / 3600; all of E where that is the whole interval (W may
 * be 0) */
static void elapsed_hours(const struct usage_record *record, int64_t part_us, struct exact *hours)
{
    int64_t whole_us = record->end.us - record->start.us;

    if (!record->has_elapsed) {
        exact_set_i64(hours, part_us);
        exact_divide_i64(hours, HOUR_SECONDS * INSTANT_SECOND_US);
        return;
    }
    exact_set_decimal(hours, record->elapsed_seconds);
    exact_divide_i64(hours, HOUR_SECONDS);
    if (part_us != whole_us) {
        exact_multiply_i64(hours, part_us);
        exact_divide_i64(hours, whole_us);
    }
}

static void elapsed_add(struct rate_cost *cost, int64_t part_us)
{
    struct exact hours;

    if (exact_sign(&cost->elapsed_hourly) == 0) {
        return;
    }
    exact_init(&hours);
    elapsed_hours(cost->record, part_us, &hours);
    exact_multiply(&hours, &cost->elapsed_hourly);
    exact_add(&cost->elapsed, &hours);
    exact_release(&hours);
}

/* minimum = hourly(s) x elapsed_weight(s) x max(0, min_seconds - E) / 3600 */
static void minimum_compute(struct rate_cost *cost)
{
    const struct usage_record *record = cost->record;
    struct exact worked;

    if (decimal_is_zero(cost->rule->min_seconds)) {
        return;
    }
    exact_init(&worked);
    elapsed_hours(record, record->end.us - record->start.us, &worked);
    exact_set_decimal(&cost->minimum, cost->rule->min_seconds);
    exact_divide_i64(&cost->minimum, HOUR_SECONDS);
    exact_subtract(&cost->minimum, &worked);
    if (exact_sign(&cost->minimum) > 0) {
        exact_multiply(&cost->minimum, &cost->elapsed_hourly);
    } else {
        exact_set_i64(&cost->minimum, 0);
    }
    exact_release(&worked);
}

/* requested = hourly(s) x requested_weight(s) x requested_seconds / 3600 */
static void requested_compute(struct rate_cost *cost)
{
    if (decimal_is_zero(cost->rule->requested_weight) ||
        decimal_is_zero(cost->record->requested_seconds)) {
        return;
    }
    exact_set_decimal(&cost->requested, cost->record->requested_seconds);
    exact_multiply_decimal(&cost->requested, cost->rule->requested_weight);
    exact_divide_i64(&cost->requested, HOUR_SECONDS);
    exact_multiply(&cost->requested, &cost->hourly);
}

/* counts = factors(e) x sum of count x price / 10^6 */
static int counts_compute(struct rate_cost *cost, struct error *err)
{
    const struct ratecard_rule *rule = cost->rule;
    struct exact term;
    int result = 0;

    exact_init(&term);
    for (size_t i = 0; i < cost->record->meter_count && result == 0; i++) {
        const struct usage_meter *meter = &cost->record->meters[i];
        const struct ratecard_price *price;

        if (cost->held[i] || decimal_is_zero(meter->quantity)) {
            continue;
        }
        price = price_find(rule->per_million, rule->per_million_count, meter->name);
        if (price == NULL) {
            result = COST_ERROR(err, "count_unpriced", cost,
                                "the rule for class '%s' has no price for '%s'",
                                cost->record->klass, meter->name);
            continue;
        }
        exact_set_decimal(&term, meter->quantity);
        exact_multiply_decimal(&term, price->price);
        exact_add(&cost->counts, &term);
    }
    exact_multiply(&cost->counts, &cost->factors);
    exact_divide_i64(&cost->counts, MILLION);
    exact_release(&term);
    return result;
}

/* The meter.
 * --------------------------------------------------------------------------------------- */

int rate_cost_begin(struct rate_cost *cost, const struct usage_record *record,
                    const struct ratecards *cards, struct error *err)
{
    ptrdiff_t first = ratecards_find(cards, record->start);
    struct exact *const parts[] = {&cost->factors, &cost->hourly,  &cost->elapsed_hourly,
                                   &cost->elapsed, &cost->minimum, &cost->requested,
                                   &cost->counts};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        exact_init(parts[i]);
    }
    memset(cost->held, 0, record->meter_count * sizeof cost->held[0]);
    cost->record = record;
    cost->cards = cards;
    cost->at = record->start;
    if (first < 0) {
        return error_set_reason(err, ERROR_INPUT, "no_rate",
                                "record %s of %s starts before the first rate card is in force",
                                record->id, record->source);
    }
    if (card_consult(cost, (size_t)first, err) != 0) {
        return -1;
    }
    cost->first_card = cards->cards[first];
    cost->first_rule = (int)(cost->rule - cost->first_card->rules);
    minimum_compute(cost);
    requested_compute(cost);
    if (instant_compare(record->start, record->end) == 0) { /* all of E is due at once */
        elapsed_add(cost, 0);
    }
    return 0;
}

/* Where the card consulted last stops to be in force, INSTANT_NEVER for the last one. */
static struct instant card_until(const struct rate_cost *cost)
{
    return cost->card + 1 < cost->cards->count ? cost->cards->cards[cost->card + 1]->effective_from
                                               : INSTANT_NEVER;
}

int rate_cost_advance(struct rate_cost *cost, struct instant until, struct error *err)
{
    while (instant_compare(cost->at, until) < 0) {
        struct instant next = instant_min(until, card_until(cost));

        if (instant_compare(next, cost->at) > 0) {
            elapsed_add(cost, next.us - cost->at.us);
            cost->at = next;
        } else if (card_consult(cost, cost->card + 1, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Meters that no consulted rule prices per hour are counts; the rule at end may price some so. */
static bool has_counts(const struct rate_cost *cost)
{
    for (size_t i = 0; i < cost->record->meter_count; i++) {
        if (!cost->held[i] && !decimal_is_zero(cost->record->meters[i].quantity)) {
            return true;
        }
    }
    return false;
}

int rate_cost_finish(struct rate_cost *cost, struct error *err)
{
    if (!has_counts(cost)) {
        return 0;
    }
    if (instant_compare(card_until(cost), cost->record->end) <= 0 &&
        card_consult(cost, cost->card + 1, err) != 0) {
        return -1;
    }
    return counts_compute(cost, err);
}

void rate_cost_release(struct rate_cost *cost)
{
    struct exact *const parts[] = {&cost->factors, &cost->hourly,  &cost->elapsed_hourly,
                                   &cost->elapsed, &cost->minimum, &cost->requested,
                                   &cost->counts};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        exact_release(parts[i]);
    }
}
