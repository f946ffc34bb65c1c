/* ingest_post - see ingest_post.h. */
#include "ledgerd/flow/ingest_post.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/ingest_poster.h"
#include "ledgerd/store/store_batch.h"
#include "ledgerd/store/store_copy.h"

enum { PROBES = 64 }; /* identities looked up before the first batch */

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

struct poster *poster_create(struct store *store, const struct ingest_options *options,
                             const struct catalog *catalog, struct ingest_turns *turns,
                             struct error *err)
{
    struct poster *poster = calloc(1, sizeof *poster);

    if (poster == NULL) {
        no_memory(err);
        return NULL;
    }
    poster->store = store;
    poster->options = options;
    poster->catalog = catalog;
    poster->turns = turns;
    poster->hasher = ingest_hasher_create(err);
    if (poster->hasher == NULL) {
        poster_destroy(poster);
        return NULL;
    }
    return poster;
}

void poster_destroy(struct poster *poster)
{
    if (poster == NULL) {
        return;
    }
    catalog_destroy(poster->fresh);
    ingest_hasher_destroy(poster->hasher);
    judgement_release(&poster->judgement);
    held_release(&poster->held);
    amendments_release(&poster->amendments);
    tail_release(&poster->tail);
    named_holds_release(&poster->holds);
    free(poster->months.at);
    free(poster->bookings.at);
    free(poster->posted.at);
    free(poster);
}

/* --- before the transaction: what batches share and never give back ------------------------- */

static bool has_month(const struct poster *poster, struct month month)
{
    for (size_t i = 0; i < poster->months.count; i++) {
        if (poster->months.at[i].number == month.number) {
            return true;
        }
    }
    return false;
}

