/* scan_compare - the JSON scanner against jansson, on any bytes.
 *
 * Both must agree on whether a text is JSON and on every value in it, apart from what one of them
 * declares not to do: jansson refuses text that is not UTF-8, lone surrogates, NUL and numbers out
 * of range; the scanner refuses more than 64 levels.  Shared by the unit test and the fuzz target.
 */
#ifndef TESTS_LIB_SCAN_COMPARE_H
#define TESTS_LIB_SCAN_COMPARE_H

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "importers/json_scan.h"

static const char *scan_differs(struct scan_doc *doc, uint32_t token, json_t *value);

/* The last of the members with the key at token k: what jansson keeps of repeated ones. */
static uint32_t scan_last_of(struct scan_doc *doc, uint32_t object, uint32_t k)
{
    struct scan_text key = scan_text(doc, k);
    uint32_t last = k, end = doc->tokens[object].next;

    for (uint32_t other = k; other < end; other = doc->tokens[other + 1].next) {
        struct scan_text name = scan_text(doc, other);
        if (name.length == key.length && memcmp(name.bytes, key.bytes, key.length) == 0) {
            last = other;
        }
    }
    return last;
}

static const char *scan_object_differs(struct scan_doc *doc, uint32_t token, json_t *value)
{
    uint32_t end = doc->tokens[token].next;
    size_t members = 0;

    for (uint32_t k = token + 1; k < end; k = doc->tokens[k + 1].next) {
        struct scan_text key = scan_text(doc, k);
        const char *difference;

        if (scan_last_of(doc, token, k) != k) {
            continue;
        }
        members++;
        difference = scan_differs(doc, k + 1, json_object_getn(value, key.bytes, key.length));
        if (difference != NULL) {
            return difference;
        }
    }
    return members == json_object_size(value) ? NULL : "members of an object";
}

static const char *scan_array_differs(struct scan_doc *doc, uint32_t token, json_t *value)
{
    size_t elements = 0;

    for (uint32_t e = token + 1; e < doc->tokens[token].next; e = doc->tokens[e].next) {
        const char *difference = scan_differs(doc, e, json_array_get(value, elements++));
        if (difference != NULL) {
            return difference;
        }
    }
    return elements == json_array_size(value) ? NULL : "elements of an array";
}

static const char *scan_number_differs(struct scan_doc *doc, uint32_t token, json_t *value)
{
    struct scan_text text = scan_text(doc, token);
    char copy[400];

    if (text.length >= sizeof copy) {
        return NULL;
    }
    memcpy(copy, text.bytes, text.length);
    copy[text.length] = '\0';
    if (scan_type(doc, token) == SCAN_INTEGER) {
        return json_is_integer(value) && strtoll(copy, NULL, 10) == json_integer_value(value)
                   ? NULL
                   : "an integer";
    }
    return json_is_real(value) && strtod(copy, NULL) == json_real_value(value) ? NULL : "a real";
}

/* NULL if the token is the value, else what differs. */
static const char *scan_differs(struct scan_doc *doc, uint32_t token, json_t *value)
{
    struct scan_text text;

    switch (scan_type(doc, token)) {
    case SCAN_NULL:
        return json_is_null(value) ? NULL : "null";
    case SCAN_TRUE:
        return json_is_true(value) ? NULL : "true";
    case SCAN_FALSE:
        return json_is_false(value) ? NULL : "false";
    case SCAN_INTEGER:
    case SCAN_REAL:
        return scan_number_differs(doc, token, value);
    case SCAN_STRING:
        text = scan_text(doc, token);
        return json_is_string(value) && json_string_length(value) == text.length &&
                       memcmp(json_string_value(value), text.bytes, text.length) == 0
                   ? NULL
                   : "a string";
    case SCAN_ARRAY:
        return json_is_array(value) ? scan_array_differs(doc, token, value) : "an array";
    case SCAN_OBJECT:
        break;
    }
    return json_is_object(value) ? scan_object_differs(doc, token, value) : "an object";
}

/* NULL if scanner and jansson agree on the text, else what they disagree on. */
static const char *scan_compare(struct scan_doc *doc, const char *text, size_t length)
{
    json_error_t error;
    enum scan_status status = scan_json_whole(doc, text, length);
    json_t *value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    const char *difference = NULL;

    if (value == NULL) {
        enum json_error_code code = json_error_code(&error);
        if (status == SCAN_OK && !doc->odd && code != json_error_numeric_overflow &&
            code != json_error_invalid_utf8 && code != json_error_null_byte_in_key) {
            difference = "jansson refuses what the scanner takes";
        }
    } else if (status == SCAN_OK) {
        difference = scan_differs(doc, 0, value);
    } else if (status != SCAN_TOO_BIG) {
        /* jansson takes a NUL byte behind a value for the end. */
        difference = memchr(text, '\0', length) != NULL ? NULL
                                                        : "the scanner refuses what jansson takes";
    }
    json_decref(value);
    return difference;
}

#endif
