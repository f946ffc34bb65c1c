/* reply - build answers and problem documents; see reply.h. */
#include "ledgerd/http/reply.h"

#include <stdio.h>
#include <string.h>

void reply_init(struct reply *reply)
{
    *reply = (struct reply){.status = 500};
    strbuf_init(&reply->body);
}

void reply_release(struct reply *reply)
{
    strbuf_release(&reply->body);
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    if (reply->header_count == REPLY_HEADERS_MAX) {
        return;
    }
    struct reply_header *header = &reply->headers[reply->header_count++];
    header->name = name;
    snprintf(header->value, sizeof(header->value), "%s", value);
    for (char *c = header->value; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') {
            *c = '?'; /* a header is one line of ASCII, whatever a project is called */
        }
    }
}

void reply_json(struct reply *reply, unsigned status)
{
    reply->status = status;
    reply->content_type = "application/json";
    strbuf_clear(&reply->body);
}

static const char *status_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad request"},
        {401, "Not known who calls"},
        {402, "Not enough points"},
        {403, "Not allowed"},
        {404, "Not found"},
        {405, "Method not allowed"},
        {409, "Conflict"},
        {413, "Content too large"},
        {414, "URI too long"},
        {415, "Unsupported media type"},
        {422, "Unprocessable content"},
        {429, "Too many failures"},
        {500, "Internal error"},
        {503, "Cannot answer now"},
    };

    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

/* OpenAI's words for the kinds of error that its clients tell apart. */
static const char *openai_type(unsigned status)
{
    return status == 401   ? "authentication_error"
           : status == 402 ? "insufficient_quota"
           : status == 403 ? "permission_error"
           : status == 429 ? "rate_limit_error"
           : status >= 500 ? "server_error"
                           : "invalid_request_error";
}

static void write_problem(struct reply *reply, unsigned status, const char *code,
                          const char *detail, const char *members)
{
    struct strbuf *body = &reply->body;

    reply->status = status;
    reply->content_type = "application/problem+json";
    strbuf_clear(body);
    strbuf_printf(body, "{\"type\":\"urn:ledger:problem:%s\",\"title\":", code);
    strbuf_add_json_string(body, status_title(status));
    strbuf_printf(body, ",\"status\":%u,\"detail\":", status);
    strbuf_add_json_string(body, detail);
    strbuf_printf(body, ",\"code\":\"%s\"", code);
    strbuf_add_string(body, members);
    strbuf_add_string(body, ",\"error\":{\"message\":");
    strbuf_add_json_string(body, detail);
    strbuf_printf(body, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}\n", openai_type(status),
                  code);
}

void reply_problem(struct reply *reply, unsigned status, const char *code, const char *detail)
{
    write_problem(reply, status, code, detail, "");
}

void reply_refusal(struct reply *reply, unsigned status, const char *code, const char *detail,
                   const char *members)
{
    write_problem(reply, status, code, detail, members);
}

/* What a rule says no to is forbidden, unless its reason says better. */
static unsigned refused_status(const char *reason)
{
    return strncmp(reason, "unknown_", 8) == 0    ? 404
           : strcmp(reason, "hold_resolved") == 0 ? 409
           : strcmp(reason, "key_differs") == 0   ? 422
                                                  : 403;
}

static unsigned error_status(const struct error *err)
{
    switch (err->code) {
    case ERROR_REFUSED:
        return refused_status(err->reason);
    case ERROR_ARGUMENT:
    case ERROR_INPUT:
        return 400;
    case ERROR_UNAVAILABLE:
        return 503;
    default:
        return 500;
    }
}

static const char *error_problem_code(const struct error *err)
{
    if (err->reason[0] != '\0') {
        return err->reason;
    }
    switch (err->code) {
    case ERROR_REFUSED:
        return "refused";
    case ERROR_ARGUMENT:
        return "bad_argument";
    case ERROR_INPUT:
        return "bad_input";
    case ERROR_UNAVAILABLE:
        return "unavailable";
    default:
        return "internal";
    }
}

void reply_error(struct reply *reply, const struct error *err)
{
    unsigned status = error_status(err);

    reply_problem(reply, status, error_problem_code(err), err->text);
    if (status == 503) {
        reply_header(reply, "x-should-retry", "false");
    }
}
