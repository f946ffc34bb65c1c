/* Which period of a limit a charge counts in, at the edges of days, months and fiscal years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/base/civil.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/core/limit.h"

static struct zone tokyo;
static struct zone berlin;

static int setup(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(zone_load("Asia/Tokyo", &tokyo, &err), 0);
    assert_int_equal(zone_load("Europe/Berlin", &berlin, &err), 0);
    return 0;
}

static struct instant at(const char *text)
{
    struct instant t;

    assert_int_equal(parse_rfc3339(text, strlen(text), &t), 0);
    return t;
}

static int32_t day(int year, int month, int day_of_month)
{
    return (int32_t)civil_to_days(year, month, day_of_month);
}

static void a_period_is_known_by_its_first_day(void **state)
{
    static const struct {
        const char *at;
        int date[3];
        int month[3];
        int fiscal_year[3];
    } rows[] = {
        {"2027-06-30T23:59:59.999999+09:00", {2027, 6, 30}, {2027, 6, 1}, {2027, 4, 1}},
        {"2027-07-01T00:00:00+09:00", {2027, 7, 1}, {2027, 7, 1}, {2027, 4, 1}},
        {"2027-06-30T15:00:00Z", {2027, 7, 1}, {2027, 7, 1}, {2027, 4, 1}},
        {"2027-06-30T14:59:59Z", {2027, 6, 30}, {2027, 6, 1}, {2027, 4, 1}},
        {"2028-02-28T23:59:59+09:00", {2028, 2, 28}, {2028, 2, 1}, {2027, 4, 1}},
        {"2028-02-29T00:00:00+09:00", {2028, 2, 29}, {2028, 2, 1}, {2027, 4, 1}},
        {"2028-02-29T23:59:59+09:00", {2028, 2, 29}, {2028, 2, 1}, {2027, 4, 1}},
        {"2028-03-01T00:00:00+09:00", {2028, 3, 1}, {2028, 3, 1}, {2027, 4, 1}},
        {"2028-03-31T23:59:59.999999+09:00", {2028, 3, 31}, {2028, 3, 1}, {2027, 4, 1}},
        {"2028-04-01T00:00:00+09:00", {2028, 4, 1}, {2028, 4, 1}, {2028, 4, 1}},
        {"1970-01-02T00:00:00+09:00", {1970, 1, 2}, {1970, 1, 1}, {1969, 4, 1}},
    };
    struct calendar calendar = {.zone = &tokyo, .fiscal_month = 4, .fiscal_day = 1};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct instant t = at(rows[i].at);
        const int *dates[] = {rows[i].date, rows[i].month, rows[i].fiscal_year};

        for (int p = LIMIT_DAY; p <= LIMIT_FISCAL_YEAR; p++) {
            assert_int_equal(limit_since_at((enum limit_period)p, &calendar, t),
                             day(dates[p][0], dates[p][1], dates[p][2]));
        }
        assert_int_equal(limit_since_at(LIMIT_TOTAL, &calendar, t), 0);
    }
}

static void a_charge_counts_in_its_rules_month_and_on_the_day_of_its_last_instant(void **state)
{
    struct calendar calendar = {.zone = &tokyo, .fiscal_month = 4, .fiscal_day = 1};
    struct month march = month_make(2028, 3);
    struct instant last = at("2028-04-02T12:00:00+09:00"); /* by rule "submit", say */

    (void)state;
    assert_int_equal(limit_since(LIMIT_DAY, &calendar, march, last), day(2028, 4, 2));
    assert_int_equal(limit_since(LIMIT_MONTH, &calendar, march, last), day(2028, 3, 1));
    assert_int_equal(limit_since(LIMIT_FISCAL_YEAR, &calendar, march, last), day(2027, 4, 1));
    assert_int_equal(limit_since(LIMIT_TOTAL, &calendar, march, last), 0);
}

static void days_of_23_and_25_hours_have_their_own_dates(void **state)
{
    struct calendar calendar = {.zone = &berlin, .fiscal_month = 1, .fiscal_day = 1};

    (void)state;
    assert_int_equal(limit_since_at(LIMIT_DAY, &calendar, at("2027-03-28T00:00:00+01:00")),
                     day(2027, 3, 28));
    assert_int_equal(limit_since_at(LIMIT_DAY, &calendar, at("2027-03-28T23:59:59+02:00")),
                     day(2027, 3, 28));
    assert_int_equal(limit_since_at(LIMIT_DAY, &calendar, at("2027-10-31T23:59:59+01:00")),
                     day(2027, 10, 31));
    assert_int_equal(limit_since_at(LIMIT_FISCAL_YEAR, &calendar, at("2027-01-01T00:00:00+01:00")),
                     day(2027, 1, 1));
}

static void periods_have_their_names_and_edges(void **state)
{
    struct calendar calendar = {.zone = &tokyo, .fiscal_month = 4, .fiscal_day = 1};
    struct instant t = at("2028-02-29T12:00:00+09:00");
    enum limit_period period;

    (void)state;
    for (int p = 0; p < LIMIT_PERIODS; p++) {
        assert_int_equal(limit_period_parse(limit_period_text((enum limit_period)p), &period), 0);
        assert_int_equal(period, p);
    }
    assert_int_equal(limit_period_parse("week", &period), -1);
    assert_int_equal(limit_period_parse("", &period), -1);
    assert_int_equal(limit_period_at(LIMIT_DAY, &calendar, t).to.us,
                     at("2028-03-01T00:00:00+09:00").us);
    assert_int_equal(limit_period_at(LIMIT_MONTH, &calendar, t).from.us,
                     at("2028-02-01T00:00:00+09:00").us);
    assert_int_equal(limit_period_at(LIMIT_FISCAL_YEAR, &calendar, t).from.us,
                     at("2027-04-01T00:00:00+09:00").us);
    assert_false(instant_is_set(limit_period_at(LIMIT_TOTAL, &calendar, t).from));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_period_is_known_by_its_first_day),
        cmocka_unit_test(a_charge_counts_in_its_rules_month_and_on_the_day_of_its_last_instant),
        cmocka_unit_test(days_of_23_and_25_hours_have_their_own_dates),
        cmocka_unit_test(periods_have_their_names_and_edges),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
