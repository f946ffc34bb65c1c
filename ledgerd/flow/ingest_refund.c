/* ingest_refund - see ingest_refund.h. */
#include "ledgerd/flow/ingest_refund.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/store_correct.h"

static bool is_there(const struct booked_refund *booked, const struct batch_line *line,
                     const struct batch_slice *slice)
{
    return booked->month.number == slice->month.number &&
           instant_compare(booked->last, slice->last) == 0 &&
           strcmp(booked->project, line->project) == 0 && strcmp(booked->klass, line->klass) == 0;
}

/* Take what is booked in the slice's place out of rows[0..count): it is dealt with. */
static int64_t take_booked(struct booked_refund *rows, size_t count, const struct batch_line *line,
                           const struct batch_slice *slice)
{
    int64_t micro = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_there(&rows[i], line, slice)) {
            micro += rows[i].points.micro;
            rows[i].points = POINTS_ZERO;
        }
    }
    return micro;
}

static int add(struct tail *tail, const struct refund_amended *amended, uint32_t line,
               struct month month, struct instant last, int64_t micro, struct error *err)
{
    struct tail_refund refund = {.line = line,
                                 .month = month,
                                 .last = last,
                                 .points = {micro},
                                 .record_no = amended->record_no,
                                 .version = amended->version};

    return micro == 0 ? 0 : tail_refund(tail, &refund, err);
}

static int amend_one(struct tail *tail, const struct refund_amended *amended,
                     struct booked_refund *rows, size_t count, struct error *err)
{
    struct batch *batch = tail->batch;
    const struct batch_item *item = &batch->items.at[amended->item];

    for (uint32_t i = item->slice; i < item->slice + item->slice_count; i++) {
        const struct batch_slice *slice = &batch->slices.at[i];
        int64_t booked = take_booked(rows, count, &batch->lines.at[item->line], slice);

        if (add(tail, amended, item->line, slice->month, slice->last, slice->refund.micro - booked,
                err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < count; i++) { /* places that the new version has left */
        uint32_t line = batch_line(batch, item->source, rows[i].project, rows[i].klass);

        if (line == BATCH_NONE) {
            return error_set(err, ERROR_INTERNAL, "out of memory");
        }
        if (add(tail, amended, line, rows[i].month, rows[i].last, -rows[i].points.micro, err) !=
            0) {
            return -1;
        }
    }
    return 0;
}

static int amend_all(struct tail *tail, const struct refund_amended *amended, size_t count,
                     const struct booked_refunds *booked, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t first = 0, end;

        while (first < booked->count && booked->rows[first].record_no != amended[i].record_no) {
            first++;
        }
        for (end = first;
             end < booked->count && booked->rows[end].record_no == amended[i].record_no; end++) {
        }
        if (amend_one(tail, &amended[i], &booked->rows[first], end - first, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int refunds_amend(struct tail *tail, struct store *store, const struct refund_amended *amended,
                  size_t count, struct error *err)
{
    int64_t *record_nos = calloc(count + 1, sizeof *record_nos);
    struct booked_refunds booked = {0};
    int result = -1;

    if (record_nos == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        record_nos[i] = amended[i].record_no;
    }
    if (store_read_refunds(store, record_nos, count, &booked, err) == 0) {
        result = amend_all(tail, amended, count, &booked, err);
    }
    booked_refunds_release(&booked);
    free(record_nos);
    return result;
}
