/* Time zones: known offsets, the hours that a clock skips or shows twice, files that are no zones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/base/civil.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/base/zone_rule.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct instant at(const char *text)
{
    struct instant t = INSTANT_NONE;

    assert_int_equal(parse_rfc3339(text, strlen(text), &t), 0);
    return t;
}

static int64_t local(const char *text)
{
    int64_t us = 0;

    assert_int_equal(parse_naive_time(text, strlen(text), &us), 0);
    return us;
}

static void instants_are_shown_on_the_zones_clock(void **state)
{
    static const struct {
        const char *zone, *utc, *shown;
    } rows[] = {
        {"UTC", "2027-06-01T00:00:00Z", "2027-06-01T00:00:00Z"},
        {"Asia/Tokyo", "2027-05-31T15:00:00Z", "2027-06-01T00:00:00+09:00"},
        {"Asia/Tokyo", "2027-05-31T15:00:00.5Z", "2027-06-01T00:00:00.500+09:00"},
        {"Asia/Tokyo", "2027-05-31T15:00:00.000001Z", "2027-06-01T00:00:00.000001+09:00"},
        {"Asia/Tokyo", "2150-05-31T15:00:00Z", "2150-06-01T00:00:00+09:00"},
        {"Europe/Berlin", "2025-03-30T00:59:59Z", "2025-03-30T01:59:59+01:00"},
        {"Europe/Berlin", "2025-03-30T01:00:00Z", "2025-03-30T03:00:00+02:00"},
        {"Europe/Berlin", "2025-10-26T00:59:59Z", "2025-10-26T02:59:59+02:00"},
        {"Europe/Berlin", "2025-10-26T01:00:00Z", "2025-10-26T02:00:00+01:00"},
        {"America/New_York", "2025-07-01T00:00:00Z", "2025-06-30T20:00:00-04:00"},
        {"America/St_Johns", "2025-01-01T00:00:00Z", "2024-12-31T20:30:00-03:30"},
        {"Asia/Kathmandu", "2025-01-01T00:00:00Z", "2025-01-01T05:45:00+05:45"},
        {"Australia/Lord_Howe", "2025-01-01T00:00:00Z", "2025-01-01T11:00:00+11:00"},
        {"Australia/Lord_Howe", "2025-07-01T00:00:00Z", "2025-07-01T10:30:00+10:30"},
        {"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T23:59:59-10:00"},
        {"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00+14:00"},
        {"Africa/Monrovia", "1971-01-01T00:00:00Z", "1970-12-31T23:16:00-00:44"},
    };
    struct zone zone;
    char text[INSTANT_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(zone_load(rows[i].zone, &zone, NULL), 0);
        assert_string_equal(zone_format(&zone, at(rows[i].utc), text), rows[i].shown);
        assert_true(at(text).us == at(rows[i].utc).us);
    }
}

static void wall_times_that_are_skipped_or_repeat(void **state)
{
    static const struct {
        const char *zone, *wall, *utc;
    } rows[] = {
        {"Asia/Tokyo", "2027-06-01T00:00:00", "2027-05-31T15:00:00Z"},
        {"Europe/Berlin", "2025-03-30T01:59:59.999999", "2025-03-30T00:59:59.999999Z"},
        {"Europe/Berlin", "2025-03-30T02:00:00", "2025-03-30T01:00:00Z"},
        {"Europe/Berlin", "2025-03-30T02:30:00", "2025-03-30T01:00:00Z"},
        {"Europe/Berlin", "2025-03-30T03:00:00", "2025-03-30T01:00:00Z"},
        {"Europe/Berlin", "2025-10-26T02:30:00", "2025-10-26T00:30:00Z"},
        {"Europe/Berlin", "2025-10-26T03:00:00", "2025-10-26T02:00:00Z"},
        {"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T10:00:00Z"},
        {"America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T03:00:00Z"},
        {"UTC", "2027-06-01T00:00:00", "2027-06-01T00:00:00Z"},
    };
    struct zone zone;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct instant t;

        assert_int_equal(zone_load(rows[i].zone, &zone, NULL), 0);
        t = zone_from_local(&zone, local(rows[i].wall));
        if (t.us != at(rows[i].utc).us) {
            fail_msg("%s in %s", rows[i].wall, rows[i].zone);
        }
    }
}

/* From instant to wall clock and back is the same instant, or the earlier one of a repeated hour.
 */
static void there_and_back(void **state)
{
    static const char *const names[] = {"Asia/Tokyo",       "Europe/Berlin",    "Europe/Dublin",
                                        "America/New_York", "America/Santiago", "Africa/Casablanca",
                                        "Pacific/Apia",     "Asia/Tehran",      "America/Havana"};
    struct zone zone;

    (void)state;
    random_seed(2);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(zone_load(names[i], &zone, NULL), 0);
        for (int round = 0; round < 20000; round++) {
            int64_t seconds = (int64_t)(random_bits() % 7200000000U); /* to the year 2198 */
            struct instant t = instant_from_seconds(seconds), back;
            int64_t shown = t.us + zone_offset_at(&zone, t) * INSTANT_SECOND_US;

            back = zone_from_local(&zone, shown);
            assert_true(back.us <= t.us);
            assert_true(back.us + zone_offset_at(&zone, back) * INSTANT_SECOND_US == shown);
            assert_true(t.us - back.us < 30 * INT64_C(3600000000));
        }
    }
}

