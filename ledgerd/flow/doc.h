/* doc - strict reading of the JSON documents that people write: policies and rate cards.
 *
 * A struct doc is a value and the way that leads to it, so that every complaint says where it is:
 * "rules[2].per_hour.gpu must be a decimal string".  Unknown keys, keys that are there twice, and
 * reals where an exact number belongs are errors.
 */
#ifndef LEDGERD_FLOW_DOC_H
#define LEDGERD_FLOW_DOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/decimal.h"

enum {
    DOC_BYTES_MAX = 4 * 1024 * 1024, /* thousands of rules */
    DOC_TEXT_BYTES = 256,            /* a name or a pattern, with its NUL */
};

struct doc {
    const json_t *json;       /* borrowed; NULL where an optional member is absent */
    const struct doc *parent; /* NULL for the document itself */
    const char *key;          /* in the parent; for the document itself what it is: "policy" */
    size_t index;             /* in the parent, if key is NULL */
};

/* Parse a whole document, which must be an object. json_decref(root) it. ERROR_INPUT. */
int doc_parse(const char *what, const char *text, size_t length, json_t **root, struct error *err);

/* An error about this value: "policy: shares[0].fraction must be ...". Returns -1. */
int doc_error(const struct doc *doc, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fails unless doc is an object whose keys are all in the NULL-terminated list. */
int doc_check_keys(const struct doc *doc, const char *const *known, struct error *err);

/* The member of an object, with json NULL if it is absent (null is there, and of no type that is
 * wanted anywhere); the element of an array. */
struct doc doc_member(const struct doc *doc, const char *key);
struct doc doc_element(const struct doc *doc, size_t index);
static inline bool doc_is_there(const struct doc *doc)
{
    return doc->json != NULL;
}

/* Fails unless the value is an array (object) of at most `most` elements (members); *count is how
 * many, 0 if it is absent. */
int doc_array(const struct doc *doc, size_t most, size_t *count, struct error *err);
int doc_object(const struct doc *doc, size_t most, size_t *count, struct error *err);

/* Read a value that must be there. A text has 1 to DOC_TEXT_BYTES - 1 bytes and is borrowed;
 * doc_copy allocates it. Decimals are strings or integers. */
int doc_text(const struct doc *doc, const char **text, struct error *err);
int doc_copy(const struct doc *doc, char **text, struct error *err);
int doc_decimal(const struct doc *doc, struct decimal *value, struct error *err);
int doc_integer(const struct doc *doc, long least, long most, long *value, struct error *err);
int doc_instant(const struct doc *doc, struct instant *value, struct error *err);
int doc_bool(const struct doc *doc, bool *value, struct error *err);

/* Read one of the words in a NULL-terminated list: *choice is its index. */
int doc_choice(const struct doc *doc, const char *const *words, int *choice, struct error *err);

/* Memory for `count` elements, zeroed, even for 0 of them; NULL on error. free() it. */
void *doc_allocate(const struct doc *doc, size_t count, size_t size, struct error *err);

#endif
