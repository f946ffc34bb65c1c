/* points - amounts of usage points, exact to the micro-point.
 *
 * A struct, so that an amount cannot be mixed with a count or a second by accident.  Arithmetic is
 * checked: a result that does not fit is an error with a name, never a wrapped number.
 */
#ifndef LEDGERD_CORE_POINTS_H
#define LEDGERD_CORE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct points {
    int64_t micro; /* 1 point = 1,000,000 micro-points; may be negative (a debt, a difference) */
};

enum points_result { POINTS_OK = 0, POINTS_OVERFLOW, POINTS_NEGATIVE, POINTS_MALFORMED };

#define POINTS_ZERO ((struct points){0})
#define POINTS_MICRO INT64_C(1000000)
enum { POINTS_TEXT_BYTES = 24 }; /* "-9223372036854.775808" and its NUL */

/* a + b, a - b. POINTS_OVERFLOW leaves *sum alone. */
enum points_result points_add(struct points a, struct points b, struct points *sum);
enum points_result points_subtract(struct points a, struct points b, struct points *difference);

static inline int points_compare(struct points a, struct points b)
{
    return (a.micro > b.micro) - (a.micro < b.micro);
}
static inline bool points_is_zero(struct points a)
{
    return a.micro == 0;
}

/* Read a decimal string ("12", "1234.500000"): digits, optionally '.' and one to six digits. A
 * leading '-' is POINTS_NEGATIVE here and read by points_parse_signed. Anything else is
 * POINTS_MALFORMED; what does not fit is POINTS_OVERFLOW. */
enum points_result points_parse(const char *text, size_t length, struct points *value);
enum points_result points_parse_signed(const char *text, size_t length, struct points *value);

/* Write with six fraction digits, always. `out` needs POINTS_TEXT_BYTES. Returns out. */
char *points_format(struct points value, char *out);

/* A sentence fragment for messages: "too large", "negative", "not a decimal number". */
const char *points_result_text(enum points_result result);

#endif
