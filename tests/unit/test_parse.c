/* Strict readers: what they take, and that nothing else passes for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/base/civil.h"
#include "ledgerd/base/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void whole_numbers_only(void **state)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x10",
                                      "1e3",
                                      "a",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(parse_u64(bad[i], strlen(bad[i]), UINT64_MAX, &value), -1);
        assert_int_equal(value, 7);
    }
    assert_int_equal(parse_u64("18446744073709551615", 20, UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(parse_u64("0042", 4, 42, &value), 0);
    assert_int_equal(value, 42);
    assert_int_equal(parse_u64("43", 2, 42, &value), -1);
    assert_int_equal(parse_u64("123x", 3, 200, &value), 0); /* the length rules, not the NUL */
    assert_int_equal(value, 123);
}

static void times_with_offset(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2027-06-01T00:00:00+09:00", INT64_C(1811775600000000)},
        {"2027-05-31t15:00:00z", INT64_C(1811775600000000)},
        {"2027-05-31 15:00:00.5-00:00", INT64_C(1811775600500000)},
        {"2027-06-01T00:00:00.1234567+09:00", INT64_C(1811775600123456)},
        {"2028-02-29T23:59:60Z", INT64_C(1835481599999999)},
        {"1969-12-31T23:00:00-02:00", INT64_C(3600000000)},
        {"9998-12-31T23:59:59.999999Z", INSTANT_LIMIT_US - 1},
    };
    struct instant t;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(parse_rfc3339(good[i].text, strlen(good[i].text), &t), 0);
        assert_true(t.us == good[i].us);
    }
}

static void times_that_are_none(void **state)
{
    static const char *const bad[] = {"",
                                      "2027-06-01",
                                      "2027-06-01T00:00:00",
                                      "2027-13-01T00:00:00Z",
                                      "2027-02-29T00:00:00Z",
                                      "2027-06-31T00:00:00Z",
                                      "2027-06-01T24:00:00Z",
                                      "2027-06-01T00:60:00Z",
                                      "2027-06-01T00:00:61Z",
                                      "2027-06-01T00:00:00.Z",
                                      "2027-06-01T00:00:00+0900",
                                      "2027-06-01T00:00:00+24:00",
                                      "2027-06-01T00:00:00+09:60",
                                      "2027-06-01T00:00:00Z ",
                                      " 2027-06-01T00:00:00Z",
                                      "2027-6-1T00:00:00Z",
                                      "2027-06-01X00:00:00Z",
                                      "2027-06-01T00:00:00+09",
                                      "1969-12-31T23:59:59Z",
                                      "9999-01-01T00:00:00Z",
                                      "0000-00-00T00:00:00Z",
                                      "2027-06-01T00:00:00,5Z",
                                      "1900-02-29T00:00:00Z"};
    struct instant t = {5};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (parse_rfc3339(bad[i], strlen(bad[i]), &t) != -1) {
            fail_msg("taken for a time: %s", bad[i]);
        }
    }
    assert_true(t.us == 5);
}

static void naive_times(void **state)
{
    int64_t us = 5;

    (void)state;
    assert_int_equal(parse_naive_time("2027-06-01T12:00:00", 19, &us), 0);
    assert_true(us == INT64_C(1811851200000000));
    assert_int_equal(parse_naive_time("2027-06-01", 10, &us), 0);
    assert_true(us == INT64_C(1811808000000000));
    assert_int_equal(parse_naive_time("2023-11-16 18:15:46.6805900", 27, &us), 0);
    assert_true(us == INT64_C(1700158546680590));
    assert_int_equal(parse_naive_time("2027-06-01T12:00:00Z", 20, &us), -1);
    assert_int_equal(parse_naive_time("2027-06-01T", 11, &us), -1);
    assert_int_equal(parse_naive_time("Unknown", 7, &us), -1);
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"250ms", 250000},
                {"30s", 30000000},
                {"15m", 900000000},
                {"1h", INT64_C(3600000000)},
                {"2d", INT64_C(172800000000)},
                {"0s", 0}};
    static const char *const bad[] = {"",     "s",   "1",  "1w",     "-1s",
                                      "1.5h", "1 s", "1S", "36526d", "99999999999999999999s"};
    int64_t us;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(parse_duration(good[i].text, strlen(good[i].text), &us), 0);
        assert_true(us == good[i].us);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(parse_duration(bad[i], strlen(bad[i]), &us), -1);
    }
}

static void utf8_has_one_spelling(void **state)
{
    static const char *const good[] = {"",
                                       "plain",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xe5\x90\x8d\xe5\x89\x8d"};
    static const char *const bad[] = {
        "\x80",         "\xc0\xaf",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xc2",         "\xe0\xa0",         "\xf0\x90\x80",     "a\xff",
        "\xe2\x28\xa1"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(parse_is_utf8(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(parse_is_utf8(bad[i], strlen(bad[i])));
    }
    assert_true(parse_is_utf8("a\0b", 3));
}

static void globs(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"*", "", true},
        {"*", "anything", true},
        {"", "", true},
        {"", "a", false},
        {"gateway:*", "gateway:sdli", true},
        {"gateway:*", "gateway:", true},
        {"gateway:*", "gatewa:", false},
        {"*-large", "gpu-large", true},
        {"*-large", "gpu-larges", false},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "abbbc", true},
        {"a*b*c", "acb", false},
        {"*ab", "aab", true},
        {"a**b", "ab", true},
        {"[a]?", "[a]?", true},
        {"?", "x", false},
        {"a*", "", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (parse_glob(rows[i].pattern, rows[i].text) != rows[i].matches) {
            fail_msg("'%s' against '%s'", rows[i].pattern, rows[i].text);
        }
    }
}

/* Days are counted one by one over four centuries; the calendar must agree at each. */
static void days_and_dates_agree(void **state)
{
    int64_t day = civil_to_days(1899, 12, 31);

    (void)state;
    for (int year = 1900; year < 2301; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int of_month = 1; of_month <= civil_month_length(year, month); of_month++) {
                struct civil_date date = civil_from_days(++day);

                assert_true(civil_to_days(year, month, of_month) == day);
                assert_true(date.year == year && date.month == month && date.day == of_month);
            }
        }
    }
    assert_true(civil_to_days(1970, 1, 1) == 0);
    assert_true(civil_to_days(2000, 3, 1) == 11017);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_only),
        cmocka_unit_test(times_with_offset),
        cmocka_unit_test(times_that_are_none),
        cmocka_unit_test(naive_times),
        cmocka_unit_test(durations),
        cmocka_unit_test(utf8_has_one_spelling),
        cmocka_unit_test(globs),
        cmocka_unit_test(days_and_dates_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
