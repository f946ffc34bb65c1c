/* Rating by hand-computed amounts; tests/property compares it with an oracle on random cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/core/rate.h"
#include "ledgerd/flow/ratecard_doc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define JUNE "2027-06-01T00:00:00+09:00"

static struct zone tokyo;
static const struct calendar calendar = {.zone = &tokyo, .fiscal_month = 4, .fiscal_day = 1};
static struct usage_arena arena;

static struct instant at(const char *text)
{
    struct instant t = INSTANT_NONE;

    assert_int_equal(parse_rfc3339(text, strlen(text), &t), 0);
    return t;
}

static struct decimal number(const char *text)
{
    struct decimal value;

    assert_int_equal(decimal_parse(text, strlen(text), &value), 0);
    return value;
}

/* Cards from their rules; a rounding may follow the list. */
static void cards_make(struct ratecards *cards, const char *const (*list)[2], size_t count)
{
    char text[2048];
    struct error err;

    cards->count = count;
    cards->cards = calloc(count, sizeof *cards->cards);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "{\"card\":\"c%zu\",\"effective_from\":\"%s\",\"rules\":%s}", i,
                 list[i][0], list[i][1]);
        if (ratecard_doc_parse(text, strlen(text), &cards->cards[i], &err) != 0) {
            fail_msg("%s", err.text);
        }
    }
}

static void record_make(struct usage_record *record, const char *start, const char *end)
{
    usage_clear(record, &arena);
    record->source = "slurm:sdli";
    record->id = "1@2";
    record->klass = "gpu";
    record->qos = "normal";
    record->start = at(start);
    record->end = at(end);
}

static const char *const standard_rules[][2] = {
    {JUNE, "[{\"source\":\"slurm:*\",\"class\":\"gpu\",\"combine\":\"max\",\"require\":[\"gpu\"],"
           "\"per_hour\":{\"gpu\":\"1\",\"cpu\":\"0.0138\"},"
           "\"factors\":{\"qos\":{\"normal\":\"1\",\"urgent\":\"2\"}}},"
           "{\"source\":\"gateway:*\",\"class\":\"*\",\"discount\":\"0.5\","
           "\"per_million\":{\"input_tokens\":\"0.05\",\"output_tokens\":\"0.2\"}}],"
           "\"rounding\":{\"places\":4,\"mode\":\"truncate\"}"},
};

static void rate(const struct usage_record *record, const struct ratecards *cards,
                 enum month_rule rule, struct charge *charge)
{
    struct error err;

    if (rate_record(record, cards, &calendar, rule, charge, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void assert_points(struct points points, const char *text)
{
    char out[POINTS_TEXT_BYTES];

    assert_string_equal(points_format(points, out), text);
}

static void a_job_over_the_months_edge_is_in_each_month_once(void **state)
{
    struct ratecards cards;
    struct charge charge = {0};
    struct usage_record record;
    char month[MONTH_TEXT_BYTES];

    (void)state;
    cards_make(&cards, standard_rules, 1);
    record_make(&record, "2027-06-30T23:00:00+09:00", "2027-07-01T00:30:00.000001+09:00");
    usage_add_meter(&record, "gpu", number("1"));
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "1.500000");
    assert_int_equal(charge.slice_count, 2);
    assert_string_equal(month_format(charge.slices[0].month, month), "2027-06");
    assert_points(charge.slices[0].points, "1.000000");
    assert_true(charge.slices[0].last.us == at("2027-06-30T23:59:59.999999+09:00").us);
    assert_string_equal(month_format(charge.slices[1].month, month), "2027-07");
    assert_points(charge.slices[1].points, "0.500000");
    assert_true(charge.slices[1].last.us == record.end.us - 1);
    for (int rule = MONTH_START; rule <= MONTH_SUBMIT; rule++) {
        rate(&record, &cards, (enum month_rule)rule, &charge);
        assert_int_equal(charge.slice_count, 1);
        assert_string_equal(month_format(charge.slices[0].month, month),
                            rule == MONTH_END ? "2027-07" : "2027-06");
        assert_points(charge.slices[0].points, "1.500000");
    }
    record.submitted = at("2027-05-31T23:59:59+09:00");
    rate(&record, &cards, MONTH_SUBMIT, &charge);
    assert_string_equal(month_format(charge.slices[0].month, month), "2027-05");
    record.end = at("2027-07-01T00:00:00+09:00"); /* the edge itself is not in July */
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_int_equal(charge.slice_count, 1);
    assert_string_equal(month_format(charge.slices[0].month, month), "2027-06");
    charge_release(&charge);
    ratecards_release(&cards);
}

static void slices_add_up_where_each_alone_would_be_rounded(void **state)
{
    struct ratecards cards;
    struct charge charge = {0};
    struct usage_record record;
    int64_t sum = 0;

    (void)state;
    cards_make(&cards, standard_rules, 1);
    record_make(&record, "2027-06-10T00:00:07+09:00", "2028-06-10T00:00:00+09:00");
    usage_add_meter(&record, "gpu", number("0.000037"));
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_int_equal(charge.slice_count, 13);
    for (size_t i = 0; i < charge.slice_count; i++) {
        sum += charge.slices[i].points.micro;
        assert_true(charge.slices[i].points.micro % 100 == 0); /* four places */
    }
    assert_true(sum == charge.points.micro);
    assert_points(charge.points, "0.325000"); /* 0.000037 x (8784 h - 7 s) = 0.32500…, cut */
    charge_release(&charge);
    ratecards_release(&cards);
}

static void suspended_time_is_left_out(void **state)
{
    struct ratecards cards;
    struct charge charge = {0};
    struct usage_record record;

    (void)state;
    cards_make(&cards, standard_rules, 1);
    record_make(&record, "2027-06-30T22:00:00+09:00", "2027-07-01T02:00:00+09:00");
    usage_add_meter(&record, "gpu", number("2"));
    record.has_elapsed = true;
    record.elapsed_seconds = number("7200");
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "4.000000");
    assert_points(charge.slices[0].points, "2.000000"); /* accrues evenly over the interval */
    record.elapsed_seconds = number("0");               /* COMPLETED rows with Elapsed 0 exist */
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "0.000000");
    assert_int_equal(charge.slice_count, 1);
    record.end = record.start; /* all of E is due at once */
    record.elapsed_seconds = number("1800");
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "1.000000");
    assert_true(charge.slices[0].last.us == record.end.us);
    charge_release(&charge);
    ratecards_release(&cards);
}

