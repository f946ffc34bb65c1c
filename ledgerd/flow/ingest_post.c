/* ingest_post - see ingest_post.h. */
#include "ledgerd/flow/ingest_post.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/ingest_amend.h"
#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/flow/ingest_held.h"
#include "ledgerd/flow/ingest_judge.h"
#include "ledgerd/flow/ingest_tail.h"
#include "ledgerd/store/store_accrual.h"
#include "ledgerd/store/store_batch.h"
#include "ledgerd/store/store_copy.h"

enum { PROBES = 64 }; /* identities looked up before the first batch */

struct booking {   /* an item whose rows are sent */
    uint32_t item; /* always final */
    bool is_new;   /* else an amendment: only the usage row is its own */
    int version;
    int64_t record_no;
};

struct poster {
    struct store *store;
    const struct ingest_options *options;
    const struct catalog *catalog; /* batches are prepared by it */
    struct catalog *fresh;         /* the book's now, where that has moved on; NULL if not */
    struct ingest_hasher *hasher;
    bool look_up_all;
    bool has_probed;
    struct number_block record_numbers;
    struct number_block transfer_numbers;
    BATCH_LIST(struct month) months; /* whose partitions are there */
    /* of the batch that is posted: */
    struct batch *batch;
    struct judgement judgement;
    struct held held;
    struct amendments amendments;
    struct tail tail;
    BATCH_LIST(struct booking) bookings;
    BATCH_LIST(size_t) posted; /* of each of the batch's slices: number for tail_transfer */
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

struct poster *poster_create(struct store *store, const struct ingest_options *options,
                             const struct catalog *catalog, struct error *err)
{
    struct poster *poster = calloc(1, sizeof *poster);

    if (poster == NULL) {
        no_memory(err);
        return NULL;
    }
    poster->store = store;
    poster->options = options;
    poster->catalog = catalog;
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

/* --- the transaction ------------------------------------------------------------------------ */

/* Cards and policies must be those that the batch was rated by; anything else may have moved on. */
static int check_catalog(struct poster *poster, const struct catalog **now, struct error *err)
{
    int64_t version;
    int64_t rating_version;

    *now = poster->fresh != NULL ? poster->fresh : poster->catalog;
    if (catalog_versions(poster->store, &version, &rating_version, err) != 0) {
        return -1;
    }
    if (rating_version != poster->catalog->rating_version) {
        return error_set_reason(
            err, ERROR_UNAVAILABLE, "stale_catalog",
            "a rate card or policy was applied during the import; run it again");
    }
    if (version != (*now)->version) {
        struct catalog *fresh = catalog_load(poster->store, err);

        if (fresh == NULL) {
            return -1;
        }
        catalog_destroy(poster->fresh);
        poster->fresh = fresh;
        *now = fresh;
    }
    return 0;
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
        poster->look_up_all = poster->look_up_all || found[i].found;
    }
    poster->has_probed = true;
    return 0;
}

static int judge(struct poster *poster, struct error *err)
{
    struct judge_options options = {
        .look_up_all = poster->look_up_all,
        .now = poster->options->now,
        .zone = &poster->catalog->zone,
    };

    if (judge_batch(&poster->judgement, poster->store, poster->batch, &options, err) != 0) {
        return -1;
    }
    return held_settle(&poster->held, &poster->judgement, poster->store, poster->hasher,
                       poster->options->now, err);
}

/* Room for one booking an item and one number a slice. */
static int reserve(struct poster *poster, struct error *err)
{
    size_t items = poster->batch->items.count;
    size_t slices = poster->batch->slices.count;

    if (poster->bookings.capacity < items) {
        free(poster->bookings.at);
        poster->bookings.at = calloc(items, sizeof *poster->bookings.at);
        poster->bookings.capacity = poster->bookings.at != NULL ? items : 0;
    }
    if (poster->posted.capacity < slices) {
        free(poster->posted.at);
        poster->posted.at = calloc(slices, sizeof *poster->posted.at);
        poster->posted.capacity = poster->posted.at != NULL ? slices : 0;
    }
    poster->bookings.count = 0;
    return poster->bookings.capacity < items || poster->posted.capacity < slices ? no_memory(err)
                                                                                 : 0;
}

/* Add a new record's charges to the tail. */
static int add_charges(struct poster *poster, const struct batch_item *item, int64_t record_no,
                       struct error *err)
{
    for (uint32_t i = item->slice; i < item->slice + item->slice_count; i++) {
        const struct batch_slice *slice = &poster->batch->slices.at[i];
        struct tail_refund refund = {.line = item->line,
                                     .month = slice->month,
                                     .last = slice->last,
                                     .points = slice->refund,
                                     .record_no = record_no,
                                     .version = 1};

        if (tail_charge(&poster->tail, item->line, item->user, slice, &poster->posted.at[i], err) !=
                0 ||
            (!points_is_zero(slice->refund) && tail_refund(&poster->tail, &refund, err) != 0)) {
            return -1;
        }
    }
    return 0;
}

static int add_meters(struct poster *poster, const struct batch_item *item, struct error *err)
{
    for (uint32_t i = item->effect; i < item->effect + item->effect_count; i++) {
        const struct batch_effect *effect = &poster->batch->effects.at[i];

        if (tail_meter(&poster->tail, item->line, effect->meter, effect->month, effect->is_held,
                       effect->amount, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Whether the item is what its chain books, and how. */
static bool is_booked(struct poster *poster, uint32_t number, struct booking *booking)
{
    const struct batch_item *item = &poster->batch->items.at[number];
    const struct chain *chain;

    if (item->kind != BATCH_FINAL || item->trouble != NULL) {
        return false;
    }
    chain = judgement_chain(&poster->judgement, item);
    *booking = (struct booking){.item = number, .is_new = true, .version = 1};
    if (chain == NULL) {
        return true;
    }
    if (chain->final != number) {
        return false;
    }
    if (chain->booked.found) {
        booking->is_new = false;
        booking->version = chain->booked.version + 1;
        booking->record_no = chain->booked.record_no;
    }
    return true;
}

/* Number what is new, and add up what everything comes to. */
static int add_up(struct poster *poster, const struct catalog *now, struct error *err)
{
    struct batch *batch = poster->batch;

    if (reserve(poster, err) != 0 || tail_begin(&poster->tail, batch, now, err) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < batch->items.count; i++) {
        const struct batch_item *item = &batch->items.at[i];
        struct booking *booking = &poster->bookings.at[poster->bookings.count];

        if (!is_booked(poster, i, booking)) {
            continue;
        }
        if (booking->is_new) {
            poster->judgement.verdicts.at[i].points = item->points;
            if (store_next_record(poster->store, &poster->record_numbers, &booking->record_no,
                                  err) != 0 ||
                add_charges(poster, item, booking->record_no, err) != 0) {
                return -1;
            }
        }
        if (add_meters(poster, item, err) != 0) {
            return -1;
        }
        tail_booked(&poster->tail, item->source, item->end);
        poster->bookings.count++;
    }
    return amendments_make(&poster->amendments, &poster->judgement, poster->store, &poster->tail,
                           err);
}

/* Rows that stand side by side are sent together. */
struct run {
    const char *from;
    const char *to;
};

static int run_flush(struct run *run, struct store *store, struct error *err)
{
    size_t length = (size_t)(run->to - run->from);

    run->from = run->to;
    return length == 0 ? 0 : store_copy_send(store, run->to - length, length, err);
}

static int run_add(struct run *run, const char *from, const char *to, struct store *store,
                   struct error *err)
{
    if (from != run->to) {
        if (run_flush(run, store, err) != 0) {
            return -1;
        }
        run->from = from;
    }
    run->to = to;
    return 0;
}

static int32_t source_number(const struct batch *batch, const struct batch_item *item)
{
    return batch->sources.at[item->source].number;
}

static int send_identities(struct poster *poster, struct error *err)
{
    struct batch *batch = poster->batch;
    char *bytes = batch->identities.bytes;
    struct run run = {bytes, bytes};

    if (store_copy_begin(poster->store, COPY_IDENTITY, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < poster->bookings.count; i++) {
        const struct booking *booking = &poster->bookings.at[i];
        const struct batch_item *item = &batch->items.at[booking->item];

        if (!booking->is_new) {
            continue;
        }
        copy_patch_identity(bytes + item->identity_row, bytes + item->identity_end,
                            source_number(batch, item), booking->record_no);
        if (run_add(&run, bytes + item->identity_row, bytes + item->identity_end, poster->store,
                    err) != 0) {
            return -1;
        }
    }
    return run_flush(&run, poster->store, err) != 0 ? -1 : store_copy_end(poster->store, err);
}

static int send_usages(struct poster *poster, struct error *err)
{
    struct batch *batch = poster->batch;
    char *bytes = batch->usages.bytes;
    struct run run = {bytes, bytes};

    if (store_copy_begin(poster->store, COPY_USAGE, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < poster->bookings.count; i++) {
        const struct booking *booking = &poster->bookings.at[i];
        const struct batch_item *item = &batch->items.at[booking->item];

        copy_patch_usage(bytes + item->usage_row, booking->record_no, booking->version,
                         source_number(batch, item));
        if (run_add(&run, bytes + item->usage_row, bytes + item->usage_end, poster->store, err) !=
            0) {
            return -1;
        }
    }
    return run_flush(&run, poster->store, err) != 0 ? -1 : store_copy_end(poster->store, err);
}

/* All charge rows of an item have the same length but for nothing: they are split evenly. */
static void patch_charges(struct poster *poster, const struct booking *booking)
{
    const struct batch_item *item = &poster->batch->items.at[booking->item];
    size_t length = (item->charge_end - item->charge_row) / item->slice_count;

    for (uint32_t i = 0; i < item->slice_count; i++) {
        copy_patch_charge(poster->batch->charges.bytes + item->charge_row + i * length,
                          booking->record_no, 1, source_number(poster->batch, item),
                          tail_transfer(&poster->tail, poster->posted.at[item->slice + i]));
    }
}

static int send_charges(struct poster *poster, struct error *err)
{
    struct batch *batch = poster->batch;
    char *bytes = batch->charges.bytes;
    struct run run = {bytes, bytes};

    if (store_copy_begin(poster->store, COPY_CHARGE, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < poster->bookings.count; i++) {
        const struct booking *booking = &poster->bookings.at[i];
        const struct batch_item *item = &batch->items.at[booking->item];

        if (!booking->is_new) {
            continue;
        }
        patch_charges(poster, booking);
        if (run_add(&run, bytes + item->charge_row, bytes + item->charge_end, poster->store, err) !=
            0) {
            return -1;
        }
    }
    if (run_flush(&run, poster->store, err) != 0 ||
        amendments_send_charges(&poster->amendments, &poster->judgement, &poster->tail,
                                poster->store, err) != 0) {
        return -1;
    }
    return store_copy_end(poster->store, err);
}

/* Identities first: one that is taken already ends a batch that was posted in vain at once. */
static int send_rows(struct poster *poster, struct error *err)
{
    if (poster->bookings.count == 0) {
        return 0;
    }
    if (send_identities(poster, err) != 0 || send_usages(poster, err) != 0 ||
        tail_post(&poster->tail, poster->store, poster->options->now, &poster->transfer_numbers,
                  err) != 0) {
        return -1;
    }
    return send_charges(poster, err);
}

/* --- what is kept beside the charges ---------------------------------------------------------- */

static int write_contents(struct poster *poster, struct error *err)
{
    const struct judgement *judgement = &poster->judgement;
    size_t count = judgement->remembered.count;
    struct batch_content *contents = calloc(count + 1, sizeof *contents);
    int64_t *record_nos = calloc(judgement->chains.count + 1, sizeof *record_nos);
    int result = -1;

    if (contents == NULL || record_nos == NULL) {
        no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < judgement->chains.count; i++) {
        record_nos[i] = judgement->chains.at[i].booked.record_no;
    }
    for (size_t i = 0; i < poster->bookings.count; i++) {
        const struct booking *booking = &poster->bookings.at[i];
        uint32_t chain = judgement->chain_of.at[poster->batch->items.at[booking->item].first];

        if (chain != BATCH_NONE) {
            record_nos[chain] = booking->record_no;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct judged_content *from = &judgement->remembered.at[i];

        contents[i].record_no = record_nos[from->chain];
        contents[i].seen = from->seen;
        memcpy(contents[i].content, from->content, sizeof contents[i].content);
    }
    result = store_content_add(poster->store, contents, count, err);
done:
    free(contents);
    free(record_nos);
    return result;
}

/* The accrual of each chain that is still running. */
static size_t collect_running(struct poster *poster, struct accrual *put)
{
    const struct batch *batch = poster->batch;
    size_t count = 0;

    for (size_t i = 0; i < poster->judgement.chains.count; i++) {
        const struct chain *chain = &poster->judgement.chains.at[i];
        const struct batch_item *item;

        if (chain->running == BATCH_NONE || chain->final != BATCH_NONE || chain->booked.found) {
            continue;
        }
        item = &batch->items.at[chain->running];
        put[count] = (struct accrual){
            .source_no = source_number(batch, item),
            .id = item->id,
            .project = batch->lines.at[item->line].project,
            .user = item->user,
            .klass = batch->lines.at[item->line].klass,
            .start = item->start,
            .end = item->end,
            .points = item->points,
            .list_points = item->list_points,
            .month = item->slice_month,
            .month_points = item->month_points,
            .year_points = item->year_points,
            .card_no = item->card_no,
            .record = item->record,
        };
        memcpy(put[count].content, item->content, sizeof put[count].content);
        count++;
    }
    return count;
}

static int write_accruals(struct poster *poster, struct error *err)
{
    const struct batch *batch = poster->batch;
    struct accrual *put = calloc(poster->judgement.chains.count + 1, sizeof *put);
    struct lookup_key *ended = calloc(poster->bookings.count + 1, sizeof *ended);
    size_t put_count;
    size_t ended_count = 0;
    bool any = false;
    int result = -1;

    if (put == NULL || ended == NULL) {
        no_memory(err);
        goto done;
    }
    put_count = collect_running(poster, put);
    if (store_accruals_any(poster->store, &any, err) != 0) {
        goto done;
    }
    for (size_t i = 0; any && i < poster->bookings.count; i++) {
        const struct batch_item *item = &batch->items.at[poster->bookings.at[i].item];

        ended[ended_count++] = (struct lookup_key){source_number(batch, item), item->id};
    }
    result = store_accruals_move(poster->store, put, put_count, ended, ended_count, err);
done:
    free(put);
    free(ended);
    return result;
}

static int write_skipped(struct poster *poster, struct error *err)
{
    const struct batch *batch = poster->batch;
    int32_t *sources = calloc(batch->items.count + 1, sizeof *sources);
    const char **keys = calloc(batch->items.count + 1, sizeof *keys);
    const char **reasons = calloc(batch->items.count + 1, sizeof *reasons);
    size_t count = 0;
    int result;

    if (sources == NULL || keys == NULL || reasons == NULL) {
        result = no_memory(err);
    } else {
        for (size_t i = 0; i < batch->items.count; i++) {
            const struct batch_item *item = &batch->items.at[i];

            if (item->kind == BATCH_SKIPPED) {
                sources[count] = source_number(batch, item);
                keys[count] = item->id;
                reasons[count++] = item->skipped;
            }
        }
        result = store_skipped_put(poster->store, sources, keys, reasons, count, err);
    }
    free(sources);
    free(keys);
    free(reasons);
    return result;
}

static int write_rest(struct poster *poster, struct error *err)
{
    if (tail_write(&poster->tail, poster->store, poster->options->now, err) != 0 ||
        amendments_write(&poster->amendments, &poster->judgement, poster->store, err) != 0 ||
        write_contents(poster, err) != 0 || write_accruals(poster, err) != 0 ||
        held_write(&poster->held, &poster->judgement, poster->store, poster->options->now, err) !=
            0) {
        return -1;
    }
    return write_skipped(poster, err);
}

static int post(struct store *store, void *context, struct error *err)
{
    struct poster *poster = context;
    const struct catalog *now;

    (void)store; /* the poster's own */
    if (check_catalog(poster, &now, err) != 0) {
        return -1;
    }
    if (!poster->has_probed && !poster->look_up_all && probe(poster, err) != 0) {
        return -1;
    }
    if (judge(poster, err) != 0 || add_up(poster, now, err) != 0 || send_rows(poster, err) != 0) {
        return -1;
    }
    return write_rest(poster, err);
}

/* --- after the commit ---------------------------------------------------------------------------
 */

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

        count_item(counts, verdict);
        if (poster->options->item != NULL) {
            tell_item(poster, &poster->batch->items.at[i], verdict);
        }
    }
    /* Checked where each charge was added; a run's sum beyond the range is cut, not wrapped. */
    if (points_add(counts->points, poster->tail.total, &counts->points) != POINTS_OK) {
        counts->points.micro = INT64_MAX;
    }
}

int poster_post(struct poster *poster, struct batch *batch, struct ingest_counts *counts,
                struct error *err)
{
    int result;

    poster->batch = batch;
    if (batch->items.count == 0) {
        return 0;
    }
    if (store_transact(poster->store, STORE_UNLOCKED, prepare_book, poster, err) != 0) {
        return -1;
    }
    result = store_transact(poster->store, STORE_BOOKING, post, poster, err);
    if (result != 0 && !poster->look_up_all && store_is_taken(poster->store)) {
        poster->look_up_all = true;
        result = store_transact(poster->store, STORE_BOOKING, post, poster, err);
    }
    if (result == 0) {
        tell(poster, counts);
    }
    return result;
}
