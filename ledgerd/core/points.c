/* points - see points.h. */
#include "ledgerd/core/points.h"

#include <string.h>

enum { POINTS_FRACTION_DIGITS = 6 };

enum points_result points_add(struct points a, struct points b, struct points *sum)
{
    int64_t micro;

    if (__builtin_add_overflow(a.micro, b.micro, &micro)) {
        return POINTS_OVERFLOW;
    }
    sum->micro = micro;
    return POINTS_OK;
}

enum points_result points_subtract(struct points a, struct points b, struct points *difference)
{
    int64_t micro;

    if (__builtin_sub_overflow(a.micro, b.micro, &micro)) {
        return POINTS_OVERFLOW;
    }
    difference->micro = micro;
    return POINTS_OK;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* True if the text has the shape D+[.D{1,6}]. */
static bool is_well_formed(const char *text, size_t length)
{
    const char *point = memchr(text, '.', length);
    size_t whole = point != NULL ? (size_t)(point - text) : length;
    size_t fraction = point != NULL ? length - whole - 1 : 0;

    if (whole == 0 || (point != NULL && (fraction < 1 || fraction > POINTS_FRACTION_DIGITS))) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (i != whole && !is_digit(text[i])) {
            return false;
        }
    }
    return true;
}

/* Digits grow away from zero in the amount's own sign, so that the least int64 can be read too. */
static enum points_result read_micro(const char *text, size_t length, int sign, int64_t *micro)
{
    int missing = POINTS_FRACTION_DIGITS; /* fraction digits that the text leaves out */
    int64_t value = 0;

    if (!is_well_formed(text, length)) {
        return POINTS_MALFORMED;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.') {
            missing -= (int)(length - i - 1);
            continue;
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, sign * (text[i] - '0'), &value)) {
            return POINTS_OVERFLOW;
        }
    }
    for (; missing > 0; missing--) {
        if (__builtin_mul_overflow(value, 10, &value)) {
            return POINTS_OVERFLOW;
        }
    }
    *micro = value;
    return POINTS_OK;
}

enum points_result points_parse(const char *text, size_t length, struct points *value)
{
    if (length > 0 && text[0] == '-' && is_well_formed(text + 1, length - 1)) {
        return POINTS_NEGATIVE;
    }
    return read_micro(text, length, 1, &value->micro);
}

enum points_result points_parse_signed(const char *text, size_t length, struct points *value)
{
    if (length > 0 && text[0] == '-') {
        return read_micro(text + 1, length - 1, -1, &value->micro);
    }
    return read_micro(text, length, 1, &value->micro);
}

char *points_format(struct points value, char *out)
{
    uint64_t micro = value.micro < 0 ? 0 - (uint64_t)value.micro : (uint64_t)value.micro;
    char text[POINTS_TEXT_BYTES];
    char *at = text + sizeof text;

    *--at = '\0';
    for (int digits = 0; digits <= POINTS_FRACTION_DIGITS || micro > 0; digits++) {
        if (digits == POINTS_FRACTION_DIGITS) {
            *--at = '.';
        }
        *--at = (char)('0' + micro % 10);
        micro /= 10;
    }
    if (value.micro < 0) {
        *--at = '-';
    }
    memcpy(out, at, (size_t)(text + sizeof text - at));
    return out;
}

const char *points_result_text(enum points_result result)
{
    switch (result) {
    case POINTS_OK:
        return "fine";
    case POINTS_OVERFLOW:
        return "too large";
    case POINTS_NEGATIVE:
        return "negative";
    case POINTS_MALFORMED:
        break;
    }
    return "not a decimal number";
}
