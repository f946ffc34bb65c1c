/* ingest_beside - what a batch writes beside its charges. See ingest_poster.h. */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/ingest_poster.h"
#include "ledgerd/store/store_accrual.h"
#include "ledgerd/store/store_batch.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

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

bool poster_is_running(const struct batch *batch, const struct chain *chain)
{
    if (chain->running == BATCH_NONE) {
        return false;
    }
    return batch->items.at[chain->running].kind == BATCH_CLOSING
               ? chain->final == chain->running
               : chain->final == BATCH_NONE && (!chain->booked.found || chain->is_running);
}

/* How many of the bookings end work: all, or none of a close, whose work goes on. */
static size_t ended_count(const struct poster *poster)
{
    return poster->options->is_closing ? 0 : poster->bookings.count;
}

/* What a batch does to accruals. */
struct running {
    struct accrual *put;
    const struct batch_item **put_items;
    size_t put_count;
    struct lookup_key *keys; /* of those put, then of those ended: one for each booking, or none */
    size_t ended_count;
};

static void running_release(struct running *running)
{
    free(running->put);
    free(running->put_items);
    free(running->keys);
}

/* The accrual of each chain that is still running. */
static void collect_running(struct poster *poster, struct running *running)
{
    const struct batch *batch = poster->batch;

    for (size_t i = 0; i < poster->judgement.chains.count; i++) {
        const struct chain *chain = &poster->judgement.chains.at[i];
        struct accrual *put = &running->put[running->put_count];
        const struct batch_item *item;

        if (!poster_is_running(batch, chain)) {
            continue;
        }
        item = &batch->items.at[chain->running];
        *put = (struct accrual){
            .source_no = batch->sources.at[item->source].number,
            .id = item->id,
            .project = batch->lines.at[item->line].project,
            .user = item->user,
            .klass = batch->lines.at[item->line].klass,
            .start = item->start,
            .end = item->end,
            .points = {item->points.micro - item->posted.micro},
            .list_points = {item->list_points.micro - item->list_posted.micro},
            .month = item->slice_month,
            .month_points = item->month_points,
            .year_points = item->year_points,
            .card_no = item->card_no,
            .record = item->record,
        };
        memcpy(put->content, item->content, sizeof put->content);
        running->keys[running->put_count] = (struct lookup_key){put->source_no, put->id};
        running->put_items[running->put_count++] = item;
    }
}

static int collect(struct poster *poster, struct running *running, struct error *err)
{
    const struct batch *batch = poster->batch;
    size_t chains = poster->judgement.chains.count;
    bool any = false;

    running->put = calloc(chains + 1, sizeof *running->put);
    running->put_items = calloc(chains + 1, sizeof *running->put_items);
    running->keys = calloc(chains + poster->bookings.count + 1, sizeof *running->keys);
    if (running->put == NULL || running->put_items == NULL || running->keys == NULL) {
        return no_memory(err);
    }
    collect_running(poster, running);
    if (poster_leave_rest(poster, running->put, err) != 0 ||
        store_accruals_any(poster->store, &any, err) != 0) {
        return -1;
    }
    for (size_t i = 0; any && i < ended_count(poster); i++) {
        const struct batch_item *item = &batch->items.at[poster->bookings.at[i].item];

        running->keys[running->put_count + running->ended_count++] = (struct lookup_key){
            batch->sources.at[item->source].number, item->id};
    }
    return 0;
}

static int name_hold(struct poster *poster, const struct batch_item *item,
                     const struct booking *booking, const struct accrual_cover *before,
                     struct error *err)
{
    const struct batch *batch = poster->batch;
    struct named_hold named = {
        .item = item,
        .project = batch->lines.at[item->line].project,
        .key = {batch->sources.at[item->source].number, item->id},
        .is_running = booking == NULL,
        .is_new = booking != NULL && booking->is_new,
        .record_no = booking != NULL ? booking->record_no : 0,
    };

    if (before != NULL) {
        named.before = *before;
    }
    return item->hold == NULL && before == NULL ? 0 : named_holds_add(&poster->holds, &named, err);
}

/* The records that name holds, or whose accruals have covered some, in the order of the keys. */
static int name_holds(struct poster *poster, const struct running *running, struct error *err)
{
    size_t count = running->put_count + running->ended_count;
    struct accrual_cover *covers = NULL;
    size_t cover_count = 0;
    size_t cover = 0;
    int result = 0;

    if (count > 0) {
        result = store_read_covers(poster->store, running->keys, count, &covers, &cover_count, err);
    }
    for (size_t i = 0; i < running->put_count + ended_count(poster) && result == 0; i++) {
        const struct booking *booking = i < running->put_count
                                            ? NULL
                                            : &poster->bookings.at[i - running->put_count];
        const struct batch_item *item = booking == NULL ? running->put_items[i]
                                                        : &poster->batch->items.at[booking->item];
        bool is_covered = cover < cover_count && covers[cover].key == i;

        if (item != NULL) {
            result = name_hold(poster, item, booking, is_covered ? &covers[cover] : NULL, err);
        }
        cover += is_covered;
    }
    free(covers);
    return result;
}

int poster_write_running(struct poster *poster, struct error *err)
{
    struct instant now = poster->options->now;
    struct running running = {0};
    int result = -1;

    named_holds_clear(&poster->holds);
    if (collect(poster, &running, err) == 0 && name_holds(poster, &running, err) == 0 &&
        named_holds_settle(&poster->holds, poster->store, poster->hasher, now, err) == 0 &&
        store_accruals_move(poster->store, running.put, running.put_count,
                            running.keys + running.put_count, running.ended_count, err) == 0) {
        result = named_holds_write(&poster->holds, poster->store, now, err);
    }
    running_release(&running);
    return result;
}

int poster_lock_positions(struct poster *poster, struct error *err)
{
    const struct batch *batch = poster->batch;
    const struct tail *tail = &poster->tail;
    int32_t *accounts = calloc(2 * tail->line_count + 1, sizeof *accounts);
    const char **projects = calloc(batch->lines.count + 1, sizeof *projects);
    int result;

    if (accounts == NULL || projects == NULL) {
        free(accounts);
        free(projects);
        return no_memory(err);
    }
    for (size_t i = 0; i < tail->line_count; i++) {
        accounts[2 * i] = tail->lines[i].debit_account;
        accounts[2 * i + 1] = tail->lines[i].credit_account;
    }
    for (size_t i = 0; i < batch->lines.count; i++) {
        projects[i] = batch->lines.at[i].project;
    }
    result = store_lock_positions(poster->store, accounts, 2 * tail->line_count, projects,
                                  batch->lines.count, err);
    free(accounts);
    free(projects);
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
                sources[count] = batch->sources.at[item->source].number;
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

int poster_write_beside(struct poster *poster, struct error *err)
{
    return write_contents(poster, err) != 0 ? -1 : write_skipped(poster, err);
}
