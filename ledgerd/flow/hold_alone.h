/* hold_alone - a hold that comes alone, for who has something else to wait for as well.
 *
 * hold_place makes most holds that come one at a time by a single statement.  Here that statement
 * is sent and its answer taken in two steps, neither of which waits for the database, so that a
 * thread that watches many descriptors can make holds by itself.
 */
#ifndef LEDGERD_FLOW_HOLD_ALONE_H
#define LEDGERD_FLOW_HOLD_ALONE_H

#include "ledgerd/flow/hold.h"

struct hold_alone;

/* Decide the request by what the desk remembers, and send it. *alone is NULL if it is not one of
 * those that a single statement makes: nothing was done, and hold_place has to look. Until it is
 * taken, store and desk are its own, and *outcome, released by the caller, tells what is decided;
 * the knowledge is borrowed during the call alone. The wait that begins here ends with the store's
 * patience. -1 as hold_place. */
int hold_alone_send(struct store *store, struct hold_desk *desk,
                    const struct hold_knowledge *knowledge, const struct hold_request *request,
                    struct instant now, struct hold_outcome *outcome, struct hold_alone **alone,
                    struct error *err);

/* Readable when something has come of it. */
int hold_alone_descriptor(const struct hold_alone *alone);

/* True if taking it waits for nothing. To be asked when its descriptor is readable, and now and
 * then, for the patience may be at its end. */
bool hold_alone_is_back(const struct hold_alone *alone);

/* Take the answer and free it; waits if it is not back. The hold is durable when this returns 0
 * with *is_done; without, nothing was made, and hold_place has to look. -1 as hold_place. */
int hold_alone_take(struct hold_alone *alone, bool *is_done, struct error *err);

#endif