static int ensure_month(struct poster *poster, struct month month, struct error *err)
{
    if (has_month(poster, month)) {
        return 0;
    }
    if (poster->months.count == poster->months.capacity) {
        size_t capacity = poster->months.capacity * 2 + 64;
        struct month *grown = realloc(poster->months.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        poster->months.at = grown;
        poster->months.capacity = capacity;
    }
    if (store_ensure_month(poster->store, month, err) != 0) {
        return -1;
    }
    poster->months.at[poster->months.count++] = month;
    return 0;
}

/* Number the sources and make the months' partitions, in a short transaction of its own, so that
 * the batch's long one holds no locks of theirs. */
static int prepare_book(struct store *store, void *context, struct error *err)
{
    struct poster *poster = context;
    struct batch *batch = poster->batch;
    const char *names[BATCH_SOURCES_MAX + 1];
    int32_t numbers[BATCH_SOURCES_MAX + 1];
    size_t known = poster->months.count;

    for (size_t i = 0; i < batch->sources.count; i++) {
        names[i] = batch->sources.at[i].name;
    }
    if (store_source_numbers(store, names, batch->sources.count, numbers, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < batch->sources.count; i++) {
        batch->sources.at[i].number = numbers[i];
    }
    for (size_t i = 0; i < batch->months.count; i++) {
        if (ensure_month(poster, batch->months.at[i], err) != 0) {
            poster->months.count = known; /* rolled back */
            return -1;
        }
    }
    return 0;
}

static const struct catalog *poster_catalog(const struct poster *poster)
{
    return poster->fresh != NULL ? poster->fresh : poster->catalog;
}

/* --- the transaction ------------------------------------------------------------------------ */

/* Cards and policies must be those that the batch was rated by; the rest may have moved on. */
static int check_catalog(struct poster *poster, bool *has_moved, struct error *err)
{
    int64_t version;
    int64_t rating_version;

    if (catalog_versions(poster->store, &version, &rating_version, err) != 0) {
        return -1;
    }
    if (rating_version != poster->catalog->rating_version) {
        return error_set_reason(
            err, ERROR_UNAVAILABLE, "stale_catalog",
            "a rate card or policy was applied during the import; run it again");
    }
    *has_moved = version != poster_catalog(poster)->version;
    return 0;
}

/* Under the booking lock: read the catalog again if it has moved on. */
static int refresh_catalog(struct poster *poster, struct error *err)
{
    struct catalog *fresh;
    bool has_moved;

    if (check_catalog(poster, &has_moved, err) != 0) {
        return -1;
    }
    if (!has_moved) {
        return 0;
    }
    fresh = catalog_load(poster->store, err);
    if (fresh == NULL) {
        return -1;
    }
    catalog_destroy(poster->fresh);
    poster->fresh = fresh;
    return 0;
}

/* Fail with reason "moved" unless accounts and edges of grants are still what they were. */
static int check_unmoved(struct poster *poster, struct error *err)
{
    bool has_moved;

    if (check_catalog(poster, &has_moved, err) != 0) {
        return -1;
    }
    return has_moved ? error_set_reason(err, ERROR_INTERNAL, "moved", "the catalog moved on") : 0;
}

/* A file that was read before is nearly always so from its start: some identities tell. */
static int probe(struct poster *poster, struct error *err)
{
    const struct batch *batch = poster->batch;
    struct lookup_key keys[PROBES] = {{0}};
    struct lookup_identity found[PROBES];
    size_t step = batch->items.count / PROBES + 1;
    size_t count = 0;

    for (size_t i = 0; i < batch->items.count; i += step) {
        const struct batch_item *item = &batch->items.at[i];

        if (item->kind == BATCH_FINAL) {
            keys[count++] = (struct lookup_key){batch->sources.at[item->source].number, item->id};
        }
    }
    if (store_lookup_identities(poster->store, keys, count, found, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (found[i].found) {
            turns_look_up(poster->turns);
        }
    }
    return 0;
}

static int judge(struct poster *poster, bool look_up_all, struct error *err)
{
    struct judge_options options = {
        .look_up_all = look_up_all,
        .now = poster->options->now,
        .zone = &poster->catalog->zone,
    };

    if (judge_batch(&poster->judgement, poster->store, poster->batch, &options, err) != 0) {
        return -1;
    }
    return held_settle(&poster->held, &poster->judgement, poster->store, poster->hasher,
                       poster->options->now, err);
}

/* The rest of a batch, under the booking lock: roll-ups and what stands beside them, then what
 * moves positions, as late as can be, because whoever makes holds waits for these. */
static int write_rest(struct poster *poster, struct error *err)
{
    struct instant now = poster->options->now;

    if (tail_write_totals(&poster->tail, poster->store, err) != 0 ||
        amendments_write(&poster->amendments, &poster->judgement, poster->store, err) != 0 ||
        poster_write_beside(poster, err) != 0 ||
        held_write(&poster->held, &poster->judgement, poster->store, now, err) != 0 ||
        poster_lock_positions(poster, err) != 0 || poster_write_running(poster, err) != 0) {
        return -1;
    }
    return tail_write(&poster->tail, poster->store, now, err);
}

/* The whole batch under both locks: what was looked up stays true until the end. */
static int post_alone(struct store *store, void *context, struct error *err)
{
    struct poster *poster = context;

    if (store_lock_records(store, true, err) != 0 || store_lock_booking(store, err) != 0 ||
        refresh_catalog(poster, err) != 0 || judge(poster, poster->look_up_all, err) != 0 ||
        poster_add_up(poster, poster_catalog(poster), err) != 0 || poster_send(poster, err) != 0) {
        return -1;
    }
    return write_rest(poster, err);
}

/* A batch in which every record is taken to be new: only the end of it takes the booking lock, the
 * rows go in beside those of another batch. Fails with reason "moved" if the catalog did so
 * meanwhile. */
static int post_beside(struct store *store, void *context, struct error *err)
{
    struct poster *poster = context;

    if (store_lock_records(store, false, err) != 0 || check_unmoved(poster, err) != 0 ||
        judge(poster, false, err) != 0 || poster_add_up(poster, poster_catalog(poster), err) != 0 ||
        poster_send(poster, err) != 0 || store_lock_booking(store, err) != 0 ||
        check_unmoved(poster, err) != 0) {
        return -1;
    }
    return write_rest(poster, err);
}

/* Nothing in it needs to know what the book holds. */
static bool is_plain(const struct batch *batch)
{
    for (size_t i = 0; i < batch->items.count; i++) {
        const struct batch_item *item = &batch->items.at[i];

        if (item->kind != BATCH_SKIPPED &&
            (item->kind != BATCH_FINAL || item->trouble != NULL || item->is_shared)) {
            return false;
        }
    }
    return true;
}

/* --- after the commit ----------------------------------------------------------------------- */

static void count_item(struct ingest_counts *counts, const struct verdict *verdict)
{
    uint64_t *const by_fate[] = {
        [INGEST_BOOKED] = &counts->booked,       [INGEST_AMENDED] = &counts->amended,
        [INGEST_DUPLICATE] = &counts->duplicate, [INGEST_QUARANTINED] = &counts->quarantined,
        [INGEST_SKIPPED] = &counts->skipped,
    };

    (*by_fate[verdict->fate])++;
    counts->read += verdict->fate != INGEST_SKIPPED;
}

static void tell_item(const struct poster *poster, const struct batch_item *item,
                      const struct verdict *verdict)
{
    const struct batch *batch = poster->batch;
    struct ingest_item told = {
        .body = item->body,
        .line = item->number,
        .source = item->source != BATCH_NONE ? batch->sources.at[item->source].name : "",
        .id = item->kind == BATCH_SKIPPED && item->id[0] == '#' ? "" : item->id,
        .project = item->line != BATCH_NONE ? batch->lines.at[item->line].project : "",
        .fate = verdict->fate,
        .reason = "",
        .detail = "",
        .points = verdict->points,
    };

    if (verdict->fate == INGEST_SKIPPED) {
        told.reason = item->skipped;
    } else if (verdict->fate == INGEST_QUARANTINED) {
        told.reason = verdict->trouble->reason;
        told.detail = verdict->trouble->detail;
    }
    poster->options->item(poster->options->context, &told);
}

static void tell(const struct poster *poster, struct ingest_counts *counts)
{
    for (size_t i = 0; i < poster->batch->items.count; i++) {
        const struct verdict *verdict = &poster->judgement.verdicts.at[i];
        const struct batch_item *item = &poster->batch->items.at[i];

        count_item(counts, verdict);
        if (item->kind == BATCH_FINAL) {
            counts->last_end = instant_max(counts->last_end, item->end);
        }
        if (poster->options->item != NULL) {
            tell_item(poster, item, verdict);
        }
    }
    /* Checked where each charge was added; a run's sum beyond the range is cut, not wrapped. */
    if (points_add(counts->points, poster->tail.total, &counts->points) != POINTS_OK) {
        counts->points.micro = INT64_MAX;
    }
}

static int probe_work(struct store *store, void *context, struct error *err)
{
    (void)store; /* the poster's own */
    return probe(context, err);
}

/* Post a batch that may go in beside others. 1 if it has to be posted alone instead. */
static int try_beside(struct poster *poster, struct error *err)
{
    struct error failure = {0};

    if (poster->ticket == 0 && !turns_is_looking_up(poster->turns) &&
        store_transact(poster->store, STORE_UNLOCKED, probe_work, poster, err) != 0) {
        return -1;
    }
    if (turns_is_looking_up(poster->turns) || !is_plain(poster->batch)) {
        return 1;
    }
    if (store_transact(poster->store, STORE_UNLOCKED, post_beside, poster, &failure) == 0) {
        return 0;
    }
    if (store_is_taken(poster->store)) {
        turns_look_up(poster->turns);
        return 1;
    }
    if (strcmp(failure.reason, "moved") == 0) {
        return 1;
    }
    *err = failure;
    return -1;
}

/* Post a batch after all that were read before it. */
static int post_in_turn(struct poster *poster, struct error *err)
{
    struct error failure = {0};

    if (turns_wait(poster->turns, poster->ticket, err) != 0) {
        return -1;
    }
    poster->look_up_all = turns_is_looking_up(poster->turns);
    if (store_transact(poster->store, STORE_UNLOCKED, post_alone, poster, &failure) == 0) {
        return 0;
    }
    if (poster->look_up_all || !store_is_taken(poster->store)) {
        *err = failure;
        return -1;
    }
    turns_look_up(poster->turns);
    poster->look_up_all = true;
    return store_transact(poster->store, STORE_UNLOCKED, post_alone, poster, err);
}

int poster_post(struct poster *poster, struct batch *batch, uint64_t ticket,
                struct ingest_counts *counts, struct error *err)
{
    struct error ignored;
    int result;

    poster->batch = batch;
    poster->ticket = ticket;
    if (store_transact(poster->store, STORE_UNLOCKED, prepare_book, poster, err) != 0) {
        return -1;
    }
    result = try_beside(poster, err);
    if (result > 0) {
        result = post_in_turn(poster, err);
    }
    if (result == 0) {
        turns_wait(poster->turns, ticket,
                   &ignored); /* committed: told even if others have failed */
        turns_begin_telling(poster->turns);
        tell(poster, counts);
        turns_end_telling(poster->turns);
        turns_pass(poster->turns);
    }
    return result;
}
