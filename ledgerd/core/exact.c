/* exact - see exact.h.
 *
 * The small form is never reduced: a greatest common divisor costs more than all the rest. Instead
 * every product is checked, and what does not fit moves the number into GMP, where it stays until
 * it is set anew. Denominators that divide one another, as powers of ten do, are brought together
 * on addition, so that sums do not outgrow 128 bits for nothing.
 */
#include "ledgerd/core/exact.h"

static const int64_t powers_of_ten[] = {1,      10,      100,      1000,      10000,
                                        100000, 1000000, 10000000, 100000000, 1000000000};

static void exact_set_small(struct exact *x, __int128 numerator, __int128 denominator)
{
    exact_release(x);
    x->numerator = numerator;
    x->denominator = denominator;
}

void exact_init(struct exact *x)
{
    x->numerator = 0;
    x->denominator = 1;
    x->is_big = false;
}

void exact_release(struct exact *x)
{
    if (x->is_big) {
        mpq_clear(x->big);
        x->is_big = false;
    }
}

static void integer_to_gmp(mpz_t out, __int128 value)
{
    unsigned __int128 magnitude = value < 0 ? 0 - (unsigned __int128)value
                                            : (unsigned __int128)value;
    const uint64_t words[2] = {(uint64_t)magnitude, (uint64_t)(magnitude >> 64)};

    mpz_import(out, 2, -1, sizeof words[0], 0, 0, words);
    if (value < 0) {
        mpz_neg(out, out);
    }
}

void exact_to_gmp(const struct exact *x, mpq_t out)
{
    mpq_init(out);
    if (x->is_big) {
        mpq_set(out, x->big);
        return;
    }
    integer_to_gmp(mpq_numref(out), x->numerator);
    integer_to_gmp(mpq_denref(out), x->denominator);
    mpq_canonicalize(out);
}

static void exact_promote(struct exact *x)
{
    if (!x->is_big) {
        exact_to_gmp(x, x->big);
        x->is_big = true;
    }
}

void exact_set(struct exact *x, const struct exact *from)
{
    if (x == from) {
        return;
    }
    exact_release(x);
    if (from->is_big) {
        exact_to_gmp(from, x->big);
        x->is_big = true;
        return;
    }
    x->numerator = from->numerator;
    x->denominator = from->denominator;
}

void exact_set_i64(struct exact *x, int64_t value)
{
    exact_set_small(x, value, 1);
}

void exact_set_decimal(struct exact *x, struct decimal value)
{
    exact_set_small(x, (__int128)value.mantissa, powers_of_ten[value.scale]);
}

void exact_set_points(struct exact *x, struct points value)
{
    exact_set_small(x, value.micro, POINTS_MICRO);
}

static bool fits_u64(__int128 value)
{
    return value >= 0 && value <= UINT64_MAX;
}

/* True if b divides a; only worth finding out where the division is one machine instruction. */
static bool divides(__int128 b, __int128 a)
{
    return fits_u64(a) && fits_u64(b) && (uint64_t)a % (uint64_t)b == 0;
}

/* a + sign * b over the same denominator; false if it does not fit. */
static bool add_numerators(__int128 a, __int128 b, int sign, __int128 *sum)
{
    return sign > 0 ? !__builtin_add_overflow(a, b, sum) : !__builtin_sub_overflow(a, b, sum);
}

/* x + sign * y in the small form; false if it does not fit. */
static bool add_small(struct exact *x, const struct exact *y, int sign)
{
    __int128 mine = x->numerator, theirs = y->numerator, denominator = x->denominator;

    if (y->denominator == denominator) {
        /* nothing to do */
    } else if (divides(y->denominator, denominator)) {
        uint64_t ratio = (uint64_t)denominator / (uint64_t)y->denominator;
        if (__builtin_mul_overflow(theirs, (__int128)ratio, &theirs)) {
            return false;
        }
    } else if (divides(denominator, y->denominator)) {
        uint64_t ratio = (uint64_t)y->denominator / (uint64_t)denominator;
        if (__builtin_mul_overflow(mine, (__int128)ratio, &mine)) {
            return false;
        }
        denominator = y->denominator;
    } else if (__builtin_mul_overflow(mine, y->denominator, &mine) ||
               __builtin_mul_overflow(theirs, denominator, &theirs) ||
               __builtin_mul_overflow(denominator, y->denominator, &denominator)) {
        return false;
    }
    if (!add_numerators(mine, theirs, sign, &mine)) {
        return false;
    }
    x->numerator = mine;
    x->denominator = denominator;
    return true;
}

typedef void gmp_operation(mpq_ptr result, mpq_srcptr a, mpq_srcptr b);

static void apply_big(struct exact *x, const struct exact *y, gmp_operation *operation)
{
    mpq_t theirs;

    exact_to_gmp(y, theirs); /* first: y may be x */
    exact_promote(x);
    operation(x->big, x->big, theirs);
    mpq_clear(theirs);
}

void exact_add(struct exact *x, const struct exact *y)
{
    if (x->is_big || y->is_big || !add_small(x, y, 1)) {
        apply_big(x, y, mpq_add);
    }
}

void exact_subtract(struct exact *x, const struct exact *y)
{
    if (x->is_big || y->is_big || !add_small(x, y, -1)) {
        apply_big(x, y, mpq_sub);
    }
}

/* x * (numerator / denominator) in the small form; false if it does not fit. */
static bool multiply_small(struct exact *x, __int128 numerator, __int128 denominator)
{
    __int128 n, d;

    if (x->is_big || __builtin_mul_overflow(x->numerator, numerator, &n) ||
        __builtin_mul_overflow(x->denominator, denominator, &d)) {
        return false;
    }
    x->numerator = n;
    x->denominator = d;
    return true;
}

void exact_multiply(struct exact *x, const struct exact *y)
{
    if (y->is_big || !multiply_small(x, y->numerator, y->denominator)) {
        apply_big(x, y, mpq_mul);
    }
}

/* The same by a fraction that is not an exact yet. */
static void multiply_fraction(struct exact *x, __int128 numerator, __int128 denominator)
{
    struct exact y = {.numerator = numerator, .denominator = denominator};

    if (!multiply_small(x, numerator, denominator)) {
        apply_big(x, &y, mpq_mul);
    }
}

void exact_multiply_decimal(struct exact *x, struct decimal y)
{
    multiply_fraction(x, (__int128)y.mantissa, powers_of_ten[y.scale]);
}

void exact_multiply_i64(struct exact *x, int64_t y)
{
    multiply_fraction(x, y, 1);
}

void exact_divide_i64(struct exact *x, int64_t y)
{
    multiply_fraction(x, 1, y);
}

void exact_divide(struct exact *x, const struct exact *y)
{
    if (y->is_big || !multiply_small(x, y->denominator, y->numerator)) {
        apply_big(x, y, mpq_div);
    }
}

int exact_compare(const struct exact *x, const struct exact *y)
{
    __int128 left, right;
    mpq_t a, b;
    int order;

    if (!x->is_big && !y->is_big && !__builtin_mul_overflow(x->numerator, y->denominator, &left) &&
        !__builtin_mul_overflow(y->numerator, x->denominator, &right)) {
        return (left > right) - (left < right);
    }
    exact_to_gmp(x, a);
    exact_to_gmp(y, b);
    order = mpq_cmp(a, b);
    mpq_clear(a);
    mpq_clear(b);
    return (order > 0) - (order < 0);
}

int exact_sign(const struct exact *x)
{
    if (x->is_big) {
        return mpq_sgn(x->big);
    }
    return (x->numerator > 0) - (x->numerator < 0);
}
