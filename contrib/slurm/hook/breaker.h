/* breaker - stop asking who does not answer.
 *
 *     closed --(failures in a row)--> open --(pause)--> half open --success--> closed
 *                                       ^------------------'failure
 *
 * While it is open nobody asks; half open, one asks for all.  A pure state machine over the times
 * that it is given; the caller sees to it that one thread at a time is in here.
 */
#ifndef CONTRIB_SLURM_HOOK_BREAKER_H
#define CONTRIB_SLURM_HOOK_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct breaker_options {
    int64_t failures; /* so many in a row open it; at least 1 */
    int64_t pause_us;
};

struct breaker { /* all zero is closed */
    int64_t failures;
    bool is_open;
    bool is_probing; /* somebody asks for all */
    int64_t open_until_us;
};

/* Whether the caller may ask now; if so it must tell how that went. */
bool breaker_allows(struct breaker *breaker, int64_t now_us);

/* It answered. Returns whether the breaker was open. */
bool breaker_succeed(struct breaker *breaker);

/* It did not. Returns whether that has opened the breaker (again). */
bool breaker_fail(struct breaker *breaker, const struct breaker_options *options, int64_t now_us);

#endif
