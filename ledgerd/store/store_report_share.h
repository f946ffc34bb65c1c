/* store_report_share - what the shares were promised, given and used, month by month.
 *
 * As in store_report.h: each function hands its rows to a callback inside one store_transact, and
 * reads roll-ups alone.
 */
#ifndef LEDGERD_STORE_STORE_REPORT_SHARE_H
#define LEDGERD_STORE_STORE_REPORT_SHARE_H

#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

/* Sums by month and share over [first, last]. */
struct report_share_move {
    struct month month;
    const char *share;
    bool is_pool;         /* of the share's pools; else of its projects' accounts */
    const char *kind;     /* of the transfers */
    struct points points; /* credits minus debits */
};
typedef int report_share_move_fn(void *context, const struct report_share_move *row,
                                 struct error *err);
int store_report_share_moves(struct store *store, struct month first, struct month last,
                             report_share_move_fn *fn, void *context, struct error *err);

/* GPU time and list points by month, share (or service), source and class over [first, last]. */
struct report_share_usage {
    struct month month;
    const char *share;   /* "" for a service */
    const char *service; /* "" for projects */
    const char *source;
    const char *klass;
    struct points list_points;
    const char *gpu_seconds; /* decimal; may be negative after amendments */
};
typedef int report_share_usage_fn(void *context, const struct report_share_usage *row,
                                  struct error *err);
int store_report_share_usage(struct store *store, struct month first, struct month last,
                             report_share_usage_fn *fn, void *context, struct error *err);

/* The parts of the supply entries of a fiscal year, entry by entry and share by share. */
struct report_supply {
    const char *id;
    const char *resource;
    struct instant from, to;
    const char *count, *hours; /* decimals */
    struct points minted;      /* the whole entry */
    const char *share;
    const char *fraction;   /* decimal */
    struct points points;   /* the share's part, with its part of adjustments */
    struct points adjusted; /* what adjustments came to, of the whole entry */
};
typedef int report_supply_fn(void *context, const struct report_supply *row, struct error *err);
int store_report_supply(struct store *store, int fiscal_year, report_supply_fn *fn, void *context,
                        struct error *err);

#endif
