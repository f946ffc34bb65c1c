/* server - libmicrohttpd around the route table.
 *
 * One daemon a listening socket.  A request goes through three states: reading (the body arrives),
 * working (its connection is suspended while a worker runs the handler) and answered.  Its memory
 * goes when libmicrohttpd says that the request is over, never before.
 */
#ifndef LEDGERD_HTTP_SERVER_H
#define LEDGERD_HTTP_SERVER_H

#include <stddef.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/engine.h"

struct server;

/* Listen on every address of conf's [http] and begin to answer. conf, conninfo and engine are
 * borrowed and outlive the server. NULL on error. */
struct server *server_start(const struct conf *conf, const char *conninfo, struct engine *engine,
                            struct error *err);

/* The i-th address listened on ("127.0.0.1:8080", "unix:/run/…"), or NULL past the last. */
const char *server_address(const struct server *server, size_t i);

/* Take no new connections, finish what has begun (at most SERVER_DRAIN_SECONDS), stop. Accepts
 * NULL. */
enum { SERVER_DRAIN_SECONDS = 10 };
void server_stop(struct server *server);

#endif
