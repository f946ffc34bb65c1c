/* Filling the matrix of shares and months: one reading of each roll-up, exact sums; a cell is what
 * its month adds to the rounded sum of the year so far. */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/report_share.h"
#include "ledgerd/store/store_report.h"
#include "ledgerd/store/store_report_share.h"

struct gathering {
    struct report_shares *out;
    struct instant now;
    struct month current; /* that holds it */
    struct period months[REPORT_MONTHS_MAX];
    char supply_id[POLICY_NAME_BYTES];     /* entry whose rows are being read */
    struct exact entry[REPORT_MONTHS_MAX]; /* its device hours by month */
    struct exact nominal[REPORT_MONTHS_MAX];
    struct exact available[REPORT_MONTHS_MAX]; /* nominal as adjusted */
    struct exact offered[REPORT_SHARES_MAX][REPORT_MONTHS_MAX];
    struct exact capacity;    /* GPU hours of the fiscal year's entries */
    struct points gpu_minted; /* points minted for them */
    struct unit_seconds used[REPORT_SHARES_MAX][REPORT_MONTHS_MAX];
};

static int overflow(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "a sum of the report does not fit");
}

static int add(struct points *sum, struct points more, struct error *err)
{
    return points_add(*sum, more, sum) == POINTS_OK ? 0 : overflow(err);
}

/* The policy in force in a month's last instant, else the book's first. */
static const struct policy *policy_of(const struct catalog *catalog, struct month month)
{
    struct instant last = {calendar_month(&catalog->calendar, month).to.us - 1};
    const struct policy *policy = policies_at(&catalog->policies, last);
    return policy != NULL ? policy : catalog->policies.policies[0];
}

/* The share's row, made if it is new; -1 if there are too many. */
static ptrdiff_t share_row(struct report_shares *out, const char *share, struct error *err)
{
    for (size_t i = 0; i < out->share_count; i++) {
        if (strcmp(out->shares[i].share, share) == 0) {
            return (ptrdiff_t)i;
        }
    }
    if (out->share_count == REPORT_SHARES_MAX) {
        return error_set(err, ERROR_INTERNAL, "more than %d shares in one fiscal year",
                         REPORT_SHARES_MAX);
    }
    struct report_share_row *row = &out->shares[out->share_count];
    strncat(row->share, share, sizeof row->share - 1);
    row->promise = policy_share(out->policy, share);
    return (ptrdiff_t)out->share_count++;
}

static int supply_entry_begin(struct gathering *g, const struct report_supply *row,
                              struct error *err)
{
    struct decimal count;
    struct decimal hours;
    struct exact whole;
    if (decimal_parse(row->count, strlen(row->count), &count) < 0 ||
        decimal_parse(row->hours, strlen(row->hours), &hours) < 0) {
        return error_set(err, ERROR_INTERNAL, "supply %s: count or hours cannot be read", row->id);
    }
    g->supply_id[0] = '\0';
    strncat(g->supply_id, row->id, sizeof g->supply_id - 1);
    exact_init(&whole);
    exact_set_decimal(&whole, count);
    exact_multiply_decimal(&whole, hours);
    exact_add(&g->capacity, &whole);
    for (size_t m = 0; m < g->out->month_count; m++) {
        struct instant from = instant_max(row->from, g->months[m].from);
        struct instant to = instant_min(row->to, g->months[m].to);
        exact_set(&g->entry[m], &whole);
        exact_multiply_i64(&g->entry[m], to.us > from.us ? to.us - from.us : 0);
        exact_divide_i64(&g->entry[m], row->to.us - row->from.us);
        exact_add(&g->nominal[m], &g->entry[m]);
        if (row->minted.micro > 0) { /* what was not delivered is spread like the rest */
            exact_multiply_i64(&g->entry[m], row->minted.micro + row->adjusted.micro);
            exact_divide_i64(&g->entry[m], row->minted.micro);
        }
        exact_add(&g->available[m], &g->entry[m]);
    }
    exact_release(&whole);
    return add(&g->gpu_minted, row->minted, err);
}

static int supply_take(void *context, const struct report_supply *row, struct error *err)
{
    struct gathering *g = context;
    struct decimal fraction;
    ptrdiff_t s = share_row(g->out, row->share, err);
    if (s < 0 || add(&g->out->shares[s].supply, row->points, err) < 0) {
        return -1;
    }
    if (strcmp(row->resource, "gpu") != 0) {
        return 0;
    }
    if (strcmp(row->id, g->supply_id) != 0 && supply_entry_begin(g, row, err) < 0) {
        return -1;
    }
    if (decimal_parse(row->fraction, strlen(row->fraction), &fraction) < 0) {
        return error_set(err, ERROR_INTERNAL, "supply %s: fraction of %s cannot be read", row->id,
                         row->share);
    }
    for (size_t m = 0; m < g->out->month_count; m++) {
        struct exact part;
        exact_init(&part);
        exact_set(&part, &g->entry[m]);
        exact_multiply_decimal(&part, fraction);
        exact_add(&g->offered[s][m], &part);
        exact_release(&part);
    }
    return 0;
}

