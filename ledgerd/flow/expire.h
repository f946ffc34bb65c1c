/* expire - what is left of a grant at its end goes where the policy says, and what a pool has not
 * granted when its year ends lapses.
 *
 * What has expired of a grant is what core/balance says remains of it, so that it follows from the
 * book and not from when somebody looked: posting brings the book's figure there, by a difference
 * of either sign. That makes it idempotent, and a charge that is booked later for time before the
 * end takes its part of the expiry back by the same rule. An expiry counts in the month of the last
 * instant before the grant's end, whenever it is posted.
 *
 * It goes to expired/<share>, or back to the pool if the policy in force at the end says so and the
 * pool's fiscal year still ran then.
 */
#ifndef LEDGERD_FLOW_EXPIRE_H
#define LEDGERD_FLOW_EXPIRE_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"

/* Post everything that is due by `now`; nothing is, nearly always, which costs one query and no
 * lock. On a store of role STORE_DAEMON. */
int expire_due(struct store *store, struct instant now, struct error *err);

/* The same for a reader: posts through a connection of its own if anything is due and `conninfo`
 * may post; where it may not (a replica, a role that only reads) the book is read as it is. */
void expire_for_reader(struct store *reader, const char *conninfo, struct instant now);

/* Bring the expiry of a project's grants that have ended to where the book now puts it. Part of
 * every transaction that moves what they paid: call it last, under the booking lock. Cheap for a
 * project none of whose grants has ended. */
int expire_project(struct store *store, const struct catalog *catalog, const char *project,
                   struct instant now, struct error *err);

/* The same for the pools whose fiscal year is over. */
int expire_pools(struct store *store, const struct catalog *catalog, struct instant now,
                 struct error *err);

#endif
