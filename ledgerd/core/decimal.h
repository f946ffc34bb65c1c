/* decimal - prices, factors and quantities: non-negative exact decimals.
 *
 * At most 12 digits before and 9 after the point (contract section 1).  Kept without trailing zeros
 * (mantissa 0 has scale 0), so that equal values are equal structs and products stay small.
 */
#ifndef LEDGERD_CORE_DECIMAL_H
#define LEDGERD_CORE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

struct decimal {
    unsigned __int128 mantissa; /* < 10^21 */
    unsigned scale;             /* 0..9: value = mantissa / 10^scale */
};

enum { DECIMAL_INTEGER_DIGITS = 12, DECIMAL_FRACTION_DIGITS = 9, DECIMAL_TEXT_BYTES = 24 };

#define DECIMAL_ZERO ((struct decimal){0, 0})
#define DECIMAL_ONE ((struct decimal){1, 0})

/* Read "12", "0.0138". No sign, exponent or white space; a digit on each side of the point. Leading
 * zeros are allowed and do not count. Returns 0, or -1 with *value untouched. */
int decimal_parse(const char *text, size_t length, struct decimal *value);

/* From an integer below 10^12. Returns 0 or -1. */
int decimal_from_u64(unsigned long long integer, struct decimal *value);

/* Comparisons by value; decimal_compare gives -1, 0 or 1. */
bool decimal_is_zero(struct decimal value);
bool decimal_equal(struct decimal a, struct decimal b);
int decimal_compare(struct decimal a, struct decimal b);

/* Shortest text: "4", "0.0138". `out` needs DECIMAL_TEXT_BYTES. Returns out. */
char *decimal_format(struct decimal value, char *out);

#endif
