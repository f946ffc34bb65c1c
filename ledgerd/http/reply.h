/* reply - what a handler answers: status, type, headers and body.
 *
 * Errors are problem documents (RFC 9457) that also carry an OpenAI-shaped `error` member, so that
 * OpenAI clients show the sentence.
 */
#ifndef LEDGERD_HTTP_REPLY_H
#define LEDGERD_HTTP_REPLY_H

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"

enum { REPLY_HEADERS_MAX = 4, REPLY_HEADER_BYTES = 128 };

struct reply_header {
    const char *name; /* static */
    char value[REPLY_HEADER_BYTES];
};

struct reply {
    unsigned status;
    const char *content_type; /* static; NULL for an empty body */
    struct strbuf body;
    unsigned header_count;
    struct reply_header headers[REPLY_HEADERS_MAX];
};

void reply_init(struct reply *reply);
void reply_release(struct reply *reply);

/* Add a header; the value is cut to one clean line. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* Begin a JSON body with this status; the caller fills reply->body. */
void reply_json(struct reply *reply, unsigned status);

/* Replace whatever is there by a problem document. `code` is snake_case and ends the type
 * urn:ledger:problem:<code>. */
void reply_problem(struct reply *reply, unsigned status, const char *code, const char *detail);

/* The same with more members, JSON with a comma before each: the decision that it comes from. */
void reply_refusal(struct reply *reply, unsigned status, const char *code, const char *detail,
                   const char *members);

/* A problem from an error of the layers below: refused 403 (unknown_* 404, hold_resolved 409,
 * key_differs 422), argument and input 400,
 * unavailable 503 (with x-should-retry: false), others 500. The reason, where there is one, is the
 * code. */
void reply_error(struct reply *reply, const struct error *err);

#endif
