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

/* The accrual of each chain that is still running. */
static size_t collect_running(struct poster *poster, struct accrual *put)
{
    const struct batch *batch = poster->batch;
    size_t count = 0;

    for (size_t i = 0; i < poster->judgement.chains.count; i++) {
        const struct chain *chain = &poster->judgement.chains.at[i];
        const struct batch_item *item;

        if (!poster_is_running(batch, chain)) {
            continue;
        }
        item = &batch->items.at[chain->running];
        put[count] = (struct accrual){
            .source_no = batch->sources.at[item->source].number,
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
    if (poster_leave_rest(poster, put, err) != 0 ||
        store_accruals_any(poster->store, &any, err) != 0) {
        goto done;
    }
    for (size_t i = 0; any && i < poster->bookings.count; i++) {
        const struct batch_item *item = &batch->items.at[poster->bookings.at[i].item];

        if (item->kind == BATCH_CLOSING) {
            continue; /* it goes on */
        }
        ended[ended_count++] = (struct lookup_key){batch->sources.at[item->source].number,
                                                   item->id};
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
    if (write_contents(poster, err) != 0 || write_accruals(poster, err) != 0) {
        return -1;
    }
    return write_skipped(poster, err);
}
