/* workers - threads with a database connection each, for the requests that need one.
 *
 * The server's thread suspends the connection and queues the request; a worker runs its handler and
 * resumes the connection.  The queue is bounded: past it the answer is 503 at once, so that a slow
 * database holds up nobody who does not need it.  While the engine says that the database is away
 * every request is answered 503 at once, and those that wait in the queue when it goes are, too.
 *
 * Requests of a ROUTE_GROUP are given to its handler together, by one worker at a time: all that
 * have come while the group before was being answered, and those who then follow within a part of
 * the time that it took.
 *
 * A worker's one connection changes its role from request to request, so that workers never hold
 * more connections than there are workers.
 */
#ifndef LEDGERD_HTTP_WORKERS_H
#define LEDGERD_HTTP_WORKERS_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/http/request.h"

enum {
    WORKERS_QUEUE_MAX = 256, /* about as many as one database answers within a second */
    WORKERS_GROUP_MAX = 64,  /* requests that one call of a ROUTE_GROUP's handler is given */
};

struct workers;

/* Called once for each request when it has its reply, by a worker or by whoever refuses it. */
typedef void workers_done(struct request *request);

/* Start `count` workers. Each connects when it gets its first request and again when the connection
 * was lost. engine and conninfo are borrowed. NULL on error. */
struct workers *workers_create(const char *conninfo, unsigned count, struct engine *engine,
                               workers_done *done, struct error *err);

/* Give a request to the workers. If the queue is full, the workers are stopping or the database is
 * away, it is answered 503 and done at once, in the caller's thread. */
void workers_submit(struct workers *workers, struct request *request);

/* Finish what is queued, then end the threads; requests that come later are refused. Accepts NULL.
 */
void workers_stop(struct workers *workers);
void workers_destroy(struct workers *workers); /* stops first if need be; accepts NULL */

#endif
