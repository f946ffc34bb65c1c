/* connections - who is connected: how many, and whether each gets on.
 *
 * Every listener (a TCP address, the Unix socket) has room for max_connections of its own, so that
 * a crowd at one door locks nobody out at another.  Who comes beyond that reads a 503 and is let go
 * at once, without waiting for room; libmicrohttpd alone would leave them in the kernel's queue.
 *
 * libmicrohttpd cuts connections on which nothing moves for idle_timeout.  A client that sends a
 * byte now and then never runs into that, so a thread watches progress in whole requests: a head
 * must be there within CONNECTIONS_HEAD_TIMEOUTS times idle_timeout, its body within
 * CONNECTIONS_BODY_TIMEOUTS times.
 */
#ifndef LEDGERD_HTTP_CONNECTIONS_H
#define LEDGERD_HTTP_CONNECTIONS_H

#include <microhttpd.h>
#include <stdbool.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"

enum {
    CONNECTIONS_HEAD_TIMEOUTS = 2, /* one to begin, one to end it */
    CONNECTIONS_BODY_TIMEOUTS = 4,
    CONNECTIONS_SPARE = 64, /* a listener's places for those that are being turned away */
};

struct connections;

struct connections_door { /* one listener's count */
    struct connections *connections;
    bool is_tls;  /* who is turned away there reads nothing */
    int admitted; /* guarded by the connections' mutex */
};

enum connection_step {
    CONNECTION_AWAITS_HEAD,
    CONNECTION_AWAITS_BODY,
    CONNECTION_ANSWERS, /* may last: the database's time is not the client's fault */
};

/* Begin to watch, and see to it that the process may open as many descriptors as `doors` full
 * listeners need: ERROR_UNAVAILABLE if the hard limit forbids that. NULL on error. */
struct connections *connections_create(const struct conf *conf, size_t doors, struct error *err);

/* Ends the watch. Every connection must be closed before. Accepts NULL. */
void connections_destroy(struct connections *connections);

/* libmicrohttpd's MHD_OPTION_NOTIFY_CONNECTION; the context is the listener's door. */
void connections_notify(void *door, struct MHD_Connection *connection, void **socket_context,
                        enum MHD_ConnectionNotificationCode code);

/* False of a connection that was turned away: nothing that it sends may be acted on. */
bool connections_admitted(struct MHD_Connection *connection);

/* The request on this connection has come to a step. To be called by its listener's thread. */
void connections_reached(struct MHD_Connection *connection, enum connection_step step);

#endif
