/* json_scan - one JSON document (RFC 8259) as a flat tape of tokens over the caller's text.
 *
 *     {"id":"a","n":[1,2]}
 *
 *     0 object  next 7
 *     1   string "id"      2   string "a"
 *     3   string "n"       4   array next 7     5 integer 1   6 integer 2
 *
 * A token knows where its text stands and which token follows its whole subtree, so members are
 * found by hopping.  Numbers stay text: nothing here rounds.  Own code because jansson, which
 * builds a tree of allocations for each line, takes 4 s for a million usage records where this
 * takes 0.3 s; the tests check it against jansson.  A doc is reused from text to text, without
 * allocating once it has grown.
 */
#ifndef IMPORTERS_JSON_SCAN_H
#define IMPORTERS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SCAN_DEPTH_MAX = 64, /* real records nest less than ten deep */
    SCAN_TOKENS_MAX = 1024 *
                      1024 /* 16 MiB of tape: eight bytes of text a token in the longest item */
};

enum scan_type {
    SCAN_NULL,
    SCAN_FALSE,
    SCAN_TRUE,
    SCAN_INTEGER, /* no fraction, no exponent */
    SCAN_REAL,
    SCAN_STRING,
    SCAN_ARRAY,
    SCAN_OBJECT,
};

enum scan_status {
    SCAN_OK,
    SCAN_CUT,    /* the text ends inside the value: more of it might be good */
    SCAN_BAD,    /* not JSON; doc->error says what, doc->end where */
    SCAN_TOO_BIG /* nested too deep, too many tokens, text of 4 GiB, out of memory */
};

struct scan_token {
    uint32_t start;  /* of its text in doc->text; a string's text is without the quotes */
    uint32_t length; /* containers: through the closing bracket */
    uint32_t next;   /* the token after this one and all in it */
    uint8_t type;    /* enum scan_type */
    bool escaped;    /* a string with a backslash in it */
};

struct scan_text {
    const char *bytes; /* not NUL-terminated; may be any bytes, UTF-8 is not checked here */
    size_t length;
};

struct scan_doc {
    const char *text;
    size_t end;        /* SCAN_OK: offset behind the value; SCAN_BAD: offset of the offence */
    const char *error; /* SCAN_BAD, SCAN_TOO_BIG: what is wrong, a static phrase */
    uint32_t count;
    uint32_t capacity;
    struct scan_token *tokens; /* token 0 is the whole value */
    char *shadow;              /* unescaped strings, each at the offset of its own text */
    size_t shadow_bytes;
    bool odd; /* a lone surrogate or \u0000 was read: legal, and refused by other readers */
};

/* "No such token"; 0 is the root, which is never a member or element. */
#define SCAN_NONE UINT32_C(0)

void scan_init(struct scan_doc *doc);
void scan_release(struct scan_doc *doc);

/* Read one value at the start of text (after white space). What follows the value is left alone. */
enum scan_status scan_json(struct scan_doc *doc, const char *text, size_t length);

/* The same, and nothing but white space may follow. */
enum scan_status scan_json_whole(struct scan_doc *doc, const char *text, size_t length);

/* The value of the member `key` of an object (the first, if repeated), SCAN_NONE if there is none
 * or `object` is no object. Members one by one: for (k = object + 1; k < tokens[object].next; k =
 * tokens[k + 1].next), the value is token k + 1. */
uint32_t scan_member(struct scan_doc *doc, uint32_t object, const char *key);

/* The same, but SCAN_NONE for null too. */
uint32_t scan_given(struct scan_doc *doc, uint32_t object, const char *key);

/* The text of a token: a string's characters without escapes (a lone surrogate becomes U+FFFD), any
 * other token's bytes. Valid as long as the document's text and until the next scan. */
struct scan_text scan_text(struct scan_doc *doc, uint32_t token);

static inline enum scan_type scan_type(const struct scan_doc *doc, uint32_t token)
{
    return (enum scan_type)doc->tokens[token].type;
}

#endif