static int move_take(void *context, const struct report_share_move *row, struct error *err)
{
    struct gathering *g = context;
    ptrdiff_t s = share_row(g->out, row->share, err);
    struct points back;
    if (s < 0 || points_subtract(POINTS_ZERO, row->points, &back) != POINTS_OK) {
        return s < 0 ? -1 : overflow(err);
    }
    struct report_cell *cell = &g->out->shares[s].cells[row->month.number - g->out->first.number];
    if (!row->is_pool) {
        bool is_spent = strcmp(row->kind, "charge") == 0 || strcmp(row->kind, "refund") == 0;
        return is_spent ? add(&cell->spent, back, err) : 0;
    }
    if (strcmp(row->kind, "grant") == 0 || strcmp(row->kind, "revoke") == 0 ||
        strcmp(row->kind, "move") == 0) { /* a transfer across shares moves grants with the loan */
        return add(&cell->granted, back, err);
    }
    return strcmp(row->kind, "lend") == 0 ? add(&cell->lent, row->points, err) : 0;
}

static struct report_service_use *service_of(struct report_shares *out,
                                             const struct catalog_project *service,
                                             struct error *err)
{
    for (size_t i = 0; i < out->service_count; i++) {
        if (out->services[i].service == service) {
            return &out->services[i];
        }
    }
    struct report_service_use *more = reallocarray(out->services, out->service_count + 1,
                                                   sizeof *out->services);
    if (more == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory for services");
        return NULL;
    }
    out->services = more;
    out->services[out->service_count] = (struct report_service_use){.service = service};
    return &out->services[out->service_count++];
}

static int usage_take(void *context, const struct report_share_usage *row, struct error *err)
{
    struct gathering *g = context;
    size_t m = (size_t)(row->month.number - g->out->first.number);
    struct unit_seconds gpu;
    if (unit_seconds_parse(row->gpu_seconds, &gpu) < 0) {
        return error_set(err, ERROR_INTERNAL, "GPU seconds of %s %s: cannot be read: %s",
                         row->source, row->klass, row->gpu_seconds);
    }
    if (row->share[0] == '\0') {
        const struct catalog_project *own = catalog_project(g->out->catalog, row->service);
        struct report_service_use *use = own != NULL ? service_of(g->out, own, err) : NULL;
        if (own != NULL && use == NULL) {
            return -1;
        }
        return use == NULL || unit_seconds_add(&use->gpu[m], gpu) == 0 ? 0 : overflow(err);
    }
    ptrdiff_t s = share_row(g->out, row->share, err);
    if (s < 0 || unit_seconds_add(&g->used[s][m], gpu) < 0) {
        return s < 0 ? -1 : overflow(err);
    }
    const struct catalog_project *served = catalog_service(g->out->catalog, row->source,
                                                           row->klass);
    if (served == NULL) {
        return 0;
    }
    struct report_service_use *use = service_of(g->out, served, err);
    return use == NULL ? -1 : add(&use->list[m][s], row->list_points, err);
}

/* The current month's cell of the project's share; NULL if it has no share, or the report does not
 * reach that month. */
static int current_cell(struct gathering *g, const char *project, struct report_cell **cell,
                        struct error *err)
{
    const struct catalog_project *known = catalog_project(g->out->catalog, project);
    size_t m = (size_t)(g->current.number - g->out->first.number);

    *cell = NULL;
    if (known == NULL || known->share == NULL || m >= g->out->month_count) {
        return 0;
    }
    ptrdiff_t s = share_row(g->out, known->share, err);
    if (s < 0) {
        return -1;
    }
    *cell = &g->out->shares[s].cells[m];
    return 0;
}

static int accrued_take(void *context, const char *project, struct points accrued,
                        struct error *err)
{
    struct report_cell *cell;

    if (current_cell(context, project, &cell, err) < 0) {
        return -1;
    }
    return cell == NULL ? 0 : add(&cell->accrued, accrued, err);
}

static int held_take(void *context, const char *project, struct points held, struct error *err)
{
    struct report_cell *cell;

    if (current_cell(context, project, &cell, err) < 0) {
        return -1;
    }
    return cell == NULL ? 0 : add(&cell->held, held, err);
}

/* Hours of the fiscal year so far. What a month adds is the difference of the rounded sums, so
 * that the months of a year add up to its rounded whole. */
