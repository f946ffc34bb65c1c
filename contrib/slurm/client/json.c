/* json - see json.h. A reader of one function for each rule of the grammar. */
#include "contrib/slurm/client/json.h"

#include <string.h>

#include "contrib/slurm/client/text.h"

enum { NAME_BYTES = 32 }; /* wanted names are shorter: a longer one is none of them */

/* The text ends with a NUL, which no rule takes: so no rule reads beyond it. */
static bool skip_value(const char **at, int depth);

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t' || **at == '\r' || **at == '\n') {
        *at += 1;
    }
}

static bool eat(const char **at, char c)
{
    if (**at != c) {
        return false;
    }
    *at += 1;
    return true;
}

static bool eat_word(const char **at, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*at, word, length) != 0) {
        return false;
    }
    *at += length;
    return true;
}

static bool eat_digits(const char **at)
{
    size_t digits = strspn(*at, "0123456789");

    *at += digits;
    return digits > 0;
}

static bool skip_number(const char **at)
{
    (void)eat(at, '-');
    if (!eat(at, '0') && !eat_digits(at)) {
        return false;
    }
    if (eat(at, '.') && !eat_digits(at)) {
        return false;
    }
    if (eat(at, 'e') || eat(at, 'E')) {
        (void)(eat(at, '+') || eat(at, '-'));
        return eat_digits(at);
    }
    return true;
}

static bool eat_hex4(const char **at, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, *at += 1) {
        char c = **at;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) {
            return false;
        }
        *value = *value * 16 + digit;
    }
    return true;
}

/* \uXXXX, or two of them for what lies above U+FFFF; half a pair is refused. */
static bool eat_code_point(const char **at, unsigned *code)
{
    unsigned low;

    if (!eat_hex4(at, code)) {
        return false;
    }
    if (*code < 0xd800 || *code > 0xdfff) {
        return true;
    }
    if (*code > 0xdbff || !eat_word(at, "\\u") || !eat_hex4(at, &low) || low < 0xdc00 ||
        low > 0xdfff) {
        return false;
    }
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* Control characters of both sets, and those that begin a new line or turn the text around. */
static bool is_unfit(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void add_code_point(struct text *out, unsigned code)
{
    char bytes[4];
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    if (is_unfit(code)) {
        text_add_bytes(out, " ", 1);
        return;
    }
    for (size_t i = length; i-- > 1; code >>= 6) {
        bytes[i] = (char)(0x80 | (code & 0x3f));
    }
    bytes[0] = (char)(length == 1 ? code : (0xf00U >> length & 0xffU) | code);
    text_add_bytes(out, bytes, length);
}

static unsigned decode(const char *bytes, size_t length)
{
    unsigned code = (unsigned char)bytes[0] & (length == 1 ? 0x7fU : 0xffU >> (length + 1));

    for (size_t i = 1; i < length; i++) {
        code = code << 6 | ((unsigned char)bytes[i] & 0x3fU);
    }
    return code;
}

static bool eat_escape(const char **at, unsigned *code)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char *found = **at == '\0' ? NULL : strchr(names, **at);

    if (eat(at, 'u')) {
        return eat_code_point(at, code);
    }
    if (found == NULL) {
        return false;
    }
    *code = (unsigned char)values[found - names];
    *at += 1;
    return true;
}

/* Most of an answer is not wanted, and plain. */
static void skip_plain(const char **at)
{
    while (**at >= ' ' && **at <= '~' && **at != '"' && **at != '\\') {
        *at += 1;
    }
}

static bool read_string(const char **at, struct text *out)
{
    if (!eat(at, '"')) {
        return false;
    }
    if (out == NULL) {
        skip_plain(at);
    }
    while (!eat(at, '"')) {
        size_t length = utf8_length(*at);
        unsigned code;

        if (length == 0 || (unsigned char)**at < ' ') {
            return false;
        }
        if (eat(at, '\\')) {
            if (!eat_escape(at, &code)) {
                return false;
            }
        } else {
            code = decode(*at, length);
            *at += length;
        }
        if (out != NULL) {
            add_code_point(out, code);
        }
    }
    return true;
}

static bool skip_array(const char **at, int depth)
{
    skip_blanks(at);
    if (eat(at, ']')) {
        return true;
    }
    do {
        if (!skip_value(at, depth)) {
            return false;
        }
    } while (eat(at, ','));
    return eat(at, ']');
}

static bool skip_object(const char **at, int depth)
{
    skip_blanks(at);
    if (eat(at, '}')) {
        return true;
    }
    do {
        skip_blanks(at);
        if (!read_string(at, NULL)) {
            return false;
        }
        skip_blanks(at);
        if (!eat(at, ':') || !skip_value(at, depth)) {
            return false;
        }
    } while (eat(at, ','));
    return eat(at, '}');
}

/* One value with the blanks around it. */
static bool skip_value(const char **at, int depth)
{
    bool is_value;

    skip_blanks(at);
    if (**at == '"') {
        is_value = read_string(at, NULL);
    } else if (**at == '[' || **at == '{') {
        bool is_array = **at == '[';
        *at += 1;
        is_value = depth < JSON_DEPTH_MAX &&
                   (is_array ? skip_array(at, depth + 1) : skip_object(at, depth + 1));
    } else {
        is_value = eat_word(at, "null") || eat_word(at, "true") || eat_word(at, "false") ||
                   skip_number(at);
    }
    skip_blanks(at);
    return is_value;
}

static bool read_member(const char **at, struct json_member *member)
{
    struct text out;

    skip_blanks(at);
    if (member->found) {
        return false;
    }
    if (eat_word(at, "null")) {
        return true;
    }
    member->found = true;
    if (member->text == NULL) {
        return skip_value(at, 1);
    }
    text_init(&out, member->text, member->size);
    return read_string(at, &out);
}

static bool read_members(const char **at, struct json_member *members, size_t count)
{
    do {
        struct json_member *wanted = NULL;
        char name[NAME_BYTES];
        struct text text;

        text_init(&text, name, sizeof(name));
        skip_blanks(at);
        if (!read_string(at, &text)) {
            return false;
        }
        skip_blanks(at);
        if (!eat(at, ':')) {
            return false;
        }
        for (size_t i = 0; !text.failed && wanted == NULL && i < count; i++) {
            wanted = strcmp(members[i].name, name) == 0 ? &members[i] : NULL;
        }
        if (!(wanted != NULL ? read_member(at, wanted) : skip_value(at, 1))) {
            return false;
        }
        skip_blanks(at);
    } while (eat(at, ','));
    return true;
}

int json_read(const char *text, size_t length, struct json_member *members, size_t count)
{
    const char *at = text;

    for (size_t i = 0; i < count; i++) {
        members[i].found = false;
        if (members[i].text != NULL) {
            members[i].text[0] = '\0';
        }
    }
    skip_blanks(&at);
    if (!eat(&at, '{')) {
        return -1;
    }
    skip_blanks(&at);
    if (*at != '}' && !read_members(&at, members, count)) {
        return -1;
    }
    if (!eat(&at, '}')) {
        return -1;
    }
    skip_blanks(&at);
    return at == text + length ? 0 : -1;
}
