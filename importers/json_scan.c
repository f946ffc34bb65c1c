/* json_scan - see json_scan.h. One pass with an explicit stack: no recursion, whatever the input.
 */
#include "importers/json_scan.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_TOKENS = 256 };

/* What may come next. */
enum expectation {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_CLOSE,
    EXPECT_KEY,
    EXPECT_KEY_OR_CLOSE,
    EXPECT_COMMA_OR_CLOSE,
};

struct scanner {
    struct scan_doc *doc;
    const char *at;
    const char *end;
    unsigned depth;
    uint32_t open[SCAN_DEPTH_MAX]; /* tokens of the containers we are in */
};

void scan_init(struct scan_doc *doc)
{
    memset(doc, 0, sizeof *doc);
}

void scan_release(struct scan_doc *doc)
{
    free(doc->tokens);
    free(doc->shadow);
    scan_init(doc);
}

static enum scan_status fail(struct scanner *s, enum scan_status status, const char *what)
{
    s->doc->error = what;
    s->doc->end = (size_t)(s->at - s->doc->text);
    return status;
}

static enum scan_status cut(struct scanner *s)
{
    s->at = s->end;
    return fail(s, SCAN_CUT, "the text ends inside a value");
}

static struct scan_token *token_grow(struct scan_doc *doc)
{
    uint32_t capacity = doc->capacity == 0 ? FIRST_TOKENS : doc->capacity * 2;
    struct scan_token *tokens;

    if (doc->capacity >= SCAN_TOKENS_MAX) {
        return NULL;
    }
    tokens = realloc(doc->tokens, capacity * sizeof *tokens);
    if (tokens == NULL) {
        return NULL;
    }
    doc->tokens = tokens;
    doc->capacity = capacity;
    return tokens;
}

/* A new token at the end of the tape, its text from `start` to where the scanner is; NULL if full.
 */
static inline struct scan_token *token_add(struct scanner *s, enum scan_type type,
                                           const char *start)
{
    struct scan_doc *doc = s->doc;
    struct scan_token *token;

    if (doc->count == doc->capacity && token_grow(doc) == NULL) {
        return NULL;
    }
    token = &doc->tokens[doc->count++];
    token->start = (uint32_t)(start - doc->text);
    token->length = (uint32_t)(s->at - start);
    token->next = doc->count;
    token->type = (uint8_t)type;
    token->escaped = false;
    return token;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline void skip_space(struct scanner *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r')) {
        s->at++;
    }
}

/* Nonzero if one of eight bytes is a quote, a backslash or a control character. (Bytes with the
 * high bit may raise a false alarm, never hide one: the caller looks at each byte then.) */
static inline uint64_t special_bytes(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    uint64_t quote = w ^ (ones * '"'), backslash = w ^ (ones * '\\');

    return ((w - ones * 0x20) | (quote - ones) | (backslash - ones)) & high & ~(w & high);
}

static inline void skip_plain(struct scanner *s)
{
    uint64_t word;

    while (s->end - s->at >= 8) {
        memcpy(&word, s->at, 8);
        if (special_bytes(word) != 0) {
            break;
        }
        s->at += 8;
    }
    while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (unsigned char)*s->at >= 0x20) {
        s->at++;
    }
}

/* Four hex digits at p, or -1. */
static int hex4(const char *p)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* At a backslash: pass over the escape. A surrogate pair is passed over as one. */
static enum scan_status scan_escape(struct scanner *s)
{
    int unit;

    if (s->end - s->at < 2) {
        return cut(s);
    }
    if (s->at[1] != 'u') {
        if (strchr("\"\\/bfnrt", s->at[1]) == NULL || s->at[1] == '\0') {
            return fail(s, SCAN_BAD, "an escape that JSON does not have");
        }
        s->at += 2;
        return SCAN_OK;
    }
    if (s->end - s->at < 6) {
        return cut(s);
    }
    unit = hex4(s->at + 2);
    if (unit < 0) {
        return fail(s, SCAN_BAD, "four hexadecimal digits expected after \\u");
    }
    s->at += 6;
    if (is_high_surrogate(unit) && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u' &&
        is_low_surrogate(hex4(s->at + 2))) {
        s->at += 6;
    } else if (unit == 0 || (unit >= 0xd800 && unit <= 0xdfff)) {
        s->doc->odd = true;
    }
    return SCAN_OK;
}

/* At a quote: a string token. */
static enum scan_status scan_string(struct scanner *s)
{
    const char *start = ++s->at;
    bool escaped = false;
    struct scan_token *token;

    for (;;) {
        skip_plain(s);
        if (s->at == s->end) {
            return cut(s);
        }
        if (*s->at == '"') {
            break;
        }
        if (*s->at != '\\') {
            return fail(s, SCAN_BAD, "a control character inside a string");
        }
        escaped = true;
        enum scan_status status = scan_escape(s);
        if (status != SCAN_OK) {
            return status;
        }
    }
    token = token_add(s, SCAN_STRING, start);
    if (token == NULL) {
        return fail(s, SCAN_TOO_BIG, "too many values");
    }
    token->escaped = escaped;
    s->at++;
    return SCAN_OK;
}

