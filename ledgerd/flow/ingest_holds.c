/* ingest_holds - see ingest_holds.h. */
#include "ledgerd/flow/ingest_holds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/hold_name.h"
#include "ledgerd/flow/hold_parts.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void named_holds_clear(struct named_holds *holds)
{
    holds->named.count = 0;
    holds->events.count = 0;
    holds->covers.count = 0;
    store_locked_holds_release(&holds->holds);
    free(holds->now);
    free(holds->known);
    holds->now = NULL;
    holds->known = NULL;
    holds->known_count = 0;
}

void named_holds_release(struct named_holds *holds)
{
    named_holds_clear(holds);
    free(holds->named.at);
    free(holds->events.at);
    free(holds->covers.at);
    *holds = (struct named_holds){0};
}

int named_holds_add(struct named_holds *holds, const struct named_hold *named, struct error *err)
{
    if (holds->named.count == holds->named.capacity) {
        size_t capacity = holds->named.capacity * 2 + 64;
        struct named_hold *grown = realloc(holds->named.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        holds->named.at = grown;
        holds->named.capacity = capacity;
    }
    holds->named.at[holds->named.count++] = *named;
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Lock every hold that a record names or an accrual has covered. */
static int lock_holds(struct named_holds *holds, struct store *store, struct ingest_hasher *hasher,
                      struct error *err)
{
    size_t count = holds->named.count;
    int64_t *numbers = calloc(2 * count, sizeof *numbers);
    unsigned char(*keys)[16] = calloc(count, sizeof *keys);
    size_t number_count = 0;
    size_t key_count = 0;
    int result = 0;

    if (numbers == NULL || keys == NULL) {
        result = no_memory(err);
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        const struct named_hold *named = &holds->named.at[i];
        int64_t number = hold_number(named->item->hold);

        if (named->before.hold != 0) {
            numbers[number_count++] = named->before.hold;
        }
        if (number != 0) {
            numbers[number_count++] = number;
        } else if (named->item->hold != NULL) {
            result = hold_key_hash(hasher, named->item->hold, keys[key_count++], err);
        }
    }
    if (result == 0) {
        result = store_lock_holds(store, true, numbers, number_count,
                                  (const unsigned char(*)[16])keys, key_count, &holds->holds, err);
    }
    free(numbers);
    free(keys);
    return result;
}

static int read_covered(struct named_holds *holds, struct store *store, struct error *err)
{
    size_t count = holds->holds.count;
    struct points *sums = calloc(count + 1, sizeof *sums);
    int result;

    holds->now = calloc(count + 1, sizeof *holds->now);
    if (sums == NULL || holds->now == NULL) {
        free(sums);
        return no_memory(err);
    }
    result = store_cover_sums(store, &holds->holds, sums, err);
    for (size_t i = 0; i < count && result == 0; i++) {
        holds->now[i] = (struct held_now){.covered = sums[i],
                                          .was_held = holds->holds.holds[i].held};
    }
    free(sums);
    return result;
}

/* What records that were booked before have done to holds already. */
static int read_known(struct named_holds *holds, struct store *store, struct error *err)
{
    int64_t *record_nos = calloc(holds->named.count, sizeof *record_nos);
    size_t count = 0;
    int result = 0;

    if (record_nos == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < holds->named.count; i++) {
        if (!holds->named.at[i].is_running && !holds->named.at[i].is_new) {
            record_nos[count++] = holds->named.at[i].record_no;
        }
    }
    if (count > 0) {
        result = store_record_holds(store, record_nos, count, &holds->known, &holds->known_count,
                                    err);
    }
    free(record_nos);
    return result;
}

static ptrdiff_t hold_at(const struct named_holds *holds, int64_t number)
{
    size_t low = 0;
    size_t high = holds->holds.count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (holds->holds.holds[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < holds->holds.count && holds->holds.holds[low].number == number ? (ptrdiff_t)low
                                                                                : -1;
}

static int find_key(const struct named_holds *holds, struct ingest_hasher *hasher, const char *key,
                    ptrdiff_t *at, struct error *err)
{
    unsigned char hash[16];

    *at = -1;
    if (hold_key_hash(hasher, key, hash, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < holds->holds.count && *at < 0; i++) {
        const struct locked_hold *hold = &holds->holds.holds[i];

        if (hold->has_key && memcmp(hold->key_hash, hash, sizeof hash) == 0) {
            *at = (ptrdiff_t)i;
        }
    }
    return 0;
}

/* The hold that the record names, if its project is the record's own; else -1. */
static int find_named(const struct named_holds *holds, struct ingest_hasher *hasher,
                      const struct named_hold *named, ptrdiff_t *at, struct error *err)
{
    int64_t number = hold_number(named->item->hold);

    *at = -1;
    if (number != 0) {
        *at = hold_at(holds, number);
    } else if (named->item->hold != NULL &&
               find_key(holds, hasher, named->item->hold, at, err) != 0) {
        return -1;
    }
    if (*at >= 0 && strcmp(holds->holds.holds[*at].project, named->project) != 0) {
        *at = -1;
    }
    return 0;
}

/* --- what a record does ------------------------------------------------------------------------
 */

static struct points least(struct points a, struct points b)
{
    return points_compare(a, b) < 0 ? a : b;
}

static struct points rest_of(const struct locked_hold *hold)
{
    return (struct points){hold->points.micro - hold->freed.micro};
}

/* The points that one part may use: all that are left for the last one. */
static struct points part_of(const struct locked_hold *hold)
{
    if (hold->parts == 0 || hold->ended_parts + 1 >= hold->parts) {
        return rest_of(hold);
    }
    return least(rest_of(hold), hold_part(hold));
}

static bool is_open(const struct locked_hold *hold)
{
    return strcmp(hold->state, "open") == 0;
}

static bool is_live(const struct locked_hold *hold, struct instant now)
{
    return is_open(hold) && instant_compare(hold->lapses_at, now) > 0;
}

static int add_event(struct named_holds *holds, struct locked_hold *hold,
                     const struct hold_event *event, struct error *err)
{
    struct hold_event *to;

    if (holds->events.count == holds->events.capacity) {
        size_t capacity = holds->events.capacity * 2 + 64;
        struct hold_event *grown = realloc(holds->events.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        holds->events.at = grown;
        holds->events.capacity = capacity;
    }
    to = &holds->events.at[holds->events.count++];
    *to = *event;
    to->hold = hold->number;
    to->n = ++hold->events;
    hold->freed.micro += event->freed.micro;
    hold->ended_parts += event->is_end && hold->parts > 0 && hold->ended_parts < hold->parts;
    holds->now[hold - holds->holds.holds].is_changed = true;
    return 0;
}

static void end_hold(struct locked_hold *hold)
{
    snprintf(hold->state, sizeof hold->state, "settled");
}

/* What the record has charged and ended before, of this hold. */
static struct record_hold known_of(const struct named_holds *holds, int64_t record_no, int64_t hold)
{
    struct record_hold sum = {.record_no = record_no, .hold = hold};

    for (size_t i = 0; i < holds->known_count; i++) {
        const struct record_hold *known = &holds->known[i];

        if (known->record_no == record_no) {
            sum.is_end = sum.is_end || known->is_end; /* a record ends one part of one hold */
            sum.charged.micro += known->charged.micro;
        }
    }
    return sum;
}

static int end_by_record(struct named_holds *holds, const struct named_hold *named,
                         struct locked_hold *hold, struct instant now, struct error *err)
{
    struct record_hold known = known_of(holds, named->record_no, hold->number);
    struct hold_event event = {
        .kind = "record",
        .at = now,
        .charged = {named->item->points.micro - known.charged.micro},
        .record_no = named->record_no,
        .expires_at = INSTANT_NONE,
        .result = "",
    };

    if (hold->parts == 0) {
        event.freed = least(rest_of(hold), event.charged);
        event.freed.micro = event.freed.micro > 0 ? event.freed.micro : 0;
    } else if (named->item->ends_part && !known.is_end) {
        event.is_end = true;
        event.freed = hold_freed_by(hold, 1);
    }
    if (!named->is_new && !event.is_end && points_is_zero(event.charged)) {
        return 0;
    }
    if (add_event(holds, hold, &event, err) != 0) {
        return -1;
    }
    if (hold->parts > 0 && hold->ended_parts == hold->parts) {
        end_hold(hold);
    }
    return 0;
}

static int end_by_settlement(struct named_holds *holds, const struct named_hold *named,
                             struct locked_hold *hold, struct instant now, struct error *err)
{
    struct batch_settlement *settlement = named->item->settlement;
    bool is_part_end = !settlement->is_final && hold->parts > 1;
    struct hold_event event = {
        .kind = "settle",
        .at = now,
        .is_end = settlement->is_final || is_part_end,
        .charged = named->item->points,
        .freed = settlement->is_final ? rest_of(hold)
                 : is_part_end        ? hold_freed_by(hold, 1)
                                      : least(rest_of(hold), named->item->points),
        .record_no = named->record_no,
        .expires_at = INSTANT_NONE,
        .key_hash = settlement->has_key ? settlement->key_hash : NULL,
        .request = settlement->request,
        .result = settlement->result, /* filled in before it is written */
    };

    if (!is_open(hold) && strcmp(hold->state, "expired") != 0) {
        return error_set_reason(err, ERROR_REFUSED, "hold_resolved", "hold h_%lld is %s already",
                                (long long)hold->number, hold->state);
    }
    settlement->held_before = is_live(hold, now) ? hold->held : POINTS_ZERO;
    settlement->hold = hold->number;
    if (add_event(holds, hold, &event, err) != 0) {
        return -1;
    }
    if (settlement->is_final || (is_part_end && hold->ended_parts == hold->parts)) {
        end_hold(hold);
    }
    return 0;
}

/* Running work covers as much of its part as it has cost. */
static int cover(struct named_holds *holds, const struct named_hold *named, ptrdiff_t at,
                 struct instant now, struct error *err)
{
    struct accrual_cover covered = {.source_no = named->key.source_no, .id = named->key.id};

    if (at >= 0 && is_live(&holds->holds.holds[at], now)) {
        const struct locked_hold *hold = &holds->holds.holds[at];
        struct points left = {rest_of(hold).micro - holds->now[at].covered.micro};

        covered.hold = hold->number;
        covered.covered = least(least(named->item->points, part_of(hold)), left);
        covered.covered.micro = covered.covered.micro > 0 ? covered.covered.micro : 0;
        holds->now[at].covered.micro += covered.covered.micro;
        holds->now[at].is_changed = true;
    }
    if (holds->covers.count == holds->covers.capacity) {
        size_t capacity = holds->covers.capacity * 2 + 64;
        struct accrual_cover *grown = realloc(holds->covers.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        holds->covers.at = grown;
        holds->covers.capacity = capacity;
    }
    holds->covers.at[holds->covers.count++] = covered;
    return 0;
}

static int act(struct named_holds *holds, const struct named_hold *named,
               struct ingest_hasher *hasher, struct instant now, struct error *err)
{
    ptrdiff_t before = named->before.hold != 0 ? hold_at(holds, named->before.hold) : -1;
    ptrdiff_t at;

    if (find_named(holds, hasher, named, &at, err) != 0) {
        return -1;
    }
    if (before >= 0) { /* the accrual goes, or is replaced */
        holds->now[before].covered.micro -= named->before.covered.micro;
        holds->now[before].is_changed = true;
    }
    if (named->is_running) {
        return cover(holds, named, at, now, err);
    }
    if (at < 0) {
        return 0;
    }
    if (named->item->settlement != NULL) {
        return end_by_settlement(holds, named, &holds->holds.holds[at], now, err);
    }
    return is_live(&holds->holds.holds[at], now)
               ? end_by_record(holds, named, &holds->holds.holds[at], now, err)
               : 0;
}

int named_holds_settle(struct named_holds *holds, struct store *store, struct ingest_hasher *hasher,
                       struct instant now, struct error *err)
{
    if (holds->named.count == 0) {
        return 0;
    }
    if (lock_holds(holds, store, hasher, err) != 0 || read_covered(holds, store, err) != 0 ||
        read_known(holds, store, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < holds->named.count; i++) {
        if (act(holds, &holds->named.at[i], hasher, now, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static void tell_settlement(struct batch_settlement *settlement, const struct locked_hold *hold,
                            struct instant now)
{
    settlement->held_after = is_live(hold, now) ? hold->held : POINTS_ZERO;
    settlement->ended_parts = hold->ended_parts;
    snprintf(settlement->state, sizeof settlement->state, "%s", hold->state);
    snprintf(
        settlement->result, sizeof settlement->result,
        "{\"held_before_micro\":%lld,\"held_micro\":%lld,\"ended_parts\":%lld,\"state\":\"%s\"}",
        (long long)settlement->held_before.micro, (long long)settlement->held_after.micro,
        (long long)hold->ended_parts, hold->state);
}

static void settle_held(struct named_holds *holds, struct instant now)
{
    for (size_t i = 0; i < holds->holds.count; i++) {
        struct locked_hold *hold = &holds->holds.holds[i];
        int64_t held = rest_of(hold).micro - holds->now[i].covered.micro;

        hold->held.micro = is_open(hold) && held > 0 ? held : 0;
    }
    for (size_t i = 0; i < holds->named.count; i++) {
        struct batch_settlement *settlement = holds->named.at[i].item->settlement;

        if (settlement != NULL && settlement->hold != 0) {
            tell_settlement(settlement, &holds->holds.holds[hold_at(holds, settlement->hold)], now);
        }
    }
}

static int write_holds(struct named_holds *holds, struct store *store, struct instant now,
                       struct error *err)
{
    size_t count = holds->holds.count;
    const struct locked_hold **changed = calloc(count + 1, sizeof *changed);
    struct held_move *moves = calloc(count + 1, sizeof *moves);
    size_t changed_count = 0;
    size_t move_count = 0;
    int result = -1;

    if (changed == NULL || moves == NULL) {
        no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const struct locked_hold *hold = &holds->holds.holds[i];
        int64_t moved = hold->held.micro - holds->now[i].was_held.micro;

        if (holds->now[i].is_changed) {
            changed[changed_count++] = hold;
        }
        if (moved != 0) {
            moves[move_count++] = (struct held_move){hold->project, hold->user, {moved}};
        }
    }
    if (store_holds_write(store, changed, changed_count, now, err) == 0 &&
        store_hold_events_add(store, holds->events.at, holds->events.count, err) == 0) {
        result = store_held_move(store, moves, move_count, err);
    }
done:
    free(changed);
    free(moves);
    return result;
}

int named_holds_write(struct named_holds *holds, struct store *store, struct instant now,
                      struct error *err)
{
    if (holds->named.count == 0) {
        return 0;
    }
    settle_held(holds, now);
    return write_holds(holds, store, now, err) != 0
               ? -1
               : store_write_covers(store, holds->covers.at, holds->covers.count, err);
}
