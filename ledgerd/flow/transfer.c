/* transfer - see transfer.h. */
#include "ledgerd/flow/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/balance_read.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/grant_draw.h"
#include "ledgerd/flow/grant_pool.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_correct.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_policy.h"
#include "ledgerd/store/store_post.h"

enum { REQUEST_BYTES = 512 };

struct piece { /* of one of the giver's grants */
    const struct grant_info *grant;
    struct points points;
};

struct moving {
    const struct transfer_request *request;
    struct transfer_result *result;
    char canonical[REQUEST_BYTES];

    /* Settled under the lock: */
    const struct catalog *catalog;
    const struct catalog_project *from, *to;
    struct month month;
    struct balance_sheet sheet; /* the giver's */
    size_t piece_count;
    struct piece *pieces;
};

static bool is_across(const struct moving *moving)
{
    return strcmp(moving->from->share, moving->to->share) != 0;
}

static int check_request(const struct transfer_request *request, struct error *err)
{
    size_t key_length = request->key != NULL ? strlen(request->key) : 0;

    if (manual_check(&request->act, err) != 0) {
        return -1;
    }
    if (request->points.micro <= 0) {
        return error_set(err, ERROR_ARGUMENT, "a transfer is of more than 0 points");
    }
    if (strcmp(request->from, request->to) == 0) {
        return error_set(err, ERROR_ARGUMENT, "project '%s' is both giver and receiver",
                         request->from);
    }
    if (request->key != NULL &&
        (key_length == 0 || !usage_is_clean(request->key, key_length, GRANT_KEY_BYTES))) {
        return error_set(err, ERROR_ARGUMENT, "a key is plain text of 1 to %d bytes",
                         GRANT_KEY_BYTES);
    }
    return 0;
}

static int write_canonical(const struct transfer_request *request, char *out, struct error *err)
{
    char points[POINTS_TEXT_BYTES];
    int length = snprintf(out, REQUEST_BYTES, "from=%s to=%s points=%s across=%s", request->from,
                          request->to, points_format(request->points, points),
                          request->across ? "yes" : "no");

    return length < REQUEST_BYTES ? 0
                                  : error_set(err, ERROR_ARGUMENT, "the arguments are too long");
}

/* --- who and how much --------------------------------------------------------------------------
 */

static const struct catalog_project *find(const struct catalog *catalog, const char *id,
                                          struct error *err)
{
    const struct catalog_project *project = catalog_project(catalog, id);

    if (project == NULL) {
        project_unknown(id, err);
        return NULL;
    }
    if (project->is_service) {
        error_set_reason(err, ERROR_REFUSED, "is_service",
                         "'%s' is a service: it neither gives nor is given points", id);
        return NULL;
    }
    return project;
}

static int settle_projects(struct moving *moving, struct error *err)
{
    const struct transfer_request *request = moving->request;

    moving->from = find(moving->catalog, request->from, err);
    moving->to = moving->from != NULL ? find(moving->catalog, request->to, err) : NULL;
    if (moving->to == NULL) {
        return -1;
    }
    if (moving->to->is_closed) {
        return error_set_reason(err, ERROR_REFUSED, "project_closed", "project '%s' is closed",
                                request->to);
    }
    if (is_across(moving) && !request->across) {
        return error_set_reason(err, ERROR_REFUSED, "other_share",
                                "project '%s' is of share %s and '%s' of %s: --across moves points "
                                "between shares",
                                request->from, moving->from->share, request->to, moving->to->share);
    }
    return 0;
}

