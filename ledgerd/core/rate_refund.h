/* rate_refund - what a rate card gives back by itself of the charge of work that failed.
 *
 * Formula (contract section 5): fraction x the charge for at most max_seconds of elapsed time. The
 * charge is taken to have been earned evenly over the elapsed time E, so with C the charge that is
 * booked up to a slice, the slice's refund is the difference of R(C x fraction x min(1,
 * max_seconds / E)): refunds of slices add up to the rounded whole, are never more than the slice,
 * and belong to its month and last instant.
 */
#ifndef LEDGERD_CORE_RATE_REFUND_H
#define LEDGERD_CORE_RATE_REFUND_H

#include "ledgerd/core/points.h"
#include "ledgerd/core/rate.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/core/usage.h"

/* The row of the card's refund table for this outcome, or NULL. */
const struct ratecard_refund *ratecard_refund_for(const struct ratecard *card, const char *outcome);

/* The refund of each slice of a record's charge, as rate_record cut it: of the card in force at its
 * start, by its outcome; zeros if that gives none, and while the record runs.
 * amounts[charge->slice_count]. */
void rate_refund(const struct usage_record *record, const struct charge *charge,
                 struct points *amounts);

#endif
