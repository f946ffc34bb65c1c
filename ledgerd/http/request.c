/* request - decode what came over the wire; see request.h. */
#include "ledgerd/http/request.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ledgerd/base/parse.h"

struct request *request_create(struct service *service, struct MHD_Connection *connection)
{
    struct request *request = malloc(sizeof(*request));

    if (request == NULL) {
        return NULL;
    }
    /* The text buffer needs no clearing, and clearing it would cost more than the rest of a check.
     */
    memset(request, 0, offsetof(struct request, scope_kept));
    request->service = service;
    request->connection = connection;
    request->state = REQUEST_READING;
    strbuf_init(&request->body);
    reply_init(&request->reply);
    return request;
}

void request_destroy(struct request *request)
{
    if (request == NULL) {
        return;
    }
    if (request->later.release != NULL) {
        request->later.release(request->later.work);
    }
    strbuf_release(&request->body);
    reply_release(&request->reply);
    free(request);
}

struct framing { /* header lines that say where a body ends */
    unsigned lengths;
    unsigned codings;
    bool is_sound;
};

/* libmicrohttpd joins a folded line to the name: "Content-Length:\r\n 2" is "Content-Length2". */
static bool begins_with(const char *name, const char *start)
{
    return strncasecmp(name, start, strlen(start)) == 0;
}

static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    static const char length[] = MHD_HTTP_HEADER_CONTENT_LENGTH;
    static const char coding[] = MHD_HTTP_HEADER_TRANSFER_ENCODING;
    struct framing *framing = context;

    (void)kind;
    if (begins_with(name, length)) {
        framing->lengths++;
        framing->is_sound = name[sizeof(length) - 1] == '\0' && value != NULL && value[0] != '\0' &&
                            value[strspn(value, "0123456789")] == '\0';
    } else if (begins_with(name, coding)) {
        framing->codings++;
        framing->is_sound = name[sizeof(coding) - 1] == '\0' && value != NULL &&
                            strcasecmp(value, "chunked") == 0;
    }
    return framing->is_sound ? MHD_YES : MHD_NO;
}

bool request_is_framed(const struct request *request)
{
    struct framing framing = {.is_sound = true};

    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at_header, &framing);
    return framing.is_sound && framing.lengths + framing.codings <= 1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decode raw[0..length) into the request's text; NULL if it is malformed, no UTF-8, or there is no
 * room. */
static const char *decode(struct request *request, const char *raw, size_t length,
                          bool plus_is_blank)
{
    char *out = request->text + request->text_used;
    size_t used = 0;

    if (length >= REQUEST_TEXT_BYTES - request->text_used) {
        request->text_full = true;
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        char c = raw[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(raw[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(raw[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        out[used++] = c;
    }
    out[used] = '\0';
    if (!parse_is_utf8(out, used)) {
        return NULL;
    }
    request->text_used += used + 1;
    return out;
}

int request_set_path(struct request *request, const char *raw_path)
{
    const char *at = raw_path;

    while (*at == '/') {
        const char *part = ++at;
        size_t length = strcspn(part, "/");
        if (request->part_count == REQUEST_PARTS_MAX) {
            return -1;
        }
        const char *decoded = decode(request, part, length, false);
        if (decoded == NULL) {
            return -1;
        }
        request->parts[request->part_count++] = decoded;
        at = part + length;
    }
    return *at == '\0' ? 0 : -1;
}

int request_add_argument(struct request *request, const char *raw_name, const char *raw_value)
{
    if (request->argument_count == REQUEST_ARGUMENTS_MAX) {
        return -1;
    }
    const char *value = raw_value == NULL ? "" : raw_value;
    const char *name = decode(request, raw_name, strlen(raw_name), true);
    const char *decoded = name == NULL ? NULL : decode(request, value, strlen(value), true);
    if (decoded == NULL || request_argument(request, name) != NULL) {
        return -1;
    }
    request->arguments[request->argument_count++] = (struct request_argument){.name = name,
                                                                              .value = decoded};
    return 0;
}

const char *request_argument(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->argument_count; i++) {
        if (strcmp(request->arguments[i].name, name) == 0) {
            return request->arguments[i].value;
        }
    }
    return NULL;
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

bool request_header_is_text(const struct request *request, const char *name)
{
    const char *value = request_header(request, name);

    return value == NULL || parse_is_utf8(value, strlen(value));
}

const char *request_part(const struct request *request, size_t index)
{
    return index < request->part_count ? request->parts[index] : "";
}
