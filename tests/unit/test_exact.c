/* Exact arithmetic against GMP: whatever form a number has, every operation gives the true
 * rational. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/core/exact.h"
#include "tests/unit/random.h"

enum { ROUNDS = 3000, STEPS = 12 };

/* Small and large ones, round ones, edges. */
static int64_t random_i64(void)
{
    switch (random_below(6)) {
    case 0:
        return random_below(100) - 50;
    case 1:
        return INT64_MAX;
    case 2:
        return INT64_MIN;
    default:
        return (int64_t)random_bits() >> (random_below(63));
    }
}

static struct decimal random_decimal(void)
{
    char text[DECIMAL_TEXT_BYTES];
    struct decimal value;

    snprintf(text, sizeof text, "%012llu.%09llu",
             (unsigned long long)(random_bits() % 1000000000000ULL) >> (random_below(40)),
             (unsigned long long)(random_bits() % 1000000000ULL) >> (random_below(30)));
    assert_int_equal(decimal_parse(text, strlen(text), &value), 0);
    return value;
}

static void model_from_decimal(mpq_t out, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES], *point;
    size_t scale = 0;

    decimal_format(value, text);
    point = strchr(text, '.');
    if (point != NULL) {
        scale = strlen(point + 1);
        memmove(point, point + 1, scale + 1);
    }
    mpz_set_str(mpq_numref(out), text, 10);
    mpz_ui_pow_ui(mpq_denref(out), 10, scale);
    mpq_canonicalize(out);
}

static void model_from_i64(mpq_t out, int64_t value)
{
    mpz_set_si(mpq_numref(out), value);
    mpz_set_ui(mpq_denref(out), 1);
}

static void assert_same(const struct exact *x, mpq_t model)
{
    mpq_t value;

    exact_to_gmp(x, value);
    assert_true(mpq_equal(value, model));
    assert_int_equal(exact_sign(x), mpq_sgn(model));
    mpq_clear(value);
}

/* One random operation on x and on its model. */
static void step(struct exact *x, mpq_t model, struct exact *y, mpq_t other)
{
    struct decimal decimal = random_decimal();
    int64_t integer = random_i64();
    mpq_t operand;

    mpq_init(operand);
    model_from_decimal(operand, decimal);
    switch (random_below(9)) {
    case 0:
        exact_add(x, y);
        mpq_add(model, model, other);
        break;
    case 1:
        exact_subtract(x, y);
        mpq_sub(model, model, other);
        break;
    case 2:
        exact_multiply(x, y);
        mpq_mul(model, model, other);
        break;
    case 3:
        exact_multiply_decimal(x, decimal);
        mpq_mul(model, model, operand);
        break;
    case 4:
        exact_multiply_i64(x, integer);
        model_from_i64(operand, integer);
        mpq_mul(model, model, operand);
        break;
    case 5:
        integer = integer == INT64_MIN ? 1 : integer < 0 ? -integer : integer + (integer == 0);
        exact_divide_i64(x, integer);
        model_from_i64(operand, integer);
        mpq_div(model, model, operand);
        break;
    case 6:
        exact_set(y, x);
        mpq_set(other, model);
        break;
    case 7:
        exact_set_decimal(y, decimal);
        mpq_set(other, operand);
        break;
    default:
        exact_add(x, x);
        mpq_add(model, model, model);
        break;
    }
    mpq_clear(operand);
}

static void every_operation_is_exact(void **state)
{
    struct exact x, y;
    mpq_t model, other;
    int big = 0, small = 0;

    (void)state;
    random_seed(5);
    mpq_inits(model, other, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        exact_init(&x);
        exact_init(&y);
        mpq_set_ui(model, 0, 1);
        mpq_set_ui(other, 0, 1);
        exact_set_i64(&x, 1 + random_below(5));
        mpz_set_si(mpq_numref(model), (long)x.numerator);
        for (int i = 0; i < STEPS; i++) {
            int order;

            step(&x, model, &y, other);
            assert_same(&x, model);
            assert_same(&y, other);
            order = mpq_cmp(model, other);
            assert_int_equal(exact_compare(&x, &y), (order > 0) - (order < 0));
            big += x.is_big;
            small += !x.is_big;
        }
        exact_release(&x);
        exact_release(&y);
    }
    mpq_clears(model, other, NULL);
    assert_true(big > ROUNDS && small > ROUNDS); /* both forms were tried */
}

/* floor(x * 10^places + 1/2) and so on, said in GMP's terms without quotient and rest. */
static void model_round(mpz_t out, mpq_t x, struct rounding rounding)
{
    mpq_t scaled, half;
    mpz_t power, floor, ceiling;

    mpq_inits(scaled, half, NULL);
    mpz_inits(power, floor, ceiling, NULL);
    mpz_ui_pow_ui(power, 10, rounding.places);
    mpq_set_z(scaled, power);
    mpq_mul(scaled, scaled, x);
    mpz_fdiv_q(floor, mpq_numref(scaled), mpq_denref(scaled));
    mpz_cdiv_q(ceiling, mpq_numref(scaled), mpq_denref(scaled));
    mpq_set_z(half, floor);
    mpq_sub(scaled, scaled, half); /* the part above the floor */
    mpq_set_ui(half, 1, 2);
    switch (rounding.mode) {
    case ROUNDING_TRUNCATE:
        mpz_set(out, mpq_sgn(x) < 0 ? ceiling : floor);
        break;
    case ROUNDING_CEIL:
        mpz_set(out, ceiling);
        break;
    case ROUNDING_HALF_UP:
        mpz_set(out, mpq_cmp(scaled, half) > 0 || (mpq_equal(scaled, half) && mpq_sgn(x) > 0)
                         ? ceiling
                         : floor);
        break;
    case ROUNDING_HALF_EVEN:
        mpz_set(out, mpq_cmp(scaled, half) > 0 || (mpq_equal(scaled, half) && mpz_odd_p(floor))
                         ? ceiling
                         : floor);
        break;
    }
    mpz_ui_pow_ui(power, 10, 6 - rounding.places);
    mpz_mul(out, out, power);
    mpq_clears(scaled, half, NULL);
    mpz_clears(power, floor, ceiling, NULL);
}

