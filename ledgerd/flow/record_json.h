/* record_json - a usage record in format `ledger` (contract section 6).
 *
 * What importers read, written back: for explanations, for answers of HTTP, and for accruals, whose
 * record is kept in this form until it is posted.
 */
#ifndef LEDGERD_FLOW_RECORD_JSON_H
#define LEDGERD_FLOW_RECORD_JSON_H

#include "ledgerd/base/strbuf.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/core/usage.h"

/* Append the record as one JSON object, times with the zone's offset.  Fields that are not given
 * are left out.  Failure shows in out->failed. */
void record_json_write(const struct usage_record *record, const struct zone *zone,
                       struct strbuf *out);

#endif
