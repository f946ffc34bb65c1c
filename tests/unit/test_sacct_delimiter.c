/* The delimiter that nobody knows beforehand: text is translated alike however it is cut, and what
 * stood in it of delimiters is none any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "importers/sacct_delimiter.h"

static const unsigned char seed_bytes[SACCT_DELIMITER_LETTERS] = {0, 1, 2, 3, 4, 5, 255, 128};

static struct sacct_delimiter delimiter_of(void)
{
    struct sacct_delimiter delimiter;

    sacct_delimiter_init(&delimiter, seed_bytes);
    return delimiter;
}

static void the_delimiter_is_made_of_what_is_random(void **state)
{
    struct sacct_delimiter one = delimiter_of(), other;
    unsigned char bytes[SACCT_DELIMITER_LETTERS];

    (void)state;
    assert_string_equal(one.text, "\x1f"
                                  "ABCDEF.A");
    for (size_t i = 0; i < SACCT_DELIMITER_LETTERS; i++) {
        memcpy(bytes, seed_bytes, sizeof bytes);
        bytes[i] ^= 1;
        sacct_delimiter_init(&other, bytes);
        assert_string_not_equal(one.text, other.text);
    }
}

/* Translate in pieces of these sizes. */
static size_t translate(const char *text, size_t length, size_t in, size_t room, char *out)
{
    struct sacct_delimiter delimiter = delimiter_of();
    size_t written = 0;

    for (size_t from = 0; from < length; from += in) {
        size_t piece = length - from < in ? length - from : in;
        size_t used = 0, got;

        do {
            got = sacct_delimiter_translate(&delimiter, text + from, piece, &used, out + written,
                                            room);
            written += got;
        } while (used < piece || got == room);
    }
    return written;
}

#define D  \
    "\x1f" \
    "ABCDEF.A"

static void delimiters_become_plain_and_what_looks_like_them_does_not(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"a" D "b\n", "a\x1f"
                      "b\n"},
        {D D D "\n", "\x1f\x1f\x1f\n"},
        {"a\x1f"
         "b" D "c\n",
         "a\x1e"
         "b\x1f"
         "c\n"},
        {"a\x1f"
         "ABCDEF.B" D "\n",
         "a\x1e"
         "ABCDEF.B\x1f\n"},
        {"\x1f\x1f"
         "ABC\x1f"
         "ABCDEF.A\n",
         "\x1e\x1e"
         "ABC\x1f\n"},
        {"\x1f"
         "ABCDEF." D "\n",
         "\x1e"
         "ABCDEF.\x1f\n"},
        {"x\n1\x1f"
         "2\x1f"
         "3\n",
         "x\n1\x1e"
         "2\x1e"
         "3\n"},
        {"", ""},
    };
    char out[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].text), wanted = strlen(cases[i].wanted);

        for (size_t in = 1; in <= length + 1; in++) {
            for (size_t room = 1; room <= 12; room++) {
                assert_int_equal(translate(cases[i].text, length, in, room, out), wanted);
                assert_memory_equal(out, cases[i].wanted, wanted);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delimiter_is_made_of_what_is_random),
        cmocka_unit_test(delimiters_become_plain_and_what_looks_like_them_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
