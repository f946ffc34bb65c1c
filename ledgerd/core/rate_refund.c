/* rate_refund - see rate_refund.h. */
#include "ledgerd/core/rate_refund.h"

#include <string.h>

#include "ledgerd/core/exact.h"

const struct ratecard_refund *ratecard_refund_for(const struct ratecard *card, const char *outcome)
{
    for (size_t i = 0; i < card->refund_count; i++) {
        if (strcmp(card->refunds[i].outcome, outcome) == 0) {
            return &card->refunds[i];
        }
    }
    return NULL;
}

/* E, in seconds. */
static void elapsed_set(const struct usage_record *record, struct exact *elapsed)
{
    if (record->has_elapsed) {
        exact_set_decimal(elapsed, record->elapsed_seconds);
        return;
    }
    exact_set_i64(elapsed, record->end.us - record->start.us);
    exact_divide_i64(elapsed, INSTANT_SECOND_US);
}

/* The part of the charge that comes back. */
static void share_set(const struct usage_record *record, const struct ratecard_refund *refund,
                      struct exact *share)
{
    struct exact elapsed, limit;

    exact_init(&elapsed);
    exact_init(&limit);
    elapsed_set(record, &elapsed);
    exact_set_decimal(&limit, refund->max_seconds);
    exact_set_decimal(share, refund->fraction);
    if (exact_compare(&elapsed, &limit) > 0) {
        exact_multiply(share, &limit);
        exact_divide(share, &elapsed);
    }
    exact_release(&elapsed);
    exact_release(&limit);
}

void rate_refund(const struct usage_record *record, const struct charge *charge,
                 struct points *amounts)
{
    const struct ratecard_refund *refund = ratecard_refund_for(charge->card, record->outcome);
    struct points charged = POINTS_ZERO, before = POINTS_ZERO, until;
    struct exact share, due;

    for (size_t i = 0; i < charge->slice_count; i++) {
        amounts[i] = POINTS_ZERO;
    }
    if (refund == NULL || record->state != USAGE_FINAL) {
        return;
    }
    exact_init(&share);
    exact_init(&due);
    share_set(record, refund, &share);
    for (size_t i = 0; i < charge->slice_count; i++) {
        charged.micro += charge->slices[i].points.micro; /* ends at charge->points, which fits */
        exact_set_points(&due, charged);
        exact_multiply(&due, &share);
        (void)exact_round(&due, charge->card->rounding, &until); /* at most charged: it fits */
        amounts[i].micro = until.micro - before.micro;
        before = until;
    }
    exact_release(&share);
    exact_release(&due);
}
