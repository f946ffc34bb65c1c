/* refund - see refund.h.
 *
 * The record's slices are walked backwards from the last one: what was refunded before has taken
 * them from that end, and the next refund goes on from there.
 */
#include "ledgerd/flow/refund.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/balance.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/store/store_batch.h"
#include "ledgerd/store/store_correct.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_post.h"

struct refunding {
    const struct refund_request *request;
    struct refund_result *result;
    const struct catalog *catalog;
    const struct catalog_project *project;
    struct charged_record record;
    struct balance_draw *draws; /* of the project, with what this refund gives back */
    size_t draw_count;
    size_t row_count;
    struct refund_row *rows;  /* two a slice at most: kept where it was drawn, and moved on */
    struct post_line *lines;  /* one a row */
    struct batch_draw *drawn; /* one a row that is drawn back */
    size_t drawn_count;
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* --- how much -------------------------------------------------------------------------------- */

/* The project that the record is charged to, and what it costs there. */
static int settle_project(struct refunding *refunding, struct error *err)
{
    const struct refund_request *request = refunding->request;
    const struct charged_record *record = &refunding->record;
    struct refund_result *result = refunding->result;

    if (!record->found) {
        return error_set_reason(err, ERROR_REFUSED, "unknown_record",
                                "no record %s of %s has been booked", request->id, request->source);
    }
    if (record->count == 0) {
        return error_set_reason(err, ERROR_REFUSED, "nothing_to_refund",
                                "record %s of %s was charged nothing", request->id,
                                request->source);
    }
    refunding->project = catalog_project(refunding->catalog, record->slices[0].project);
    if (refunding->project == NULL) {
        return error_set(err, ERROR_INTERNAL, "project %s is gone from the catalog",
                         record->slices[0].project);
    }
    result->charged = POINTS_ZERO;
    for (size_t i = 0; i < record->count; i++) {
        if (strcmp(record->slices[i].project, refunding->project->id) == 0 &&
            points_add(result->charged, record->slices[i].points, &result->charged) != POINTS_OK) {
            return error_set(err, ERROR_INTERNAL, "the charges of record %s do not fit",
                             request->id);
        }
    }
    snprintf(result->project, sizeof result->project, "%s", refunding->project->id);
    return 0;
}

static int settle_points(const struct refunding *refunding, struct error *err)
{
    const struct refund_request *request = refunding->request;
    struct refund_result *result = refunding->result;
    struct points refunded = refunding->record.slices[0].refunded;
    struct points left = {result->charged.micro - refunded.micro};
    char text[4][POINTS_TEXT_BYTES];

    if (left.micro <= 0) {
        return error_set_reason(err, ERROR_REFUSED, "nothing_to_refund",
                                "record %s of %s was charged %s and refunded %s", request->id,
                                request->source, points_format(result->charged, text[0]),
                                points_format(refunded, text[1]));
    }
    result->points = request->has_points ? request->points : left;
    if (points_compare(result->points, left) > 0) {
        return error_set_reason(err, ERROR_REFUSED, "over_charge",
                                "record %s of %s was charged %s and refunded %s: %s can be "
                                "refunded, not %s",
                                request->id, request->source,
                                points_format(result->charged, text[0]),
                                points_format(refunded, text[1]), points_format(left, text[2]),
                                points_format(result->points, text[3]));
    }
    result->refundable.micro = left.micro - result->points.micro;
    return 0;
}

/* --- where to ----------------------------------------------------------------------------------
 */

static struct instant segment_since(const struct refunding *refunding, struct instant t)
{
    const struct catalog_project *project = refunding->project;
    ptrdiff_t segment = balance_segment_of(project->edges, project->edge_count, t);

    return segment < 0 ? INSTANT_NONE : project->edges[segment];
}

/* Add to the draw of the segment that holds t; the array has room for one more a row. */
static void draw(struct refunding *refunding, struct instant t, int64_t micro)
{
    struct instant since = segment_since(refunding, t);
    size_t at = 0;

    while (at < refunding->draw_count && instant_compare(refunding->draws[at].since, since) < 0) {
        at++;
    }
    if (at == refunding->draw_count || instant_compare(refunding->draws[at].since, since) != 0) {
        memmove(&refunding->draws[at + 1], &refunding->draws[at],
                (refunding->draw_count - at) * sizeof *refunding->draws);
        refunding->draws[at] = (struct balance_draw){.since = since};
        refunding->draw_count++;
    }
    refunding->draws[at].points.micro += micro;
}

/* What grants that have ended would have left if `micro` more were drawn back at t. */
static int lapsed_with(struct refunding *refunding, struct instant t, int64_t micro,
                       struct points *lapsed, struct error *err)
{
    struct balance_position position = {.grant_count = refunding->project->grant_count,
                                        .grants = refunding->project->grants};
    struct balance balance;
    enum points_result result;

