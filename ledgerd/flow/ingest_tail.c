/* ingest_tail - see ingest_tail.h. */
#include "ledgerd/flow/ingest_tail.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/balance.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/meter_use.h"
#include "ledgerd/store/store_batch.h"
#include "ledgerd/store/store_close.h"
#include "ledgerd/store/store_correct.h"
#include "ledgerd/store/store_limit.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void tail_release(struct tail *tail)
{
    posting_release(&tail->posting);
    tally_release(&tail->usages);
    tally_release(&tail->meters);
    tally_release(&tail->draws);
    tally_release(&tail->limits);
    free(tail->refunds.at);
    free(tail->transfers);
    free(tail->lines);
    free(tail->latest);
    *tail = (struct tail){0};
}

/* Points leave the project.  They arrive at the service that served it, if one did, else at spent;
 * the service's own use of the machine is nobody's else. */
static int resolve_line(struct tail *tail, struct batch_line *line, struct error *err)
{
    const struct catalog *catalog = tail->catalog;
    const char *source = tail->batch->sources.at[line->source].name;
    const struct catalog_project *project = catalog_project(catalog, line->project);
    const struct catalog_project *service = catalog_service(catalog, source, line->klass);

    if (project == NULL) {
        return error_set(err, ERROR_INTERNAL, "project %s is gone from the catalog", line->project);
    }
    line->debit_account = project->account;
    line->credit_account = service != NULL && service != project ? service->account
                                                                 : project->spent_account;
    line->owner = (uint32_t)(project - catalog->projects);
    return 0;
}

int tail_begin(struct tail *tail, struct batch *batch, const struct catalog *catalog,
               struct store *store, struct error *err)
{
    size_t sources = batch->sources.count;

    tail->batch = batch;
    posting_clear(&tail->posting);
    tally_clear(&tail->usages);
    tally_clear(&tail->meters);
    tally_clear(&tail->draws);
    tally_clear(&tail->limits);
    tail->refunds.count = 0;
    tail->catalog = catalog;
    tail->line_count = 0;
    tail->total = POINTS_ZERO;
    if (tail->latest_capacity < sources) {
        free(tail->latest);
        tail->latest = calloc(sources, sizeof *tail->latest);
        tail->latest_capacity = tail->latest != NULL ? sources : 0;
        if (tail->latest == NULL) {
            return no_memory(err);
        }
    }
    for (size_t i = 0; i < sources; i++) {
        tail->latest[i] = INSTANT_NONE;
    }
    for (size_t i = 0; i < batch->lines.count; i++) { /* the transaction may run again */
        batch->lines.at[i].debit_account = 0;
    }
    return store_closed_through(store, &tail->closed, err);
}

static int add_draw(struct tail *tail, const struct batch_line *line,
                    const struct batch_slice *slice, struct error *err)
{
    const struct catalog_project *project = &tail->catalog->projects[line->owner];
    ptrdiff_t segment = balance_segment_of(project->edges, project->edge_count, slice->last);
    struct instant since = segment < 0 ? INSTANT_NONE : project->edges[segment];
    struct tally_row *row = tally_row(&tail->draws, line->owner, (uint64_t)since.us);

    if (row == NULL) {
        return no_memory(err);
    }
    row->sums[0] += slice->points.micro;
    return 0;
}

/* The charge counts against the limits of the whole project or of the user within it. */
static int add_uses(struct tail *tail, const struct catalog_project *project, const char *user,
                    const struct batch_slice *slice, struct error *err)
{
    size_t count;
    const struct catalog_limit *limits = catalog_limits(project, user, &count);

    for (size_t i = 0; i < count; i++) {
        int32_t since = limit_since(limits[i].period, &tail->catalog->calendar, slice->month,
                                    slice->last);
        struct tally_row *row = tally_row(&tail->limits, (uint64_t)limits[i].number,
                                          (uint64_t)since);

        if (row == NULL) {
            return no_memory(err);
        }
        row->sums[0] += slice->points.micro;
    }
    return 0;
}

static int add_limits(struct tail *tail, const struct batch_line *line, const char *user,
                      const struct batch_slice *slice, struct error *err)
{
    const struct catalog_project *project = &tail->catalog->projects[line->owner];

    if (project->limit_count == 0) {
        return 0;
    }
    if (*user != '\0' && add_uses(tail, project, user, slice, err) != 0) {
        return -1;
    }
    return add_uses(tail, project, "", slice, err);
}

