/* verify_meters - the roll-up of meters, added up again from the records. Internal to verify. */
#ifndef LEDGERD_FLOW_VERIFY_METERS_H
#define LEDGERD_FLOW_VERIFY_METERS_H

#include <stddef.h>

#include "ledgerd/core/calendar.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/tally.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_record.h"

struct meters { /* a zeroed one is empty */
    struct tally tally;
    char **names; /* of each of the tally's rows: what the roll-up's key is */
    size_t name_capacity;
};

void meters_release(struct meters *meters);

/* Add what a record used, by the rule that rated it; of work that ran when its month closed, up to
 * there. 0, or -1 (out of memory or overflow). */
int meters_add(struct meters *meters, const struct stored_record *stored,
               const struct ratecard_rule *rule, const struct calendar *calendar);

/* Compare with the book: detail[size] gets the first difference, "" if there is none. */
int meters_compare(struct meters *meters, struct store *store, char *detail, size_t size,
                   struct error *err);

#endif
