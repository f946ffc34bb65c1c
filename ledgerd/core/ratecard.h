/* ratecard - a dated list of rules that says what usage costs (contract section 5).
 *
 * A card is built once from its document (flow/ratecard_doc), validated, and from then on read-only
 * and shared by threads. A book has a list of cards sorted by effective_from; the card in force at
 * t is the last one with effective_from <= t.
 */
#ifndef LEDGERD_CORE_RATECARD_H
#define LEDGERD_CORE_RATECARD_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/decimal.h"
#include "ledgerd/core/exact.h"
#include "ledgerd/core/usage.h"

enum {
    RATECARD_RULES_MAX = 4096,
    RATECARD_PRICES_MAX = USAGE_METERS_MAX,
    RATECARD_FACTOR_TABLES_MAX = 8,
    RATECARD_FACTOR_VALUES_MAX = 1024,
    RATECARD_NAME_BYTES = 128,
};

enum combine { COMBINE_SUM, COMBINE_MAX };

struct ratecard_price { /* points per unit and hour, or per million counts */
    char *meter;
    struct decimal price;
};

struct ratecard_factor {
    char *value; /* "*" stands for any other or absent value */
    struct decimal factor;
};

struct ratecard_factor_table {
    char *key; /* "qos" or "attributes.NAME" */
    size_t count;
    struct ratecard_factor *factors;
};

struct ratecard_rule {
    char *source; /* glob */
    char *klass;  /* glob */
    enum combine combine;
    size_t require_count;
    char **require;
    size_t per_hour_count;
    struct ratecard_price *per_hour;
    size_t per_million_count;
    struct ratecard_price *per_million;
    struct decimal elapsed_weight;   /* default 1 */
    struct decimal requested_weight; /* default 0 */
    struct decimal min_seconds;      /* default 0 */
    struct decimal discount;         /* 0..1, default 0 */
    size_t factor_table_count;
    struct ratecard_factor_table *factor_tables;
};

struct ratecard_refund { /* automatic refund by outcome */
    char *outcome;
    struct decimal fraction;    /* 0..1 */
    struct decimal max_seconds; /* of elapsed time */
};

struct ratecard {
    char *name;
    int64_t number; /* the store's; 0 before it is stored */
    struct instant effective_from;
    struct rounding rounding;
    size_t rule_count;
    struct ratecard_rule *rules;
    size_t refund_count;
    struct ratecard_refund *refunds;
};

struct ratecards { /* sorted by effective_from, all different; owned */
    size_t count;
    struct ratecard **cards;
};

void ratecard_destroy(struct ratecard *card); /* accepts NULL; frees everything inside */
void ratecards_release(struct ratecards *cards);

/* Check what a card must be: names there, places 0..6, weights and discount sane, no meter both
 * per hour and per million in one rule, no duplicate meters, keys or values, at least one rule.
 * ERROR_INPUT with a sentence that names the rule by its index. */
int ratecard_validate(const struct ratecard *card, struct error *err);

/* The card in force at t, or NULL if t lies before the first. */
const struct ratecard *ratecards_at(const struct ratecards *cards, struct instant t);

/* Its index in cards, or -1. */
ptrdiff_t ratecards_find(const struct ratecards *cards, struct instant t);

/* Index of the first rule that matches, or -1. */
int ratecard_match(const struct ratecard *card, const char *source, const char *klass);

#endif
