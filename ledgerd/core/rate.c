/* rate - see rate.h. rate_cost.h reads the exact cost; here it is cut at months and rounded. */
#include "ledgerd/core/rate.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/rate_cost.h"

/* A charge while its slices are cut: what is booked up to the last cut. */
struct cutting {
    const struct usage_record *record;
    struct rounding rounding;
    struct exact kept_fraction; /* 1 - discount */
    bool is_discounted;
    struct points list_points; /* R(C(t)) at the last cut */
    struct points points;      /* R(R(C(t)) x (1 - discount)) there */
    bool has_overflowed;       /* told at the end: other errors come first */
    struct charge *charge;
};

static int bad_interval(const struct usage_record *record, const char *why, struct error *err)
{
    return error_set_reason(err, ERROR_INPUT, "bad_interval", "record %s of %s %s", record->id,
                            record->source, why);
}

/* The last instant before end, or end itself where the interval is empty. */
static struct instant last_instant(const struct usage_record *record)
{
    bool is_empty = instant_compare(record->start, record->end) == 0;

    return (struct instant){record->end.us - !is_empty};
}

/* The months in which the record starts and ends; they are what slices may belong to. */
static int interval_check(const struct usage_record *record, const struct calendar *calendar,
                          struct month *first, struct month *last, struct error *err)
{
    if (instant_compare(record->end, record->start) < 0) {
        return bad_interval(record, "ends before it starts", err);
    }
    *first = calendar_month_of(calendar, record->start);
    *last = calendar_month_of(calendar, last_instant(record));
    if (last->number - first->number >= CHARGE_SLICES_MAX) {
        return bad_interval(record, "is longer than 50 years", err);
    }
    return 0;
}

static void cutting_begin(struct cutting *cutting, const struct rate_cost *cost,
                          struct charge *charge)
{
    const struct ratecard_rule *rule = &cost->first_card->rules[cost->first_rule];
    struct exact discount;

    *cutting = (struct cutting){
        .record = cost->record,
        .rounding = cost->first_card->rounding,
        .is_discounted = !decimal_is_zero(rule->discount),
        .charge = charge,
    };
    exact_init(&cutting->kept_fraction);
    exact_init(&discount);
    exact_set_i64(&cutting->kept_fraction, 1);
    exact_set_decimal(&discount, rule->discount);
    exact_subtract(&cutting->kept_fraction, &discount);
    exact_release(&discount);
    charge->card = cost->first_card;
    charge->rule = cost->first_rule;
    charge->slice_count = 0;
}

static int slice_append(struct charge *charge, const struct charge_slice *slice, struct error *err)
{
    if (charge->slice_count == charge->slice_capacity) {
        size_t capacity = charge->slice_capacity > 0 ? charge->slice_capacity * 2 : 4;
        struct charge_slice *slices = realloc(charge->slices, capacity * sizeof *slices);

        if (slices == NULL) {
            return error_set(err, ERROR_INTERNAL, "out of memory for a charge's slices");
        }
        charge->slices = slices;
        charge->slice_capacity = capacity;
    }
    charge->slices[charge->slice_count++] = *slice;
    return 0;
}

/* Both cumulative amounts at a cut, where `cost` is due. */
static enum points_result amounts_round(const struct cutting *cutting, const struct exact *cost,
                                        struct points *list_points, struct points *points)
{
    enum points_result result = exact_round(cost, cutting->rounding, list_points);
    struct exact discounted;

    *points = *list_points;
    if (result != POINTS_OK || !cutting->is_discounted) {
        return result;
    }
    exact_init(&discounted);
    exact_set_points(&discounted, *list_points);
    exact_multiply(&discounted, &cutting->kept_fraction);
    result = exact_round(&discounted, cutting->rounding, points);
    exact_release(&discounted);
    return result;
}

/* Cut the slice that ends here: the difference to the last cut. Empty slices are left out, but a
 * final record keeps one (`must_stay`). */
static int slice_cut(struct cutting *cutting, const struct exact *cost, struct month month,
                     struct instant last, bool must_stay, struct error *err)
{
    struct charge_slice slice = {.month = month, .last = last};
    struct points list_points = POINTS_ZERO, points = POINTS_ZERO;

    if (amounts_round(cutting, cost, &list_points, &points) != POINTS_OK ||
        points_subtract(list_points, cutting->list_points, &slice.list_points) != POINTS_OK ||
        points_subtract(points, cutting->points, &slice.points) != POINTS_OK) {
        cutting->has_overflowed = true;
        return 0;
    }
    cutting->list_points = list_points;
    cutting->points = points;
    if (points_is_zero(slice.points) && points_is_zero(slice.list_points) && !must_stay) {
        return 0;
    }
    return slice_append(cutting->charge, &slice, err);
}

/* Cut at every month's edge inside the interval; stops in the last month. */
static int months_cut(struct cutting *cutting, struct rate_cost *cost,
                      const struct calendar *calendar, struct month first, struct month last,
                      struct error *err)
{
    for (struct month month = first; month.number < last.number; month.number++) {
        struct instant edge = calendar_month(calendar, month).to;

        if (rate_cost_advance(cost, edge, err) != 0 ||
            slice_cut(cutting, &cost->elapsed, month, (struct instant){edge.us - 1}, false, err) !=
                0) {
            return -1;
        }
    }
    return 0;
}

