/* portal - what the portal's handlers share: the project in the path, periods and pages in the
 * query. */
#ifndef LEDGERD_HTTP_PORTAL_H
#define LEDGERD_HTTP_PORTAL_H

#include "ledgerd/base/error.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/http/request.h"

enum { PORTAL_PAGE_DEFAULT = 100, PORTAL_PAGE_MAX = 1000 };

/* Answer a question about the path's project: look it up, run `read`, turn its error into the
 * reply. */
typedef int portal_read(struct request *request, struct reply *reply, const struct catalog *catalog,
                        const struct catalog_project *project, struct error *err);
void portal_answer(struct request *request, struct reply *reply, portal_read *read);

/* The arguments `from` and `to`, each a time (RFC 3339), a day (2027-06-01) or a month (2027-06) of
 * the site's zone; a day or month as `to` is exclusive like a time. Default: the month that holds
 * `now`. ERROR_ARGUMENT. */
int portal_period(const struct request *request, const struct calendar *calendar,
                  struct instant now, struct period *period, struct error *err);

/* The argument `month`, default the month of now. */
int portal_month(const struct request *request, const struct calendar *calendar, struct instant now,
                 struct month *month, struct error *err);

/* The argument `limit`, 1 to PORTAL_PAGE_MAX. */
int portal_limit(const struct request *request, int *limit, struct error *err);

#endif