static void rules_go_on_for_ever(void **state)
{
    static const struct {
        const char *rule;
        int year;
        const char *begins, *ends;
    } rows[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", 2100, "2100-03-28T01:00:00Z", "2100-10-31T01:00:00Z"},
        {"EST5EDT,M3.2.0,M11.1.0", 2026, "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"},
        {"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", 2025, "2025-03-30T01:00:00Z", "2025-10-26T01:00:00Z"},
        {"AAA-1BBB,J60,300", 2024, "2024-03-01T01:00:00Z", "2024-10-27T00:00:00Z"},
        {"AAA-1BBB-3,J59/0,0/24:00:30", 2024, "2024-02-27T23:00:00Z", "2024-01-01T21:00:30Z"},
        {"IST-2IDT,M3.4.4/26,M10.5.0", 2025, "2025-03-28T00:00:00Z", "2025-10-25T23:00:00Z"},
    };
    struct zone_rule rule;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(zone_rule_parse(rows[i].rule, strlen(rows[i].rule), &rule), 0);
        assert_true(zone_rule_summer_begins(&rule, rows[i].year) * INSTANT_SECOND_US ==
                    at(rows[i].begins).us);
        assert_true(zone_rule_summer_ends(&rule, rows[i].year) * INSTANT_SECOND_US ==
                    at(rows[i].ends).us);
    }
    assert_int_equal(zone_rule_parse("JST-9", 5, &rule), 0);
    assert_false(rule.has_summer);
    assert_int_equal(rule.standard_offset_seconds, 9 * 3600);
}

static void rules_that_are_none(void **state)
{
    static const char *const bad[] = {"",
                                      "9",
                                      "JST",
                                      "J-9",
                                      "<+9-9",
                                      "CET-1CEST",
                                      "CET-1CEST,",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-1CEST,M3.6.0,M10.5.0",
                                      "CET-1CEST,M3.5.7,M10.5.0",
                                      "CET-1CEST,J0,J366",
                                      "CET-1CEST,366,1",
                                      "CET-168CEST,M3.5.0,M10.5.0",
                                      "CET-1CEST,M3.5.0,M10.5.0/3x"};
    struct zone_rule rule;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (zone_rule_parse(bad[i], strlen(bad[i]), &rule) != -1) {
            fail_msg("taken for a rule: %s", bad[i]);
        }
    }
}

static void names_do_not_lead_out_of_the_folder(void **state)
{
    static const char *const bad[] = {"",
                                      "/etc/passwd",
                                      "../../etc/passwd",
                                      "Asia/../Asia/Tokyo",
                                      "Asia/Tokyo/",
                                      "Asia//Tokyo",
                                      "Nowhere/Land",
                                      "Asia",
                                      "Asia/T\xc3\xb6kyo",
                                      "zone.tab",
                                      "Asia/TokyoTokyoTokyoTokyoTokyoTokyoTokyoTokyoTokyoTokyoTok"};
    struct zone zone;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(zone_load(bad[i], &zone, &err), -1);
        assert_int_equal(err.code, ERROR_INPUT);
    }
}

static void damaged_files_are_refused_or_harmless(void **state)
{
    unsigned char bytes[8192], damaged[8192];
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    struct zone zone;
    size_t length;

    (void)state;
    assert_non_null(file);
    length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_int_equal(zone_parse("Europe/Berlin", bytes, length, &zone, NULL), 0);
    for (size_t cut = 0; cut + 1 < length; cut++) {
        memcpy(damaged, bytes, cut);
        assert_int_equal(zone_parse("cut", damaged, cut, &zone, NULL), -1);
    }
    random_seed(3);
    for (int round = 0; round < 20000; round++) {
        memcpy(damaged, bytes, length);
        for (int i = 0; i < 3; i++) {
            damaged[random_bits() % length] = (unsigned char)random_bits();
        }
        if (zone_parse("damaged", damaged, length, &zone, NULL) == 0) {
            assert_true(zone.count <= ZONE_TRANSITIONS_MAX);
            for (size_t i = 1; i < zone.count; i++) {
                assert_true(zone.transitions[i - 1].at_seconds < zone.transitions[i].at_seconds);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_shown_on_the_zones_clock),
        cmocka_unit_test(wall_times_that_are_skipped_or_repeat),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(rules_go_on_for_ever),
        cmocka_unit_test(rules_that_are_none),
        cmocka_unit_test(names_do_not_lead_out_of_the_folder),
        cmocka_unit_test(damaged_files_are_refused_or_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
