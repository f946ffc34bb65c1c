/* text - bounded text that is put together piece by piece; too much of it sets `failed`. */
#ifndef CONTRIB_SLURM_CLIENT_TEXT_H
#define CONTRIB_SLURM_CLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* NUL-terminated; the caller's */
    size_t length, size;
    bool failed;
};

void text_init(struct text *text, char *bytes, size_t size); /* size is at least 1 */

/* Append bytes, a string, formatted text. What does not fit as a whole is left out (failed). */
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void text_add_json(struct text *text, const char *string);

/* The length of the UTF-8 character at bytes (NUL-terminated), 0 if there is none. */
size_t utf8_length(const char *bytes);

#endif
