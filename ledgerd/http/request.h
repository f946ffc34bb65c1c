/* request - one HTTP request as handlers see it: decoded path parts, arguments, headers and body.
 *
 * The path is split at '/' before it is decoded, so that an encoded slash stays inside its part.
 * Everything is bounded: the URL by the connection's memory, the body by max_body_bytes.
 */
#ifndef LEDGERD_HTTP_REQUEST_H
#define LEDGERD_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/role.h"
#include "ledgerd/http/reply.h"
#include "ledgerd/http/service.h"

struct MHD_Connection;
struct loop;
struct request;
struct route;

enum {
    REQUEST_PARTS_MAX = 8,
    REQUEST_ARGUMENTS_MAX = 64,
    REQUEST_TEXT_BYTES = 16 * 1024, /* decoded path and arguments */
};

/* What a handler leaves that answers in two steps: start() once the connection is suspended, which
 * sees to it that service->resume is called (at once, maybe, in any thread); then finish() in the
 * server's thread, which fills the reply. */
struct request_later {
    void (*start)(struct request *request);
    void (*finish)(struct request *request);
    void (*release)(void *work);
    void *work; /* released with the request */
};

enum request_state { REQUEST_READING, REQUEST_WORKING, REQUEST_ANSWERED };

struct request_argument {
    const char *name;
    const char *value;
};

struct request {
    struct service *service;
    struct MHD_Connection *connection;
    struct loop *loop; /* whose thread serves the connection; NULL: one of libmicrohttpd's */
    const struct route *route;
    enum request_state state;
    bool is_refused; /* by auth: the reply is there, and the body is not wanted */
    bool body_too_large;
    size_t discarded_bytes; /* of a body that is too large */
    struct strbuf body;
    struct reply reply;
    const struct role_scope *scope; /* what its caller may know of; NULL: every project */
    struct request_later later;     /* of ROUTE_LATER; all NULL if the reply is there */
    size_t part_count;
    const char *parts[REQUEST_PARTS_MAX];
    size_t argument_count;
    struct store
        *store; /* of the worker that runs the handler; NULL in handlers that answer from memory */
    struct request *next; /* in the workers' queue */
    bool text_full;       /* something did not fit: the URL is too long */
    size_t text_used;
    /* From here on memory is not cleared: that would cost more than the rest of a check. */
    struct role_scope scope_kept;
    struct request_argument arguments[REQUEST_ARGUMENTS_MAX];
    char text[REQUEST_TEXT_BYTES];
};

/* An empty request of the connection; NULL if out of memory. */
struct request *request_create(struct service *service, struct MHD_Connection *connection);
void request_destroy(struct request *request); /* accepts NULL */

/* True if head and body are told apart in one way only: a single Content-Length of digits, or
 * chunked alone, or neither. Anything else a proxy in front could read differently. */
bool request_is_framed(const struct request *request);

/* Split and decode the raw path. -1 if it is malformed (bad escape, a NUL, no UTF-8, too many
 * parts). */
int request_set_path(struct request *request, const char *raw_path);

/* Decode one raw argument and add it; -1 if it is malformed (as above), there are too many, or it
 * was there before. */
int request_add_argument(struct request *request, const char *raw_name, const char *raw_value);

/* The argument's value, or NULL. An empty value is "". */
const char *request_argument(const struct request *request, const char *name);

/* A header's value, or NULL. */
const char *request_header(const struct request *request, const char *name);

/* False if the header is there and its bytes are not UTF-8: nothing that the book could keep. */
bool request_header_is_text(const struct request *request, const char *name);

/* The path part that stands at the route's {name}. */
const char *request_part(const struct request *request, size_t index);

#endif