static int draw_order(const void *a, const void *b)
{
    const struct grant_info *x = ((const struct piece *)a)->grant;
    const struct grant_info *y = ((const struct piece *)b)->grant;
    int order = instant_compare(x->to, y->to);

    if (order == 0) {
        order = instant_compare(x->from, y->from);
    }
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static int refuse_short(const struct moving *moving, int64_t movable, struct error *err)
{
    char left[POINTS_TEXT_BYTES], wanted[POINTS_TEXT_BYTES];

    return error_set_reason(err, ERROR_REFUSED, "insufficient_points",
                            "project '%s' has %s that can be transferred, not %s",
                            moving->request->from, points_format((struct points){movable}, left),
                            points_format(moving->request->points, wanted));
}

/* Cut what moves out of the valid grants, in the order in which they are drawn. */
static int settle_pieces(struct moving *moving, struct error *err)
{
    const struct grant_infos *grants = &moving->sheet.grants;
    int64_t rest = moving->request->points.micro;
    size_t count = 0;

    moving->pieces = calloc(grants->count + 1, sizeof *moving->pieces);
    if (moving->pieces == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < grants->count; i++) {
        if (grants->grants[i].state == GRANT_ACTIVE && grants->grants[i].remaining.micro > 0) {
            moving->pieces[count++].grant = &grants->grants[i];
        }
    }
    qsort(moving->pieces, count, sizeof *moving->pieces, draw_order);
    for (moving->piece_count = 0; moving->piece_count < count && rest > 0; moving->piece_count++) {
        struct piece *piece = &moving->pieces[moving->piece_count];
        int64_t remaining = piece->grant->remaining.micro;

        piece->points.micro = remaining < rest ? remaining : rest;
        rest -= piece->points.micro;
    }
    if (rest > 0) {
        return refuse_short(moving, moving->request->points.micro - rest, err);
    }
    if (moving->to->grant_count + moving->piece_count > BALANCE_GRANTS_MAX) {
        return error_set_reason(err, ERROR_REFUSED, "too_many_grants",
                                "project '%s' has %zu grants, more than %d are not kept",
                                moving->to->id, moving->to->grant_count, BALANCE_GRANTS_MAX);
    }
    return 0;
}

static int settle_points(struct store *store, struct moving *moving, struct error *err)
{
    const char *const projects[] = {moving->from->id, moving->to->id};
    int64_t movable;

    /* Nobody holds, between the look and the booking, what is being moved. */
    if (store_lock_positions(store, NULL, 0, projects, sizeof projects / sizeof projects[0], err) !=
            0 ||
        balance_gather(store, moving->catalog, moving->from, moving->request->act.now,
                       &moving->sheet, err) != 0) {
        return -1;
    }
    movable = moving->sheet.balance.available.micro - moving->sheet.overdraft.micro;
    if (movable < moving->request->points.micro) {
        return refuse_short(moving, movable > 0 ? movable : 0, err);
    }
    moving->result->left.micro = movable - moving->request->points.micro;
    return settle_pieces(moving, err);
}

/* --- across shares
 * --------------------------------------------------------------------------------- */

/* The pool with `micro` points more of supply and of grants (less if negative). */
static int check_pool(struct store *store, const struct moving *moving, const char *share,
                      int fiscal_year, int64_t micro, struct error *err)
{
    const struct policy *policy = policy_for_acts(moving->catalog, moving->request->act.now, err);
    char left[POINTS_TEXT_BYTES], text[POINTS_TEXT_BYTES];
    struct pool pool, then;

    if (policy == NULL || pool_read(store, policy, share, fiscal_year, &pool, err) != 0 ||
        pool_with(policy, &pool, (struct points){micro}, &then, err) != 0) {
        return -1;
    }
    if (then.left.micro < micro && then.left.micro - micro < pool.left.micro) {
        return error_set_reason(err, ERROR_REFUSED, "over_pool",
                                "pool %s/%d has %s left: its over-grant factor leaves no room for "
                                "%s across shares",
                                share, fiscal_year, points_format(pool.left, left),
                                points_format((struct points){micro}, text));
    }
    return 0;
}

/* The giver's pool lends the receiver's what moves, which takes it as granted: both balances stay,
 * supply and grants move. Returns the number of lines, or -1. */
static int write_loan(struct store *store, const struct moving *moving, struct post_line *lines,
                      struct error *err)
{
    int year = moving->pieces[0].grant->fiscal_year; /* of all: they are valid now */
    struct points points = moving->request->points;
    int32_t lender, borrower;

    if (check_pool(store, moving, moving->from->share, year, -points.micro, err) != 0 ||
        check_pool(store, moving, moving->to->share, year, points.micro, err) != 0 ||
        store_pool_account(store, moving->from->share, year, &lender, err) != 0 ||
        store_pool_account(store, moving->to->share, year, &borrower, err) != 0) {
        return -1;
    }
    lines[0] = (struct post_line){.debit_account = lender,
                                  .credit_account = borrower,
                                  .month = moving->month,
                                  .amount = points,
                                  .kind = TRANSFER_LEND};
    lines[1] = (struct post_line){.debit_account = borrower,
                                  .credit_account = lender,
                                  .month = moving->month,
                                  .amount = points,
                                  .kind = TRANSFER_MOVE};
    return 2;
}

/* --- the book ------------------------------------------------------------------------------------
 */

/* Each new grant cuts the receiver's time, by the edges that the ones before it have made. */
static int cut(struct store *store, const struct moving *moving, const struct grant_info *grant,
               struct error *err)
{
    const struct catalog_project *to = moving->to;
    struct catalog_project known = *to;
    size_t count = to->edge_count;
    int result;

    known.edges = calloc(count + 2 * moving->piece_count + 1, sizeof *known.edges);
    if (known.edges == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    memcpy(known.edges, to->edges, count * sizeof *known.edges);
    for (const struct piece *piece = moving->pieces; piece->grant != grant; piece++) {
        known.edges[count++] = piece->grant->from;
        known.edges[count++] = piece->grant->to;
    }
    known.edge_count = count; /* grant_draw_cut needs no order */
    result = grant_draw_cut(store, &known, grant->from, grant->to, err);
    free(known.edges);
    return result;
}

static int book_piece(struct store *store, const struct moving *moving, const struct piece *piece,
                      int64_t move_id, int64_t entry_id, struct post_line *line, struct error *err)
{
    struct grant_new grant = {
        .project = moving->to->id,
        .share = is_across(moving) ? moving->to->share : piece->grant->share,
        .fiscal_year = piece->grant->fiscal_year,
        .points = piece->points,
        .from = piece->grant->from,
        .to = piece->grant->to,
        .request = moving->canonical,
        .move_id = move_id,
        .moved_from = piece->grant->id,
        .entry_id = entry_id,
        .granted_at = moving->request->act.now,
    };
    int64_t id;

    if (store_add_grant(store, &grant, &id, err) != 0 ||
        store_add_grant_move(store, piece->grant->id, false, piece->points, entry_id,
                             moving->request->act.now, err) != 0) {
        return -1;
    }
    *line = (struct post_line){.debit_account = moving->from->account,
                               .credit_account = moving->to->account,
                               .month = moving->month,
                               .amount = piece->points,
                               .kind = TRANSFER_MOVE,
                               .grant_id = id};
    return cut(store, moving, piece->grant, err);
}

static int book_pieces(struct store *store, const struct moving *moving, struct post_entry *entry,
                       int64_t entry_id, struct error *err)
{
    struct post_line *lines = calloc(moving->piece_count + 2, sizeof *lines);
    int count = 0;
    int result = -1;

    if (lines == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (is_across(moving)) {
        count = write_loan(store, moving, lines, err);
    }
    for (size_t i = 0; i < moving->piece_count && count >= 0; i++) {
        count = book_piece(store, moving, &moving->pieces[i], moving->result->id, entry_id,
                           &lines[count], err) == 0
                    ? count + 1
                    : -1;
    }
    if (count >= 0) {
        entry->lines = lines;
        entry->line_count = (size_t)count;
        result = store_post_lines(store, entry, entry_id, err);
    }
    free(lines);
    return result;
}

static int book(struct store *store, struct moving *moving, struct error *err)
{
    const struct transfer_request *request = moving->request;
    struct post_entry entry = {.kind = "transfer", .booked_at = request->act.now};
    struct move_new move = {.from = moving->from->id,
                            .to = moving->to->id,
                            .points = request->points,
                            .is_across = is_across(moving),
                            .key = request->key,
                            .request = moving->canonical,
                            .now = request->act.now};
    char detail[REQUEST_BYTES], points[POINTS_TEXT_BYTES];

    snprintf(detail, sizeof detail, "%s points to %s%s%s%s", points_format(request->points, points),
             moving->to->id, is_across(moving) ? ", across shares" : "",
             request->key != NULL ? ", key " : "", request->key != NULL ? request->key : "");
    if (manual_record(store, &request->act, "transfer", moving->from->id, detail, &entry.audit_n,
                      err) != 0 ||
        store_open_entry(store, &entry, &move.entry_id, err) != 0 ||
        store_add_move(store, &move, &moving->result->id, err) != 0 ||
        book_pieces(store, moving, &entry, move.entry_id, err) != 0 ||
        expire_project(store, moving->catalog, moving->from->id, request->act.now, err) != 0) {
        return -1;
    }
    moving->result->grants_made = (int64_t)moving->piece_count;
    return expire_project(store, moving->catalog, moving->to->id, request->act.now, err);
}

static int answer_again(struct store *store, struct moving *moving, const char *canonical,
                        struct error *err)
{
    const struct transfer_request *request = moving->request;

    if (strcmp(canonical, moving->canonical) != 0) {
        return error_set_reason(err, ERROR_REFUSED, "key_differs",
                                "key '%s' was used for another transfer (%s)", request->key,
                                canonical);
    }
    moving->from = find(moving->catalog, request->from, err);
    if (moving->from == NULL || balance_gather(store, moving->catalog, moving->from,
                                               request->act.now, &moving->sheet, err) != 0) {
        return -1;
    }
    moving->result->repeated = true;
    moving->result->left.micro = moving->sheet.balance.available.micro -
                                 moving->sheet.overdraft.micro;
    return 0;
}

static int move_points(struct store *store, struct moving *moving, struct error *err)
{
    char *canonical = NULL;
    int result;

    *moving->result = (struct transfer_result){0};
    if (moving->request->key != NULL &&
        store_find_move(store, moving->request->key, &moving->result->id, &canonical, err) != 0) {
        return -1;
    }
    if (canonical != NULL) {
        result = answer_again(store, moving, canonical, err);
        free(canonical);
        return result;
    }
    moving->month = calendar_month_of(&moving->catalog->calendar, moving->request->act.now);
    if (settle_projects(moving, err) != 0 || settle_points(store, moving, err) != 0) {
        return -1;
    }
    return book(store, moving, err);
}

static int move_under_lock(struct store *store, void *context, struct error *err)
{
    struct moving *moving = context;
    struct catalog *catalog = catalog_load(store, err);
    int result;

    if (catalog == NULL) {
        return -1;
    }
    moving->catalog = catalog;
    result = move_points(store, moving, err);
    balance_sheet_release(&moving->sheet);
    free(moving->pieces);
    moving->pieces = NULL;
    catalog_destroy(catalog);
    return result;
}

int transfer_make(struct store *store, const struct transfer_request *request,
                  struct transfer_result *result, struct error *err)
{
    struct moving moving = {.request = request, .result = result};

    if (check_request(request, err) != 0 || write_canonical(request, moving.canonical, err) != 0) {
        return -1;
    }
    return store_transact(store, STORE_BOOKING, move_under_lock, &moving, err);
}
