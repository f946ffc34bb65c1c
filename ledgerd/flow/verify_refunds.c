/* verify_refunds - see verify_refunds.h. */
#include "ledgerd/flow/verify_refunds.h"

#include <stdio.h>
#include <string.h>

#include "ledgerd/core/rate_refund.h"

/* The slice that a refund was given for, or slice_count. */
static size_t slice_of(const struct verify_record *record, const struct charge *charge,
                       const struct verify_refund *refund)
{
    const struct usage_record *usage = &record->stored->record;
    size_t i = 0;

    if (strcmp(refund->project, usage->project) != 0 || strcmp(refund->klass, usage->klass) != 0) {
        return charge->slice_count;
    }
    while (i < charge->slice_count && instant_compare(charge->slices[i].last, refund->last) != 0) {
        i++;
    }
    return i;
}

static bool differs(const char *project, struct points booked, struct points due, char *why,
                    size_t size)
{
    char text[2][POINTS_TEXT_BYTES];

    if (points_compare(booked, due) == 0) {
        return false;
    }
    snprintf(why, size, "a refund of %s to %s is booked, it comes to %s",
             points_format(booked, text[0]), project, points_format(due, text[1]));
    return true;
}

bool refunds_match(const struct verify_record *record, const struct charge *charge, char *why,
                   size_t size)
{
    struct points due[CHARGE_SLICES_MAX + 1];

    rate_refund(&record->stored->record, charge, due);
    due[charge->slice_count] = POINTS_ZERO; /* in no slice's place */
    for (size_t i = 0; i < record->refund_count; i++) {
        const struct verify_refund *refund = &record->refunds[i];
        size_t slice = slice_of(record, charge, refund);

        if (differs(refund->project, refund->points, due[slice], why, size)) {
            return false;
        }
        due[slice] = POINTS_ZERO;
    }
    for (size_t i = 0; i < charge->slice_count; i++) {
        if (differs(record->stored->record.project, POINTS_ZERO, due[i], why, size)) {
            return false;
        }
    }
    return true;
}
