/* loop - the thread of a listener that waits for holds besides.
 *
 * libmicrohttpd's own threads watch their connections and nothing else: a hold then takes a thread
 * that waits for the database, and a change of threads on the way there and on the way back.  The
 * Unix socket's daemon runs in a loop instead, which watches the database's connection as well
 * while a hold that came alone is under way there.  Nothing in it waits for anything else.
 */
#ifndef LEDGERD_HTTP_LOOP_H
#define LEDGERD_HTTP_LOOP_H

#include <microhttpd.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/hold_group.h"

struct loop;

/* A loop for the holds of a group; borrowed, as long as the loop runs. NULL on error. */
struct loop *loop_create(struct hold_group *holds, struct error *err);
void loop_destroy(struct loop *loop); /* stops first if need be; accepts NULL */

/* Run the daemon (started with MHD_USE_EPOLL and no thread of its own) until the loop stops. -1 if
 * no thread can be started. */
int loop_start(struct loop *loop, struct MHD_Daemon *daemon, struct error *err);
void loop_stop(struct loop *loop); /* once nothing is suspended in the daemon; accepts NULL */

/* hold_group_submit by the loop's own thread, which does what the committer would where it can. */
enum hold_submitted loop_submit(struct loop *loop, struct hold_ticket *ticket);

/* Have the loop see what was resumed in its daemon, by any thread: libmicrohttpd wakes its own
 * threads only. */
void loop_wake(struct loop *loop);

#endif