/* At least one digit. */
static enum scan_status scan_digits(struct scanner *s)
{
    if (s->at == s->end) {
        return cut(s);
    }
    if (!is_digit(*s->at)) {
        return fail(s, SCAN_BAD, "a digit expected");
    }
    while (s->at < s->end && is_digit(*s->at)) {
        s->at++;
    }
    return SCAN_OK;
}

static enum scan_status scan_number(struct scanner *s)
{
    const char *start = s->at;
    enum scan_type type = SCAN_INTEGER;
    enum scan_status status;

    if (*s->at == '-') {
        s->at++;
    }
    if (s->at < s->end && *s->at == '0') {
        s->at++;
    } else if ((status = scan_digits(s)) != SCAN_OK) {
        return status;
    }
    if (s->at < s->end && *s->at == '.') {
        type = SCAN_REAL;
        s->at++;
        if ((status = scan_digits(s)) != SCAN_OK) {
            return status;
        }
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        type = SCAN_REAL;
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-')) {
            s->at++;
        }
        if ((status = scan_digits(s)) != SCAN_OK) {
            return status;
        }
    }
    return token_add(s, type, start) != NULL ? SCAN_OK : fail(s, SCAN_TOO_BIG, "too many values");
}

static enum scan_status scan_word(struct scanner *s, const char *word, enum scan_type type)
{
    const char *start = s->at;
    size_t length = strlen(word), at_hand = (size_t)(s->end - s->at);

    if (memcmp(s->at, word, at_hand < length ? at_hand : length) != 0) {
        return fail(s, SCAN_BAD, "a value expected");
    }
    if (at_hand < length) {
        return cut(s);
    }
    s->at += length;
    return token_add(s, type, start) != NULL ? SCAN_OK : fail(s, SCAN_TOO_BIG, "too many values");
}

static enum scan_status scan_scalar(struct scanner *s)
{
    switch (*s->at) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true", SCAN_TRUE);
    case 'f':
        return scan_word(s, "false", SCAN_FALSE);
    case 'n':
        return scan_word(s, "null", SCAN_NULL);
    default:
        if (*s->at == '-' || is_digit(*s->at)) {
            return scan_number(s);
        }
        return fail(s, SCAN_BAD, "a value expected");
    }
}

static enum scan_status open_container(struct scanner *s, enum scan_type type)
{
    if (s->depth == SCAN_DEPTH_MAX) {
        return fail(s, SCAN_TOO_BIG, "nested too deep");
    }
    s->open[s->depth++] = s->doc->count;
    if (token_add(s, type, s->at) == NULL) {
        return fail(s, SCAN_TOO_BIG, "too many values");
    }
    s->at++;
    return SCAN_OK;
}

static void close_container(struct scanner *s)
{
    struct scan_token *token = &s->doc->tokens[s->open[--s->depth]];

    s->at++;
    token->length = (uint32_t)(s->at - s->doc->text) - token->start;
    token->next = s->doc->count;
}

static bool in_object(const struct scanner *s)
{
    return s->doc->tokens[s->open[s->depth - 1]].type == SCAN_OBJECT;
}

/* A key and its colon. */
static enum scan_status scan_key(struct scanner *s)
{
    enum scan_status status;

    if (*s->at != '"') {
        return fail(s, SCAN_BAD, "a member's name expected");
    }
    if ((status = scan_string(s)) != SCAN_OK) {
        return status;
    }
    skip_space(s);
    if (s->at == s->end) {
        return cut(s);
    }
    if (*s->at != ':') {
        return fail(s, SCAN_BAD, "a colon expected");
    }
    s->at++;
    return SCAN_OK;
}

/* After a value inside a container: eat the comma or close. *expect is what may come then. */
static enum scan_status scan_separator(struct scanner *s, enum expectation *expect)
{
    bool object = in_object(s);

    if (*s->at == ',') {
        s->at++;
        *expect = object ? EXPECT_KEY : EXPECT_VALUE;
        return SCAN_OK;
    }
    if (*s->at != (object ? '}' : ']')) {
        return fail(s, SCAN_BAD, object ? "a comma or } expected" : "a comma or ] expected");
    }
    close_container(s);
    *expect = EXPECT_COMMA_OR_CLOSE;
    return SCAN_OK;
}

static enum scan_status scan_value(struct scanner *s, enum expectation *expect)
{
    if (*s->at == '{') {
        *expect = EXPECT_KEY_OR_CLOSE;
        return open_container(s, SCAN_OBJECT);
    }
    if (*s->at == '[') {
        *expect = EXPECT_VALUE_OR_CLOSE;
        return open_container(s, SCAN_ARRAY);
    }
    *expect = EXPECT_COMMA_OR_CLOSE;
    return scan_scalar(s);
}

