/* verify_records - rate what is booked again, and compare with what was charged. Part of verify.
 *
 * The charges of a record, summed over all its versions, must be the slices of its current content:
 * under its own names, month by month, and nothing under any other name or month. The same goes for
 * what the card gives back of them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/core/rate.h"
#include "ledgerd/flow/verify_book.h"
#include "ledgerd/flow/verify_knowledge.h"
#include "ledgerd/flow/verify_meters.h"
#include "ledgerd/flow/verify_refunds.h"
#include "ledgerd/store/store_verify.h"

enum { REASON_BYTES = 384 };

struct rerating {
    const struct catalog *catalog;
    struct knowledge knowledge;
    struct charge charge; /* reused */
    bool with_meters;
    struct meters meters;
    char detail[VERIFY_DETAIL_BYTES]; /* of the first record that is wrong */
    int64_t records;
};

static bool is_own(const struct verify_slice *slice, const struct usage_record *record)
{
    return strcmp(slice->project, record->project) == 0 && strcmp(slice->user, record->user) == 0 &&
           strcmp(slice->klass, record->klass) == 0;
}

/* Of work that ran when its month closed, the slices up to there are booked. */
static bool is_due(const struct stored_record *stored, struct month month)
{
    return !stored->is_running || month.number <= stored->booked_through.number;
}

static size_t due_count(const struct stored_record *stored, const struct charge *charge)
{
    size_t count = 0;

    for (size_t i = 0; i < charge->slice_count; i++) {
        count += is_due(stored, charge->slices[i].month);
    }
    return count;
}

static const struct charge_slice *slice_of(const struct stored_record *stored,
                                           const struct charge *charge, struct month month)
{
    for (size_t i = 0; i < charge->slice_count; i++) {
        if (is_due(stored, month) && charge->slices[i].month.number == month.number) {
            return &charge->slices[i];
        }
    }
    return NULL;
}

static void say_difference(char *why, const struct verify_slice *slice, struct points points,
                           struct points list)
{
    char month[MONTH_TEXT_BYTES], text[4][POINTS_TEXT_BYTES];

    snprintf(why, REASON_BYTES, "%s of %s: %s (list %s) is booked, it comes to %s (list %s)",
             month_format(slice->month, month), slice->project,
             points_format(slice->points, text[0]), points_format(slice->list_points, text[1]),
             points_format(points, text[2]), points_format(list, text[3]));
}

/* What is booked must be due. Returns how many of the charge's slices were found, or -1 with the
 * reason. */
static ptrdiff_t match_booked(const struct verify_record *record, const struct charge *charge,
                              char *why)
{
    ptrdiff_t matched = 0;

    for (size_t i = 0; i < record->slice_count; i++) {
        const struct verify_slice *slice = &record->slices[i];
        const struct charge_slice *due = is_own(slice, &record->stored->record)
                                             ? slice_of(record->stored, charge, slice->month)
                                             : NULL;
        struct points points = due != NULL ? due->points : POINTS_ZERO;
        struct points list = due != NULL ? due->list_points : POINTS_ZERO;

        if (points_compare(slice->points, points) != 0 ||
            points_compare(slice->list_points, list) != 0) {
            say_difference(why, slice, points, list);
            return -1;
        }
        matched += due != NULL;
    }
    return matched;
}

static bool matches(const struct verify_record *record, const struct charge *charge, char *why)
{
    ptrdiff_t matched = match_booked(record, charge, why);

    if (matched < 0) {
        return false;
    }
    if ((size_t)matched != due_count(record->stored, charge)) {
        snprintf(why, REASON_BYTES, "it has %zu slices, %td are booked",
                 due_count(record->stored, charge), matched);
        return false;
    }
    return true;
}

static bool rate_again(struct rerating *rerating, const struct knowledge_state *state,
                       const struct verify_record *record, char *why)
{
    const struct usage_record *usage = &record->stored->record;
    const struct policy *policy = policies_at(&state->policies, usage->start);
    struct error cause = {0};

    if (rate_record(usage, &state->cards, &rerating->catalog->calendar,
                    policy != NULL ? policy->month_rule : MONTH_SPLIT, &rerating->charge,
                    &cause) != 0) {
        snprintf(why, REASON_BYTES, "it cannot be rated: %.300s", cause.text);
        return false;
    }
    return matches(record, &rerating->charge, why) &&
           refunds_match(record, &rerating->charge, why, REASON_BYTES);
}

static int check_record(void *context, const struct verify_record *record, struct error *err)
{
    struct rerating *rerating = context;
    const struct usage_record *usage = &record->stored->record;
    char first[REASON_BYTES] = "", why[REASON_BYTES] = "";
    bool ok = false;

    if (strcmp(usage->source, "hold") == 0) {
        return 0; /* a settlement: no card rates it */
    }
    rerating->records++;
    for (size_t i = 0; i < rerating->knowledge.count && !ok; i++) {
        ok = rate_again(rerating, &rerating->knowledge.states[i], record, i == 0 ? first : why);
    }
    if (!ok) {
        if (rerating->detail[0] == '\0') {
            snprintf(rerating->detail, sizeof rerating->detail, "record %.100s of %s: %s",
                     usage->id, usage->source, first);
        }
        return 0;
    }
    if (rerating->with_meters && meters_add(&rerating->meters, record->stored,
                                            &rerating->charge.card->rules[rerating->charge.rule],
                                            &rerating->catalog->calendar) != 0) {
        return error_set(err, ERROR_INTERNAL, "the meters of record %s do not fit", usage->id);
    }
    return 0;
}

static int check_meters(struct rerating *rerating, struct store *store,
                        struct verify_result *result, struct error *err)
{
    char detail[VERIFY_DETAIL_BYTES];

    if (meters_compare(&rerating->meters, store, detail, sizeof detail, err) != 0) {
        return -1;
    }
    verify_note(result, "meter_totals_match", "every roll-up of meters is the sum of its records",
                detail);
    return 0;
}

static int rerate_all(struct rerating *rerating, struct store *store, int64_t every,
                      struct verify_result *result, struct error *err)
{
    char promise[VERIFY_DETAIL_BYTES];

    if (store_verify_records(store, every, check_record, rerating, err) != 0) {
        return -1;
    }
    snprintf(promise, sizeof promise,
             "%" PRId64 " records were rated again, each comes to what was charged and "
             "given back",
             rerating->records);
    verify_note(result, "records_rate_the_same", promise, rerating->detail);
    return rerating->with_meters ? check_meters(rerating, store, result, err) : 0;
}

int verify_records(struct store *store, const struct catalog *catalog, int64_t every,
                   struct verify_result *result, struct error *err)
{
    struct rerating rerating = {.catalog = catalog, .with_meters = every == 1};
    int status;

    if (knowledge_build(store, catalog, &rerating.knowledge, err) != 0) {
        return -1;
    }
    status = rerate_all(&rerating, store, every, result, err);
    knowledge_release(&rerating.knowledge);
    meters_release(&rerating.meters);
    charge_release(&rerating.charge);
    return status;
}
