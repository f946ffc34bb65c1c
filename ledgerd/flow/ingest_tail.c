/* ingest_tail - see ingest_tail.h. */
#include "ledgerd/flow/ingest_tail.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/balance.h"
#include "ledgerd/flow/meter_use.h"
#include "ledgerd/store/store_batch.h"

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
               struct error *err)
{
    size_t sources = batch->sources.count;

    tail->batch = batch;
    posting_clear(&tail->posting);
    tally_clear(&tail->usages);
    tally_clear(&tail->meters);
    tally_clear(&tail->draws);
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
    return 0;
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

int tail_charge(struct tail *tail, uint32_t line_number, const struct batch_slice *slice,
                size_t *posted, struct error *err)
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
    return add_draw(tail, line, slice, err);
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

int tail_write(struct tail *tail, struct store *store, struct instant now, struct error *err)
{
    struct post_entry entry = {
        .kind = "import", .booked_at = now, .line_count = tail->line_count, .lines = tail->lines};

    if ((entry.line_count > 0 && store_post_entry(store, &entry, NULL, err) != 0) ||
        write_usages(tail, store, err) != 0 || write_meters(tail, store, err) != 0 ||
        write_draws(tail, store, err) != 0) {
        return -1;
    }
    return write_sources(tail, store, err);
}
