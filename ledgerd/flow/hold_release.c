/* hold_release - give a hold back, or move its deadline; see hold_end.h. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/hold_info.h"
#include "ledgerd/flow/hold_parts.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_hold_end.h"

enum { RESULT_BYTES = 64 }; /* {"freed":"…"} */

struct act {
    const char *name;
    int64_t ttl_us; /* of an extension */
    struct instant now;
    int64_t begun_us;         /* by the monotonic clock, when it was `now` */
    struct instant locked_at; /* `now`, and how long it took to get the lock */
    struct hold_end_result *result;
    int (*apply)(struct act *act, struct store *store, struct locked_hold *hold, struct error *err);
};

/* --- how an act goes -------------------------------------------------------------------------- */

/* The hold's project never changes, so it may be read before anything is locked. While the lock was
 * waited for, the deadline may have passed, and somebody else may have been given the points. */
static int lock_hold(struct act *act, struct store *store, struct locked_holds *holds,
                     struct error *err)
{
    struct hold_rows rows;
    int result = -1;

    if (hold_read_row(store, act->name, &rows, err) != 0) {
        return -1;
    }
    if (store_lock_positions(store, NULL, 0, &rows.rows[0].project, 1, err) == 0) {
        result = store_lock_holds(store, true, &rows.rows[0].number, 1, NULL, 0, holds, err);
        act->locked_at.us = act->now.us + clock_monotonic_us() - act->begun_us;
    }
    store_hold_rows_release(&rows);
    return result;
}

static int run_act(struct store *store, void *context, struct error *err)
{
    struct act *act = context;
    struct locked_holds holds;
    struct hold_rows rows;
    int result;

    *act->result = (struct hold_end_result){0};
    if (lock_hold(act, store, &holds, err) != 0) {
        return -1;
    }
    result = act->apply(act, store, &holds.holds[0], err);
    store_locked_holds_release(&holds);
    if (result != 0 || hold_read_row(store, act->name, &rows, err) != 0) {
        return -1;
    }
    hold_info_fill(&rows.rows[0], act->now, &act->result->hold);
    store_hold_rows_release(&rows);
    return 0;
}

static int write_act(struct store *store, const struct locked_hold *hold,
                     const struct hold_event *event, const struct held_move *move,
                     struct error *err)
{
    return store_holds_write(store, &hold, 1, event->at, err) != 0 ||
                   store_hold_events_add(store, event, 1, err) != 0 ||
                   store_held_move(store, move, 1, err) != 0
               ? -1
               : 0;
}

static int resolved(const struct locked_hold *hold, const char *how, struct error *err)
{
    return error_set_reason(err, ERROR_REFUSED, "hold_resolved", "hold h_%lld %s",
                            (long long)hold->number, how);
}

/* --- release ---------------------------------------------------------------------------------- */

static int answer_again(struct act *act, struct store *store, const struct locked_hold *hold,
                        struct error *err)
{
    char *text = NULL;
    json_t *document;
    const char *freed;

    if (store_find_release(store, hold->number, &text, err) != 0) {
        return -1;
    }
    document = text != NULL ? json_loads(text, 0, NULL) : NULL;
    freed = json_string_value(json_object_get(document, "freed"));
    if (freed == NULL || points_parse(freed, strlen(freed), &act->result->freed) != POINTS_OK) {
        error_set(err, ERROR_INTERNAL, "hold h_%lld: its release is not in the book",
                  (long long)hold->number);
        json_decref(document);
        free(text);
        return -1;
    }
    json_decref(document);
    free(text);
    act->result->repeated = true;
    return 0;
}

/* What was held is available again, unless it has been since the deadline. */
static int apply_release(struct act *act, struct store *store, struct locked_hold *hold,
                         struct error *err)
{
    bool was_open = strcmp(hold->state, "open") == 0;
    struct hold_event event;
    struct held_move move;
    char points[POINTS_TEXT_BYTES];
    char text[RESULT_BYTES];

    if (strcmp(hold->state, "released") == 0) {
        return answer_again(act, store, hold, err);
    }
    if (strcmp(hold->state, "settled") == 0) {
        return resolved(hold, "is settled already", err);
    }
    if (was_open && instant_compare(act->locked_at, hold->lapses_at) < 0) {
        act->result->freed = hold->held;
    }
    snprintf(text, sizeof text, "{\"freed\":\"%s\"}", points_format(act->result->freed, points));
    hold_end_all(hold, "release", "released", act->now, text, &event, &move);
    return write_act(store, hold, &event, &move, err);
}

int hold_release(struct store *store, const char *name, struct instant now,
                 struct hold_end_result *result, struct error *err)
{
    struct act act = {.name = name,
                      .now = now,
                      .begun_us = clock_monotonic_us(),
                      .result = result,
                      .apply = apply_release};

    return store_transact(store, STORE_UNLOCKED, run_act, &act, err);
}

/* --- extend ----------------------------------------------------------------------------------- */

/* Moving nothing all the same tells readers that the project's holds have changed. */
static int apply_extend(struct act *act, struct store *store, struct locked_hold *hold,
                        struct error *err)
{
    struct held_move nothing = {hold->project, hold->user, POINTS_ZERO};
    struct hold_event event = {.hold = hold->number,
                               .kind = "extend",
                               .at = act->now,
                               .expires_at = {act->now.us + act->ttl_us},
                               .result = ""};

    if (strcmp(hold->state, "open") != 0) {
        return resolved(hold, "has ended already", err);
    }
    if (instant_compare(hold->lapses_at, act->locked_at) <= 0) {
        return resolved(hold, "is past its deadline", err);
    }
    event.n = ++hold->events;
    hold->expires_at = event.expires_at;
    return write_act(store, hold, &event, &nothing, err);
}

int hold_extend(struct store *store, const char *name, int64_t ttl_us, struct instant now,
                struct hold_end_result *result, struct error *err)
{
    struct act act = {.name = name,
                      .ttl_us = ttl_us,
                      .now = now,
                      .begun_us = clock_monotonic_us(),
                      .result = result,
                      .apply = apply_extend};

    if (ttl_us <= 0 || ttl_us > HOLD_TTL_MAX_US) {
        return error_set(err, ERROR_ARGUMENT,
                         "the time to live is more than nothing and at most 366 days");
    }
    return store_transact(store, STORE_UNLOCKED, run_act, &act, err);
}
