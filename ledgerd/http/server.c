/* server - take requests, find their route, answer; see server.h. */
#include "ledgerd/http/server.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/http/auth.h"
#include "ledgerd/http/connections.h"
#include "ledgerd/http/listen.h"
#include "ledgerd/http/loop.h"
#include "ledgerd/http/request.h"
#include "ledgerd/http/route.h"
#include "ledgerd/http/tls.h"
#include "ledgerd/http/workers.h"

enum {
    SERVER_LISTEN_MAX = CONF_LISTEN_MAX + 1, /* and the Unix socket */
    SERVER_ADDRESS_BYTES = LISTEN_TEXT_BYTES + 8,
    SERVER_CONNECTION_MEMORY_BYTES = 32 * 1024, /* request line and headers of one connection */
    SERVER_POLL_US = 10 * 1000,
    SERVER_DISCARD_BODIES =
        4, /* times max_body_bytes are thrown away for a client to read its 413 */
};

/* What GnuTLS holds to be safe, without the versions that RFC 8996 retired. */
static const char SERVER_TLS_PRIORITIES[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct server_listener {
    struct server *server;
    struct MHD_Daemon *daemon;
    struct loop *loop; /* that runs the daemon; NULL: it has threads of its own */
    struct connections_door door;
    int descriptor; /* -1 once libmicrohttpd or the drain has closed it */
    char address[SERVER_ADDRESS_BYTES];
    const char *unix_path; /* removed at the end; NULL for TCP */
};

struct server {
    struct service service;
    struct workers *workers;
    struct connections *connections;
    struct tls tls; /* of the TCP listeners */
    size_t max_body_bytes;
    _Atomic long active; /* requests that have begun and are not over */
    size_t listener_count;
    struct server_listener listeners[SERVER_LISTEN_MAX];
};

/* Requests find the server through their service, its first member. */
static struct server *server_of(const struct request *request)
{
    return (struct server *)(void *)request->service;
}

/* libmicrohttpd would decode the path before it is split, so it is told to leave escapes alone. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* What the client wrote in the URL cannot be taken: it is too long, or malformed as `detail` says.
 */
static void refuse_url(struct request *request, const char *detail)
{
    if (request->text_full) {
        reply_problem(&request->reply, 414, "too_long", "the path and query are too long");
    } else {
        reply_problem(&request->reply, 400, "bad_argument", detail);
    }
}

static enum MHD_Result add_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct request *request = context;

    (void)kind;
    if (request_add_argument(request, name, value) != 0) {
        refuse_url(request,
                   "the query string is malformed, has too many arguments, or names one twice");
        return MHD_NO;
    }
    return MHD_YES;
}

/* 405, with the methods that the path does take. */
static void refuse_method(struct request *request)
{
    char methods[REPLY_HEADER_BYTES];

    route_methods(request, methods, sizeof(methods));
    reply_problem(&request->reply, 405, "method_not_allowed",
                  "this path does not take that method");
    reply_header(&request->reply, MHD_HTTP_HEADER_ALLOW, methods);
}

/* Set the problem of a request that no handler can take; false if there is none. */
static bool find_fault(struct request *request, const char *url, const char *method)
{
    struct reply *reply = &request->reply;
    bool path_known = false;

    if (request_set_path(request, url) != 0) {
        refuse_url(request, "the path is malformed");
        return true;
    }
    request->route = route_find(method, request, &path_known);
    if (!path_known) {
        reply_problem(reply, 404, "not_found", "there is nothing at this path");
    } else if (request->route == NULL) {
        refuse_method(request);
    } else if (!auth_admit(request)) {
        return true;
    } else if (!request_header_is_text(request, "Idempotency-Key")) {
        reply_problem(reply, 400, "bad_argument", "Idempotency-Key: is not UTF-8");
    } else {
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_argument,
                                  request);
    }
    return reply->content_type != NULL;
}

/* False if the client goes on and on: it is cut off. */
static bool take_body(struct request *request, const char *data, size_t length)
{
    size_t limit = server_of(request)->max_body_bytes;

    if (!request->is_refused && !request->body_too_large &&
        length <= limit - request->body.length) {
        strbuf_add(&request->body, data, length);
        return true;
    }
    request->body_too_large =
        !request->is_refused; /* the rest is read and thrown away, then answered */
    strbuf_release(&request->body);
    request->discarded_bytes += length;
    return request->discarded_bytes <= SERVER_DISCARD_BODIES * limit;
}