/* Of a closed month every charge is listed by its transfer, so none may net to nothing. */
static bool is_kept_apart(const struct tail *tail, struct month month, struct points points)
{
    return points.micro < 0 && month.number <= tail->closed.number;
}

int tail_charge(struct tail *tail, uint32_t line_number, const char *user,
                const struct batch_slice *slice, size_t *posted, struct error *err)
{
    struct batch_line *line = &tail->batch->lines.at[line_number];
    struct posting_key key = {.month = slice->month, .kind = TRANSFER_CHARGE};
    struct tally_row *usage;
    ptrdiff_t number;

    if (line->debit_account == 0 && resolve_line(tail, line, err) != 0) {
        return -1;
    }
    key.debit_account = line->debit_account;
    key.credit_account = line->credit_account;
    key.source = tail->batch->sources.at[line->source].number;
    key.is_back = is_kept_apart(tail, slice->month, slice->points);
    number = posting_add(&tail->posting, &key, slice->points);
    usage = tally_row(&tail->usages, (uint64_t)slice->month.number, line_number);
    if (number < 0 || usage == NULL ||
        points_add(tail->total, slice->points, &tail->total) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL,
                         "the charges of a batch do not fit: too large in sum, or out of memory");
    }
    usage->sums[0] += slice->points.micro;
    usage->sums[1] += slice->list_points.micro;
    usage->sums[2]++;
    *posted = (size_t)number;
    return add_draw(tail, line, slice, err) != 0 ? -1 : add_limits(tail, line, user, slice, err);
}

static int keep_refund(struct tail *tail, const struct tail_refund *refund, size_t posted,
                       struct error *err)
{
    if (tail->refunds.count == tail->refunds.capacity) {
        size_t capacity = tail->refunds.capacity * 2 + 64;
        struct tail_refund *grown = realloc(tail->refunds.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        tail->refunds.at = grown;
        tail->refunds.capacity = capacity;
    }
    tail->refunds.at[tail->refunds.count] = *refund;
    tail->refunds.at[tail->refunds.count++].posted = posted;
    return 0;
}

int tail_refund(struct tail *tail, const struct tail_refund *refund, struct error *err)
{
    struct batch_line *line = &tail->batch->lines.at[refund->line];
    struct posting_key key = {.month = refund->month, .kind = TRANSFER_REFUND};
    struct batch_slice back = {.last = refund->last, .points = {-refund->points.micro}};
    ptrdiff_t number;

    if (line->debit_account == 0 && resolve_line(tail, line, err) != 0) {
        return -1;
    }
    key.debit_account = line->credit_account;
    key.credit_account = line->debit_account;
    key.source = tail->batch->sources.at[line->source].number;
    key.is_back = is_kept_apart(tail, refund->month, refund->points);
    number = posting_add(&tail->posting, &key, refund->points);
    if (number < 0) {
        return error_set(err, ERROR_INTERNAL,
                         "the refunds of a batch do not fit: too large in sum, or out of memory");
    }
    return add_draw(tail, line, &back, err) != 0 ? -1
                                                 : keep_refund(tail, refund, (size_t)number, err);
}

int tail_meter(struct tail *tail, uint32_t line, uint32_t meter, struct month month, bool is_held,
               __int128 amount, struct error *err)
{
    struct tally_row *row = tally_row(&tail->meters, (uint64_t)line << 32 | meter,
                                      (uint64_t)month.number << 1 | is_held);

    if (row == NULL) {
        return no_memory(err);
    }
    row->sums[0] += amount;
    return 0;
}

void tail_seen(struct tail *tail, uint32_t source, struct instant end)
{
    tail->latest[source] = instant_max(tail->latest[source], end);
}

/* A transfer for each line that does not net to nothing, the other way round if it is negative. */
static int make_transfer(const struct posting_line *from, struct post_line *to, struct error *err)
{
    bool is_back = from->sum.micro < 0;

    *to = (struct post_line){
        .debit_account = is_back ? from->key.credit_account : from->key.debit_account,
        .credit_account = is_back ? from->key.debit_account : from->key.credit_account,
        .month = from->key.month,
        .amount = from->sum,
        .kind = from->key.kind,
        .source_no = from->key.source,
        .charges = from->charges,
    };
    if (is_back && points_subtract(POINTS_ZERO, from->sum, &to->amount) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "the charges of a batch do not fit");
    }
    return 0;
}