    draw(refunding, t, -micro);
    position.draw_count = refunding->draw_count;
    position.draws = refunding->draws;
    result = balance_at(&position, refunding->request->act.now, &balance, NULL);
    draw(refunding, t, micro);
    if (result != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "the balance of project %s does not fit",
                         refunding->project->id);
    }
    *lapsed = balance.lapsed;
    return 0;
}

/* How much of `micro` reaches grants that still live, or debt, when it is drawn back at t. */
static int settle_kept(struct refunding *refunding, struct instant t, int64_t micro, int64_t *kept,
                       struct error *err)
{
    struct points before, after;

    if (lapsed_with(refunding, t, 0, &before, err) != 0 ||
        lapsed_with(refunding, t, micro, &after, err) != 0) {
        return -1;
    }
    *kept = micro - (after.micro - before.micro);
    if (*kept <= 0 || *kept >= micro) {
        *kept = *kept <= 0 ? 0 : micro;
        return 0;
    }
    if (lapsed_with(refunding, t, *kept, &after, err) != 0) {
        return -1;
    }
    *kept = after.micro == before.micro ? *kept : 0;
    return 0;
}

/* The valid grant that ends first, else the first to begin; 0 if there is neither. */
static int64_t next_grant(const struct refunding *refunding)
{
    const struct catalog_project *project = refunding->project;
    const struct balance_grant *next = NULL;
    bool next_is_active = false;

    for (size_t i = 0; i < project->grant_count; i++) {
        const struct balance_grant *grant = &project->grants[i];
        enum grant_state state = grant_state_at(grant, refunding->request->act.now);
        bool is_active = state == GRANT_ACTIVE;

        if (!is_active && (state != GRANT_FUTURE || next_is_active)) {
            continue;
        }
        if (next == NULL || (is_active && !next_is_active) ||
            (is_active ? instant_compare(grant->to, next->to)
                       : instant_compare(grant->from, next->from)) < 0) {
            next = grant;
            next_is_active = is_active;
        }
    }
    return next != NULL ? next->id : 0;
}

/* Where the points went, whoever serves the class by now. */
static int32_t spent_account(const struct refunding *refunding, const struct charged_slice *slice)
{
    const struct catalog_project *service;

    if (slice->sink_account != 0) {
        return slice->sink_account;
    }
    service = catalog_service(refunding->catalog, refunding->request->source, slice->klass);
    return service != NULL && service != refunding->project ? service->account
                                                            : refunding->project->spent_account;
}

static void add_row(struct refunding *refunding, const struct charged_slice *slice,
                    struct instant last, int64_t grant_id, int64_t micro)
{
    const struct charged_record *record = &refunding->record;
    struct month month = calendar_month_of(&refunding->catalog->calendar,
                                           refunding->request->act.now);

    refunding->lines[refunding->row_count] = (struct post_line){
        .debit_account = spent_account(refunding, slice),
        .credit_account = refunding->project->account,
        .month = month,
        .amount = {micro},
        .kind = TRANSFER_REFUND,
        .source_no = record->source_no,
        .charges = 1,
    };
    refunding->rows[refunding->row_count++] = (struct refund_row){
        .record_no = record->record_no,
        .version = record->version,
        .is_manual = true,
        .month = month,
        .source_no = record->source_no,
        .last = last,
        .grant_id = grant_id,
        .points = {micro},
        .project = slice->project,
        .klass = slice->klass,
    };
    if (grant_id == 0) {
        draw(refunding, last, -micro);
        refunding->drawn[refunding->drawn_count++] = (struct batch_draw){
            .project = slice->project,
            .since = segment_since(refunding, last),
            .points = {-micro},
        };
    }
}

static int place_slice(struct refunding *refunding, const struct charged_slice *slice,
                       int64_t micro, struct error *err)
{
    int64_t kept;

    if (settle_kept(refunding, slice->last, micro, &kept, err) != 0) {
        return -1;
    }
    if (kept > 0) {
        add_row(refunding, slice, slice->last, 0, kept);
    }
    if (kept < micro) {
        add_row(refunding, slice, refunding->request->act.now, next_grant(refunding), micro - kept);
    }
    return 0;
}

static int place(struct refunding *refunding, struct error *err)
{
    const struct charged_record *record = &refunding->record;
    int64_t before = record->slices[0].refunded.micro;
    int64_t rest = refunding->result->points.micro;

    for (size_t i = 0; i < record->count && rest > 0; i++) {
        const struct charged_slice *slice = &record->slices[i];
        int64_t left = slice->points.micro;
        int64_t gone = before < left ? before : left;

        if (strcmp(slice->project, refunding->project->id) != 0) {
            continue;
        }
        before -= gone;
        left -= gone;
        left = left < rest ? left : rest;
        if (left > 0 && place_slice(refunding, slice, left, err) != 0) {
            return -1;
        }
        rest -= left;
    }
    return 0;
}

