/* store_limit - limits on spending, and what counts against each in each period.
 *
 * The sums are kept in the transaction of the charges, for the limits that there are. Whoever books
 * a charge adds it here (store_limit_add); running work is summed when it is read.
 */
#ifndef LEDGERD_STORE_STORE_LIMIT_H
#define LEDGERD_STORE_STORE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/limit.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

struct limit_key {
    const char *project;
    const char *user; /* "" for the whole project */
    enum limit_period period;
};

/* Set it, and if it is new add up what was charged in each of its periods so far, a scan of the
 * project's charges, and what is held. *before has the points until now (valid if *existed). Under
 * the booking lock.
 */
int store_limit_set(struct store *store, const struct limit_key *key, struct points points,
                    struct instant now, bool *existed, struct points *before, struct error *err);

/* Clear the limit, or with all_periods those of every period. *cleared gets how many there were. */
int store_limit_clear(struct store *store, const struct limit_key *key, bool all_periods,
                      int64_t *cleared, struct error *err);

struct store_limit_use { /* what charges add to a period of a limit */
    int32_t limit_no;
    int32_t since; /* first day of the period, as core/limit has it */
    struct points points;
};

/* Add to the sums, and let readers of positions know. Under the booking lock. */
int store_limit_add(struct store *store, const struct store_limit_use *uses, size_t count,
                    struct error *err);

#define STORE_LIMIT_HELD INT32_MIN /* in place of a period's first day */

struct store_limit_sum { /* of one period of a limit, or what is held, in a row of its own */
    int32_t limit_no;
    int32_t since;
    struct points charged;
    struct points accrued;
    struct points held; /* of STORE_LIMIT_HELD; with holds whose deadline has passed unnoted */
};

struct store_limit_sums {
    size_t count;
    struct store_limit_sum *sums; /* by limit_no and since; without a row there is nothing */
};

/* Read the sums of one project's limits (NULL: of all), of periods that begin on or after `since`,
 * which has a first day for each kind of period. */
int store_read_limit_sums(struct store *store, const char *project,
                          const int32_t since[LIMIT_PERIODS], struct store_limit_sums *sums,
                          struct error *err);
void store_limit_sums_release(struct store_limit_sums *sums);

#endif
