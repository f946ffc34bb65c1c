/* store_portal - pages of a project's transfers, for the portal. */
#ifndef LEDGERD_STORE_STORE_PORTAL_H
#define LEDGERD_STORE_STORE_PORTAL_H

#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

struct portal_transfer { /* strings are valid during the callback */
    int64_t transfer_id;
    int64_t entry_id;
    struct month month;      /* in which it counts */
    struct month belongs_to; /* the same, or the closed one that it belongs to */
    const char *kind;
    const char *debit_account;
    const char *credit_account;
    struct points points;
    const char *source; /* "" for manual acts */
    int64_t charges;
    int64_t grant_id; /* 0 if it concerns none */
    struct instant booked_at;
};
typedef int portal_transfer_fn(void *context, const struct portal_transfer *row, struct error *err);

struct portal_transfer_query {
    int32_t account;
    struct month first, last; /* months that transfers count in, inclusive */
    int64_t after;            /* transfers with a higher number: the cursor; 0 from the start */
    int limit;
};

/* Transfers from or to the account, by number. A callback's -1 (with *err) ends the reading. */
int store_read_transfers(struct store *store, const struct portal_transfer_query *query,
                         portal_transfer_fn *fn, void *context, struct error *err);

#endif
