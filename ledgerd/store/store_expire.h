/* store_expire - what has expired of grants and pools, and what is due to.
 *
 * The functions that write run inside a transaction with the booking lock.
 */
#ifndef LEDGERD_STORE_STORE_EXPIRE_H
#define LEDGERD_STORE_STORE_EXPIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

struct expiry { /* what is posted as expired of a grant */
    int64_t grant_id;
    struct points sink; /* at expired/<share> */
    struct points pool; /* back in the pool */
};

struct expiries {
    size_t count;
    struct expiry *rows; /* by grant */
};

struct due_projects {
    size_t count;
    char **ids; /* sorted */
};

struct ended_pool { /* whose fiscal year is over */
    char *share;
    int fiscal_year;
    int32_t account;
    struct points left;   /* balance of the pool */
    struct points lapsed; /* what it has sent to expired/<share> as ungranted */
};

struct ended_pools {
    size_t count;
    struct ended_pool *rows;
};

/* True if a grant has ended whose end is not posted, or a pool's year has and it is not empty.
 * A look without a lock. */
int store_expiry_is_due(struct store *store, struct instant now, bool *is_due, struct error *err);

/* The projects with grants that have ended by `now` and are not posted. */
int store_read_due_projects(struct store *store, struct instant now, struct due_projects *due,
                            struct error *err);
void due_projects_release(struct due_projects *due);

/* What is posted of a project's grants. */
int store_read_expiries(struct store *store, const char *project, struct expiries *expiries,
                        struct error *err);
void expiries_release(struct expiries *expiries);

/* Keep what is posted of a grant from now on. */
int store_put_expiry(struct store *store, const struct expiry *expiry, struct instant now,
                     struct error *err);

/* The pools of fiscal years before `fiscal_year`. */
int store_read_ended_pools(struct store *store, int fiscal_year, struct ended_pools *pools,
                           struct error *err);
void ended_pools_release(struct ended_pools *pools);

/* The account expired/<share>, made if there is none. */
int store_expired_account(struct store *store, const char *share, int32_t *account,
                          struct error *err);

#endif
