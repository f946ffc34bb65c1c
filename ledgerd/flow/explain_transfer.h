/* explain_transfer - a transfer followed back to the records that it stands for. */
#ifndef LEDGERD_FLOW_EXPLAIN_TRANSFER_H
#define LEDGERD_FLOW_EXPLAIN_TRANSFER_H

#include <jansson.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/store/store.h"

enum { EXPLAIN_RECORDS_MAX = 1000 }; /* of one transfer that are listed */

/* The transfer as a JSON document, *document of the caller. ERROR_REFUSED with reason
 * unknown_transfer. */
int explain_transfer(struct store *store, const struct zone *zone, int64_t id, json_t **document,
                     struct error *err);

#endif