/* One step: the next character that is not white space decides with what is expected. */
static enum scan_status scan_step(struct scanner *s, enum expectation *expect)
{
    bool closes = (*expect == EXPECT_VALUE_OR_CLOSE && *s->at == ']') ||
                  (*expect == EXPECT_KEY_OR_CLOSE && *s->at == '}');

    if (closes) {
        close_container(s);
        *expect = EXPECT_COMMA_OR_CLOSE;
        return SCAN_OK;
    }
    switch (*expect) {
    case EXPECT_VALUE:
    case EXPECT_VALUE_OR_CLOSE:
        return scan_value(s, expect);
    case EXPECT_KEY:
    case EXPECT_KEY_OR_CLOSE:
        *expect = EXPECT_VALUE;
        return scan_key(s);
    case EXPECT_COMMA_OR_CLOSE:
        break;
    }
    return scan_separator(s, expect);
}

enum scan_status scan_json(struct scan_doc *doc, const char *text, size_t length)
{
    struct scanner s = {.doc = doc, .at = text, .end = text + length};
    enum expectation expect = EXPECT_VALUE;

    doc->text = text;
    doc->count = 0;
    doc->error = NULL;
    doc->odd = false;
    if (length > UINT32_MAX) {
        return fail(&s, SCAN_TOO_BIG, "a document of 4 GiB");
    }
    do {
        enum scan_status status;

        skip_space(&s);
        if (s.at == s.end) {
            return cut(&s);
        }
        status = scan_step(&s, &expect);
        if (status != SCAN_OK) {
            return status;
        }
    } while (s.depth > 0 || expect != EXPECT_COMMA_OR_CLOSE);
    doc->end = (size_t)(s.at - text);
    return SCAN_OK;
}

enum scan_status scan_json_whole(struct scan_doc *doc, const char *text, size_t length)
{
    struct scanner s = {.doc = doc, .end = text + length};
    enum scan_status status = scan_json(doc, text, length);

    if (status != SCAN_OK) {
        return status;
    }
    s.at = text + doc->end;
    skip_space(&s);
    return s.at == s.end ? SCAN_OK : fail(&s, SCAN_BAD, "something follows the value");
}

static char *put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* The \uXXXX (pair) at *from as UTF-8; advances *from. Never longer than the escape. */
static char *put_unicode(char *out, const char **from, const char *end)
{
    int unit = hex4(*from + 2);
    const char *p = *from + 6;
    unsigned code = (unsigned)unit;

    if (is_high_surrogate(unit) && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
        is_low_surrogate(hex4(p + 2))) {
        code = 0x10000 + (((unsigned)unit - 0xd800) << 10) + ((unsigned)hex4(p + 2) - 0xdc00);
        p += 6;
    } else if (unit >= 0xd800 && unit <= 0xdfff) {
        code = 0xfffd;
    }
    *from = p;
    return put_utf8(out, code);
}

static size_t unescape(char *out, const char *from, const char *end)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char *start = out;

    while (from < end) {
        const char *letter;

        if (*from != '\\') {
            *out++ = *from++;
        } else if (from[1] == 'u') {
            out = put_unicode(out, &from, end);
        } else {
            letter = strchr(letters, from[1]);
            *out++ = letter != NULL ? meanings[letter - letters] : from[1];
            from += 2;
        }
    }
    return (size_t)(out - start);
}

struct scan_text scan_text(struct scan_doc *doc, uint32_t token)
{
    const struct scan_token *t = &doc->tokens[token];
    const char *bytes = doc->text + t->start;
    /* Room for all strings of the value at once: texts that were given out must not move. */
    size_t whole = (size_t)doc->tokens[0].start + doc->tokens[0].length;

    if (!t->escaped) {
        return (struct scan_text){bytes, t->length};
    }
    if (doc->shadow_bytes < whole) {
        char *shadow = realloc(doc->shadow, whole);
        if (shadow == NULL) {
            return (struct scan_text){"", 0};
        }
        doc->shadow = shadow;
        doc->shadow_bytes = whole;
    }
    return (struct scan_text){doc->shadow + t->start,
                              unescape(doc->shadow + t->start, bytes, bytes + t->length)};
}

uint32_t scan_member(struct scan_doc *doc, uint32_t object, const char *key)
{
    size_t length = strlen(key);
    uint32_t end;

    if (scan_type(doc, object) != SCAN_OBJECT) {
        return SCAN_NONE;
    }
    end = doc->tokens[object].next;
    for (uint32_t k = object + 1; k < end; k = doc->tokens[k + 1].next) {
        const struct scan_token *name = &doc->tokens[k];
        struct scan_text text = {doc->text + name->start, name->length};

        if (name->escaped) {
            text = scan_text(doc, k);
        }
        if (text.length == length && memcmp(text.bytes, key, length) == 0) {
            return k + 1;
        }
    }
    return SCAN_NONE;
}

uint32_t scan_given(struct scan_doc *doc, uint32_t object, const char *key)
{
    uint32_t value = scan_member(doc, object, key);

    return value != SCAN_NONE && scan_type(doc, value) == SCAN_NULL ? SCAN_NONE : value;
}
