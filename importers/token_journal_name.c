/* token_journal_name - see token_journal_name.h. */
#include "importers/token_journal_name.h"

#include <stdbool.h>
#include <string.h>

enum {
    NUMBER_DIGITS_MAX = 6, /* of usage.jsonl.1 */
    DATE_DIGITS_MIN = 8,   /* of usage.jsonl-20270601 */
};

static size_t count_digits(const char *text, size_t length)
{
    size_t digits = 0;

    for (size_t i = 0; i < length; i++) {
        digits += text[i] >= '0' && text[i] <= '9';
    }
    return digits;
}

/* "-20270601", ".2027-06-01_00:00:00", "-1812596400". */
static bool is_date(const char *text, size_t length)
{
    return length > 0 && memchr("-._", text[0], 3) != NULL &&
           strspn(text, "0123456789-._:TZ+") >= length &&
           count_digits(text, length) >= DATE_DIGITS_MIN;
}

static bool is_number(const char *text, size_t length)
{
    return length > 1 && length <= 1 + NUMBER_DIGITS_MAX && text[0] == '.' &&
           count_digits(text, length) == length - 1;
}

/* Is it what rotation makes of the journal's name? `length` leaves a compressor's suffix out. */
static bool is_rotated(const char *journal, const char *name, size_t length)
{
    size_t whole = strlen(journal);
    const char *dot = strrchr(journal, '.');
    size_t stem = dot != NULL && dot != journal ? (size_t)(dot - journal) : whole;
    size_t suffix = whole - stem;

    if (length > whole && memcmp(name, journal, whole) == 0) {
        const char *rest = name + whole;
        return is_number(rest, length - whole) || is_date(rest, length - whole);
    }
    return suffix > 0 && length > whole && memcmp(name, journal, stem) == 0 &&
           memcmp(name + length - suffix, journal + stem, suffix) == 0 &&
           is_date(name + stem, length - whole);
}

enum journal_kind journal_kind_of(const char *journal, const char *name)
{
    static const struct {
        const char *suffix;
        enum journal_kind kind;
    } compressors[] = {{"", JOURNAL_ROTATED},
                       {".gz", JOURNAL_GZIP},
                       {".bz2", JOURNAL_COMPRESSED},
                       {".xz", JOURNAL_COMPRESSED},
                       {".zst", JOURNAL_COMPRESSED}};
    size_t length = strlen(name);

    if (strcmp(journal, name) == 0) {
        return JOURNAL_CURRENT;
    }
    for (size_t i = 0; i < sizeof compressors / sizeof *compressors; i++) {
        size_t suffix = strlen(compressors[i].suffix);

        if (length > suffix && strcmp(name + length - suffix, compressors[i].suffix) == 0 &&
            is_rotated(journal, name, length - suffix)) {
            return compressors[i].kind;
        }
    }
    return JOURNAL_OTHER;
}
