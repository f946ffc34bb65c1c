/* hold_parts - see hold_parts.h. */
#include "ledgerd/flow/hold_parts.h"

#include <stdio.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t hold_slots(int64_t parts, int64_t at_once)
{
    int64_t slots = at_once > 0 ? least(parts, at_once) : parts;

    return slots > 0 ? slots : 1;
}

struct points hold_part(const struct locked_hold *hold)
{
    return (struct points){hold->points.micro / hold_slots(hold->parts, hold->at_once)};
}

struct points hold_freed_by(const struct locked_hold *hold, int64_t parts)
{
    int64_t slots = hold_slots(hold->parts, hold->at_once);
    int64_t left = hold->parts - hold->ended_parts;
    int64_t rest = hold->points.micro - hold->freed.micro;
    int64_t given_up = least(slots, left) - least(slots, left - parts);

    if (left <= parts) {
        return (struct points){rest};
    }
    return (struct points){least(rest, given_up * hold_part(hold).micro)};
}

void hold_end_all(struct locked_hold *hold, const char *kind, const char *state, struct instant now,
                  const char *result, struct hold_event *event, struct held_move *move)
{
    *move = (struct held_move){hold->project, hold->user, {-hold->held.micro}};
    *event = (struct hold_event){.hold = hold->number,
                                 .n = ++hold->events,
                                 .kind = kind,
                                 .at = now,
                                 .is_end = true,
                                 .freed = {hold->points.micro - hold->freed.micro},
                                 .expires_at = INSTANT_NONE,
                                 .result = result};
    hold->freed = hold->points;
    hold->held = POINTS_ZERO;
    snprintf(hold->state, sizeof hold->state, "%s", state);
}