static void assert_rounds_right(const struct exact *x)
{
    mpq_t value;
    mpz_t wanted;

    exact_to_gmp(x, value);
    mpz_init(wanted);
    for (unsigned places = 0; places <= 6; places++) {
        for (int mode = ROUNDING_HALF_EVEN; mode <= ROUNDING_CEIL; mode++) {
            struct rounding rounding = {places, (enum rounding_mode)mode};
            struct points got = {77};
            enum points_result result = exact_round(x, rounding, &got);

            model_round(wanted, value, rounding);
            if (!mpz_fits_slong_p(wanted)) {
                assert_int_equal(result, POINTS_OVERFLOW);
                assert_true(got.micro == 77);
            } else {
                assert_int_equal(result, POINTS_OK);
                assert_true(got.micro == mpz_get_si(wanted));
            }
        }
    }
    mpz_clear(wanted);
    mpq_clear(value);
}

/* Ties at every place, their neighbours, both signs, both forms. */
static void rounding_is_right_at_ties_and_beside_them(void **state)
{
    struct exact x, nudge;

    (void)state;
    exact_init(&x);
    exact_init(&nudge);
    for (int64_t number = -25; number <= 25; number++) {
        for (int64_t power = 1; power <= 100000000; power *= 10) {
            for (int beside = -1; beside <= 1; beside++) {
                exact_set_i64(&x, number);
                exact_divide_i64(&x, 2 * power);
                exact_set_i64(&nudge, beside);
                exact_divide_i64(&nudge, INT64_C(1000000000000000000));
                exact_add(&x, &nudge);
                assert_rounds_right(&x);
                exact_divide_i64(&nudge, INT64_MAX);
                exact_divide_i64(&nudge, INT64_MAX);
                exact_add(&x, &nudge); /* makes it big */
                assert_rounds_right(&x);
            }
        }
    }
    exact_release(&x);
    exact_release(&nudge);
}

static void rounding_of_random_numbers(void **state)
{
    struct exact x;

    (void)state;
    random_seed(6);
    exact_init(&x);
    for (int round = 0; round < ROUNDS; round++) {
        exact_set_decimal(&x, random_decimal());
        for (int i = random_below(6); i > 0; i--) {
            exact_multiply_i64(&x, random_i64());
            exact_divide_i64(&x, 1 + (random_i64() >> 1 & INT64_MAX >> 1));
        }
        assert_rounds_right(&x);
    }
    exact_release(&x);
}

static void amounts_at_the_edge_of_64_bits(void **state)
{
    static const struct rounding up = {0, ROUNDING_CEIL};
    struct points value = {77};
    struct exact x;

    (void)state;
    exact_init(&x);
    exact_set_points(&x, (struct points){INT64_MAX});
    assert_rounds_right(&x);
    assert_int_equal(exact_round(&x, up, &value), POINTS_OVERFLOW);
    exact_set_points(&x, (struct points){INT64_MIN});
    assert_rounds_right(&x);
    exact_set_i64(&x, INT64_MAX);
    assert_int_equal(exact_round(&x, up, &value), POINTS_OVERFLOW);
    assert_true(value.micro == 77);
    exact_release(&x);
}

static void integer_parts(void **state)
{
    struct exact x;
    __int128 value = 77;

    (void)state;
    exact_init(&x);
    exact_set_i64(&x, -7);
    exact_divide_i64(&x, 2);
    assert_int_equal(exact_truncate(&x, &value), 0);
    assert_true(value == -3);
    for (int i = 0; i < 4; i++) { /* 2^62 each: big, but 2^124 still fits an __int128 */
        exact_set_i64(&x, INT64_C(1) << 62);
        exact_multiply_i64(&x, INT64_C(1) << 62);
        exact_multiply_i64(&x, INT64_C(1) << 62);
        exact_divide_i64(&x, i % 2 == 0 ? INT64_C(1) << 62 : 1);
        exact_multiply_i64(&x, i < 2 ? 1 : -1);
        value = 77;
        assert_true(x.is_big);
        assert_int_equal(exact_truncate(&x, &value), i % 2 == 0 ? 0 : -1);
        assert_true(value == (i % 2 != 0 ? 77 : (i < 2 ? 1 : -1) * ((__int128)1 << 124)));
    }
    exact_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_exact),
        cmocka_unit_test(rounding_is_right_at_ties_and_beside_them),
        cmocka_unit_test(rounding_of_random_numbers),
        cmocka_unit_test(amounts_at_the_edge_of_64_bits),
        cmocka_unit_test(integer_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
