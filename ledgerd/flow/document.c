/* JSON values in the house's forms. */
#include "ledgerd/flow/document.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"

json_t *document_points(struct points value)
{
    char text[POINTS_TEXT_BYTES];
    return json_string(points_format(value, text));
}

json_t *document_instant(const struct zone *zone, struct instant t)
{
    char text[INSTANT_TEXT_BYTES];
    return instant_is_set(t) ? json_string(zone_format(zone, t, text)) : json_null();
}

json_t *document_month(struct month month)
{
    char text[MONTH_TEXT_BYTES];
    return json_string(month_format(month, text));
}

json_t *document_text(const char *text)
{
    return text != NULL ? document_bytes(text, strlen(text)) : json_null();
}

json_t *document_bytes(const char *bytes, size_t length)
{
    if (memchr(bytes, '\0', length) == NULL && parse_is_utf8(bytes, length)) {
        return json_stringn(bytes, length);
    }
    struct strbuf clean = STRBUF_INIT;
    for (size_t i = 0; i < length;) {
        size_t width = bytes[i] != '\0' ? parse_utf8_character(bytes + i, length - i) : 0;
        if (width > 0) {
            strbuf_add(&clean, bytes + i, width);
        } else {
            strbuf_add_string(&clean, PARSE_UTF8_REPLACEMENT);
        }
        i += width > 0 ? width : 1;
    }
    json_t *value = clean.failed ? NULL : json_stringn(clean.data, clean.length);
    strbuf_release(&clean);
    return value;
}

static void members_show(const json_t *object, struct strbuf *out)
{
    const char *separator = "";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        strbuf_printf(out, "%s%s=", separator, key);
        document_show(value, out);
        separator = " ";
    }
}

void document_show(const json_t *value, struct strbuf *out)
{
    size_t i;
    const json_t *item;
    switch (json_typeof(value)) {
    case JSON_STRING:
        strbuf_add(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        strbuf_printf(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_TRUE:
        strbuf_add_string(out, "yes");
        break;
    case JSON_FALSE:
        strbuf_add_string(out, "no");
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, item)
        {
            strbuf_add_string(out, i > 0 ? " " : "");
            document_show(item, out);
        }
        break;
    case JSON_OBJECT:
        members_show(value, out);
        break;
    case JSON_REAL:
    case JSON_NULL:
        strbuf_add_string(out, "-");
        break;
    }
}

static int add_chunk(const char *bytes, size_t length, void *context)
{
    struct strbuf *out = context;
    strbuf_add(out, bytes, length);
    return out->failed ? -1 : 0;
}

int document_write(const json_t *document, struct strbuf *out, struct error *err)
{
    /* 15 digits: every decimal of that many comes out as it went in, 0.015 as 0.015. */
    const size_t flags = JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY |
                         JSON_REAL_PRECISION(15);
    int result = document != NULL ? json_dump_callback(document, add_chunk, out, flags) : -1;
    strbuf_add_char(out, '\n');
    if (result != 0 || out->failed) {
        return error_set(err, ERROR_INTERNAL, "out of memory for the document");
    }
    return 0;
}