struct running {
    struct exact sum;
    struct hours rounded;
};

static int running_add(struct running *running, const struct exact *more, struct hours *step)
{
    struct hours until;
    exact_add(&running->sum, more);
    if (hours_round(&running->sum, &until) < 0) {
        return -1;
    }
    step->micro = until.micro - running->rounded.micro;
    running->rounded = until;
    return 0;
}

/* A share's part of a service's month as a fraction: of the list points that it served, or of the
 * policy while nobody asked it anything. */
static void service_weight(const struct gathering *g, const struct report_service_use *use,
                           size_t m, size_t s, int64_t list_whole, struct exact *weight)
{
    if (list_whole > 0) {
        int64_t list = use->list[m][s].micro > 0 ? use->list[m][s].micro : 0;
        exact_set_i64(weight, list);
        exact_divide_i64(weight, list_whole);
        return;
    }
    const struct policy *policy = policy_of(g->out->catalog,
                                            (struct month){g->out->first.number + (int)m});
    const struct policy_share *share = policy_share(policy, g->out->shares[s].share);
    exact_set_decimal(weight, share != NULL ? share->fraction : DECIMAL_ZERO);
}

/* A service's GPU hours, month by month: a job over a month's edge has in both together what it has
 * as a whole. */
static int service_round(const struct gathering *g, struct report_service_use *use,
                         struct error *err)
{
    struct running so_far = {0};
    struct exact hours;
    int result = 0;
    exact_init(&so_far.sum);
    exact_init(&hours);
    for (size_t m = 0; result == 0 && m < g->out->month_count; m++) {
        exact_set_i64(&hours, 0);
        hours_add_exact(&hours, use->gpu[m]);
        result = running_add(&so_far, &hours, &use->whole[m]);
    }
    exact_release(&so_far.sum);
    exact_release(&hours);
    return result < 0 ? overflow(err) : 0;
}

/* Divide a service's GPU hours of a month over the shares: as differences of rounded cumulative
 * hours, so that the parts add up to the whole. */
static int service_divide(struct gathering *g, struct report_service_use *use, size_t m,
                          struct error *err)
{
    struct exact weight;
    struct exact sum;
    struct exact due;
    struct hours before = {0};
    int64_t whole = 0;
    int result = 0;

    for (size_t s = 0; s < g->out->share_count; s++) {
        int64_t list = use->list[m][s].micro;
        if (list > 0 && __builtin_add_overflow(whole, list, &whole)) {
            return overflow(err);
        }
    }
    exact_init(&weight);
    exact_init(&sum);
    exact_init(&due);
    for (size_t s = 0; result == 0 && s < g->out->share_count; s++) {
        struct hours until;
        service_weight(g, use, m, s, whole, &weight);
        exact_add(&sum, &weight);
        exact_set_points(&due, (struct points){use->whole[m].micro});
        exact_multiply(&due, &sum);
        struct report_cell *cell = &g->out->shares[s].cells[m];
        if (hours_round(&due, &until) < 0) {
            result = overflow(err);
            break;
        }
        use->divided[m][s] = (struct hours){until.micro - before.micro};
        result = hours_add(&cell->service, use->divided[m][s]) < 0 ? overflow(err) : 0;
        before = until;
    }
    exact_release(&weight);
    exact_release(&sum);
    exact_release(&due);
    return result;
}

/* Points as the GPU hours that they were minted from. */
static void points_to_hours(const struct gathering *g, struct points points, struct exact *hours)
{
    exact_set_i64(hours, 0);
    if (g->gpu_minted.micro > 0) {
        exact_set_i64(hours, points.micro);
        exact_multiply(hours, &g->capacity);
        exact_divide_i64(hours, g->gpu_minted.micro);
    }
}

struct running_cells {
    struct running nominal;
    struct running available;
    struct running offered;
    struct running granted;
    struct running used;
};

static int cell_round(const struct gathering *g, size_t s, size_t m, struct running_cells *so_far,
                      struct error *err)
{
    struct report_cell *cell = &g->out->shares[s].cells[m];
    struct exact hours;
    int result = 0;
    exact_init(&hours);
    result |= running_add(&so_far->nominal, &g->nominal[m], &cell->nominal);
    result |= running_add(&so_far->available, &g->available[m], &cell->available);
    points_to_hours(g, cell->lent, &hours);
    exact_add(&hours, &g->offered[s][m]);
    result |= running_add(&so_far->offered, &hours, &cell->offered);
    points_to_hours(g, cell->granted, &hours);
    result |= running_add(&so_far->granted, &hours, &cell->granted_hours);
    exact_set_i64(&hours, 0);
    hours_add_exact(&hours, g->used[s][m]);
    result |= running_add(&so_far->used, &hours, &cell->used);
    exact_release(&hours);
    return result < 0 ? overflow(err) : 0;
}

