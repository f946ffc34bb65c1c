/* Device time and fractions in reports. */
#include "ledgerd/flow/hours.h"

#include <stdio.h>
#include <string.h>

enum { HOUR_SECONDS = 3600, INTEGER_DIGITS = 18, FRACTION_DIGITS = 6 };

/* Add at most `max` digits at *at to *value; how many there were. */
static int digits_read(const char *text, size_t *at, int max, __int128 *value)
{
    int count = 0;
    while (count < max && text[*at] >= '0' && text[*at] <= '9') {
        *value = *value * 10 + (text[(*at)++] - '0');
        count++;
    }
    return count;
}

int unit_seconds_parse(const char *text, struct unit_seconds *value)
{
    size_t at = text[0] == '-' ? 1 : 0;
    __int128 micro = 0;
    int fraction = 0;

    if (digits_read(text, &at, INTEGER_DIGITS, &micro) < 1) {
        return -1;
    }
    if (text[at] == '.') {
        at++;
        fraction = digits_read(text, &at, FRACTION_DIGITS, &micro);
        while (text[at] == '0') { /* numeric may carry a larger scale */
            at++;
        }
    }
    for (; fraction < FRACTION_DIGITS; fraction++) {
        micro *= 10;
    }
    if (text[at] != '\0' || micro > INT64_MAX) {
        return -1;
    }
    value->micro = text[0] == '-' ? -(int64_t)micro : (int64_t)micro;
    return 0;
}

int unit_seconds_add(struct unit_seconds *sum, struct unit_seconds more)
{
    int64_t result;
    if (__builtin_add_overflow(sum->micro, more.micro, &result)) {
        return -1;
    }
    sum->micro = result;
    return 0;
}

int hours_add(struct hours *sum, struct hours more)
{
    int64_t result;
    if (__builtin_add_overflow(sum->micro, more.micro, &result)) {
        return -1;
    }
    sum->micro = result;
    return 0;
}

/* a / b rounded half to even, b > 0. */
static __int128 divide_half_even(__int128 a, __int128 b)
{
    __int128 quotient = a / b;
    __int128 rest = a % b;
    __int128 twice = (rest < 0 ? -rest : rest) * 2;
    if (twice > b || (twice == b && quotient % 2 != 0)) {
        quotient += a < 0 ? -1 : 1;
    }
    return quotient;
}

struct hours hours_from_unit_seconds(struct unit_seconds value)
{
    return (struct hours){(int64_t)divide_half_even(value.micro, HOUR_SECONDS)};
}

void hours_add_exact(struct exact *x, struct unit_seconds value)
{
    struct exact more;
    exact_init(&more);
    exact_set_i64(&more, value.micro);
    exact_divide_i64(&more, HOUR_SECONDS * POINTS_MICRO);
    exact_add(x, &more);
    exact_release(&more);
}

int hours_round(const struct exact *exact_hours, struct hours *value)
{
    struct points rounded;
    struct rounding rounding = {.places = FRACTION_DIGITS, .mode = ROUNDING_HALF_EVEN};
    if (exact_round(exact_hours, rounding, &rounded) != POINTS_OK) {
        return -1;
    }
    value->micro = rounded.micro;
    return 0;
}

char *hours_format(struct hours value, char *out)
{
    return points_format((struct points){value.micro}, out);
}

char *fraction_format(int64_t part, int64_t whole, char *out)
{
    __int128 micro = whole > 0 ? divide_half_even((__int128)part * POINTS_MICRO, whole) : 0;
    bool fits = micro <= INT64_MAX && micro >= INT64_MIN;
    return points_format((struct points){fits ? (int64_t)micro : INT64_MAX}, out);
}