/* The slice that ends with the record, with what is due there. */
static int end_cut(struct cutting *cutting, struct rate_cost *cost, struct month month,
                   struct error *err)
{
    const struct usage_record *record = cutting->record;
    bool is_final = record->state == USAGE_FINAL;

    if (rate_cost_advance(cost, record->end, err) != 0 || rate_cost_finish(cost, err) != 0) {
        return -1;
    }
    if (is_final) {
        exact_add(&cost->elapsed, &cost->minimum);
        exact_add(&cost->elapsed, &cost->requested);
        exact_add(&cost->elapsed, &cost->counts);
    }
    return slice_cut(cutting, &cost->elapsed, month, last_instant(record),
                     is_final && cutting->charge->slice_count == 0, err);
}

static int cutting_end(struct cutting *cutting, struct error *err)
{
    if (cutting->has_overflowed) {
        return error_set_reason(err, ERROR_INPUT, "overflow",
                                "record %s of %s costs more than 9 * 10^12 points",
                                cutting->record->id, cutting->record->source);
    }
    cutting->charge->points = cutting->points;
    cutting->charge->list_points = cutting->list_points;
    return 0;
}

/* The month that takes the whole charge, by a rule other than split. */
static struct month month_by_rule(const struct usage_record *record,
                                  const struct calendar *calendar, enum month_rule rule,
                                  struct month first, struct month last)
{
    if (rule == MONTH_SUBMIT && instant_is_set(record->submitted)) {
        return calendar_month_of(calendar, record->submitted);
    }
    return rule == MONTH_END ? last : first;
}

int rate_record(const struct usage_record *record, const struct ratecards *cards,
                const struct calendar *calendar, enum month_rule rule, struct charge *charge,
                struct error *err)
{
    struct rate_cost cost;
    struct cutting cutting;
    struct month first = {0}, last = {0};
    int result = -1;

    if (interval_check(record, calendar, &first, &last, err) != 0) {
        return -1;
    }
    if (rate_cost_begin(&cost, record, cards, err) != 0) {
        goto done;
    }
    cutting_begin(&cutting, &cost, charge);
    if (rule != MONTH_SPLIT) {
        last = month_by_rule(record, calendar, rule, first, last);
    } else if (months_cut(&cutting, &cost, calendar, first, last, err) != 0) {
        goto done;
    }
    if (end_cut(&cutting, &cost, last, err) == 0) {
        result = cutting_end(&cutting, err);
    }
done:
    rate_cost_release(&cost);
    return result;
}

void charge_release(struct charge *charge)
{
    free(charge->slices);
    *charge = (struct charge){0};
}

int rate_explain(const struct usage_record *record, const struct ratecards *cards,
                 struct rate_parts *parts, struct error *err)
{
    static const struct rounding for_show = {.places = 6, .mode = ROUNDING_HALF_EVEN};
    struct rate_cost cost;
    struct rate_parts shown;
    int result = -1;

    if (instant_compare(record->end, record->start) < 0) {
        return bad_interval(record, "ends before it starts", err);
    }
    if (rate_cost_begin(&cost, record, cards, err) != 0 ||
        rate_cost_advance(&cost, record->end, err) != 0 || rate_cost_finish(&cost, err) != 0) {
        goto done;
    }
    if (exact_round(&cost.elapsed, for_show, &shown.elapsed) != POINTS_OK ||
        exact_round(&cost.minimum, for_show, &shown.minimum) != POINTS_OK ||
        exact_round(&cost.requested, for_show, &shown.requested) != POINTS_OK ||
        exact_round(&cost.counts, for_show, &shown.counts) != POINTS_OK) {
        error_set_reason(err, ERROR_INPUT, "overflow", "record %s of %s costs too much to show",
                         record->id, record->source);
        goto done;
    }
    *parts = shown;
    result = 0;
done:
    rate_cost_release(&cost);
    return result;
}

bool rate_meter_is_standard(const char *name)
{
    return strcmp(name, "gpu") == 0 || strcmp(name, "cpu") == 0 || strcmp(name, "mem_gib") == 0 ||
           strcmp(name, "node") == 0;
}

static const char *const month_rule_texts[] = {
    [MONTH_SPLIT] = "split",
    [MONTH_START] = "start",
    [MONTH_END] = "end",
    [MONTH_SUBMIT] = "submit",
};

const char *month_rule_text(enum month_rule rule)
{
    return month_rule_texts[rule];
}

int month_rule_parse(const char *text, size_t length, enum month_rule *rule)
{
    for (size_t i = 0; i < sizeof month_rule_texts / sizeof month_rule_texts[0]; i++) {
        if (strlen(month_rule_texts[i]) == length &&
            memcmp(month_rule_texts[i], text, length) == 0) {
            *rule = (enum month_rule)i;
            return 0;
        }
    }
    return -1;
}
