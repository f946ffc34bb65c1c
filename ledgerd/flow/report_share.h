/* report_share - what each share was promised, given and used, month by month.
 *
 * A matrix of share by month over a part of one fiscal year. Points come from the transfers of
 * pools and projects; GPU hours from the supply entries (nominal and offered, spread evenly over
 * each entry's period) and from the meters by physical month (used). The GPU hours of inference
 * services are divided over the shares by the list points of the tokens that they served, idle ones
 * by the policy's fractions.
 */
#ifndef LEDGERD_FLOW_REPORT_SHARE_H
#define LEDGERD_FLOW_REPORT_SHARE_H

#include <jansson.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/hours.h"
#include "ledgerd/store/store.h"

enum {
    REPORT_MONTHS_MAX = 12,
    REPORT_SHARES_MAX = 2 * POLICY_SHARES_MAX, /* those in force, and those that were once */
};

struct report_cell {        /* one share in one month, or the sum of several */
    struct points granted;  /* net of what was revoked */
    struct points lent;     /* from other shares, negative if to them */
    struct points spent;    /* net of refunds; tokens served by services are in it */
    struct points accrued;  /* cost so far of running work, in the current month alone */
    struct points held;     /* by open holds, likewise */
    struct hours nominal;   /* of the whole machine */
    struct hours available; /* the same with adjusted supply */
    struct hours offered;   /* the share's part, +- lending */
    struct hours granted_hours;
    struct hours used;    /* by the share's own jobs */
    struct hours service; /* by services on its behalf */
};

struct report_share_row {
    char share[64];
    const struct policy_share *promise; /* in the report's policy; NULL if it has left it */
    struct points supply;               /* minted for the fiscal year */
    struct report_cell cells[REPORT_MONTHS_MAX];
};

struct report_service_use { /* of one inference service, by month, and by share in its order */
    const struct catalog_project *service;
    struct unit_seconds gpu[REPORT_MONTHS_MAX];
    struct hours whole[REPORT_MONTHS_MAX]; /* the same as hours, which the months add up to */
    struct points list[REPORT_MONTHS_MAX][REPORT_SHARES_MAX];   /* of the tokens that it served */
    struct hours divided[REPORT_MONTHS_MAX][REPORT_SHARES_MAX]; /* whole, over the shares */
};

struct report_shares {
    const struct catalog *catalog; /* borrowed */
    const struct policy *policy;   /* in force at the end of the last month, else the first */
    int fiscal_year;
    struct month first; /* of the fiscal year */
    size_t month_count; /* months of the matrix, from the first on */
    size_t share_count;
    struct report_share_row *shares; /* those of the policy in its order, then others */
    size_t service_count;
    struct report_service_use *services; /* those that used or served anything */
};

/* Gather the months of the fiscal year up to `last`, inside one store_transact. The month of `now`
 * gets accruals and holds. ERROR_REFUSED (reason no_policy) in a book without one. */
int report_shares_gather(struct store *store, const struct catalog *catalog, struct month last,
                         struct instant now, struct report_shares *shares, struct error *err);
void report_shares_release(struct report_shares *shares);

/* Sum of a share's cells, months [from, to) of the matrix; -1 on overflow. */
int report_cells_sum(const struct report_share_row *row, size_t from, size_t to,
                     struct report_cell *sum, struct error *err);

/* Members of contract section 8 for months [from, to) of each share, as objects in an array
 * parallel to shares->shares (fraction_of_spent is of these months' total). NULL on error. */
json_t *report_cells_document(const struct report_shares *shares, size_t from, size_t to,
                              struct error *err);

#endif