static enum MHD_Result send_reply(struct request *request)
{
    struct reply *reply = &request->reply;
    struct strbuf *body = &reply->body;

    request->state = REQUEST_ANSWERED;
    if (body->failed) {
        reply_problem(reply, 500, "internal", "out of memory");
    }
    size_t length = body->length;
    char *bytes = length > 0 ? strbuf_detach(body) : NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        bytes == NULL ? 0 : length, bytes,
        bytes == NULL ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(bytes);
        return MHD_NO;
    }
    if (reply->content_type != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    }
    for (unsigned i = 0; i < reply->header_count; i++) {
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    }
    enum MHD_Result result = MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Count the request in the metrics: by route, status class and time in the handler. */
static void count_reply(struct request *request, int64_t started_us)
{
    struct metrics *metrics = &request->service->metrics;
    size_t route = (size_t)(request->route - routes);

    atomic_fetch_add_explicit(&metrics->requests[route][request->reply.status / 100], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&metrics->request_us[route],
                              (uint64_t)(clock_monotonic_us() - started_us), memory_order_relaxed);
}

/* Run the handler if it can do without the database; false if the reply is not there then. */
static bool answer_from_memory(struct request *request)
{
    enum route_place place = request->route->place;
    int64_t started_us = clock_monotonic_us();

    if (place == ROUTE_READ || place == ROUTE_WRITE || place == ROUTE_GROUP) {
        return false;
    }
    request->route->handle(request, &request->reply);
    if (place != ROUTE_MEMORY && request->reply.content_type == NULL) {
        return false;
    }
    count_reply(request, started_us);
    return true;
}

static enum MHD_Result answer_request(struct request *request)
{
    connections_reached(request->connection, CONNECTION_ANSWERS);
    if (request->body_too_large) {
        reply_problem(&request->reply, 413, "too_large", "the body is larger than max_body_bytes");
    }
    if (request->is_refused || request->reply.content_type != NULL) {
        return send_reply(request); /* a fault that was found before */
    }
    if (answer_from_memory(request)) {
        return send_reply(request);
    }
    request->state = REQUEST_WORKING;
    MHD_suspend_connection(request->connection);
    if (request->route->place == ROUTE_LATER) {
        request->later.start(request);
    } else {
        workers_submit(server_of(request)->workers, request);
    }
    return MHD_YES;
}

/* The others have done their part, and libmicrohttpd asks again. */
static enum MHD_Result finish_request(struct request *request)
{
    if (request->later.finish != NULL) {
        int64_t started_us = clock_monotonic_us();
        request->later.finish(request);
        count_reply(request, started_us);
    }
    return send_reply(request);
}

/* struct service's resume. The request may be gone as soon as its connection is resumed. */
static void resume_request(struct request *request)
{
    struct loop *loop = request->loop;

    MHD_resume_connection(request->connection);
    if (loop != NULL) {
        loop_wake(loop);
    }
}

/* Called for the workers: the reply is there. The request may be gone as soon as the connection is
 * resumed. */
static void request_done(struct request *request)
{
    size_t route = (size_t)(request->route - routes);

    atomic_fetch_add(&request->service->metrics.requests[route][request->reply.status / 100], 1);
    resume_request(request);
}

/* A client that waits for leave to send a body that is too large is told at once; one that sends it
 * anyway reads its answer only after that, so the body is thrown away first, unless it is absurd.
 */
static bool may_refuse_at_once(const struct request *request, size_t limit)
{
    const char *text = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long length = text == NULL ? 0 : strtoull(text, NULL, 10);

    return length > SERVER_DISCARD_BODIES * limit ||
           (length > limit && request_header(request, MHD_HTTP_HEADER_EXPECT) != NULL);
}

/* Set the reply of a request whose body is not waited for; libmicrohttpd then closes the
 * connection. False if the body is wanted. */
