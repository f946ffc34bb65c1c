/* rate_cost - the exact cost of one record as time goes on, before any rounding.
 *
 * Works like a meter that is read while it runs: begin it at the record's start, advance it to any
 * instants in ascending order, read `elapsed` at each; finish it for what is due at the end. Cards
 * are consulted as time reaches them, in this order: the one in force at start, those that begin
 * before the end, the one in force at end if the record has counts.
 */
#ifndef LEDGERD_CORE_RATE_COST_H
#define LEDGERD_CORE_RATE_COST_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/exact.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/core/usage.h"

struct rate_cost {
    const struct usage_record *record;
    const struct ratecards *cards;

    size_t card;                      /* index of the card consulted last */
    const struct ratecard_rule *rule; /* that matches in it */
    struct exact factors;             /* of that rule: product over its tables */
    struct exact hourly;              /* by that rule: factors x combined per-hour prices */
    struct exact elapsed_hourly;      /* the same times the weight of elapsed time */
    struct instant at;                /* elapsed cost is due by here */
    bool held[USAGE_METERS_MAX];      /* record's meters that are not counts */

    const struct ratecard *first_card; /* in force at start */
    int first_rule;

    struct exact elapsed;                    /* due by `at` */
    struct exact minimum, requested, counts; /* due at the end of a final record */
};

/* Start the meter: consults the card in force at start. On failure the reasons of rate.h; the
 * caller releases in any case. */
int rate_cost_begin(struct rate_cost *cost, const struct usage_record *record,
                    const struct ratecards *cards, struct error *err);

/* Go on to `until`, which lies in [cost->at, record->end]. */
int rate_cost_advance(struct rate_cost *cost, struct instant until, struct error *err);

/* After the end was reached: what counts cost. Consults the card in force at end if there are
 * any. */
int rate_cost_finish(struct rate_cost *cost, struct error *err);

void rate_cost_release(struct rate_cost *cost);

#endif