static void the_larger_of_several_resources_and_the_qos(void **state)
{
    struct ratecards cards;
    struct charge charge = {0};
    struct usage_record record;

    (void)state;
    cards_make(&cards, standard_rules, 1);
    record_make(&record, JUNE, "2027-06-01T01:00:00+09:00");
    usage_add_meter(&record, "gpu", number("1"));
    usage_add_meter(&record, "cpu", number("100"));
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "1.380000");
    record.qos = "urgent";
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "2.760000");
    charge_release(&charge);
    ratecards_release(&cards);
}

static void tokens_are_charged_at_their_discount(void **state)
{
    struct ratecards cards;
    struct charge charge = {0};
    struct usage_record record;

    (void)state;
    cards_make(&cards, standard_rules, 1);
    record_make(&record, "2027-07-01T00:00:00+09:00", "2027-07-01T00:00:00+09:00");
    record.source = "gateway:sdli";
    usage_add_meter(&record, "input_tokens", number("1000000"));
    usage_add_meter(&record, "output_tokens", number("12345"));
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.list_points, "0.052400"); /* 0.052469, cut at four places */
    assert_points(charge.points, "0.026200");
    assert_int_equal(charge.rule, 1);
    assert_int_equal(charge.slice_count, 1);
    charge_release(&charge);
    ratecards_release(&cards);
}

static void a_rate_that_changes_in_mid_job(void **state)
{
    static const char *const rules[][2] = {
        {JUNE, "[{\"source\":\"*\",\"class\":\"*\",\"per_hour\":{\"gpu\":\"1\"},"
               "\"basis\":{\"requested\":\"0.1\",\"min_seconds\":36000}}]"},
        {"2027-06-01T02:00:00+09:00",
         "[{\"source\":\"*\",\"class\":\"*\",\"per_hour\":{\"gpu\":\"0.5\"}}]"},
        {"2027-06-01T03:00:00+09:00",
         "[{\"source\":\"*\",\"class\":\"*\",\"per_hour\":{\"gpu\":\"1\"}}]"},
        {"2027-06-01T04:00:00+09:00",
         "[{\"source\":\"other\",\"class\":\"*\",\"per_hour\":{\"gpu\":\"1\"}}]"},
    };
    struct ratecards cards;
    struct rate_parts parts;
    struct charge charge = {0};
    struct usage_record record;
    struct error err;

    (void)state;
    cards_make(&cards, rules, COUNT(rules));
    record_make(&record, "2027-06-01T01:00:00+09:00", "2027-06-01T04:00:00+09:00");
    record.requested_seconds = number("7200");
    usage_add_meter(&record, "gpu", number("2"));
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "19.400000"); /* 2 + 1 + 2 elapsed, 14 minimum, 0.4 requested */
    assert_int_equal(rate_explain(&record, &cards, &parts, &err), 0);
    assert_points(parts.elapsed, "5.000000");
    assert_points(parts.minimum, "14.000000");
    assert_points(parts.requested, "0.400000");
    assert_points(parts.counts, "0.000000");
    record.state = USAGE_RUNNING; /* only the elapsed part has accrued */
    rate(&record, &cards, MONTH_SPLIT, &charge);
    assert_points(charge.points, "5.000000");
    record.end.us++; /* now the last card has a say */
    assert_int_equal(rate_record(&record, &cards, &calendar, MONTH_SPLIT, &charge, &err), -1);
    assert_string_equal(err.reason, "no_rate");
    charge_release(&charge);
    ratecards_release(&cards);
}

