/* clock - the only reader of the time.
 *
 * A process that was started with `--now T` sees time begin at T and run on from there. Sleeping
 * and deadlines use the monotonic clock, which nothing can pretend.
 */
#ifndef LEDGERD_BASE_CLOCK_H
#define LEDGERD_BASE_CLOCK_H

#include "ledgerd/base/instant.h"

/* Now, to the microsecond; the pretended time if clock_pretend was called. Never fails. */
struct instant clock_now(void);

/* From now on the process believes that it started at `start`. Call once, before threads exist. */
void clock_pretend(struct instant start);

/* True if clock_pretend was called. */
bool clock_is_pretended(void);

/* Monotonic microseconds, for durations and deadlines. */
int64_t clock_monotonic_us(void);

#endif
