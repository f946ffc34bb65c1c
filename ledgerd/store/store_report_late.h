/* store_report_late - what counts in a month and belongs to a closed one; see store_report.h.
 *
 * There is little of it: it is listed piece by piece, where the rest of a month is summed.
 */
#ifndef LEDGERD_STORE_STORE_REPORT_LATE_H
#define LEDGERD_STORE_STORE_REPORT_LATE_H

#include "ledgerd/base/error.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

/* A record, net; or a grant. */
struct report_late {
    struct month month; /* the closed one */
    const char *project;
    const char *source;   /* of a grant: the kind of transfer ("expire"), */
    const char *id;       /* and its number */
    struct points points; /* of the project's balance, either sign */
};
typedef int report_late_fn(void *context, const struct report_late *row, struct error *err);
/* `project` NULL: all. By the month that it belongs to, project, source and id. */
int store_report_late(struct store *store, struct month month, const char *project,
                      report_late_fn *fn, void *context, struct error *err);

#endif