/* What is wrong with the record, in the order of the cases below. */
static void spoil(struct usage_record *record, int which)
{
    switch (which) {
    case 0:
        record->klass = "mystery";
        break;
    case 1:
        record->start = record->end = at("2027-05-31T23:59:59+09:00");
        break;
    case 2:
        record->qos = "";
        break;
    case 3:
        record->meters[1].quantity = DECIMAL_ZERO; /* gpu */
        break;
    case 4:
        record->source = "gateway:x";
        record->meters[0].name = "images";
        break;
    case 5:
        record->meter_count = 1; /* cpu alone */
        break;
    case 6:
        record->end.us = record->start.us - 1;
        break;
    case 7:
        record->end = at("2097-06-01T00:00:00+09:00");
        break;
    default:
        record->meters[1].quantity = number("999999999999");
        record->end = at("2067-06-01T00:00:00+09:00");
        break;
    }
}

static void silence_never_means_free(void **state)
{
    static const char *const reasons[] = {"no_rate",        "no_rate",        "factor_unknown",
                                          "meter_required", "count_unpriced", "meter_required",
                                          "bad_interval",   "bad_interval",   "overflow"};
    struct ratecards cards;
    struct charge charge = {0};
    struct usage_record record;
    struct error err;

    (void)state;
    cards_make(&cards, standard_rules, 1);
    for (size_t i = 0; i < COUNT(reasons); i++) {
        record_make(&record, JUNE, "2027-06-01T01:00:00+09:00");
        usage_add_meter(&record, "cpu", number("1"));
        usage_add_meter(&record, "gpu", number("1"));
        spoil(&record, (int)i);
        err.reason[0] = '\0';
        assert_int_equal(rate_record(&record, &cards, &calendar, MONTH_SPLIT, &charge, &err), -1);
        assert_int_equal(err.code, ERROR_INPUT);
        assert_string_equal(err.reason, reasons[i]);
    }
    charge_release(&charge);
    ratecards_release(&cards);
}

static void gpu_time_is_split_by_physical_time(void **state)
{
    struct usage_record record;
    struct held_slice slices[4];

    (void)state;
    record_make(&record, "2027-06-30T22:00:00+09:00", "2027-07-01T02:00:00+09:00");
    assert_int_equal(rate_held_time(&record, "gpu", &calendar, slices, COUNT(slices)), 0);
    usage_add_meter(&record, "gpu", number("3"));
    assert_int_equal(rate_held_time(&record, "gpu", &calendar, slices, COUNT(slices)), 2);
    assert_true(slices[0].micro_seconds == INT64_C(21600000000));
    assert_true(slices[1].micro_seconds == INT64_C(21600000000));
    record.has_elapsed = true;
    record.elapsed_seconds = number("0.000001");
    assert_int_equal(rate_held_time(&record, "gpu", &calendar, slices, COUNT(slices)), 2);
    assert_true(slices[0].micro_seconds == 1 && slices[1].micro_seconds == 2);
    assert_int_equal(rate_held_time(&record, "gpu", &calendar, slices, 1), -1);
    record.end = record.start;
    record.elapsed_seconds = number("999999999999");
    record.meters[0].quantity = number("999999999999");
    assert_int_equal(rate_held_time(&record, "gpu", &calendar, slices, COUNT(slices)), 1);
    assert_true(slices[0].micro_seconds == (__int128)999999999999 * 999999999999 * 1000000);
}

static void month_rules_are_read_back(void **state)
{
    enum month_rule rule;

    (void)state;
    for (int i = MONTH_SPLIT; i <= MONTH_SUBMIT; i++) {
        const char *text = month_rule_text((enum month_rule)i);
        assert_int_equal(month_rule_parse(text, strlen(text), &rule), 0);
        assert_int_equal(rule, i);
    }
    assert_int_equal(month_rule_parse("Split", 5, &rule), -1);
}

static int load_zone(void **state)
{
    (void)state;
    return zone_load("Asia/Tokyo", &tokyo, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_over_the_months_edge_is_in_each_month_once),
        cmocka_unit_test(slices_add_up_where_each_alone_would_be_rounded),
        cmocka_unit_test(suspended_time_is_left_out),
        cmocka_unit_test(the_larger_of_several_resources_and_the_qos),
        cmocka_unit_test(tokens_are_charged_at_their_discount),
        cmocka_unit_test(a_rate_that_changes_in_mid_job),
        cmocka_unit_test(silence_never_means_free),
        cmocka_unit_test(gpu_time_is_split_by_physical_time),
        cmocka_unit_test(month_rules_are_read_back),
    };

    return cmocka_run_group_tests(tests, load_zone, NULL);
}
