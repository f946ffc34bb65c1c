/* report_head - parts that several reports have. Internal to the reports' gathering. */
#ifndef LEDGERD_FLOW_REPORT_HEAD_H
#define LEDGERD_FLOW_REPORT_HEAD_H

#include <jansson.h>
#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/report_share.h"
#include "ledgerd/store/store.h"

/* {"last_record":{source:time},"quarantined":n,"skipped":n} of a month, and {"away":{source:time}}:
 * since when sources cannot be pulled, if there are such. NULL on error. */
json_t *report_completeness(struct store *store, const struct catalog *catalog, struct month month,
                            struct error *err);

/* The fraction that the policy promises to the share, as a decimal string; "0" once it has left. */
json_t *report_promise_document(const struct report_share_row *row);

/* The stored document of a closed month, or of a project in it (NULL: the month's own); *document
 * is NULL while the month is open. ERROR_REFUSED with reason unknown_report if it is closed and
 * nothing of that was stored. */
int report_stored(struct store *store, struct month month, const char *project, json_t **document,
                  struct error *err);

/* The daily usage of all projects in the month: {project: [line]}. NULL on error. */
json_t *report_days(struct store *store, const struct catalog *catalog, struct month month,
                    const char *project, struct error *err);

/* The statement of a project that was gathered; `days` are those of report_days. Its digest is
 * set. NULL on error. */
struct report_project;
struct statement_head {
    struct month month;
    struct instant now;
    bool is_closed;
    json_t *completeness; /* of the month, see report_completeness; borrowed */
};
json_t *report_statement_document(struct store *store, const struct catalog *catalog,
                                  const struct report_project *project,
                                  const struct statement_head *head, json_t *days,
                                  struct error *err);

/* Set the member "digest" (present and empty) to the SHA-256 of the document as it is written. */
int report_digest_set(json_t *document, struct error *err);

#endif
