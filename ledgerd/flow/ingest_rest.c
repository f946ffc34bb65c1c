/* ingest_rest - what remains to be posted of running work whose first months have closed. See
 * ingest_poster.h.
 *
 * A close posts the slices of running work up to its month's end; a later sighting tells the cost
 * from the start, and the accrual is that less what is posted.
 */
#include <stdlib.h>

#include "ledgerd/flow/ingest_poster.h"
#include "ledgerd/store/store_lookup.h"

struct resting {
    struct poster *poster;
    size_t count;
    int64_t *record_nos;
    struct accrual **accruals; /* of each record */
    struct instant earliest;
    struct instant latest;
    struct lookup_charges posted;
};

/* The running chains of which something is posted; accruals stand in the order of the chains. */
static void find_posted(struct resting *resting, struct accrual *put)
{
    const struct poster *poster = resting->poster;

    for (size_t i = 0; i < poster->judgement.chains.count; i++) {
        const struct chain *chain = &poster->judgement.chains.at[i];

        if (!poster_is_running(poster->batch, chain)) {
            continue;
        }
        if (chain->is_running && poster->batch->items.at[chain->running].kind == BATCH_RUNNING) {
            resting->record_nos[resting->count] = chain->booked.record_no;
            resting->accruals[resting->count++] = put;
            resting->earliest = instant_min(resting->earliest, chain->earliest);
            resting->latest = instant_max(resting->latest, chain->latest);
        }
        put++;
    }
}

static struct accrual *accrual_of(const struct resting *resting, int64_t record_no)
{
    for (size_t i = 0; i < resting->count; i++) {
        if (resting->record_nos[i] == record_no) {
            return resting->accruals[i];
        }
    }
    return NULL;
}

static void take_charge(const struct calendar *calendar, const struct lookup_charge *charge,
                        struct accrual *accrual)
{
    accrual->points.micro -= charge->points.micro;
    accrual->list_points.micro -= charge->list_points.micro;
    if (charge->month.number == accrual->month.number) {
        accrual->month_points.micro -= charge->points.micro;
    }
    if (calendar_fiscal_year_of_month(calendar, charge->month) ==
        calendar_fiscal_year_of_month(calendar, accrual->month)) {
        accrual->year_points.micro -= charge->points.micro;
    }
}

/* Work that turns out to have cost less than is posted gives that back when it ends. */
static void keep_positive(struct points *points)
{
    if (points->micro < 0) {
        *points = POINTS_ZERO;
    }
}

static int subtract(struct resting *resting, struct error *err)
{
    const struct calendar *calendar = &resting->poster->catalog->calendar;

    if (store_lookup_charges(resting->poster->store, resting->record_nos, resting->count,
                             calendar_month_of(calendar, resting->earliest),
                             calendar_month_of(calendar, resting->latest), &resting->posted,
                             err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < resting->posted.count; i++) {
        const struct lookup_charge *charge = &resting->posted.charges[i];
        struct accrual *accrual = accrual_of(resting, charge->record_no);

        if (accrual != NULL) {
            take_charge(calendar, charge, accrual);
        }
    }
    for (size_t i = 0; i < resting->count; i++) {
        struct accrual *accrual = resting->accruals[i];

        if (accrual != NULL) {
            keep_positive(&accrual->points);
            keep_positive(&accrual->list_points);
            keep_positive(&accrual->month_points);
            keep_positive(&accrual->year_points);
        }
    }
    return 0;
}

int poster_leave_rest(struct poster *poster, struct accrual *put, struct error *err)
{
    size_t chains = poster->judgement.chains.count;
    int64_t *record_nos = calloc(chains + 1, sizeof *record_nos);
    struct accrual **accruals = calloc(chains + 1, sizeof *accruals);
    struct resting resting = {.poster = poster,
                              .record_nos = record_nos,
                              .accruals = accruals,
                              .earliest = INSTANT_NEVER,
                              .latest = INSTANT_NONE};
    int result = -1;

    if (record_nos == NULL || accruals == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else {
        find_posted(&resting, put);
        result = resting.count == 0 ? 0 : subtract(&resting, err);
    }
    lookup_charges_release(&resting.posted);
    free(record_nos);
    free(accruals);
    return result;
}