static int share_round(const struct gathering *g, size_t s, struct error *err)
{
    struct running_cells so_far = {0};
    struct running *all[] = {&so_far.nominal, &so_far.available, &so_far.offered, &so_far.granted,
                             &so_far.used};
    size_t count = sizeof all / sizeof all[0];
    int result = 0;
    for (size_t i = 0; i < count; i++) {
        exact_init(&all[i]->sum);
    }
    for (size_t m = 0; result == 0 && m < g->out->month_count; m++) {
        result = cell_round(g, s, m, &so_far, err);
    }
    for (size_t i = 0; i < count; i++) {
        exact_release(&all[i]->sum);
    }
    return result;
}

static int cells_finish(struct gathering *g, struct error *err)
{
    for (size_t s = 0; s < g->out->share_count; s++) {
        if (share_round(g, s, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < g->out->service_count; i++) {
        int result = service_round(g, &g->out->services[i], err);
        for (size_t m = 0; result == 0 && m < g->out->month_count; m++) {
            result = service_divide(g, &g->out->services[i], m, err);
        }
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

/* Rows of every policy that is in force in one of the months: of the last one first. */
static int rows_begin(struct gathering *g, struct error *err)
{
    struct report_shares *out = g->out;
    for (size_t m = out->month_count; m-- > 0;) {
        struct month month = {out->first.number + (int)m};
        const struct policy *policy = policy_of(out->catalog, month);
        g->months[m] = calendar_month(&out->catalog->calendar, month);
        for (size_t i = 0; i < policy->share_count; i++) {
            if (share_row(out, policy->shares[i].name, err) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static void exacts_init(struct gathering *g)
{
    exact_init(&g->capacity);
    for (size_t m = 0; m < REPORT_MONTHS_MAX; m++) {
        exact_init(&g->entry[m]);
        exact_init(&g->nominal[m]);
        exact_init(&g->available[m]);
        for (size_t s = 0; s < REPORT_SHARES_MAX; s++) {
            exact_init(&g->offered[s][m]);
        }
    }
}

static void gathering_destroy(struct gathering *g)
{
    exact_release(&g->capacity);
    for (size_t m = 0; m < REPORT_MONTHS_MAX; m++) {
        exact_release(&g->entry[m]);
        exact_release(&g->nominal[m]);
        exact_release(&g->available[m]);
        for (size_t s = 0; s < REPORT_SHARES_MAX; s++) {
            exact_release(&g->offered[s][m]);
        }
    }
    free(g);
}

static int shares_read(struct store *store, struct gathering *g, struct error *err)
{
    struct report_shares *out = g->out;
    struct month last = {out->first.number + (int)out->month_count - 1};
    if (rows_begin(g, err) < 0 ||
        store_report_supply(store, out->fiscal_year, supply_take, g, err) < 0 ||
        store_report_share_moves(store, out->first, last, move_take, g, err) < 0 ||
        store_report_share_usage(store, out->first, last, usage_take, g, err) < 0 ||
        store_report_accrued(store, accrued_take, g, err) < 0 ||
        store_report_held(store, g->now, held_take, g, err) < 0) {
        return -1;
    }
    return cells_finish(g, err);
}

int report_shares_gather(struct store *store, const struct catalog *catalog, struct month last,
                         struct instant now, struct report_shares *shares, struct error *err)
{
    if (catalog->policies.count == 0) {
        return error_set_reason(err, ERROR_REFUSED, "no_policy",
                                "there is no policy in the book yet: ledgerctl policy apply FILE");
    }
    int year = calendar_fiscal_year_of_month(&catalog->calendar, last);
    struct month first = calendar_fiscal_year_first_month(&catalog->calendar, year);
    struct report_shares out = {
        .catalog = catalog,
        .policy = policy_of(catalog, last),
        .fiscal_year = year,
        .first = first,
        .month_count = (size_t)(last.number - first.number + 1),
        .shares = calloc(REPORT_SHARES_MAX, sizeof *out.shares),
    };
    struct gathering *g = calloc(1, sizeof *g);
    if (g == NULL || out.shares == NULL) {
        free(g);
        free(out.shares);
        return error_set(err, ERROR_INTERNAL, "out of memory for the shares");
    }
    g->out = &out;
    g->now = now;
    g->current = calendar_month_of(&catalog->calendar, now);
    exacts_init(g);
    int result = shares_read(store, g, err);
    gathering_destroy(g);
    if (result < 0) {
        report_shares_release(&out);
        return -1;
    }
    *shares = out;
    return 0;
}

void report_shares_release(struct report_shares *shares)
{
    free(shares->shares);
    free(shares->services);
    *shares = (struct report_shares){0};
}
