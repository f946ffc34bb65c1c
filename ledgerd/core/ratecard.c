/* ratecard - see ratecard.h. ratecard_check.c holds what a card must be. */
#include "ledgerd/core/ratecard.h"

#include <stdlib.h>

#include "ledgerd/base/parse.h"

static void prices_free(struct ratecard_price *prices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(prices[i].meter);
    }
    free(prices);
}

static void factor_tables_free(struct ratecard_factor_table *tables, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            free(tables[i].factors[j].value);
        }
        free(tables[i].factors);
        free(tables[i].key);
    }
    free(tables);
}

static void rule_free(struct ratecard_rule *rule)
{
    for (size_t i = 0; i < rule->require_count; i++) {
        free(rule->require[i]);
    }
    free(rule->require);
    prices_free(rule->per_hour, rule->per_hour_count);
    prices_free(rule->per_million, rule->per_million_count);
    factor_tables_free(rule->factor_tables, rule->factor_table_count);
    free(rule->source);
    free(rule->klass);
}

void ratecard_destroy(struct ratecard *card)
{
    if (card == NULL) {
        return;
    }
    for (size_t i = 0; i < card->rule_count; i++) {
        rule_free(&card->rules[i]);
    }
    for (size_t i = 0; i < card->refund_count; i++) {
        free(card->refunds[i].outcome);
    }
    free(card->rules);
    free(card->refunds);
    free(card->name);
    free(card);
}

void ratecards_release(struct ratecards *cards)
{
    for (size_t i = 0; i < cards->count; i++) {
        ratecard_destroy(cards->cards[i]);
    }
    free(cards->cards);
    *cards = (struct ratecards){0};
}

ptrdiff_t ratecards_find(const struct ratecards *cards, struct instant t)
{
    size_t low = 0,
           high = cards->count; /* cards before low are in force by t, those from high on not */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (instant_compare(cards->cards[middle]->effective_from, t) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (ptrdiff_t)low - 1;
}

const struct ratecard *ratecards_at(const struct ratecards *cards, struct instant t)
{
    ptrdiff_t found = ratecards_find(cards, t);

    return found < 0 ? NULL : cards->cards[found];
}

int ratecard_match(const struct ratecard *card, const char *source, const char *klass)
{
    for (size_t i = 0; i < card->rule_count; i++) {
        const struct ratecard_rule *rule = &card->rules[i];
        if (parse_glob(rule->klass, klass) && parse_glob(rule->source, source)) {
            return (int)i;
        }
    }
    return -1;
}
