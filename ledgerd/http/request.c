/* request - decode what came over the wire; see request.h. */
#include "ledgerd/http/request.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

struct request *request_create(struct service *service, struct MHD_Connection *connection)
{
    struct request *request = malloc(sizeof(*request));

    if (request == NULL) {
        return NULL;
    }
    /* The text buffer needs no clearing, and clearing it would cost more than the rest of a check.
     */
    memset(request, 0, offsetof(struct request, arguments));
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
    strbuf_release(&request->body);
    reply_release(&request->reply);
    free(request);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decode raw[0..length) into the request's text; NULL if it is malformed or there is no room. */
static const char *decode(struct request *request, const char *raw, size_t length,
                          bool plus_is_blank)
{
    char *out = request->text + request->text_used;
    size_t used = 0;

    if (length >= REQUEST_TEXT_BYTES - request->text_used) {
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

const char *request_part(const struct request *request, size_t index)
{
    return index < request->part_count ? request->parts[index] : "";
}
