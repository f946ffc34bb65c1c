/* strbuf - see strbuf.h. Capacity doubles, so that appending n bytes costs O(n) in all. */
#include "ledgerd/base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"

enum { STRBUF_FIRST_BYTES = 64 };

void strbuf_init(struct strbuf *buf)
{
    *buf = (struct strbuf)STRBUF_INIT;
}

void strbuf_release(struct strbuf *buf)
{
    if (buf->capacity > 0) {
        free(buf->data);
    }
    strbuf_init(buf);
}

void strbuf_clear(struct strbuf *buf)
{
    buf->length = 0;
    buf->failed = false;
    if (buf->capacity > 0) {
        buf->data[0] = '\0';
    }
}

char *strbuf_reserve(struct strbuf *buf, size_t more)
{
    size_t capacity;
    char *data;

    if (buf->failed) {
        return NULL;
    }
    if (more < buf->capacity - buf->length) { /* room for the NUL too */
        return buf->data + buf->length;
    }
    if (more > SIZE_MAX / 2 - buf->length - 1) {
        buf->failed = true;
        return NULL;
    }
    capacity = buf->capacity > 0 ? buf->capacity : STRBUF_FIRST_BYTES;
    while (capacity < buf->length + more + 1) {
        capacity *= 2;
    }
    data = realloc(buf->capacity > 0 ? buf->data : NULL, capacity);
    if (data == NULL) {
        buf->failed = true;
        return NULL;
    }
    data[buf->length] = '\0';
    buf->data = data;
    buf->capacity = capacity;
    return data + buf->length;
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t length)
{
    char *space = strbuf_reserve(buf, length);

    if (space == NULL || length == 0) {
        return;
    }
    memcpy(space, bytes, length);
    space[length] = '\0';
    buf->length += length;
}

void strbuf_add_string(struct strbuf *buf, const char *string)
{
    strbuf_add(buf, string, strlen(string));
}

void strbuf_add_char(struct strbuf *buf, char c)
{
    if (buf->capacity - buf->length > 1 && !buf->failed) { /* there is room: nearly always */
        buf->data[buf->length++] = c;
        buf->data[buf->length] = '\0';
        return;
    }
    strbuf_add(buf, &c, 1);
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    strbuf_vprintf(buf, format, arguments);
    va_end(arguments);
}

void strbuf_vprintf(struct strbuf *buf, const char *format, va_list arguments)
{
    size_t room = buf->capacity - buf->length; /* 0 before the first growth */
    va_list again;

    if (buf->failed) {
        return;
    }
    va_copy(again, arguments);
    int length = vsnprintf(room > 0 ? buf->data + buf->length : NULL, room, format, again);
    va_end(again);
    if (length < 0 || (size_t)length >= room) { /* it does not fit: make room and print again */
        char *space = length < 0 ? NULL : strbuf_reserve(buf, (size_t)length);
        if (space == NULL) {
            buf->failed = true;
            if (room > 0) {
                buf->data[buf->length] = '\0';
            }
            return;
        }
        vsnprintf(space, (size_t)length + 1, format, arguments);
    }
    buf->length += (size_t)length;
}

static void add_json_escape(struct strbuf *buf, unsigned char c)
{
    static const char letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";

    for (size_t i = 0; letters[i] != '\0'; i += 2) {
        if ((unsigned char)letters[i] == c) {
            strbuf_add(buf, (char[]){'\\', letters[i + 1]}, 2);
            return;
        }
    }
    strbuf_printf(buf, "\\u%04x", c);
}

void strbuf_add_json(struct strbuf *buf, const char *bytes, size_t length)
{
    size_t done = 0; /* bytes before this are in the buffer */
    size_t at = 0;

    strbuf_add_char(buf, '"');
    while (at < length) {
        unsigned char c = (unsigned char)bytes[at];
        size_t width = 1;

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            at++;
            continue;
        }
        if (c >= 0x80 && (width = parse_utf8_character(bytes + at, length - at)) > 0) {
            at += width;
            continue;
        }
        strbuf_add(buf, bytes + done, at - done);
        if (c >= 0x80) {
            strbuf_add_string(buf, PARSE_UTF8_REPLACEMENT);
        } else {
            add_json_escape(buf, c);
        }
        done = ++at;
    }
    strbuf_add(buf, bytes + done, at - done);
    strbuf_add_char(buf, '"');
}

void strbuf_add_json_string(struct strbuf *buf, const char *string)
{
    if (string == NULL) {
        strbuf_add_string(buf, "null");
        return;
    }
    strbuf_add_json(buf, string, strlen(string));
}

char *strbuf_detach(struct strbuf *buf)
{
    char *data;

    if (strbuf_reserve(buf, 0) == NULL) { /* the shared empty string cannot be given away */
        strbuf_release(buf);
        return NULL;
    }
    data = buf->data;
    strbuf_init(buf);
    return data;
}
