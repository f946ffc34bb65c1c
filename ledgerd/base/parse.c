/* parse - see parse.h. Every reader is a cursor over [at, end) that either eats what must come
 * next or fails; the caller's output is written last. */
#include "ledgerd/base/parse.h"

#include <string.h>

#include "ledgerd/base/civil.h"

struct cursor {
    const char *at;
    const char *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool eat(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c) {
        return false;
    }
    cursor->at++;
    return true;
}

/* Exactly `digits` digits (at most 9) with a value in [least, most]. */
static bool eat_number(struct cursor *cursor, int digits, int least, int most, int *value)
{
    int number = 0;

    if (cursor->end - cursor->at < digits) {
        return false;
    }
    for (int i = 0; i < digits; i++) {
        if (!is_digit(cursor->at[i])) {
            return false;
        }
        number = number * 10 + (cursor->at[i] - '0');
    }
    cursor->at += digits;
    *value = number;
    return number >= least && number <= most;
}

int parse_u64(const char *text, size_t length, uint64_t max, uint64_t *value)
{
    uint64_t number = 0;

    if (length == 0) {
        return -1;
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i]) || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number)) {
            return -1;
        }
    }
    if (number > max) {
        return -1;
    }
    *value = number;
    return 0;
}

static bool eat_date(struct cursor *cursor, int64_t *days)
{
    int year, month, day;

    if (!eat_number(cursor, 4, 1969, 9999, &year) || !eat(cursor, '-') ||
        !eat_number(cursor, 2, 1, 12, &month) || !eat(cursor, '-') ||
        !eat_number(cursor, 2, 1, civil_month_length(year, month), &day)) {
        return false;
    }
    *days = civil_to_days(year, month, day);
    return true;
}

/* ".f…": at least one digit, cut to microseconds. */
static bool eat_fraction(struct cursor *cursor, int *us)
{
    int unit = 100000;

    *us = 0;
    if (!eat(cursor, '.')) {
        return true;
    }
    if (cursor->at == cursor->end || !is_digit(*cursor->at)) {
        return false;
    }
    for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++, unit /= 10) {
        *us += (*cursor->at - '0') * unit;
    }
    return true;
}

static bool eat_time_of_day(struct cursor *cursor, int64_t *us)
{
    int hour, minute, second, fraction_us;

    if (!eat_number(cursor, 2, 0, 23, &hour) || !eat(cursor, ':') ||
        !eat_number(cursor, 2, 0, 59, &minute) || !eat(cursor, ':') ||
        !eat_number(cursor, 2, 0, 60, &second) || !eat_fraction(cursor, &fraction_us)) {
        return false;
    }
    if (second == 60) { /* the instant before the minute's end: no other second is overtaken */
        second = 59;
        fraction_us = INSTANT_SECOND_US - 1;
    }
    *us = (hour * 3600 + minute * 60 + second) * INSTANT_SECOND_US + fraction_us;
    return true;
}

static bool eat_date_time(struct cursor *cursor, int64_t *local_us)
{
    int64_t days, day_us;

    if (!eat_date(cursor, &days) || !(eat(cursor, 'T') || eat(cursor, 't') || eat(cursor, ' ')) ||
        !eat_time_of_day(cursor, &day_us)) {
        return false;
    }
    *local_us = days * CIVIL_DAY_SECONDS * INSTANT_SECOND_US + day_us;
    return true;
}

static bool eat_offset(struct cursor *cursor, int64_t *offset_us)
{
    int sign, hours, minutes;

    if (eat(cursor, 'Z') || eat(cursor, 'z')) {
        *offset_us = 0;
        return true;
    }
    sign = eat(cursor, '+') ? 1 : eat(cursor, '-') ? -1 : 0;
    if (sign == 0 || !eat_number(cursor, 2, 0, 23, &hours) || !eat(cursor, ':') ||
        !eat_number(cursor, 2, 0, 59, &minutes)) {
        return false;
    }
    *offset_us = sign * (hours * 3600 + minutes * 60) * INSTANT_SECOND_US;
    return true;
}

int parse_rfc3339(const char *text, size_t length, struct instant *value)
{
    struct cursor cursor = {text, text + length};
    int64_t local_us, offset_us, us;

    if (!eat_date_time(&cursor, &local_us) || !eat_offset(&cursor, &offset_us) ||
        cursor.at != cursor.end) {
        return -1;
    }
    us = local_us - offset_us;
    if (us < 0 || us >= INSTANT_LIMIT_US) {
        return -1;
    }
    *value = (struct instant){us};
    return 0;
}

int parse_naive_time(const char *text, size_t length, int64_t *local_us)
{
    struct cursor cursor = {text, text + length};
    int64_t days, us;

    if (eat_date(&cursor, &days) && cursor.at == cursor.end) {
        *local_us = days * CIVIL_DAY_SECONDS * INSTANT_SECOND_US;
        return 0;
    }
    cursor.at = text;
    if (!eat_date_time(&cursor, &us) || cursor.at != cursor.end) {
        return -1;
    }
    *local_us = us;
    return 0;
}

/* Microseconds of a unit, or 0. */
static int64_t duration_unit_us(const char *unit, size_t length)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {
        {"ms", INSTANT_SECOND_US / 1000},
        {"s", INSTANT_SECOND_US},
        {"m", 60 * INSTANT_SECOND_US},
        {"h", 3600 * INSTANT_SECOND_US},
        {"d", CIVIL_DAY_SECONDS * INSTANT_SECOND_US},
    };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, unit, length) == 0) {
            return units[i].us;
        }
    }
    return 0;
}

int parse_duration(const char *text, size_t length, int64_t *us)
{
    size_t digits = 0;
    uint64_t count;
    int64_t unit_us;

    while (digits < length && is_digit(text[digits])) {
        digits++;
    }
    unit_us = duration_unit_us(text + digits, length - digits);
    if (unit_us == 0 ||
        parse_u64(text, digits, (uint64_t)(PARSE_DURATION_MAX_US / unit_us), &count) != 0) {
        return -1;
    }
    *us = (int64_t)count * unit_us;
    return 0;
}

/* The ranges are those of the Unicode standard, table 3-7: they leave out overlong forms,
 * surrogates and what lies beyond U+10FFFF. */
size_t parse_utf8_character(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char least = 0x80, most = 0xbf; /* of the second byte */
    size_t width;

    if (length == 0) {
        return 0;
    }
    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    width = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0) {
        least = 0xa0;
    } else if (s[0] == 0xed) {
        most = 0x9f;
    } else if (s[0] == 0xf0) {
        least = 0x90;
    } else if (s[0] == 0xf4) {
        most = 0x8f;
    }
    if (length < width || s[1] < least || s[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < width; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf) {
            return 0;
        }
    }
    return width;
}

bool parse_is_utf8(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length) {
        size_t width = parse_utf8_character(text + at, length - at);
        if (width == 0) {
            return false;
        }
        at += width;
    }
    return true;
}

/* On a mismatch the last star takes one character more; earlier stars need no second try, because
 * what the last star can take includes whatever they would. */
bool parse_glob(const char *pattern, const char *text)
{
    const char *star = NULL; /* after the last star */
    const char *resume = NULL;

    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}
