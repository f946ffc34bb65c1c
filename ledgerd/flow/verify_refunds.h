/* verify_refunds - what the rate card gives back by itself of a record, computed again. Internal to
 * verify_records.
 */
#ifndef LEDGERD_FLOW_VERIFY_REFUNDS_H
#define LEDGERD_FLOW_VERIFY_REFUNDS_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/core/rate.h"
#include "ledgerd/store/store_verify.h"

/* Whether the record's automatic refunds, summed over all its versions, are those of its charge:
 * slice by slice (each has a last instant of its own), under the record's own names, and nothing
 * anywhere else. If not, why[size] says so. Uses charge->card. */
bool refunds_match(const struct verify_record *record, const struct charge *charge, char *why,
                   size_t size);

#endif
