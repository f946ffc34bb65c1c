/* store_report_service - what inference services served, and what was refunded of it.
 *
 * As in store_report.h: each function hands its rows to a callback inside one store_transact, and
 * reads roll-ups alone.
 */
#ifndef LEDGERD_STORE_STORE_REPORT_SERVICE_H
#define LEDGERD_STORE_STORE_REPORT_SERVICE_H

#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

/* What projects together, or one service, used of a class in the month: rows of points (without a
 * meter) and of counts. */
struct report_served {
    const char *service; /* whose use it is; "" for that of projects */
    const char *source;
    const char *klass;
    struct points points;
    struct points list_points;
    const char *meter; /* of a count; "" in a row of points */
    const char *count; /* decimal; may be negative after amendments */
};
typedef int report_served_fn(void *context, const struct report_served *row, struct error *err);
int store_report_served(struct store *store, struct month month, report_served_fn *fn,
                        void *context, struct error *err);

/* What moved the services' accounts in the month, and belongs to it: charges and refunds. */
struct report_service_move {
    const char *service;
    const char *share;    /* of the project at the other end; "" if that is none */
    bool is_refund;       /* else a charge */
    bool is_served;       /* for what it served; else for what it used itself */
    struct points points; /* what arrived at the service less what left it */
};
typedef int report_service_move_fn(void *context, const struct report_service_move *row,
                                   struct error *err);
int store_report_service_moves(struct store *store, struct month month, report_service_move_fn *fn,
                               void *context, struct error *err);

#endif
