/* meter_use - what a booked record adds to the roll-up of meters (ledger.meter_total).
 *
 * A meter that is held over time (gpu, cpu, mem_gib, node, and what the record's own rule prices
 * per hour) counts as quantity x time in each physical month; every other meter as a count in the
 * month of the record's last instant.  The record's own rule is that of the card in force at its
 * start when it was booked, which its charges name, so that what was added can be computed again at
 * any time.
 */
#ifndef LEDGERD_FLOW_METER_USE_H
#define LEDGERD_FLOW_METER_USE_H

#include <stdbool.h>

#include "ledgerd/core/calendar.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/core/usage.h"

struct meter_use {
    const char *meter; /* the record's own string */
    struct month month;
    bool is_held;
    __int128 amount; /* held: micro unit-seconds; else 10^-9 of a count */
};

enum { METER_USE_TEXT_BYTES = 56 }; /* 39 digits, sign, point and room */

/* Call `each` for every part that is not zero.  0, or -1 on overflow or when `each` says so. */
typedef int meter_use_fn(void *context, const struct meter_use *use);
int meter_use_each(const struct usage_record *record, const struct ratecard_rule *rule,
                   const struct calendar *calendar, meter_use_fn *each, void *context);

/* Write an amount as meter_total keeps it: unit-seconds with six decimals, counts with nine.  `out`
 * needs METER_USE_TEXT_BYTES.  Returns out. */
char *meter_use_format(__int128 amount, bool is_held, char *out);

#endif
