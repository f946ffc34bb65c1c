/* balance - what a project has, from its grants and its charges.
 *
 * Which grant pays which charge is not stored: it follows from the book, the same on every machine
 * and in whatever order the charges were read. Time is cut at every `from` and `to` of the
 * project's grants; inside one such segment the set of valid grants does not change, so only the
 * sum of the charges whose last instant falls into it matters. Walking the segments in time, each
 * sum is drawn from the grants valid there - earliest `to`, then `from`, then id - and what they do
 * not cover is a debt that the next valid grant pays before anything else.
 *
 *      segment   |----- s0 -----|----- s1 -----|--- s2 ---|
 *      grant 1   [=============================)
 *      grant 2                  [=========================)
 *      charges        c0               c1           c2         (struct balance_draw, one a segment)
 */
#ifndef LEDGERD_CORE_BALANCE_H
#define LEDGERD_CORE_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"

enum grant_state { GRANT_FUTURE, GRANT_ACTIVE, GRANT_EXPIRED, GRANT_REVOKED };

struct balance_grant {
    int64_t id;
    struct points points; /* net of what was revoked; 0 and `revoked` for one taken back whole */
    struct instant from;
    struct instant to;
    bool revoked;
};

struct balance_draw {
    struct instant since; /* the charges' last instants lie in [since, next draw's since) */
    struct points points; /* their net sum */
};

/* Everything that a balance is made of. Arrays are borrowed. */
struct balance_position {
    struct points posted;    /* the account's balance: sum of its transfers */
    struct points held;      /* open holds */
    struct points accrued;   /* cost so far of running work */
    struct points overdraft; /* limit */
    size_t grant_count;
    const struct balance_grant *grants; /* any order */
    size_t draw_count;
    const struct balance_draw
        *draws; /* ascending by since; at least as fine as the grants' edges */
};

struct balance {
    struct points
        available; /* posted - accrued - held + overdraft, counting only grants valid at `at` */
    struct points debt;   /* charges that no grant valid so far has covered */
    struct points lapsed; /* rest of grants whose `to` has passed */
    bool has_active_grant;
};

enum { BALANCE_GRANTS_MAX = 4096 }; /* of one project; more are refused when granted */

/* Compute the balance at `at`. remaining[grant_count] (may be NULL) gets each grant's undrawn
 * points, in the order of the input. Charges whose last instant lies after `at` count too: the
 * book may be ahead of the clock. */
enum points_result balance_at(const struct balance_position *position, struct instant at,
                              struct balance *balance, struct points *remaining);

/* Index into sorted segment starts: the last edge <= t, or -1 (before the first). */
ptrdiff_t balance_segment_of(const struct instant *edges, size_t edge_count, struct instant t);

/* The next instant after `at` at which available changes by itself (a grant begins or ends);
 * INSTANT_NEVER if none. */
struct instant balance_next_edge(const struct balance_position *position, struct instant at);

/* Where the grant stands at `at`; its name in JSON. */
enum grant_state grant_state_at(const struct balance_grant *grant, struct instant at);
const char *grant_state_text(enum grant_state state);

#endif
