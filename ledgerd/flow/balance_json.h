/* balance_json - a project's balance as the JSON object of contract section 3, for the command line
 * and for HTTP. */
#ifndef LEDGERD_FLOW_BALANCE_JSON_H
#define LEDGERD_FLOW_BALANCE_JSON_H

#include "ledgerd/base/strbuf.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/flow/balance_read.h"

/* Append the object. Failure shows in out->failed. */
void balance_json_write(const struct balance_sheet *sheet, const struct zone *zone,
                        struct strbuf *out);

/* Append one grant as an object: id, project, share, fiscal_year, points, remaining, from, to,
 * state. */
void grant_json_write(const struct grant_info *grant, const struct zone *zone, struct strbuf *out);

#endif
