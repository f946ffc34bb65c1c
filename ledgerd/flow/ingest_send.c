/* ingest_send - a batch's rows on their way: numbered, patched, copied. See ingest_poster.h. */
#include "ledgerd/flow/ingest_poster.h"

#include <stdlib.h>

#include "ledgerd/store/store_copy.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
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

    if ((item->kind != BATCH_FINAL && item->kind != BATCH_CLOSING) || item->trouble != NULL) {
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

/* Every version that was ever good counts for how far its source was read, in whatever order it
 * came; of running work, what is posted. */
static void note_end(struct poster *poster, uint32_t number)
{
    const struct batch_item *item = &poster->batch->items.at[number];

    if (item->kind == BATCH_FINAL && item->settlement == NULL && item->trouble == NULL &&
        poster->judgement.verdicts.at[number].fate != INGEST_QUARANTINED) {
        tail_seen(&poster->tail, item->source, item->end);
    }
    for (uint32_t i = 0; item->kind == BATCH_CLOSING && i < item->slice_count; i++) {
        const struct batch_slice *slice = &poster->batch->slices.at[item->slice + i];

        tail_seen(&poster->tail, item->source, (struct instant){slice->last.us + 1});
    }
}

/* Number what is new, and add up what everything comes to. */
int poster_add_up(struct poster *poster, const struct catalog *now, struct error *err)
{
    struct batch *batch = poster->batch;

    if (reserve(poster, err) != 0 ||
        tail_begin(&poster->tail, batch, now, poster->store, err) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < batch->items.count; i++) {
        const struct batch_item *item = &batch->items.at[i];
        struct booking *booking = &poster->bookings.at[poster->bookings.count];

        note_end(poster, i);
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

int poster_send(struct poster *poster, struct error *err)
{
    if (poster->bookings.count == 0) {
        return 0;
    }
    if (tail_number(&poster->tail, poster->store, &poster->transfer_numbers, err) != 0 ||
        send_identities(poster, err) != 0 || send_usages(poster, err) != 0) {
        return -1;
    }
    return send_charges(poster, err);
}
