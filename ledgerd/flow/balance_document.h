/* balance_document - a project's balance as the JSON document of contract section 3. */
#ifndef LEDGERD_FLOW_BALANCE_DOCUMENT_H
#define LEDGERD_FLOW_BALANCE_DOCUMENT_H

#include <jansson.h>

#include "ledgerd/base/zone.h"
#include "ledgerd/flow/balance_read.h"

/* A new reference, or NULL when memory is out. */
json_t *balance_document(const struct balance_sheet *sheet, const struct zone *zone);

#endif