/* --- the book ------------------------------------------------------------------------------------
 */

static int post(struct refunding *refunding, struct store *store, const struct post_entry *opened,
                int64_t entry_id, struct error *err)
{
    struct number_block numbers = {0, 0};
    struct post_entry entry = *opened;

    for (size_t i = 0; i < refunding->row_count; i++) {
        if (store_next_transfer(store, &numbers, &refunding->lines[i].transfer_id, err) != 0) {
            return -1;
        }
        refunding->rows[i].transfer_id = refunding->lines[i].transfer_id;
        if (refunding->rows[i].grant_id != 0 &&
            store_add_grant_move(store, refunding->rows[i].grant_id, true,
                                 refunding->rows[i].points, entry_id, entry.booked_at, err) != 0) {
            return -1;
        }
    }
    entry.lines = refunding->lines;
    entry.line_count = refunding->row_count;
    return store_post_lines(store, &entry, entry_id, err);
}

static int book(struct refunding *refunding, struct store *store, struct error *err)
{
    const struct refund_request *request = refunding->request;
    struct post_entry entry = {.kind = "refund", .booked_at = request->act.now};
    char detail[512], points[POINTS_TEXT_BYTES];
    int64_t entry_id;

    snprintf(detail, sizeof detail, "%s points of record %.200s of %.200s",
             points_format(refunding->result->points, points), request->id, request->source);
    if (manual_record(store, &request->act, "refund", refunding->project->id, detail,
                      &entry.audit_n, err) != 0 ||
        store_open_entry(store, &entry, &entry_id, err) != 0 ||
        post(refunding, store, &entry, entry_id, err) != 0 ||
        store_add_refunds(store, refunding->rows, refunding->row_count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < refunding->drawn_count;
         i++) { /* one by one: two may be of one segment */
        if (store_draws_add(store, &refunding->drawn[i], 1, err) != 0) {
            return -1;
        }
    }
    return expire_project(store, refunding->catalog, refunding->project->id, request->act.now, err);
}

static int prepare(struct refunding *refunding, struct store *store, struct error *err)
{
    size_t rows = 2 * refunding->record.count + 1;
    struct store_position position;

    if (store_read_position(store, refunding->project->id, &position, err) != 0) {
        return -1;
    }
    refunding->draws = calloc(position.draw_count + rows + 1, sizeof *refunding->draws);
    refunding->rows = calloc(rows, sizeof *refunding->rows);
    refunding->lines = calloc(rows, sizeof *refunding->lines);
    refunding->drawn = calloc(rows, sizeof *refunding->drawn);
    if (refunding->draws != NULL) {
        memcpy(refunding->draws, position.draws, position.draw_count * sizeof *refunding->draws);
        refunding->draw_count = position.draw_count;
    }
    store_position_release(&position);
    return refunding->draws == NULL || refunding->rows == NULL || refunding->lines == NULL ||
                   refunding->drawn == NULL
               ? no_memory(err)
               : 0;
}

static int refund(struct refunding *refunding, struct store *store, struct error *err)
{
    const struct refund_request *request = refunding->request;

    if (store_read_charged(store, request->source, request->id, &refunding->record, err) != 0 ||
        settle_project(refunding, err) != 0 || settle_points(refunding, err) != 0 ||
        prepare(refunding, store, err) != 0 || place(refunding, err) != 0) {
        return -1;
    }
    return book(refunding, store, err);
}

static int refund_under_lock(struct store *store, void *context, struct error *err)
{
    struct refunding *asked = context;
    struct refunding refunding = {.request = asked->request, .result = asked->result};
    struct catalog *catalog = catalog_load(store, err);
    int result;

    if (catalog == NULL) {
        return -1;
    }
    refunding.catalog = catalog;
    result = refund(&refunding, store, err);
    charged_record_release(&refunding.record);
    free(refunding.draws);
    free(refunding.rows);
    free(refunding.lines);
    free(refunding.drawn);
    catalog_destroy(catalog);
    return result;
}

int refund_make(struct store *store, const struct refund_request *request,
                struct refund_result *result, struct error *err)
{
    struct refunding asked = {.request = request, .result = result};

    if (manual_check(&request->act, err) != 0) {
        return -1;
    }
    if (request->has_points && request->points.micro <= 0) {
        return error_set(err, ERROR_ARGUMENT, "more than 0 points are refunded");
    }
    return store_transact(store, STORE_BOOKING, refund_under_lock, &asked, err);
}