static int reserve_transfers(struct tail *tail, struct error *err)
{
    size_t count = tail->posting.count;

    tail->line_count = 0;
    if (tail->transfer_capacity >= count) {
        return 0;
    }
    free(tail->transfers);
    free(tail->lines);
    tail->transfers = calloc(count, sizeof *tail->transfers);
    tail->lines = calloc(count, sizeof *tail->lines);
    tail->transfer_capacity = tail->transfers != NULL && tail->lines != NULL ? count : 0;
    return tail->transfer_capacity >= count ? 0 : no_memory(err);
}

int tail_number(struct tail *tail, struct store *store, struct number_block *numbers,
                struct error *err)
{
    if (reserve_transfers(tail, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < tail->posting.count; i++) {
        struct post_line *line = &tail->lines[tail->line_count];

        tail->transfers[i] = 0;
        if (points_is_zero(tail->posting.lines[i].sum)) {
            continue;
        }
        if (make_transfer(&tail->posting.lines[i], line, err) != 0 ||
            store_next_transfer(store, numbers, &line->transfer_id, err) != 0) {
            return -1;
        }
        tail->transfers[i] = line->transfer_id;
        tail->line_count++;
    }
    return 0;
}

int64_t tail_transfer(const struct tail *tail, size_t posted)
{
    return tail->transfers[posted];
}

static bool fits_i64(__int128 value)
{
    return value >= INT64_MIN && value <= INT64_MAX;
}

static int write_usages(const struct tail *tail, struct store *store, struct error *err)
{
    const struct batch *batch = tail->batch;
    struct batch_usage *rows = calloc(tail->usages.count + 1, sizeof *rows);
    int result;

    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < tail->usages.count; i++) {
        const struct tally_row *from = &tail->usages.rows[i];
        const struct batch_line *line = &batch->lines.at[from->b];

        if (!fits_i64(from->sums[0]) || !fits_i64(from->sums[1])) {
            free(rows);
            return error_set(err, ERROR_INTERNAL, "the charges of a batch do not fit");
        }
        rows[i] = (struct batch_usage){
            .month = {(int)from->a},
            .project = line->project,
            .source_no = batch->sources.at[line->source].number,
            .klass = line->klass,
            .points = {(int64_t)from->sums[0]},
            .list_points = {(int64_t)from->sums[1]},
            .charges = (int64_t)from->sums[2],
        };
    }
    result = store_usage_add(store, rows, tail->usages.count, err);
    free(rows);
    return result;
}

static int write_meters(const struct tail *tail, struct store *store, struct error *err)
{
    const struct batch *batch = tail->batch;
    struct batch_meter *rows = calloc(tail->meters.count + 1, sizeof *rows);
    size_t count = 0;
    int result;

    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < tail->meters.count; i++) {
        const struct tally_row *from = &tail->meters.rows[i];
        const struct batch_line *line = &batch->lines.at[from->a >> 32];
        struct batch_meter *row = &rows[count];

        if (from->sums[0] == 0) {
            continue;
        }
        *row = (struct batch_meter){
            .month = {(int)(from->b >> 1)},
            .project = line->project,
            .source_no = batch->sources.at[line->source].number,
            .klass = line->klass,
            .meter = batch->meters.at[from->a & UINT32_MAX],
            .is_held = (from->b & 1) != 0,
        };
        meter_use_format(from->sums[0], row->is_held, row->amount);
        count++;
    }
    result = store_meters_add(store, rows, count, err);
    free(rows);
    return result;
}

static int write_draws(const struct tail *tail, struct store *store, struct error *err)
{
    struct batch_draw *rows = calloc(tail->draws.count + 1, sizeof *rows);
    int result;

    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < tail->draws.count; i++) {
        const struct tally_row *from = &tail->draws.rows[i];

        if (!fits_i64(from->sums[0])) {
            free(rows);
            return error_set(err, ERROR_INTERNAL, "the charges of a batch do not fit");
        }
        rows[i] = (struct batch_draw){
            .project = tail->catalog->projects[from->a].id,
            .since = {(int64_t)from->b},
            .points = {(int64_t)from->sums[0]},
        };
    }
    result = store_draws_add(store, rows, tail->draws.count, err);
    free(rows);
    return result;
}

