/* hold_parts - what the parts of a hold come to, and the end of all of it.
 *
 * A hold reserves for as many parts as may run at a time, so for
 *
 *      slots = at_once, or all parts where that is 0 or more than there are
 *
 * and points / slots belong to each of them.  While more parts than slots are to come, one that
 * ends leaves its points to the next; after that each frees its own, the last one all that is left:
 *
 *      parts 5, at_once 2      ended      0   1   2   3   4   5
 *      points 20               reserved  20  20  20  20  10   0
 */
#ifndef LEDGERD_FLOW_HOLD_PARTS_H
#define LEDGERD_FLOW_HOLD_PARTS_H

#include <stdint.h>

#include "ledgerd/core/points.h"
#include "ledgerd/store/store_hold_end.h"

/* How many of `parts` parts are reserved for: at least 1, also of a lease. */
int64_t hold_slots(int64_t parts, int64_t at_once);

/* The points of one part, rounded down; of a lease all of them. */
struct points hold_part(const struct locked_hold *hold);

/* What the hold is made smaller by when `parts` of its parts end now, 1 to those that have not
 * ended: no more than is left of it. */
struct points hold_freed_by(const struct locked_hold *hold, int64_t parts);

/* End the hold without a charge, as an event of this kind leaves it in this state: nothing is held
 * any more. Fills in what is to be written; `result`, "" or JSON, and the hold's texts are borrowed
 * by it. */
void hold_end_all(struct locked_hold *hold, const char *kind, const char *state, struct instant now,
                  const char *result, struct hold_event *event, struct held_move *move);

#endif
