/* supply_adjust - what the machine could not deliver of a supply entry, or could on top.
 *
 * Split over the shares as the entry was. What has been granted stays granted: a pool that has not
 * enough left refuses, until grants are revoked. It counts in the month in which it is made, or the
 * nearest one of the entry's fiscal year.
 */
#ifndef LEDGERD_FLOW_SUPPLY_ADJUST_H
#define LEDGERD_FLOW_SUPPLY_ADJUST_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"

struct supply_adjust_request {
    struct manual_act act; /* its note must say why */
    const char *supply;
    struct points points; /* not zero; negative: not delivered */
};

struct supply_adjust_result {
    int fiscal_year;
    struct points points;
    size_t part_count;
    struct supply_part {
        char share[64];
        struct points points;
        struct points pool_left; /* what the share's pool can still grant */
    } parts[POLICY_SHARES_MAX];
};

/* ERROR_ARGUMENT without a note or points; ERROR_REFUSED with reason unknown_supply, over_pool
 * (with the numbers). */
int supply_adjust(struct store *store, const struct supply_adjust_request *request,
                  struct supply_adjust_result *result, struct error *err);

#endif
