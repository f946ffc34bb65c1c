/* report - the month, the statement of a project and the shares of a year, as JSON documents.
 *
 * A report is one document, made here from one snapshot of the book; every format is rendered from
 * it, so that no two can differ, and a month that was closed is rendered from the document that was
 * stored. Shapes are those of contract section 8. All return a new reference, or NULL with *err:
 * ERROR_REFUSED with reason no_policy, unknown_project or unknown_report (of a closed month in
 * which nothing was booked, or not of this project), ERROR_VERIFY if the book's figures do not
 * agree with one another.
 */
#ifndef LEDGERD_FLOW_REPORT_H
#define LEDGERD_FLOW_REPORT_H

#include <jansson.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/store/store.h"

/* Everything of a month. Its digest is the SHA-256 of the document as document_write writes it
 * while the digest is still empty. */
json_t *report_month(struct store *store, struct month month, struct instant now,
                     struct error *err);

/* The report of a month that is about to be closed, as closed, and, through `each`, the statement
 * of every project and service that it shows; inside the transaction that closes it. */
typedef int report_statement_fn(void *context, const char *project, const json_t *statement,
                                struct error *err);
json_t *report_close(struct store *store, struct month month, struct instant now,
                     report_statement_fn *each, void *context, struct error *err);

/* Cut the month's document down to one share or one project (the other is NULL). It keeps the
 * digest of the whole and gets a member "excerpt" that names the filter. ERROR_REFUSED with reason
 * unknown_share or unknown_project. */
int report_month_excerpt(json_t *document, const char *share, const char *project,
                         struct error *err);

/* Cut the month's document down to its inference services, in the same way; what each of them has,
 * report_service.h tells. ERROR_INTERNAL when memory is out. */
int report_month_services(json_t *document, struct error *err);

/* A project's lines of the month with its grants and daily usage. A charge belongs to the day of
 * its slice's last instant. */
json_t *report_statement(struct store *store, const char *project, struct month month,
                         struct instant now, struct error *err);

/* Supply, granted, used and remaining of each share of a fiscal year, in all and month by month. */
json_t *report_shares(struct store *store, int fiscal_year, struct instant now, struct error *err);

#endif
