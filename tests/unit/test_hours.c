/* Hours and fractions: read exactly, rounded once, half to even. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/flow/hours.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void unit_seconds_are_read(void **state)
{
    static const struct {
        const char *text;
        int result;
        int64_t micro;
    } rows[] = {
        {"0", 0, 0},
        {"3600", 0, 3600000000},
        {"3600.000000", 0, 3600000000},
        {"0.000001", 0, 1},
        {"-1.5", 0, -1500000},
        {"1.500000000", 0, 1500000},
        {"9223372036854.775807", 0, INT64_MAX},
        {"9223372036854.775808", -1, 0},
        {"0.0000001", -1, 0},
        {"1e3", -1, 0},
        {"", -1, 0},
        {"-", -1, 0},
        {"1.x", -1, 0},
        {"9999999999999999999999", -1, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct unit_seconds value = {77};
        int result = unit_seconds_parse(rows[i].text, &value);
        if (result != rows[i].result || value.micro != (result == 0 ? rows[i].micro : 77)) {
            fail_msg("'%s': %d %lld", rows[i].text, result, (long long)value.micro);
        }
    }
}

static void hours_are_rounded_half_to_even(void **state)
{
    static const struct {
        int64_t micro_seconds;
        const char *hours;
    } rows[] = {
        {0, "0.000000"},
        {3600000000, "1.000000"},
        {1800, "0.000000"}, /* half a micro-hour: to even */
        {5400, "0.000002"}, /* one and a half */
        {9000, "0.000002"}, /* two and a half */
        {1801, "0.000001"},
        {-1800, "0.000000"},
        {-5400, "-0.000002"},
        {-3600000000, "-1.000000"},
        {INT64_MAX, "2562047788.015216"},
    };
    char out[HOURS_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct unit_seconds value = {rows[i].micro_seconds};
        struct exact exact;
        struct hours rounded;
        assert_string_equal(hours_format(hours_from_unit_seconds(value), out), rows[i].hours);
        exact_init(&exact);
        hours_add_exact(&exact, value);
        assert_int_equal(hours_round(&exact, &rounded), 0);
        assert_string_equal(hours_format(rounded, out), rows[i].hours);
        exact_release(&exact);
    }
}

static void sums_that_do_not_fit_leave_the_sum_alone(void **state)
{
    struct hours hours = {INT64_MAX};
    struct unit_seconds seconds = {INT64_MIN};

    (void)state;
    assert_int_equal(hours_add(&hours, (struct hours){1}), -1);
    assert_int_equal(hours.micro, INT64_MAX);
    assert_int_equal(unit_seconds_add(&seconds, (struct unit_seconds){-1}), -1);
    assert_int_equal(seconds.micro, INT64_MIN);
    assert_int_equal(hours_add(&hours, (struct hours){-1}), 0);
}

static void fractions_of_nothing_are_zero(void **state)
{
    static const struct {
        int64_t part, whole;
        const char *text;
    } rows[] = {
        {1, 0, "0.000000"},       {1, -5, "0.000000"},
        {0, 5, "0.000000"},       {1, 3, "0.333333"},
        {2, 3, "0.666667"},       {5, 5, "1.000000"},
        {-1, 4, "-0.250000"},     {1, 2000000, "0.000000"},
        {3, 2000000, "0.000002"}, {INT64_MAX, INT64_MAX, "1.000000"},
    };
    char out[HOURS_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(fraction_format(rows[i].part, rows[i].whole, out), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unit_seconds_are_read),
        cmocka_unit_test(hours_are_rounded_half_to_even),
        cmocka_unit_test(sums_that_do_not_fit_leave_the_sum_alone),
        cmocka_unit_test(fractions_of_nothing_are_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
