/* connections - count them, turn away, cut the slow; see connections.h. */
#include "ledgerd/http/connections.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/http/reply.h"

enum {
    TICKS_A_TIMEOUT = 4,    /* looks at every connection within one idle_timeout */
    STEP_BITS = 2,          /* of a connection's progress; the rest counts steps */
    OTHER_DESCRIPTORS = 256 /* database connections, files, listeners */
};

struct connection {
    struct connections_door *door;
    struct connection *previous;
    struct connection *next;
    int descriptor;
    _Atomic unsigned progress; /* changes with every step; the lowest bits are the step */
    unsigned seen;             /* what progress was at the last look */
    int ticks;                 /* looks since it changed */
};

struct connections {
    int max; /* at each door */
    int64_t tick_us;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t condition;
    bool stop;
    struct connection *first;
    size_t refusal_bytes;
    char refusal[1024]; /* the whole answer to who is turned away */
};

/* --- the watch ---------------------------------------------------------------------------- */

static int ticks_allowed(unsigned progress)
{
    switch ((enum connection_step)(progress & ((1U << STEP_BITS) - 1))) {
    case CONNECTION_AWAITS_HEAD:
        return CONNECTIONS_HEAD_TIMEOUTS * TICKS_A_TIMEOUT;
    case CONNECTION_AWAITS_BODY:
        return CONNECTIONS_BODY_TIMEOUTS * TICKS_A_TIMEOUT;
    default:
        return -1;
    }
}

/* Cut a connection that has not come further for too long: its thread then reads an end and closes
 * it. */
static void look_at(struct connection *connection)
{
    unsigned progress = atomic_load_explicit(&connection->progress, memory_order_relaxed);
    int allowed = ticks_allowed(progress);

    if (progress != connection->seen) {
        connection->seen = progress;
        connection->ticks = 0;
    } else if (allowed > 0 && connection->ticks++ == allowed) {
        shutdown(connection->descriptor, SHUT_RDWR);
    }
}

static struct timespec next_tick(const struct connections *connections)
{
    int64_t at_us = clock_monotonic_us() + connections->tick_us;

    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

static void *watch(void *argument)
{
    struct connections *connections = argument;
    struct timespec tick = next_tick(connections);

    pthread_mutex_lock(&connections->mutex);
    while (!connections->stop) {
        int result = pthread_cond_timedwait(&connections->condition, &connections->mutex, &tick);
        if (result == ETIMEDOUT) {
            for (struct connection *at = connections->first; at != NULL; at = at->next) {
                look_at(at);
            }
            tick = next_tick(connections);
        }
    }
    pthread_mutex_unlock(&connections->mutex);
    return NULL;
}

/* --- coming and going --------------------------------------------------------------------- */

static void link_in(struct connections *connections, struct connection *connection)
{
    connection->next = connections->first;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    connections->first = connection;
}

static void unlink_from(struct connections *connections, struct connection *connection)
{
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        connections->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
}

/* A place at the door, or NULL if there is none (or no memory for it). */
static struct connection *admit(struct connections_door *door, int descriptor)
{
    struct connections *connections = door->connections;
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        return NULL;
    }
    connection->door = door;
    connection->descriptor = descriptor;
    pthread_mutex_lock(&connections->mutex);
    bool has_room = door->admitted < connections->max;
    if (has_room) {
        door->admitted++;
        link_in(connections, connection);
    }
    pthread_mutex_unlock(&connections->mutex);
    if (!has_room) {
        free(connection);
        return NULL;
    }
    return connection;
}

static void let_go(struct connection *connection)
{
    struct connections_door *door = connection->door;

    pthread_mutex_lock(&door->connections->mutex);
    door->admitted--;
    unlink_from(door->connections, connection);
    pthread_mutex_unlock(&door->connections->mutex);
    free(connection);
}

