/* grant_pool - what a pool can still give. Internal to grant. */
#ifndef LEDGERD_FLOW_GRANT_POOL_H
#define LEDGERD_FLOW_GRANT_POOL_H

#include "ledgerd/base/error.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/store/store.h"

struct pool { /* of one share and fiscal year */
    const char *share;
    int fiscal_year;
    struct points supply; /* minted, plus or minus what was lent */
    struct points limit;  /* supply x overgrant: the most that may be granted, net */
    struct points net;    /* granted, net of revocations */
    struct points lapsed; /* gone at the end of its year */
    struct points
        left; /* limit - net - lapsed; negative once a factor was lowered below what is granted */
};

/* Read it as the policy's over-grant factor for that share says (1 for a share that the policy does
 * not name). */
int pool_read(struct store *store, const struct policy *policy, const char *share, int fiscal_year,
              struct pool *pool, struct error *err);

/* The pool as it would be with `lent` points more (less if negative) of supply. */
int pool_with(const struct policy *policy, const struct pool *pool, struct points lent,
              struct pool *then, struct error *err);

#endif
