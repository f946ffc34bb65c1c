/* hold_sweep - note that deadlines have passed. Nobody waits for it: readers ignore such holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/hold_parts.h"
#include "ledgerd/store/store_hold_end.h"

struct sweep {
    struct instant now;
    size_t limit;
    struct lapsed_hold *lapsed;
    size_t lapsed_count;
    size_t swept;
};

static int lock_projects(const struct sweep *sweep, struct store *store, struct error *err)
{
    const char **projects = calloc(sweep->lapsed_count, sizeof *projects);
    int result;

    if (projects == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < sweep->lapsed_count; i++) {
        projects[i] = sweep->lapsed[i].project;
    }
    result = store_lock_positions(store, NULL, 0, projects, sweep->lapsed_count, err);
    free(projects);
    return result;
}

static int lock_lapsed(const struct sweep *sweep, struct store *store, struct locked_holds *holds,
                       struct error *err)
{
    int64_t *numbers = calloc(sweep->lapsed_count, sizeof *numbers);
    int result;

    if (numbers == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < sweep->lapsed_count; i++) {
        numbers[i] = sweep->lapsed[i].number;
    }
    result = store_lock_holds(store, true, numbers, sweep->lapsed_count, NULL, 0, holds, err);
    free(numbers);
    return result;
}

/* Ended or extended since it was found. */
static bool is_over(const struct locked_hold *hold, struct instant now)
{
    return strcmp(hold->state, "open") == 0 && instant_compare(hold->lapses_at, now) <= 0;
}

static int write_expired(struct sweep *sweep, struct store *store, struct locked_holds *holds,
                         struct error *err)
{
    const struct locked_hold **expired = calloc(holds->count + 1, sizeof *expired);
    struct hold_event *events = calloc(holds->count + 1, sizeof *events);
    struct held_move *moves = calloc(holds->count + 1, sizeof *moves);
    size_t count = 0;
    int result = -1;

    if (expired == NULL || events == NULL || moves == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < holds->count; i++) {
        if (is_over(&holds->holds[i], sweep->now)) {
            hold_end_all(&holds->holds[i], "expire", "expired", sweep->now, "", &events[count],
                         &moves[count]);
            expired[count++] = &holds->holds[i];
        }
    }
    sweep->swept = count;
    if (store_holds_write(store, expired, count, sweep->now, err) == 0 &&
        store_hold_events_add(store, events, count, err) == 0) {
        result = store_held_move(store, moves, count, err);
    }
done:
    free(expired);
    free(events);
    free(moves);
    return result;
}

static int sweep_some(struct store *store, void *context, struct error *err)
{
    struct sweep *sweep = context;
    struct locked_holds holds = {0};
    int result = -1;

    sweep->swept = 0;
    if (store_holds_lapsed(store, sweep->now, sweep->limit, sweep->lapsed, &sweep->lapsed_count,
                           err) != 0) {
        return -1;
    }
    if (sweep->lapsed_count == 0) {
        return 0;
    }
    if (lock_projects(sweep, store, err) == 0 && lock_lapsed(sweep, store, &holds, err) == 0) {
        result = write_expired(sweep, store, &holds, err);
    }
    store_locked_holds_release(&holds);
    return result;
}

int hold_sweep(struct store *store, struct instant now, size_t limit, size_t *swept,
               struct error *err)
{
    struct sweep sweep = {.now = now, .limit = limit};
    int result = -1;

    sweep.lapsed = calloc(limit, sizeof *sweep.lapsed);
    if (sweep.lapsed == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    result = store_transact(store, STORE_UNLOCKED, sweep_some, &sweep, err);
    *swept = sweep.swept;
    free(sweep.lapsed);
    return result;
}
