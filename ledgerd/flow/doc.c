/* doc - see doc.h. */
#include "ledgerd/flow/doc.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/base/strbuf.h"

int doc_parse(const char *what, const char *text, size_t length, json_t **root, struct error *err)
{
    json_error_t wrong;
    json_t *json;

    if (length > DOC_BYTES_MAX) {
        return error_set(err, ERROR_INPUT, "%s: the document is larger than %d bytes", what,
                         DOC_BYTES_MAX);
    }
    json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &wrong);
    if (json == NULL) {
        return error_set(err, ERROR_INPUT, "%s: line %d, column %d: %s", what, wrong.line,
                         wrong.column, wrong.text);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return error_set(err, ERROR_INPUT, "%s: the document must be a JSON object", what);
    }
    *root = json;
    return 0;
}

/* "policy: shares[0].fraction": the parents first. */
static void write_path(const struct doc *doc, struct strbuf *out)
{
    if (doc->parent == NULL) {
        strbuf_printf(out, "%s:", doc->key);
        return;
    }
    write_path(doc->parent, out);
    if (doc->key == NULL) {
        strbuf_printf(out, "[%zu]", doc->index);
    } else {
        strbuf_printf(out, "%s%.100s", doc->parent->parent == NULL ? " " : ".", doc->key);
    }
}

int doc_error(const struct doc *doc, struct error *err, const char *format, ...)
{
    struct strbuf text = STRBUF_INIT;
    va_list arguments;

    write_path(doc, &text);
    strbuf_add_char(&text, ' ');
    va_start(arguments, format);
    strbuf_vprintf(&text, format, arguments);
    va_end(arguments);
    error_set(err, ERROR_INPUT, "%s", text.data);
    strbuf_release(&text);
    return -1;
}

int doc_check_keys(const struct doc *doc, const char *const *known, struct error *err)
{
    json_t *object = (json_t *)doc->json; /* jansson's iterators want it writable */
    const char *key;
    json_t *value;

    if (!json_is_object(object)) {
        return doc_error(doc, err, "must be a JSON object");
    }
    json_object_foreach(object, key, value)
    {
        size_t i = 0;

        while (known[i] != NULL && strcmp(known[i], key) != 0) {
            i++;
        }
        if (known[i] == NULL) {
            struct doc member = doc_member(doc, key);
            return doc_error(&member, err, "is not a known key");
        }
    }
    return 0;
}

struct doc doc_member(const struct doc *doc, const char *key)
{
    return (struct doc){.json = json_object_get(doc->json, key), .parent = doc, .key = key};
}

struct doc doc_element(const struct doc *doc, size_t index)
{
    return (struct doc){.json = json_array_get(doc->json, index), .parent = doc, .index = index};
}

int doc_array(const struct doc *doc, size_t most, size_t *count, struct error *err)
{
    if (doc->json != NULL && !json_is_array(doc->json)) {
        return doc_error(doc, err, "must be a JSON array");
    }
    *count = json_array_size(doc->json);
    return *count > most ? doc_error(doc, err, "has more than %zu elements", most) : 0;
}

int doc_object(const struct doc *doc, size_t most, size_t *count, struct error *err)
{
    if (doc->json != NULL && !json_is_object(doc->json)) {
        return doc_error(doc, err, "must be a JSON object");
    }
    *count = json_object_size(doc->json);
    return *count > most ? doc_error(doc, err, "has more than %zu members", most) : 0;
}

int doc_text(const struct doc *doc, const char **text, struct error *err)
{
    if (doc->json == NULL) {
        return doc_error(doc, err, "is missing");
    }
    if (!json_is_string(doc->json) || json_string_length(doc->json) == 0 ||
        json_string_length(doc->json) >= DOC_TEXT_BYTES) {
        return doc_error(doc, err, "must be a string of 1 to %d bytes", DOC_TEXT_BYTES - 1);
    }
    *text = json_string_value(doc->json);
    return 0;
}

int doc_copy(const struct doc *doc, char **text, struct error *err)
{
    const char *borrowed = "";
    char *copy;

    if (doc_text(doc, &borrowed, err) != 0) {
        return -1;
    }
    copy = strdup(borrowed);
    if (copy == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    *text = copy;
    return 0;
}

int doc_decimal(const struct doc *doc, struct decimal *value, struct error *err)
{
    static const char shape[] = "must be a decimal string with at most 12 digits before and 9 "
                                "after the point, like \"0.05\"";

    if (doc->json == NULL) {
        return doc_error(doc, err, "is missing");
    }
    if (json_is_real(doc->json)) {
        return doc_error(doc, err, "is a JSON real, which is not exact: write it as a string");
    }
    if (json_is_integer(doc->json)) {
        json_int_t integer = json_integer_value(doc->json);
        if (integer < 0 || decimal_from_u64((unsigned long long)integer, value) != 0) {
            return doc_error(doc, err, "%s", shape);
        }
        return 0;
    }
    if (!json_is_string(doc->json) ||
        decimal_parse(json_string_value(doc->json), json_string_length(doc->json), value) != 0) {
        return doc_error(doc, err, "%s", shape);
    }
    return 0;
}

int doc_integer(const struct doc *doc, long least, long most, long *value, struct error *err)
{
    if (doc->json == NULL) {
        return doc_error(doc, err, "is missing");
    }
    if (!json_is_integer(doc->json) || json_integer_value(doc->json) < least ||
        json_integer_value(doc->json) > most) {
        return doc_error(doc, err, "must be an integer from %ld to %ld", least, most);
    }
    *value = (long)json_integer_value(doc->json);
    return 0;
}

int doc_instant(const struct doc *doc, struct instant *value, struct error *err)
{
    if (doc->json == NULL) {
        return doc_error(doc, err, "is missing");
    }
    if (!json_is_string(doc->json) ||
        parse_rfc3339(json_string_value(doc->json), json_string_length(doc->json), value) != 0) {
        return doc_error(doc, err, "must be a time with offset, like 2027-06-01T00:00:00+09:00");
    }
    return 0;
}

int doc_bool(const struct doc *doc, bool *value, struct error *err)
{
    if (doc->json == NULL) {
        return doc_error(doc, err, "is missing");
    }
    if (!json_is_boolean(doc->json)) {
        return doc_error(doc, err, "must be true or false");
    }
    *value = json_is_true(doc->json);
    return 0;
}

int doc_choice(const struct doc *doc, const char *const *words, int *choice, struct error *err)
{
    struct strbuf list = STRBUF_INIT;
    const char *text = "";

    if (doc_text(doc, &text, err) != 0) {
        return -1;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *choice = i;
            strbuf_release(&list);
            return 0;
        }
        strbuf_printf(&list, "%s\"%s\"",
                      i == 0                 ? ""
                      : words[i + 1] == NULL ? " or "
                                             : ", ",
                      words[i]);
    }
    doc_error(doc, err, "must be %s", list.data);
    strbuf_release(&list);
    return -1;
}

void *doc_allocate(const struct doc *doc, size_t count, size_t size, struct error *err)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (memory == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory for %zu elements of %s", count,
                  doc->key != NULL ? doc->key : "a document");
    }
    return memory;
}
