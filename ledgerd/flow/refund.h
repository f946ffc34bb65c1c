/* refund - give back what a record was charged, by hand.
 *
 * Never more than the record costs now, less what was refunded before. What comes back goes to the
 * grant that it was drawn from; where that one has ended, it raises the project's next one: the
 * valid grant that ends first, else the first to begin; with neither it stands to the project's
 * credit and is spent before any grant. It counts in the month in which it is made.
 */
#ifndef LEDGERD_FLOW_REFUND_H
#define LEDGERD_FLOW_REFUND_H

#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"

struct refund_request {
    struct manual_act act;
    const char *source;
    const char *id;
    bool has_points; /* else all that can be */
    struct points points;
};

struct refund_result {
    char project[129];
    struct points points;     /* refunded now */
    struct points charged;    /* what the record costs */
    struct points refundable; /* what could still be refunded afterwards */
};

/* ERROR_ARGUMENT for points that cannot be; ERROR_REFUSED with reason unknown_record,
 * nothing_to_refund, over_charge (with the numbers). */
int refund_make(struct store *store, const struct refund_request *request,
                struct refund_result *result, struct error *err);

#endif