static bool refuse_at_once(struct request *request)
{
    if (!request_is_framed(request)) {
        reply_problem(&request->reply, 400, "bad_framing",
                      "where the body ends is not clear: send one Content-Length, or "
                      "Transfer-Encoding: chunked without it");
        reply_header(&request->reply, MHD_HTTP_HEADER_CONNECTION, "close");
        return true;
    }
    if (request->is_refused) {
        return request_header(request, MHD_HTTP_HEADER_EXPECT) != NULL;
    }
    request->body_too_large = may_refuse_at_once(request, server_of(request)->max_body_bytes);
    return request->body_too_large;
}

static struct request *begin_request(struct server_listener *listener,
                                     struct MHD_Connection *connection, const char *url,
                                     const char *method)
{
    struct server *server = listener->server;
    struct request *request = request_create(&server->service, connection);

    if (request == NULL) {
        return NULL;
    }
    request->loop = listener->loop;
    atomic_fetch_add(&server->active, 1);
    connections_reached(connection, CONNECTION_AWAITS_BODY);
    find_fault(request, url, method);
    return request;
}

static enum MHD_Result handle_access(void *context, struct MHD_Connection *connection,
                                     const char *url, const char *method, const char *version,
                                     const char *data, size_t *length, void **request_context)
{
    struct server_listener *listener = context;
    struct request *request = *request_context;

    (void)version;
    if (request == NULL) {
        request = connections_admitted(connection)
                      ? begin_request(listener, connection, url, method)
                      : NULL;
        if (request == NULL) {
            return MHD_NO;
        }
        *request_context = request;
        return refuse_at_once(request) ? answer_request(request) : MHD_YES;
    }
    if (*length > 0) {
        size_t taken = *length;
        *length = 0;
        return take_body(request, data, taken) ? MHD_YES : MHD_NO;
    }
    return request->state == REQUEST_WORKING ? finish_request(request) : answer_request(request);
}

static void handle_completed(void *context, struct MHD_Connection *connection,
                             void **request_context, enum MHD_RequestTerminationCode why)
{
    struct server *server = ((struct server_listener *)context)->server;

    (void)why;
    if (*request_context != NULL) {
        connections_reached(connection, CONNECTION_AWAITS_HEAD);
        request_destroy(*request_context);
        *request_context = NULL;
        atomic_fetch_sub(&server->active, 1);
    }
}

static int start_daemon(struct server *server, struct server_listener *listener, struct error *err)
{
    const struct conf *conf = server->service.conf;
    bool has_threads = listener->loop == NULL;
    unsigned threads = has_threads && conf->http_threads > 1 ? (unsigned)conf->http_threads : 0;
    bool has_tls = listener->unix_path == NULL && server->tls.key != NULL;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->tls.certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->tls.key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)SERVER_TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };

    listener->door.is_tls = has_tls;
    listener->daemon = MHD_start_daemon(
        (has_threads ? MHD_USE_EPOLL_INTERNAL_THREAD : MHD_USE_EPOLL | MHD_USE_TURBO) |
            MHD_ALLOW_SUSPEND_RESUME | (has_tls ? MHD_USE_TLS : 0),
        0, NULL, NULL, handle_access, listener, MHD_OPTION_LISTEN_SOCKET, listener->descriptor,
        MHD_OPTION_NOTIFY_COMPLETED, handle_completed, listener, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_NOTIFY_CONNECTION, connections_notify, &listener->door,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)conf->http_max_connections + CONNECTIONS_SPARE,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(conf->http_idle_timeout_us / 1000000),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_CONNECTION_MEMORY_BYTES,
        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_ARRAY,
        has_tls ? tls : &tls[sizeof(tls) / sizeof(tls[0]) - 1], MHD_OPTION_END);
    if (listener->daemon == NULL) {
        return error_set(err, ERROR_INTERNAL, "%s: cannot start the HTTP server",
                         listener->address);
    }
    return has_threads ? 0 : loop_start(listener->loop, listener->daemon, err);
}