static int write_limits(const struct tail *tail, struct store *store, struct error *err)
{
    struct store_limit_use *rows = calloc(tail->limits.count + 1, sizeof *rows);
    int result;

    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < tail->limits.count; i++) {
        const struct tally_row *from = &tail->limits.rows[i];

        if (!fits_i64(from->sums[0])) {
            free(rows);
            return error_set(err, ERROR_INTERNAL, "the charges of a batch do not fit");
        }
        rows[i] = (struct store_limit_use){
            .limit_no = (int32_t)from->a,
            .since = (int32_t)from->b,
            .points = {(int64_t)from->sums[0]},
        };
    }
    result = store_limit_add(store, rows, tail->limits.count, err);
    free(rows);
    return result;
}

static int write_sources(const struct tail *tail, struct store *store, struct error *err)
{
    const struct batch *batch = tail->batch;
    int32_t numbers[BATCH_SOURCES_MAX + 1];
    struct instant latest[BATCH_SOURCES_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < batch->sources.count && i <= BATCH_SOURCES_MAX; i++) {
        if (instant_is_set(tail->latest[i])) {
            numbers[count] = batch->sources.at[i].number;
            latest[count++] = tail->latest[i];
        }
    }
    return count == 0 ? 0 : store_source_touch(store, numbers, latest, count, err);
}

static int write_refunds(const struct tail *tail, struct store *store, struct error *err)
{
    const struct batch *batch = tail->batch;
    struct refund_row *rows = calloc(tail->refunds.count + 1, sizeof *rows);
    int result;

    if (rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < tail->refunds.count; i++) {
        const struct tail_refund *from = &tail->refunds.at[i];
        const struct batch_line *line = &batch->lines.at[from->line];

        rows[i] = (struct refund_row){
            .record_no = from->record_no,
            .version = from->version,
            .month = from->month,
            .source_no = batch->sources.at[line->source].number,
            .transfer_id = tail_transfer(tail, from->posted),
            .last = from->last,
            .points = from->points,
            .project = line->project,
            .klass = line->klass,
        };
    }
    result = store_add_refunds(store, rows, tail->refunds.count, err);
    free(rows);
    return result;
}

static bool has_ended_grant(const struct catalog_project *project, struct instant now)
{
    for (size_t i = 0; i < project->grant_count; i++) {
        if (instant_compare(project->grants[i].to, now) <= 0) {
            return true;
        }
    }
    return false;
}

/* Charges for time before a grant's end take their part of its expiry back. */
static int settle_expiries(const struct tail *tail, struct store *store, struct instant now,
                           struct error *err)
{
    const struct catalog *catalog = tail->catalog;
    bool *is_settled = calloc(catalog->project_count + 1, sizeof *is_settled);
    int result = 0;

    if (is_settled == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < tail->draws.count && result == 0; i++) {
        const struct catalog_project *project = &catalog->projects[tail->draws.rows[i].a];

        if (!is_settled[project - catalog->projects] && has_ended_grant(project, now)) {
            is_settled[project - catalog->projects] = true;
            result = expire_project(store, catalog, project->id, now, err);
        }
    }
    free(is_settled);
    return result;
}

int tail_write_totals(struct tail *tail, struct store *store, struct error *err)
{
    return write_usages(tail, store, err) != 0 || write_meters(tail, store, err) != 0 ||
                   write_refunds(tail, store, err) != 0
               ? -1
               : write_sources(tail, store, err);
}

int tail_write(struct tail *tail, struct store *store, struct instant now, struct error *err)
{
    struct post_entry entry = {
        .kind = "import", .booked_at = now, .line_count = tail->line_count, .lines = tail->lines};

    if ((entry.line_count > 0 && store_post_entry(store, &entry, NULL, err) != 0) ||
        write_draws(tail, store, err) != 0 || write_limits(tail, store, err) != 0) {
        return -1;
    }
    return settle_expiries(tail, store, now, err);
}
