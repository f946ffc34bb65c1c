/* hold_info - see hold_info.h. */
#include "ledgerd/flow/hold_info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const state_texts[] = {[HOLD_OPEN] = "open",
                                          [HOLD_SETTLED] = "settled",
                                          [HOLD_RELEASED] = "released",
                                          [HOLD_EXPIRED] = "expired"};

const char *hold_state_text(enum hold_state state)
{
    return state_texts[state];
}

static enum hold_state state_at(const struct hold_row *row, struct instant now)
{
    enum hold_state state = HOLD_EXPIRED;

    for (size_t i = 0; i < sizeof state_texts / sizeof state_texts[0]; i++) {
        if (strcmp(row->state, state_texts[i]) == 0) {
            state = (enum hold_state)i;
        }
    }
    return state == HOLD_OPEN && row->lapses_at.us <= now.us ? HOLD_EXPIRED : state;
}

void hold_info_fill(const struct hold_row *row, struct instant now, struct hold_info *hold)
{
    *hold = (struct hold_info){.number = row->number,
                               .points = row->points,
                               .freed = row->freed,
                               .charged = row->charged,
                               .parts = row->parts,
                               .ended_parts = row->ended_parts,
                               .state = state_at(row, now),
                               .made_at = row->made_at,
                               .expires_at = row->expires_at,
                               .ended_at = row->ended_at};
    snprintf(hold->id, sizeof hold->id, "h_%" PRId64, row->number);
    snprintf(hold->key, sizeof hold->key, "%s", row->key);
    snprintf(hold->project, sizeof hold->project, "%s", row->project);
    snprintf(hold->user, sizeof hold->user, "%s", row->user);
    snprintf(hold->ref_kind, sizeof hold->ref_kind, "%s", row->ref_kind);
    snprintf(hold->ref_id, sizeof hold->ref_id, "%s", row->ref_id);
    if (hold->state == HOLD_OPEN) {
        hold->held = row->held;
    }
    if (hold->state == HOLD_EXPIRED) {
        hold->ended_at = hold->expires_at; /* whenever that was noted */
    }
}
