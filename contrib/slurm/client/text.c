/* text - see text.h. */
#include "contrib/slurm/client/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_init(struct text *text, char *bytes, size_t size)
{
    *text = (struct text){.bytes = bytes, .size = size};
    bytes[0] = '\0';
}

void text_add_bytes(struct text *text, const char *bytes, size_t length)
{
    if (text->failed || length >= text->size - text->length) {
        text->failed = true;
        return;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    size_t room = text->size - text->length;
    va_list arguments;
    int length;

    if (text->failed) {
        return;
    }
    va_start(arguments, format);
    length = vsnprintf(text->bytes + text->length, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room) {
        text->failed = true;
        text->bytes[text->length] = '\0';
        return;
    }
    text->length += (size_t)length;
}

/* The bytes that may follow a first byte (RFC 3629): no overlong forms, no surrogates, none above
 * U+10FFFF. */
size_t utf8_length(const char *bytes)
{
    const unsigned char *c = (const unsigned char *)bytes;
    unsigned char low = c[0] == 0xe0 ? 0xa0 : c[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c[0] == 0xed ? 0x9f : c[0] == 0xf4 ? 0x8f : 0xbf;
    size_t length;

    if (c[0] < 0x80) {
        return c[0] != '\0';
    }
    if (c[0] < 0xc2 || c[0] > 0xf4 || c[1] < low || c[1] > high) {
        return 0;
    }
    length = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    for (size_t i = 2; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

static void add_escaped(struct text *text, unsigned char c)
{
    if (c == '"' || c == '\\') {
        text_printf(text, "\\%c", c);
    } else if (c < ' ' || c == 0x7f) {
        text_printf(text, "\\u%04x", c);
    } else {
        text_add_bytes(text, (const char *)&c, 1);
    }
}

/* How many bytes from here on stand for themselves. */
static size_t count_plain(const char *string)
{
    const char *end = string;

    while (*end >= ' ' && *end <= '~' && *end != '"' && *end != '\\') {
        end++;
    }
    return (size_t)(end - string);
}

void text_add_json(struct text *text, const char *string)
{
    text_add(text, "\"");
    while (*string != '\0' && !text->failed) {
        size_t plain = count_plain(string);
        size_t length = plain > 0 ? plain : utf8_length(string);

        if (plain > 0) {
            text_add_bytes(text, string, plain);
        } else if (length == 1) {
            add_escaped(text, (unsigned char)*string);
        } else if (length == 0) {
            text_add(text, "\xef\xbf\xbd");
        } else {
            text_add_bytes(text, string, length);
        }
        string += length == 0 ? 1 : length;
    }
    text_add(text, "\"");
}
