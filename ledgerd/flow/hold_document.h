/* hold_document - a hold as JSON, the same over HTTP and from commands. */
#ifndef LEDGERD_FLOW_HOLD_DOCUMENT_H
#define LEDGERD_FLOW_HOLD_DOCUMENT_H

#include "ledgerd/base/strbuf.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_end.h"

/* Append the members of a hold, without braces: "hold", "project", "user", "key", "points", "held",
 * "freed", "charged", "parts", "ended_parts", "state", "made_at", "expires_at", "ended_at", "ref".
 */
void hold_write_members(const struct hold_info *hold, const struct zone *zone, struct strbuf *out);

/* Append the object of what an act did: the hold's members, and in "result" "charged", "freed",
 * "overspent" and "repeated". */
void hold_write_result(const struct hold_end_result *result, const struct zone *zone,
                       struct strbuf *out);

#endif
