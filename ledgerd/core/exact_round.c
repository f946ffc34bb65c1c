/* exact_round - from a rational number to points, once, in a named mode.
 *
 * x * 10^places is cut towards zero into a quotient and a rest; the mode then decides whether the
 * quotient moves by one away from zero (or, for ceil, upwards):
 *
 *      truncate   never
 *      ceil       up, if there is a rest and x is positive
 *      half_up    away from zero, if |rest| is at least half the denominator
 *      half_even  the same, but at exactly half only if the quotient is odd
 */
#include "ledgerd/core/exact.h"

enum { PLACES_MAX = 6 };

static const int64_t powers_of_ten[PLACES_MAX + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000};

/* What is needed to know about a division that left a rest. */
struct rest {
    bool is_zero;
    int to_half; /* |rest| compared with half the denominator: -1, 0, 1 */
    bool quotient_is_odd;
    int sign; /* of the number that is rounded */
};

/* By how much the truncated quotient moves: -1, 0 or 1. */
static int rounding_step(enum rounding_mode mode, const struct rest *rest)
{
    bool away = false;

    if (rest->is_zero) {
        return 0;
    }
    switch (mode) {
    case ROUNDING_TRUNCATE:
        break;
    case ROUNDING_CEIL:
        away = rest->sign > 0;
        break;
    case ROUNDING_HALF_UP:
        away = rest->to_half >= 0;
        break;
    case ROUNDING_HALF_EVEN:
        away = rest->to_half > 0 || (rest->to_half == 0 && rest->quotient_is_odd);
        break;
    }
    return away ? rest->sign : 0;
}

/* Quotient in 10^-places points to micro-points. */
static enum points_result to_points(__int128 quotient, unsigned places, struct points *value)
{
    int64_t micro;

    if (__builtin_mul_overflow(quotient, (__int128)powers_of_ten[PLACES_MAX - places], &quotient) ||
        quotient > INT64_MAX || quotient < INT64_MIN) {
        return POINTS_OVERFLOW;
    }
    micro = (int64_t)quotient;
    *value = (struct points){micro};
    return POINTS_OK;
}

static enum points_result round_small(__int128 numerator, __int128 denominator,
                                      struct rounding rounding, struct points *value)
{
    __int128 quotient, left;
    struct rest rest = {.sign = numerator < 0 ? -1 : 1};

    if (numerator >= 0 && numerator <= INT64_MAX && denominator <= INT64_MAX) {
        quotient = (int64_t)numerator / (int64_t)denominator;
        left = (int64_t)numerator % (int64_t)denominator;
    } else {
        quotient = numerator / denominator;
        left = numerator - quotient * denominator;
    }
    if (left < 0) {
        left = -left;
    }
    rest.is_zero = left == 0;
    rest.to_half = (left > denominator - left) - (left < denominator - left);
    rest.quotient_is_odd = (quotient & 1) != 0;
    return to_points(quotient + rounding_step(rounding.mode, &rest), rounding.places, value);
}

static enum points_result round_big(mpq_srcptr x, struct rounding rounding, struct points *value)
{
    struct rest rest = {.sign = mpq_sgn(x)};
    enum points_result result = POINTS_OVERFLOW;
    mpz_t quotient, left;

    mpz_inits(quotient, left, NULL);
    mpz_mul_si(quotient, mpq_numref(x), powers_of_ten[rounding.places]);
    mpz_tdiv_qr(quotient, left, quotient, mpq_denref(x));
    rest.is_zero = mpz_sgn(left) == 0;
    rest.quotient_is_odd = mpz_odd_p(quotient) != 0;
    mpz_mul_2exp(left, left, 1);
    rest.to_half = mpz_cmpabs(left, mpq_denref(x));
    rest.to_half = (rest.to_half > 0) - (rest.to_half < 0);
    if (mpz_fits_slong_p(quotient)) {
        __int128 cut = mpz_get_si(quotient);
        result = to_points(cut + rounding_step(rounding.mode, &rest), rounding.places, value);
    }
    mpz_clears(quotient, left, NULL);
    return result;
}

enum points_result exact_round(const struct exact *x, struct rounding rounding,
                               struct points *value)
{
    enum points_result result;
    __int128 scaled;
    mpq_t big;

    if (x->is_big) {
        return round_big(x->big, rounding, value);
    }
    if (!__builtin_mul_overflow(x->numerator, (__int128)powers_of_ten[rounding.places], &scaled)) {
        return round_small(scaled, x->denominator, rounding, value);
    }
    exact_to_gmp(x, big);
    result = round_big(big, rounding, value);
    mpq_clear(big);
    return result;
}

/* Two words at most, else it does not fit; the sign's bit is the third. */
static int integer_from_gmp(mpz_srcptr from, __int128 *value)
{
    uint64_t words[2] = {0, 0};
    unsigned __int128 magnitude;

    if (mpz_sizeinbase(from, 2) > 127) {
        return -1;
    }
    mpz_export(words, NULL, -1, sizeof words[0], 0, 0, from);
    magnitude = (unsigned __int128)words[1] << 64 | words[0];
    *value = mpz_sgn(from) < 0 ? -(__int128)magnitude : (__int128)magnitude;
    return 0;
}

int exact_truncate(const struct exact *x, __int128 *value)
{
    mpz_t quotient;
    int result;

    if (!x->is_big) {
        *value = x->numerator / x->denominator;
        return 0;
    }
    mpz_init(quotient);
    mpz_tdiv_q(quotient, mpq_numref(x->big), mpq_denref(x->big));
    result = integer_from_gmp(quotient, value);
    mpz_clear(quotient);
    return result;
}
