/* ratecard_doc - a rate card from its JSON document (contract section 5). */
#ifndef LEDGERD_FLOW_RATECARD_DOC_H
#define LEDGERD_FLOW_RATECARD_DOC_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/ratecard.h"

/* Parse and validate. On success *card is the caller's (ratecard_destroy); on failure it is
 * untouched and *err says what and where. */
int ratecard_doc_parse(const char *json, size_t length, struct ratecard **card, struct error *err);

#endif
