/* strbuf - a growing byte buffer that is always NUL-terminated.
 *
 * Running out of memory is not survivable for a process that holds a book open: growth failure sets
 * `failed`, later appends do nothing, and the owner checks once, before it uses the result.
 */
#ifndef LEDGERD_BASE_STRBUF_H
#define LEDGERD_BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *data; /* never NULL after strbuf_init; NUL-terminated */
    size_t length;
    size_t capacity; /* 0 while data is the shared empty string */
    bool failed;
};

#define STRBUF_INIT             \
    {                           \
        (char *)"", 0, 0, false \
    }

void strbuf_init(struct strbuf *buf);
void strbuf_release(struct strbuf *buf); /* frees; the buffer is as after strbuf_init */
void strbuf_clear(struct strbuf *buf);   /* length 0, keeps the memory and clears `failed` */

/* Make room for `more` bytes beyond length. Returns the free space, or NULL (failed). */
char *strbuf_reserve(struct strbuf *buf, size_t more);

/* Append bytes, a string, one character, formatted text. */
void strbuf_add(struct strbuf *buf, const void *bytes, size_t length);
void strbuf_add_string(struct strbuf *buf, const char *string);
void strbuf_add_char(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *buf, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Append `bytes` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void strbuf_add_json(struct strbuf *buf, const char *bytes, size_t length);
void strbuf_add_json_string(struct strbuf *buf, const char *string); /* NULL becomes null */

/* Hand the memory to the caller (free() it) and start over. NULL if failed. */
char *strbuf_detach(struct strbuf *buf);

#endif
