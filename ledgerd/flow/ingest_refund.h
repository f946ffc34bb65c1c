/* ingest_refund - the difference that an amendment makes to what the rate card gives back by
 * itself. As with charges: the new refund of each place, less what was booked there. */
#ifndef LEDGERD_FLOW_INGEST_REFUND_H
#define LEDGERD_FLOW_INGEST_REFUND_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest_tail.h"
#include "ledgerd/store/store.h"

struct refund_amended {
    int64_t record_no;
    int version;   /* the new one */
    uint32_t item; /* of the tail's batch: the new version */
};

/* Add the differences of these records to the tail. */
int refunds_amend(struct tail *tail, struct store *store, const struct refund_amended *amended,
                  size_t count, struct error *err);

#endif
