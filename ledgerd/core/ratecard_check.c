/* ratecard_check - what a card must be before anything is charged by it.
 *
 * A card that could charge nothing without saying so is refused here, where its author sees it, and
 * not found out from a month's report.
 */
#include <string.h>

#include "ledgerd/core/rate.h"
#include "ledgerd/core/ratecard.h"

/* "rate card NAME: rule 3: " and the rest. */
#define RULE_ERROR(err, card, number, format, ...)                                         \
    error_set(err, ERROR_INPUT, "rate card '%s': rule %zu: " format, (card)->name, number, \
              __VA_ARGS__)

static int price_find(const struct ratecard_price *prices, size_t count, const char *meter)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(prices[i].meter, meter) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* Meters of one list of prices: named, different from one another. */
static int prices_check(const struct ratecard *card, size_t number, const char *list,
                        const struct ratecard_price *prices, size_t count, struct error *err)
{
    if (count > RATECARD_PRICES_MAX) {
        return RULE_ERROR(err, card, number, "%s has more than %d meters", list,
                          RATECARD_PRICES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (prices[i].meter[0] == '\0') {
            return RULE_ERROR(err, card, number, "%s has a meter without a name", list);
        }
        if (price_find(prices, i, prices[i].meter) >= 0) {
            return RULE_ERROR(err, card, number, "%s prices '%s' twice", list, prices[i].meter);
        }
    }
    return 0;
}

static int rule_prices_check(const struct ratecard *card, size_t number, struct error *err)
{
    const struct ratecard_rule *rule = &card->rules[number];

    if (prices_check(card, number, "per_hour", rule->per_hour, rule->per_hour_count, err) != 0 ||
        prices_check(card, number, "per_million", rule->per_million, rule->per_million_count,
                     err) != 0) {
        return -1;
    }
    if (rule->per_hour_count + rule->per_million_count == 0) {
        return RULE_ERROR(err, card, number, "%s", "it prices nothing; free is a price of \"0\"");
    }
    for (size_t i = 0; i < rule->per_million_count; i++) {
        const char *meter = rule->per_million[i].meter;

        if (price_find(rule->per_hour, rule->per_hour_count, meter) >= 0) {
            return RULE_ERROR(err, card, number, "'%s' is priced per hour and per million", meter);
        }
        if (rate_meter_is_standard(meter)) {
            return RULE_ERROR(err, card, number, "'%s' is held over time: price it per hour",
                              meter);
        }
    }
    return 0;
}

static int factor_values_check(const struct ratecard *card, size_t number,
                               const struct ratecard_factor_table *table, struct error *err)
{
    if (table->count == 0 || table->count > RATECARD_FACTOR_VALUES_MAX) {
        return RULE_ERROR(err, card, number, "factors '%s' needs 1 to %d values", table->key,
                          RATECARD_FACTOR_VALUES_MAX);
    }
    for (size_t i = 0; i < table->count; i++) {
        const char *value = table->factors[i].value;

        if (value[0] == '\0') {
            return RULE_ERROR(err, card, number,
                              "factors '%s' has an empty value; \"*\" stands for absent ones",
                              table->key);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(table->factors[j].value, value) == 0) {
                return RULE_ERROR(err, card, number, "factors '%s' has '%s' twice", table->key,
                                  value);
            }
        }
    }
    return 0;
}

static int rule_factors_check(const struct ratecard *card, size_t number, struct error *err)
{
    const struct ratecard_rule *rule = &card->rules[number];

    if (rule->factor_table_count > RATECARD_FACTOR_TABLES_MAX) {
        return RULE_ERROR(err, card, number, "it has more than %d factor tables",
                          RATECARD_FACTOR_TABLES_MAX);
    }
    for (size_t i = 0; i < rule->factor_table_count; i++) {
        const struct ratecard_factor_table *table = &rule->factor_tables[i];

        if (strcmp(table->key, "qos") != 0 &&
            (strncmp(table->key, "attributes.", 11) != 0 || table->key[11] == '\0')) {
            return RULE_ERROR(err, card, number,
                              "factors '%s': the key must be qos or attributes.NAME", table->key);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(rule->factor_tables[j].key, table->key) == 0) {
                return RULE_ERROR(err, card, number, "it has two factor tables '%s'", table->key);
            }
        }
        if (factor_values_check(card, number, table, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int rule_check(const struct ratecard *card, size_t number, struct error *err)
{
    const struct ratecard_rule *rule = &card->rules[number];

    if (rule->source[0] == '\0' || rule->klass[0] == '\0') {
        return RULE_ERROR(err, card, number, "%s", "source and class must not be empty");
    }
    if (rule->require_count > USAGE_METERS_MAX) {
        return RULE_ERROR(err, card, number, "it requires more than %d meters", USAGE_METERS_MAX);
    }
    for (size_t i = 0; i < rule->require_count; i++) {
        if (rule->require[i][0] == '\0') {
            return RULE_ERROR(err, card, number, "%s", "it requires a meter without a name");
        }
    }
    if (decimal_compare(rule->discount, DECIMAL_ONE) > 0) {
        return RULE_ERROR(err, card, number, "%s", "the discount is above 1");
    }
    if (rule_prices_check(card, number, err) != 0) {
        return -1;
    }
    return rule_factors_check(card, number, err);
}

static int refunds_check(const struct ratecard *card, struct error *err)
{
    for (size_t i = 0; i < card->refund_count; i++) {
        const struct ratecard_refund *refund = &card->refunds[i];

        if (refund->outcome[0] == '\0') {
            return error_set(err, ERROR_INPUT, "rate card '%s': a refund names no outcome",
                             card->name);
        }
        if (decimal_compare(refund->fraction, DECIMAL_ONE) > 0) {
            return error_set(err, ERROR_INPUT, "rate card '%s': refund '%s': fraction above 1",
                             card->name, refund->outcome);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(card->refunds[j].outcome, refund->outcome) == 0) {
                return error_set(err, ERROR_INPUT, "rate card '%s': two refunds for '%s'",
                                 card->name, refund->outcome);
            }
        }
    }
    return 0;
}

int ratecard_validate(const struct ratecard *card, struct error *err)
{
    if (card->name == NULL ||
        !usage_is_clean(card->name, strlen(card->name), RATECARD_NAME_BYTES - 1) ||
        card->name[0] == '\0') {
        return error_set(err, ERROR_INPUT,
                         "rate card: 'card' must be a name of 1 to %d bytes of plain text",
                         RATECARD_NAME_BYTES - 1);
    }
    if (card->effective_from.us < 0 || card->effective_from.us >= INSTANT_LIMIT_US) {
        return error_set(err, ERROR_INPUT,
                         "rate card '%s': effective_from is missing or outside 1970 to 9998",
                         card->name);
    }
    if (card->rounding.places > 6) {
        return error_set(err, ERROR_INPUT, "rate card '%s': rounding places must be 0 to 6",
                         card->name);
    }
    if (card->rule_count == 0 || card->rule_count > RATECARD_RULES_MAX) {
        return error_set(err, ERROR_INPUT, "rate card '%s': it needs 1 to %d rules", card->name,
                         RATECARD_RULES_MAX);
    }
    for (size_t i = 0; i < card->rule_count; i++) {
        if (rule_check(card, i, err) != 0) {
            return -1;
        }
    }
    return refunds_check(card, err);
}
