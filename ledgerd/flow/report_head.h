/* report_head - parts that several reports have. Internal to the reports' gathering. */
#ifndef LEDGERD_FLOW_REPORT_HEAD_H
#define LEDGERD_FLOW_REPORT_HEAD_H

#include <jansson.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/report_share.h"
#include "ledgerd/store/store.h"

/* {"last_record":{source:time},"quarantined":n,"skipped":n} of a month. NULL on error. */
json_t *report_completeness(struct store *store, const struct catalog *catalog, struct month month,
                            struct error *err);

/* The fraction that the policy promises to the share, as a decimal string; "0" once it has left. */
json_t *report_promise_document(const struct report_share_row *row);

/* Set the member "digest" (present and empty) to the SHA-256 of the document as it is written. */
int report_digest_set(json_t *document, struct error *err);

#endif