/* The kernel's buffer of a new connection is empty, so the answer fits or the client is gone. */
static void turn_away(const struct connections_door *door, int descriptor)
{
    const struct connections *connections = door->connections;

    if (!door->is_tls) {
        ssize_t sent = send(descriptor, connections->refusal, connections->refusal_bytes,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent;
    }
    shutdown(descriptor, SHUT_RDWR);
}

void connections_notify(void *context, struct MHD_Connection *connection, void **socket_context,
                        enum MHD_ConnectionNotificationCode code)
{
    struct connections_door *door = context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context != NULL) {
            let_go(*socket_context);
            *socket_context = NULL;
        }
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_context = admit(door, info->connect_fd);
    if (*socket_context == NULL) {
        turn_away(door, info->connect_fd);
    }
}

static struct connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

bool connections_admitted(struct MHD_Connection *connection)
{
    return connection_of(connection) != NULL;
}

void connections_reached(struct MHD_Connection *handle, enum connection_step step)
{
    struct connection *connection = connection_of(handle);

    if (connection != NULL) {
        unsigned progress = atomic_load_explicit(&connection->progress, memory_order_relaxed);
        progress = ((progress >> STEP_BITS) + 1) << STEP_BITS | (unsigned)step;
        atomic_store_explicit(&connection->progress, progress, memory_order_relaxed);
    }
}

/* --- begin and end ------------------------------------------------------------------------ */

/* The kernel would refuse to accept, and libpq to connect, long before max_connections. */
static int allow_descriptors(const struct conf *conf, size_t doors, struct error *err)
{
    rlim_t needed = doors * ((rlim_t)conf->http_max_connections + CONNECTIONS_SPARE) +
                    OTHER_DESCRIPTORS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return error_set(err, ERROR_INTERNAL, "open files: %s", strerror(errno));
    }
    if (limit.rlim_cur >= needed) {
        return 0;
    }
    rlim_t hard = limit.rlim_max;
    limit.rlim_cur = needed;
    if (hard < needed || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return error_set(err, ERROR_UNAVAILABLE,
                         "max_connections %d on %zu listeners need %llu open files, %llu are "
                         "allowed: raise LimitNOFILE or lower max_connections",
                         conf->http_max_connections, doors, (unsigned long long)needed,
                         (unsigned long long)hard);
    }
    return 0;
}

static void write_refusal(struct connections *connections)
{
    struct reply reply;

    reply_init(&reply);
    reply_problem(&reply, 503, "busy", "max_connections clients are connected already");
    int length = snprintf(connections->refusal, sizeof(connections->refusal),
                          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\n"
                          "Content-Length: %zu\r\nx-should-retry: false\r\nConnection: close\r\n"
                          "\r\n%s",
                          reply.content_type, reply.body.length, reply.body.data);
    bool fits = length > 0 && (size_t)length < sizeof(connections->refusal);
    connections->refusal_bytes = fits ? (size_t)length : 0;
    reply_release(&reply);
}

static int start_watch(struct connections *connections, struct error *err)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&connections->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&connections->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    int failure = pthread_create(&connections->thread, NULL, watch, connections);
    if (failure != 0) {
        pthread_cond_destroy(&connections->condition);
        pthread_mutex_destroy(&connections->mutex);
        return error_set(err, ERROR_INTERNAL, "connections: cannot start a thread: %s",
                         strerror(failure));
    }
    return 0;
}

struct connections *connections_create(const struct conf *conf, size_t doors, struct error *err)
{
    if (allow_descriptors(conf, doors, err) != 0) {
        return NULL;
    }
    struct connections *connections = calloc(1, sizeof(*connections));
    if (connections == NULL) {
        error_set(err, ERROR_INTERNAL, "connections: out of memory");
        return NULL;
    }
    connections->max = conf->http_max_connections;
    connections->tick_us = conf->http_idle_timeout_us / TICKS_A_TIMEOUT;
    write_refusal(connections);
    if (start_watch(connections, err) != 0) {
        free(connections);
        return NULL;
    }
    return connections;
}

void connections_destroy(struct connections *connections)
{
    if (connections == NULL) {
        return;
    }
    pthread_mutex_lock(&connections->mutex);
    connections->stop = true;
    pthread_cond_signal(&connections->condition);
    pthread_mutex_unlock(&connections->mutex);
    pthread_join(connections->thread, NULL);
    pthread_cond_destroy(&connections->condition);
    pthread_mutex_destroy(&connections->mutex);
    free(connections);
}
