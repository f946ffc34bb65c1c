/* Days, months and fiscal years of the site's zone: no instant is in two of them or in none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/core/calendar.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct instant at(const char *text)
{
    struct instant t = INSTANT_NONE;

    assert_int_equal(parse_rfc3339(text, strlen(text), &t), 0);
    return t;
}

static void months_begin_at_the_sites_midnight(void **state)
{
    static const struct {
        const char *t, *month;
        int fiscal_year;
    } rows[] = {
        {"2027-05-31T23:59:59.999999+09:00", "2027-05", 2027},
        {"2027-06-01T00:00:00+09:00", "2027-06", 2027},
        {"2027-05-31T15:00:00Z", "2027-06", 2027}, /* nine hours late in UTC's eyes */
        {"2028-03-31T23:59:59+09:00", "2028-03", 2027},
        {"2028-04-01T00:00:00+09:00", "2028-04", 2028},
        {"2028-02-29T12:00:00+09:00", "2028-02", 2027},
        {"2027-12-31T23:59:59+09:00", "2027-12", 2027},
        {"2028-01-01T00:00:00+09:00", "2028-01", 2027},
    };
    struct zone tokyo;
    struct calendar calendar = {.zone = &tokyo, .fiscal_month = 4, .fiscal_day = 1};
    char text[MONTH_TEXT_BYTES];

    (void)state;
    assert_int_equal(zone_load("Asia/Tokyo", &tokyo, NULL), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct month month = calendar_month_of(&calendar, at(rows[i].t));

        assert_string_equal(month_format(month, text), rows[i].month);
        assert_int_equal(calendar_fiscal_year_of(&calendar, at(rows[i].t)), rows[i].fiscal_year);
        assert_int_equal(calendar_fiscal_year_of_month(&calendar, month), rows[i].fiscal_year);
    }
    assert_true(calendar_fiscal_year(&calendar, 2027).from.us ==
                at("2027-04-01T00:00:00+09:00").us);
    assert_true(calendar_fiscal_year(&calendar, 2027).to.us == at("2028-04-01T00:00:00+09:00").us);
    assert_string_equal(month_format(calendar_fiscal_year_first_month(&calendar, 2027), text),
                        "2027-04");
}

/* Zones whose clocks jump at midnight or on the first of a month are among them; St John's went
 * back over the midnight of 1 November 2009. */
static const char *const hard_zones[] = {
    "UTC",
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Beirut",
    "America/Asuncion",
    "Africa/Cairo",
    "Asia/Tehran",
    "Atlantic/Azores",
    "America/Scoresbysund",
};

static void assert_holds(struct period period, struct instant t)
{
    assert_true(period.from.us <= t.us && t.us < period.to.us);
}

static void every_instant_is_in_its_own_month_and_day(void **state)
{
    struct zone zone;
    struct calendar calendar = {.zone = &zone, .fiscal_month = 4, .fiscal_day = 1};

    (void)state;
    random_seed(7);
    for (size_t i = 0; i < COUNT(hard_zones); i++) {
        assert_int_equal(zone_load(hard_zones[i], &zone, NULL), 0);
        for (int round = 0; round < 20000; round++) {
            struct instant t = instant_from_seconds((int64_t)(random_bits() % UINT32_MAX));
            struct month month;

            if (round % 2 == 0) { /* around a jump of the clock */
                size_t jump = zone.count > 0 ? random_bits() % zone.count : 0;
                int64_t seconds = zone.count > 0 ? zone.transitions[jump].at_seconds : 0;
                t.us = (seconds + random_below(14400) - 7200) * INSTANT_SECOND_US;
                t.us = t.us < 0 ? 0 : t.us;
            }
            month = calendar_month_of(&calendar, t);
            assert_holds(calendar_month(&calendar, month), t);
            assert_holds(calendar_day_of(&calendar, t), t);
            assert_holds(calendar_fiscal_year(&calendar, calendar_fiscal_year_of(&calendar, t)), t);
        }
    }
}

static void months_follow_one_another_without_gap(void **state)
{
    struct zone zone;
    struct calendar calendar = {.zone = &zone, .fiscal_month = 4, .fiscal_day = 1};

    (void)state;
    for (size_t i = 0; i < COUNT(hard_zones); i++) {
        assert_int_equal(zone_load(hard_zones[i], &zone, NULL), 0);
        for (int number = month_make(1970, 2).number; number < month_make(2100, 1).number;
             number++) {
            struct period month = calendar_month(&calendar, (struct month){number});

            assert_true(month.from.us < month.to.us);
            assert_true(month.to.us ==
                        calendar_month(&calendar, (struct month){number + 1}).from.us);
            assert_int_equal(calendar_month_of(&calendar, month.from).number, number);
        }
    }
}

static void a_day_is_as_long_as_the_zone_says(void **state)
{
    static const struct {
        const char *t;
        int hours;
    } rows[] = {{"2025-03-30T12:00:00+02:00", 23},
                {"2025-10-26T12:00:00+01:00", 25},
                {"2025-10-27T12:00:00+01:00", 24}};
    struct zone berlin;
    struct calendar calendar = {.zone = &berlin, .fiscal_month = 1, .fiscal_day = 1};

    (void)state;
    assert_int_equal(zone_load("Europe/Berlin", &berlin, NULL), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct period day = calendar_day_of(&calendar, at(rows[i].t));
        assert_true(day.to.us - day.from.us == rows[i].hours * INT64_C(3600000000));
    }
}

static void months_as_text(void **state)
{
    static const char *const bad[] = {"",           "2027-13", "2027-00", "2027-6",
                                      "2027-06-01", "1969-12", "9999-01", "2027/06",
                                      "-027-06",    "20270-6", "2027-0x"};
    struct month month = {77};
    char text[MONTH_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(month_parse(bad[i], strlen(bad[i]), &month), -1);
    }
    assert_int_equal(month.number, 77);
    assert_int_equal(month_parse("2027-06", 7, &month), 0);
    assert_int_equal(month.number, month_make(2027, 6).number);
    assert_string_equal(month_format(month, text), "2027-06");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(months_begin_at_the_sites_midnight),
        cmocka_unit_test(every_instant_is_in_its_own_month_and_day),
        cmocka_unit_test(months_follow_one_another_without_gap),
        cmocka_unit_test(a_day_is_as_long_as_the_zone_says),
        cmocka_unit_test(months_as_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
