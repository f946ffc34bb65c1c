/* limit - see limit.h. */
#include "ledgerd/flow/limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_hold.h"

enum {
    DETAIL_BYTES = 1024,
    WHAT_BYTES = 128,                       /* two amounts and a period */
    READER_SLACK_US = 24 * 3600 * 1000000LL /* how far a reader's clock may be behind */
};

/* --- set and clear ------------------------------------------------------------------------- */

struct change {
    const struct limit_request *request;
    struct limit_key key;
    bool unchanged;
    int64_t cleared;
};

static int record(struct store *store, const struct change *change, const char *verb,
                  const char *what, struct error *err)
{
    char detail[DETAIL_BYTES];

    snprintf(detail, sizeof detail, "%s%s%s", change->key.user,
             *change->key.user != '\0' ? ": " : "", what);
    return manual_record(store, &change->request->act, verb, change->key.project, detail, NULL,
                         err);
}

static int check_project(struct store *store, const char *id, struct error *err)
{
    struct project_rows rows;
    bool is_service;

    if (project_find(store, id, &rows, err) != 0) {
        return -1;
    }
    is_service = rows.rows[0].is_service;
    project_rows_release(&rows);
    return is_service ? error_set_reason(err, ERROR_REFUSED, "is_service",
                                         "'%s' is a service: it is never refused, so it has no "
                                         "limits",
                                         id)
                      : 0;
}

static int set(struct store *store, void *context, struct error *err)
{
    struct change *change = context;
    const struct limit_request *request = change->request;
    char before_text[POINTS_TEXT_BYTES], text[POINTS_TEXT_BYTES], what[WHAT_BYTES];
    struct points before;
    bool existed;

    if (check_project(store, change->key.project, err) != 0 ||
        store_limit_set(store, &change->key, request->points, request->act.now, &existed, &before,
                        err) != 0) {
        return -1;
    }
    change->unchanged = existed && points_compare(before, request->points) == 0;
    if (change->unchanged) {
        return 0;
    }
    snprintf(what, sizeof what, "%s by %s, until now %s", points_format(request->points, text),
             limit_period_text(change->key.period),
             existed ? points_format(before, before_text) : "none");
    return record(store, change, "limit set", what, err);
}

static int clear(struct store *store, void *context, struct error *err)
{
    struct change *change = context;
    bool all = change->request->all_periods;

    if (check_project(store, change->key.project, err) != 0 ||
        store_limit_clear(store, &change->key, all, &change->cleared, err) != 0) {
        return -1;
    }
    return change->cleared == 0
               ? 0
               : record(store, change, "limit clear",
                        all ? "every period" : limit_period_text(change->key.period), err);
}

static int make_change(struct store *store, const struct limit_request *request,
                       struct change *change, int (*work)(struct store *, void *, struct error *),
                       struct error *err)
{
    const char *user = request->user;

    *change = (struct change){
        .request = request,
        .key = {request->project, user != NULL ? user : "", request->period},
    };
    if (user != NULL && (*user == '\0' || !usage_is_clean(user, strlen(user), USAGE_NAME_BYTES))) {
        return error_set(err, ERROR_ARGUMENT, "a user's name is plain text of 1 to %d bytes",
                         USAGE_NAME_BYTES);
    }
    return manual_check(&request->act, err) != 0 ||
                   store_transact(store, STORE_BOOKING, work, change, err) != 0
               ? -1
               : 0;
}

int limit_set(struct store *store, const struct limit_request *request, bool *unchanged,
              struct error *err)
{
    struct change change;

    if (request->points.micro < 0) {
        return error_set(err, ERROR_ARGUMENT, "a limit is not negative");
    }
    if (make_change(store, request, &change, set, err) != 0) {
        return -1;
    }
    *unchanged = change.unchanged;
    return 0;
}

int limit_clear(struct store *store, const struct limit_request *request, int64_t *cleared,
                struct error *err)
{
    struct change change;

    if (make_change(store, request, &change, clear, err) != 0) {
        return -1;
    }
    *cleared = change.cleared;
    return 0;
}

/* --- how they stand --------------------------------------------------------------------------- */

int limit_read_sums(struct store *store, const struct catalog *catalog, const char *project,
                    struct instant now, struct store_limit_sums *sums, struct error *err)
{
    struct instant from = {now.us - READER_SLACK_US};
    int32_t since[LIMIT_PERIODS];

    for (int i = 0; i < LIMIT_PERIODS; i++) {
        since[i] = limit_since_at((enum limit_period)i, &catalog->calendar, from);
    }
    return store_read_limit_sums(store, project, since, sums, err);
}