/* Take an open socket over, and answer on it. */
static int add_listener(struct server *server, int descriptor, const char *address,
                        const char *unix_path, struct error *err)
{
    struct server_listener *listener = &server->listeners[server->listener_count++];

    listener->server = server;
    listener->descriptor = descriptor;
    listener->door.connections = server->connections;
    listener->unix_path = unix_path;
    snprintf(listener->address, sizeof(listener->address), "%s", address);
    if (unix_path != NULL && (listener->loop = loop_create(server->service.holds, err)) == NULL) {
        return -1;
    }
    return start_daemon(server, listener, err);
}

static int start_listeners(struct server *server, struct error *err)
{
    const struct conf *conf = server->service.conf;
    char address[SERVER_ADDRESS_BYTES];

    if (conf->unix_path[0] != '\0') { /* first: who is answered on TCP finds it there */
        int descriptor = listen_unix(conf->unix_path, err);
        snprintf(address, sizeof(address), "unix:%s", conf->unix_path);
        if (descriptor < 0 ||
            add_listener(server, descriptor, address, conf->unix_path, err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < conf->listen_count; i++) {
        int descriptor = listen_tcp(&conf->listen[i], auth_is_required(server->service.auth),
                                    address, err);
        if (descriptor < 0 || add_listener(server, descriptor, address, NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

struct server *server_start(const struct conf *conf, const char *conninfo, struct engine *engine,
                            struct error *err)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        error_set(err, ERROR_INTERNAL, "server: out of memory");
        return NULL;
    }
    server->service = (struct service){
        .conf = conf, .conninfo = conninfo, .engine = engine, .resume = resume_request};
    server->max_body_bytes = (size_t)conf->http_max_body_bytes;
    server->connections = connections_create(
        conf, conf->listen_count + (conf->unix_path[0] != '\0'), err);
    if (server->connections == NULL) {
        free(server);
        return NULL;
    }
    server->service.auth = auth_create(conf, err);
    if (server->service.auth == NULL || tls_load(conf, &server->tls, err) != 0) {
        server_stop(server);
        return NULL;
    }
    server->service.decisions = decisions_create();
    server->service.holds = hold_group_start(conninfo, conf, engine, err);
    server->workers = server->service.holds == NULL
                          ? NULL
                          : workers_create(conninfo, (unsigned)conf->database_connections, engine,
                                           request_done, err);
    if (server->service.decisions == NULL) {
        error_set(err, ERROR_INTERNAL, "server: out of memory");
    }
    if (server->service.decisions == NULL || server->workers == NULL ||
        start_listeners(server, err) != 0) {
        server_stop(server);
        return NULL;
    }
    return server;
}

const char *server_address(const struct server *server, size_t i)
{
    return i < server->listener_count ? server->listeners[i].address : NULL;
}

static void stop_listening(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct server_listener *listener = &server->listeners[i];
        if (listener->daemon != NULL &&
            MHD_quiesce_daemon(listener->daemon) != MHD_INVALID_SOCKET) {
            close(listener->descriptor);
            listener->descriptor = -1;
        }
        if (listener->unix_path != NULL) {
            unlink(listener->unix_path);
        }
    }
}

static void wait_until_idle(struct server *server)
{
    const struct timespec pause = {.tv_nsec = SERVER_POLL_US * 1000L};
    int64_t until_us = clock_monotonic_us() + SERVER_DRAIN_SECONDS * INT64_C(1000000);

    while (atomic_load(&server->active) > 0 && clock_monotonic_us() < until_us) {
        nanosleep(&pause, NULL);
    }
}

void server_stop(struct server *server)
{
    if (server == NULL) {
        return;
    }
    stop_listening(server);
    /* Both answer what is queued: no connection stays suspended. */
    workers_stop(server->workers);
    hold_group_stop(server->service.holds);
    wait_until_idle(server);
    for (size_t i = 0; i < server->listener_count; i++) {
        loop_stop(server->listeners[i].loop);
        if (server->listeners[i].daemon != NULL) {
            MHD_stop_daemon(server->listeners[i].daemon);
        }
        loop_destroy(server->listeners[i].loop);
        if (server->listeners[i].descriptor >= 0) {
            close(server->listeners[i].descriptor);
        }
    }
    connections_destroy(server->connections);
    workers_destroy(server->workers);
    hold_group_destroy(server->service.holds);
    decisions_destroy(server->service.decisions);
    auth_destroy(server->service.auth);
    tls_release(&server->tls);
    free(server);
}
