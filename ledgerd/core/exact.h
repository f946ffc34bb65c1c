/* exact - rational numbers that stay in 128 bits while they fit and move into GMP when they don't.
 *
 * Rating multiplies prices, factors, quantities and seconds: most products fit a 128-bit fraction,
 * a full one needs more. The caller never sees which of the two forms it has; every operation gives
 * the exact rational. Values are non-negative or negative.
 */
#ifndef LEDGERD_CORE_EXACT_H
#define LEDGERD_CORE_EXACT_H

#include <gmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/core/decimal.h"
#include "ledgerd/core/points.h"

enum rounding_mode { ROUNDING_HALF_EVEN, ROUNDING_HALF_UP, ROUNDING_TRUNCATE, ROUNDING_CEIL };

struct rounding {
    unsigned places; /* 0..6 */
    enum rounding_mode mode;
};

struct exact {
    __int128 numerator; /* small form: numerator / denominator, denominator > 0, not reduced */
    __int128 denominator;
    bool is_big;
    mpq_t big; /* only initialised while is_big */
};

void exact_init(struct exact *x);    /* 0 */
void exact_release(struct exact *x); /* frees the big form; x may be initialised again */

/* x = from, whatever form x has; the value as a rational. */
void exact_set(struct exact *x, const struct exact *from);
void exact_set_i64(struct exact *x, int64_t value);
void exact_set_decimal(struct exact *x, struct decimal value);
void exact_set_points(struct exact *x, struct points value); /* in points, not micro-points */

/* Arithmetic; y may be x. exact_compare and exact_sign give -1, 0 or 1. */
void exact_add(struct exact *x, const struct exact *y);      /* x += y */
void exact_subtract(struct exact *x, const struct exact *y); /* x -= y */
void exact_multiply(struct exact *x, const struct exact *y);
void exact_multiply_decimal(struct exact *x, struct decimal y);
void exact_multiply_i64(struct exact *x, int64_t y);
void exact_divide_i64(struct exact *x, int64_t y);         /* y > 0 */
void exact_divide(struct exact *x, const struct exact *y); /* y > 0; not x itself */
int exact_compare(const struct exact *x, const struct exact *y);
int exact_sign(const struct exact *x);

/* The value in GMP's form, canonical. Initialises out; the caller clears it. */
void exact_to_gmp(const struct exact *x, mpq_t out);

/* x points, rounded once to `rounding.places` decimal places in the named mode. half_up takes
 * ties away from zero, truncate cuts towards zero, ceil goes towards plus infinity.
 * POINTS_OVERFLOW if it does not fit. */
enum points_result exact_round(const struct exact *x, struct rounding rounding,
                               struct points *value);

/* The integer part of x, cut towards zero. Returns 0, or -1 if 128 bits do not hold it. */
int exact_truncate(const struct exact *x, __int128 *value);

#endif