static const struct store_limit_sum *find_sum(const struct store_limit_sums *sums, int32_t limit_no,
                                              int32_t since)
{
    static const struct store_limit_sum nothing = {0};
    size_t low = 0;
    size_t high = sums->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct store_limit_sum *sum = &sums->sums[middle];

        if (sum->limit_no < limit_no || (sum->limit_no == limit_no && sum->since < since)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < sums->count && sums->sums[low].limit_no == limit_no &&
                   sums->sums[low].since == since
               ? &sums->sums[low]
               : &nothing;
}

static int make_bound(const struct catalog *catalog, const struct catalog_project *project,
                      const struct catalog_limit *limit, const struct limit_knowledge *known,
                      struct instant now, struct decide_bound *bound, struct error *err)
{
    bool is_user = *limit->user != '\0';
    const struct store_limit_sum *sum = find_sum(
        &known->sums, limit->number, limit_since_at(limit->period, &catalog->calendar, now));
    struct points held = find_sum(&known->sums, limit->number, STORE_LIMIT_HELD)->held;

    *bound = (struct decide_bound){
        .limit = is_user ? LIMIT_USER : LIMIT_PROJECT,
        .name = is_user ? limit->user : project->id,
        .period = limit->period,
        .points = limit->points,
        .charged = sum->charged,
        .accrued = sum->accrued,
    };
    if (points_subtract(held, is_user ? known->user_lapsed : known->lapsed, &bound->held) !=
            POINTS_OK ||
        points_subtract(bound->points, bound->charged, &bound->available) != POINTS_OK ||
        points_subtract(bound->available, bound->accrued, &bound->available) != POINTS_OK ||
        points_subtract(bound->available, bound->held, &bound->available) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "project %s: a limit's sums overflow", project->id);
    }
    return 0;
}

int limit_bounds(const struct catalog *catalog, const struct catalog_project *project,
                 const char *user, const struct limit_knowledge *known, struct instant now,
                 struct decide_bound *bounds, size_t *count, struct error *err)
{
    const char *const subjects[] = {"", user};

    *count = 0;
    for (size_t s = 0; s < (*user != '\0' ? 2 : 1); s++) {
        size_t found;
        const struct catalog_limit *limits = catalog_limits(project, subjects[s], &found);

        for (size_t i = 0; i < found && *count < DECIDE_BOUNDS_MAX; i++) {
            if (make_bound(catalog, project, &limits[i], known, now, &bounds[*count], err) != 0) {
                return -1;
            }
            (*count)++;
        }
    }
    return 0;
}

/* --- list ------------------------------------------------------------------------------------- */

struct listing {
    const char *project;
    struct instant now;
    struct limit_rows rows;
};

void limit_rows_release(struct limit_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].user);
    }
    free(rows->rows);
    *rows = (struct limit_rows){0};
}

struct listed {
    struct store_limit_sums sums;
    struct lapsed_rows lapsed;
};

static int fill_rows(struct listing *listing, const struct catalog *catalog,
                     const struct catalog_project *project, const struct listed *listed,
                     struct error *err)
{
    struct limit_rows *rows = &listing->rows;

    rows->rows = calloc(project->limit_count + 1, sizeof *rows->rows);
    if (rows->rows == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < project->limit_count; i++) {
        const struct catalog_limit *limit = &project->limits[i];
        struct limit_row *row = &rows->rows[rows->count++];
        struct limit_knowledge known = {
            .sums = listed->sums,
            .lapsed = store_lapsed_of(&listed->lapsed, project->id, NULL),
            .user_lapsed = store_lapsed_of(&listed->lapsed, project->id, limit->user)};

        if (make_bound(catalog, project, limit, &known, listing->now, &row->bound, err) != 0) {
            return -1;
        }
        row->period = limit_period_at(limit->period, &catalog->calendar, listing->now);
        row->user = *limit->user != '\0' ? strdup(limit->user) : NULL;
        row->bound.name = row->user != NULL ? row->user : listing->project;
    }
    return 0;
}

/* Limits and sums in one transaction, so that they agree. */
static int list(struct store *store, void *context, struct error *err)
{
    struct listing *listing = context;
    struct catalog *catalog = catalog_load(store, err);
    const struct catalog_project *project;
    struct listed listed = {0};
    int result = -1;

    limit_rows_release(&listing->rows);
    if (catalog == NULL) {
        return -1;
    }
    project = catalog_project(catalog, listing->project);
    if (project == NULL) {
        project_unknown(listing->project, err);
    } else if (limit_read_sums(store, catalog, project->id, listing->now, &listed.sums, err) == 0 &&
               store_read_lapsed(store, project->id, listing->now, &listed.lapsed, err) == 0) {
        result = fill_rows(listing, catalog, project, &listed, err);
    }
    store_limit_sums_release(&listed.sums);
    store_lapsed_release(&listed.lapsed);
    catalog_destroy(catalog);
    return result;
}

int limit_list(struct store *store, const char *project, struct instant now,
               struct limit_rows *rows, struct error *err)
{
    struct listing listing = {.project = project, .now = now};

    if (store_transact(store, STORE_UNLOCKED, list, &listing, err) != 0) {
        limit_rows_release(&listing.rows);
        return -1;
    }
    *rows = listing.rows;
    return 0;
}
