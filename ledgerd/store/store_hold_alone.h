/* store_hold_alone - one hold in one statement that is a transaction of its own, for who has looked
 * at its project before and takes it that nothing has changed since.
 *
 * The statement makes the hold only if what it was decided by still stands; otherwise nothing is
 * done, and the statements of store_hold_place decide anew.
 */
#ifndef LEDGERD_STORE_STORE_HOLD_ALONE_H
#define LEDGERD_STORE_STORE_HOLD_ALONE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store_hold_place.h"

struct lone_hold { /* borrowed */
    const struct new_hold *hold;
    const struct locked_position *position; /* of its project, as it is taken to be */
    int64_t catalog_version;                /* the same */
    struct instant now;
};

/* True if sending waits for nothing: there is a connection, and it knows the statement. */
bool store_hold_alone_is_ready(const struct store *store);

/* Send it; *is_sent is false, and nothing is done, if the connection does not look alive, or inside
 * another transaction. Until it was taken nothing else runs on the store. -1 (ERROR_UNAVAILABLE) if
 * the database cannot do it now, or if it is not known whether it was made. */
int store_hold_alone_send(struct store *store, const struct lone_hold *lone, bool *is_sent,
                          struct error *err);

/* What to watch for reading, for who does not want to wait, and whether taking it now waits for
 * nothing: the answer is there, or the connection or the store's patience is at its end. */
int store_hold_alone_descriptor(const struct store *store);
bool store_hold_alone_is_back(struct store *store);

/* Take the answer: the hold is made and durable when this returns 0 with a *transaction: its
 * number, or 0 if it was not made. It is not if the position or the catalog has changed, if its
 * project has a hold whose deadline has passed, or if the key is known. -1 as above. */
int store_hold_alone_take(struct store *store, int64_t *transaction, struct error *err);

#endif
