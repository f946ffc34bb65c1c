/* rate - the price of a usage record: a pure function of the record, the cards and the calendar.
 *
 * Formula: contract section 5. With C(t) the exact cost due by t, the slice [t1, t2) is R(C(t2)) -
 * R(C(t1)), so slices always add up to the rounded whole. `list` is before the discount, `points`
 * after it: P(t) = R(R(C(t)) x (1 - discount)), in the rounding and with the discount of the card
 * in force at start.
 *
 * A card is consulted only where it contributes: the one in force at start always, others where
 * they overlap the interval, the one in force at end if the record has a count above zero.
 */
#ifndef LEDGERD_CORE_RATE_H
#define LEDGERD_CORE_RATE_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/core/usage.h"

enum month_rule { MONTH_SPLIT, MONTH_START, MONTH_END, MONTH_SUBMIT };

enum { CHARGE_SLICES_MAX = 600 }; /* months of 50 years: a longer interval is a bad record */

struct charge_slice {
    struct month month;
    struct instant last; /* the slice's last instant: grants valid then pay it (grant draw order) */
    struct points points;
    struct points list_points;
};

struct charge {
    const struct ratecard *card; /* in force at start */
    int rule;                    /* index in it */
    struct points points;        /* the rounded whole after discount (running: the accrual) */
    struct points list_points;
    size_t slice_count;          /* by month, ascending; a final record has at least one */
    struct charge_slice *slices; /* owned; reused between calls */
    size_t slice_capacity;
};

/* What a held meter comes to by physical month, whatever the month rule or price: quantity x
 * elapsed time in micro unit-seconds (gpu: micro GPU-seconds), the months as differences of the
 * truncated cumulative amount, so that they add up to the truncated whole. */
struct held_slice {
    struct month month;
    __int128 micro_seconds;
};

/* A zeroed struct charge is empty. Release frees its slices. */
void charge_release(struct charge *charge);

/* Rate the record. On failure ERROR_INPUT with one of the reasons no_rate, factor_unknown,
 * meter_required, meter_unpriced, count_unpriced, overflow, bad_interval; the charge's amounts
 * are then undefined. */
int rate_record(const struct usage_record *record, const struct ratecards *cards,
                const struct calendar *calendar, enum month_rule rule, struct charge *charge,
                struct error *err);

/* Split a held meter's time over physical months into slices[0..max): quantity x E (W where E is
 * not given), accruing evenly over [start, end). Returns the count, or -1 if it needs more than
 * max or overflows. 0 if the record has no such meter. */
int rate_held_time(const struct usage_record *record, const char *meter,
                   const struct calendar *calendar, struct held_slice *slices, size_t max);

/* The whole of it, for records that lie within one month. 0, or -1 on overflow. */
int rate_held_whole(const struct usage_record *record, struct decimal quantity,
                    __int128 *micro_seconds);

/* The parts of the cost, for explanations: exact fractions rounded to micro-points for show. */
struct rate_parts {
    struct points elapsed, minimum, requested, counts;
};
int rate_explain(const struct usage_record *record, const struct ratecards *cards,
                 struct rate_parts *parts, struct error *err);

/* True if the meter is one that is held over the interval by its standard name: gpu, cpu,
 * mem_gib, node. */
bool rate_meter_is_standard(const char *name);

/* "split" and so on, as policies name the rules. month_rule_parse returns 0 or -1. */
const char *month_rule_text(enum month_rule rule);
int month_rule_parse(const char *text, size_t length, enum month_rule *rule);

#endif
