/* decimal - see decimal.h. */
#include "ledgerd/core/decimal.h"

#include <stdint.h>
#include <string.h>

static const uint64_t powers_of_ten[DECIMAL_FRACTION_DIGITS + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Eat digits from *at; *count is how many. Their value is right if they are at most 19. */
static uint64_t eat_digits(const char **at, const char *end, size_t *count)
{
    const char *from = *at;
    uint64_t value = 0;

    for (; *at < end && is_digit(**at); (*at)++) {
        value = value * 10 + (uint64_t)(**at - '0');
    }
    *count = (size_t)(*at - from);
    return value;
}

int decimal_parse(const char *text, size_t length, struct decimal *value)
{
    const char *at = text, *end = text + length;
    size_t zeros = 0, digits, scale = 0;
    uint64_t integer, fraction = 0;

    while (at + zeros < end && at[zeros] == '0') {
        zeros++;
    }
    at += zeros;
    integer = eat_digits(&at, end, &digits);
    if (zeros + digits == 0 || digits > DECIMAL_INTEGER_DIGITS) {
        return -1;
    }
    if (at < end && *at == '.') {
        at++;
        fraction = eat_digits(&at, end, &scale);
        if (scale == 0 || scale > DECIMAL_FRACTION_DIGITS) {
            return -1;
        }
    }
    if (at != end) {
        return -1;
    }
    while (scale > 0 && fraction % 10 == 0) {
        fraction /= 10;
        scale--;
    }
    *value = (struct decimal){
        .mantissa = (unsigned __int128)integer * powers_of_ten[scale] + fraction,
        .scale = (unsigned)scale,
    };
    return 0;
}

int decimal_from_u64(unsigned long long integer, struct decimal *value)
{
    if (integer >= 1000000000000ULL) {
        return -1;
    }
    *value = (struct decimal){.mantissa = integer, .scale = 0};
    return 0;
}

bool decimal_is_zero(struct decimal value)
{
    return value.mantissa == 0;
}

bool decimal_equal(struct decimal a, struct decimal b)
{
    return a.mantissa == b.mantissa && a.scale == b.scale;
}

int decimal_compare(struct decimal a, struct decimal b)
{
    unsigned __int128 x = a.mantissa * powers_of_ten[DECIMAL_FRACTION_DIGITS - a.scale];
    unsigned __int128 y = b.mantissa * powers_of_ten[DECIMAL_FRACTION_DIGITS - b.scale];

    return (x > y) - (x < y);
}

char *decimal_format(struct decimal value, char *out)
{
    uint64_t power = powers_of_ten[value.scale];
    uint64_t integer = (uint64_t)(value.mantissa / power);
    uint64_t fraction = (uint64_t)(value.mantissa % power);
    char text[DECIMAL_TEXT_BYTES];
    char *at = text + sizeof text;

    *--at = '\0';
    for (unsigned i = 0; i < value.scale; i++) {
        *--at = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    if (value.scale > 0) {
        *--at = '.';
    }
    do {
        *--at = (char)('0' + integer % 10);
        integer /= 10;
    } while (integer > 0);
    memcpy(out, at, (size_t)(text + sizeof text - at));
    return out;
}
