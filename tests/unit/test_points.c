/* Amounts and decimals: text forms, limits, and arithmetic that never wraps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/core/decimal.h"
#include "ledgerd/core/points.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void points_are_read(void **state)
{
    static const struct {
        const char *text;
        enum points_result result, signed_result;
        int64_t micro;
    } rows[] = {
        {"0", POINTS_OK, POINTS_OK, 0},
        {"12", POINTS_OK, POINTS_OK, 12000000},
        {"1234.500000", POINTS_OK, POINTS_OK, 1234500000},
        {"0.000001", POINTS_OK, POINTS_OK, 1},
        {"000.1", POINTS_OK, POINTS_OK, 100000},
        {"9223372036854.775807", POINTS_OK, POINTS_OK, INT64_MAX},
        {"9223372036854.775808", POINTS_OVERFLOW, POINTS_OVERFLOW, 0},
        {"9223372036855", POINTS_OVERFLOW, POINTS_OVERFLOW, 0},
        {"99999999999999999999999999", POINTS_OVERFLOW, POINTS_OVERFLOW, 0},
        {"-1", POINTS_NEGATIVE, POINTS_OK, -1000000},
        {"-9223372036854.775808", POINTS_NEGATIVE, POINTS_OK, INT64_MIN},
        {"-9223372036854.775809", POINTS_NEGATIVE, POINTS_OVERFLOW, 0},
        {"-0", POINTS_NEGATIVE, POINTS_OK, 0},
        {"", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"-", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"--1", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"+1", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"1.", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {".5", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"1.0000000", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"1.2.3", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"1e3", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"1,5", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {" 1", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"1 ", POINTS_MALFORMED, POINTS_MALFORMED, 0},
        {"nan", POINTS_MALFORMED, POINTS_MALFORMED, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct points value = {77};

        if (points_parse(rows[i].text, strlen(rows[i].text), &value) != rows[i].result ||
            value.micro != (rows[i].result == POINTS_OK ? rows[i].micro : 77)) {
            fail_msg("points_parse '%s'", rows[i].text);
        }
        value.micro = 77;
        if (points_parse_signed(rows[i].text, strlen(rows[i].text), &value) !=
                rows[i].signed_result ||
            value.micro != (rows[i].signed_result == POINTS_OK ? rows[i].micro : 77)) {
            fail_msg("points_parse_signed '%s'", rows[i].text);
        }
    }
}

static void points_are_written_with_six_places(void **state)
{
    static const struct {
        int64_t micro;
        const char *text;
    } rows[] = {
        {0, "0.000000"},
        {1, "0.000001"},
        {-1, "-0.000001"},
        {1234500000, "1234.500000"},
        {INT64_MAX, "9223372036854.775807"},
        {INT64_MIN, "-9223372036854.775808"},
    };
    char text[POINTS_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(points_format((struct points){rows[i].micro}, text), rows[i].text);
    }
    random_seed(4);
    for (int round = 0; round < 100000; round++) {
        int64_t micro = (int64_t)random_bits();
        struct points back;

        micro >>= random_below(63);
        points_format((struct points){micro}, text);
        assert_int_equal(points_parse_signed(text, strlen(text), &back), POINTS_OK);
        assert_true(back.micro == micro);
    }
}

static void sums_that_do_not_fit_are_refused(void **state)
{
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1};

    (void)state;
    for (size_t i = 0; i < COUNT(edges); i++) {
        for (size_t j = 0; j < COUNT(edges); j++) {
            __int128 sum = (__int128)edges[i] + edges[j];
            __int128 difference = (__int128)edges[i] - edges[j];
            bool fits = sum >= INT64_MIN && sum <= INT64_MAX;
            struct points out = {77};

            assert_int_equal(points_add((struct points){edges[i]}, (struct points){edges[j]}, &out),
                             fits ? POINTS_OK : POINTS_OVERFLOW);
            assert_true(out.micro == (fits ? (int64_t)sum : 77));
            fits = difference >= INT64_MIN && difference <= INT64_MAX;
            out.micro = 77;
            assert_int_equal(
                points_subtract((struct points){edges[i]}, (struct points){edges[j]}, &out),
                fits ? POINTS_OK : POINTS_OVERFLOW);
            assert_true(out.micro == (fits ? (int64_t)difference : 77));
        }
    }
}

static void decimals_are_read_into_one_form(void **state)
{
    static const struct {
        const char *text, *shortest; /* NULL: refused */
    } rows[] = {
        {"0", "0"},
        {"0.000000000", "0"},
        {"00012", "12"},
        {"12.500", "12.5"},
        {"0.0138", "0.0138"},
        {"999999999999.999999999", "999999999999.999999999"},
        {"100", "100"},
        {"000000000000001", "1"},
        {"0.000000001", "0.000000001"},
        {"", NULL},
        {".", NULL},
        {".5", NULL},
        {"5.", NULL},
        {"-1", NULL},
        {"+1", NULL},
        {"1e3", NULL},
        {"1000000000000", NULL},
        {"0.0000000001", NULL},
        {"1.0000000000", NULL},
        {" 1", NULL},
        {"1 ", NULL},
        {"1.2.3", NULL},
        {"Infinity", NULL},
        {"0x1", NULL},
        {"99999999999999999999999999999999999999999", NULL},
        {"0.99999999999999999999999999999999999999", NULL},
    };
    char text[DECIMAL_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decimal value = {77, 0}, again;
        int result = decimal_parse(rows[i].text, strlen(rows[i].text), &value);

        if (rows[i].shortest == NULL) {
            if (result != -1 || value.mantissa != 77) {
                fail_msg("taken for a decimal: '%s'", rows[i].text);
            }
            continue;
        }
        assert_int_equal(result, 0);
        assert_string_equal(decimal_format(value, text), rows[i].shortest);
        assert_int_equal(decimal_parse(text, strlen(text), &again), 0);
        assert_true(decimal_equal(value, again));
        assert_int_equal(decimal_is_zero(value), strcmp(text, "0") == 0);
    }
}

static void decimals_compare_by_value(void **state)
{
    static const char *const ascending[] = {"0",
                                            "0.000000001",
                                            "0.1",
                                            "0.10000001",
                                            "1",
                                            "1.5",
                                            "10",
                                            "999999999999",
                                            "999999999999.999999999"};
    struct decimal a, b;

    (void)state;
    for (size_t i = 0; i < COUNT(ascending); i++) {
        for (size_t j = 0; j < COUNT(ascending); j++) {
            decimal_parse(ascending[i], strlen(ascending[i]), &a);
            decimal_parse(ascending[j], strlen(ascending[j]), &b);
            assert_int_equal(decimal_compare(a, b), (i > j) - (i < j));
        }
    }
    assert_int_equal(decimal_from_u64(999999999999ULL, &a), 0);
    assert_int_equal(decimal_from_u64(1000000000000ULL, &a), -1);
    assert_true(decimal_equal(a, (struct decimal){999999999999, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_read),
        cmocka_unit_test(points_are_written_with_six_places),
        cmocka_unit_test(sums_that_do_not_fit_are_refused),
        cmocka_unit_test(decimals_are_read_into_one_form),
        cmocka_unit_test(decimals_compare_by_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
