/* workers - threads with database connections of their own, for the requests that need one.
 *
 * The server's thread suspends the connection and queues the request; a worker runs its handler and
 * resumes the connection.  The queue is bounded: past it the answer is 503 at once, so that a slow
 * database holds up nobody who does not need it.
 */
#ifndef LEDGERD_HTTP_WORKERS_H
#define LEDGERD_HTTP_WORKERS_H

#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/http/request.h"

enum { WORKERS_QUEUE_MAX = 256 }; /* about as many as one database answers within a second */

struct workers;

/* Called by a worker when a request has its reply. */
typedef void workers_done(struct request *request);

/* Start `count` workers. Each connects when it gets its first request and again when the connection
 * was lost. NULL on error. */
struct workers *workers_create(const char *conninfo, unsigned count, workers_done *done,
                               struct error *err);

/* Give a request to the workers; false if the queue is full or the workers are stopping. */
bool workers_submit(struct workers *workers, struct request *request);

/* Finish what is queued, then end the threads; requests that come later are refused. Accepts NULL.
 */
void workers_stop(struct workers *workers);
void workers_destroy(struct workers *workers); /* stops first if need be; accepts NULL */

#endif
