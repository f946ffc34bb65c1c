/* Sums: by key in tallies, of meters by month, and records written back as documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "importers/importer.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/meter_use.h"
#include "ledgerd/flow/record_json.h"
#include "ledgerd/flow/tally.h"

static void sums_are_kept_by_key(void **state)
{
    struct tally tally = {0};

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < 100000; i++) {
            struct tally_row *row = tally_row(&tally, (uint64_t)(i % 1000),
                                              (uint64_t)(i % 7) << 32);

            assert_non_null(row);
            row->sums[0] += i;
            row->sums[1]--;
        }
        assert_int_equal(tally.count, 7000);
        for (size_t i = 0; i < tally.count; i++) {
            __int128 expected = 0;

            for (uint64_t n = 0; n < 100000; n++) {
                if (n % 1000 == tally.rows[i].a && n % 7 == tally.rows[i].b >> 32) {
                    expected += n;
                    n += 6999;
                }
            }
            assert_true(tally.rows[i].sums[0] == expected);
        }
        tally_clear(&tally);
    }
    tally_release(&tally);
}

/* --- meters --------------------------------------------------------------------------------------
 */

struct used {
    struct strbuf text;
};

static int note_use(void *context, const struct meter_use *use)
{
    struct used *used = context;
    char month[MONTH_TEXT_BYTES];
    char amount[METER_USE_TEXT_BYTES];

    strbuf_printf(&used->text, "%s %s %s %s; ", month_format(use->month, month),
                  use->is_held ? "held" : "counted", use->meter,
                  meter_use_format(use->amount, use->is_held, amount));
    return 0;
}

static struct instant at(const char *text)
{
    struct instant t;

    assert_int_equal(parse_rfc3339(text, strlen(text), &t), 0);
    return t;
}

static void add_meter(struct usage_record *record, const char *name, const char *quantity)
{
    struct decimal value;

    assert_int_equal(decimal_parse(quantity, strlen(quantity), &value), 0);
    assert_int_equal(usage_add_meter(record, name, value), 0);
}

static struct usage_arena arena;
static struct zone zone;

static struct usage_record make_record(const char *start, const char *end)
{
    struct usage_record record;

    usage_clear(&record, &arena);
    record.source = "slurm:t";
    record.id = "1@1";
    record.start = at(start);
    record.end = at(end);
    return record;
}

static void assert_used(const struct usage_record *record, const char *expected)
{
    struct ratecard_price licence = {.meter = (char *)"licence"};
    struct ratecard_rule rule = {.per_hour_count = 1, .per_hour = &licence};
    struct calendar calendar = {.zone = &zone, .fiscal_month = 4, .fiscal_day = 1};
    struct used used = {STRBUF_INIT};

    assert_int_equal(meter_use_each(record, &rule, &calendar, note_use, &used), 0);
    assert_string_equal(used.text.data, expected);
    strbuf_release(&used.text);
}

static void meters_are_held_or_counted_in_their_months(void **state)
{
    struct usage_record record = make_record("2027-06-30T14:59:00Z", "2027-06-30T15:01:30Z");

    (void)state;
    add_meter(&record, "gpu", "2");
    add_meter(&record, "licence", "0.5");
    add_meter(&record, "output_tokens", "7");
    add_meter(&record, "node", "0");
    assert_used(&record, "2027-06 held gpu 120.000000; 2027-07 held gpu 180.000000; "
                         "2027-06 held licence 30.000000; 2027-07 held licence 45.000000; "
                         "2027-07 counted output_tokens 7.000000000; ");
}

static void suspended_time_does_not_count_and_months_add_up(void **state)
{
    struct usage_record record = make_record("2027-06-01T00:00:00Z", "2027-06-01T00:00:10Z");

    (void)state;
    add_meter(&record, "gpu", "1");
    record.has_elapsed = true;
    assert_int_equal(decimal_from_u64(3, &record.elapsed_seconds), 0);
    assert_used(&record, "2027-06 held gpu 3.000000; ");
    record = make_record("2027-06-30T14:59:59Z", "2027-06-30T15:00:02Z");
    add_meter(&record, "gpu", "1");
    record.has_elapsed = true;
    assert_int_equal(decimal_from_u64(1, &record.elapsed_seconds), 0);
    assert_used(&record, "2027-06 held gpu 0.333333; 2027-07 held gpu 0.666667; ");
}

static void counts_without_an_interval_belong_to_its_month(void **state)
{
    struct usage_record record = make_record("2027-06-30T15:00:00Z", "2027-06-30T15:00:00Z");

    (void)state;
    add_meter(&record, "input_tokens", "123456789012.000000001");
    assert_used(&record, "2027-07 counted input_tokens 123456789012.000000001; ");
}

static void amounts_are_written_exactly(void **state)
{
    static const struct {
        __int128 amount;
        bool is_held;
        const char *text;
    } cases[] = {
        {0, true, "0.000000"},
        {1, true, "0.000001"},
        {-1, true, "-0.000001"},
        {1, false, "0.000000001"},
        {-1234567890, false, "-1.234567890"},
        {(__int128)INT64_MAX * 1000000, true, "9223372036854775807.000000"},
    };
    char text[METER_USE_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(meter_use_format(cases[i].amount, cases[i].is_held, text),
                            cases[i].text);
    }
}

/* --- documents
 * ------------------------------------------------------------------------------------ */

/* What is written can be read: the importer of format ledger makes the same record of it. */
static void a_record_written_is_the_record_read(void **state)
{
    struct usage_record record = make_record("2027-06-30T14:59:00.5Z", "2027-06-30T15:01:30Z");
    struct import_options options = {.format = IMPORT_LEDGER, .source = "", .zone = &zone};
    static char before[USAGE_CONTENT_BYTES], after[USAGE_CONTENT_BYTES];
    struct strbuf text = STRBUF_INIT;
    struct import_item item;
    struct importer *importer;
    struct input *input;
    struct error err = {0};
    size_t length;

    (void)state;
    record.project = "p\"1";
    record.user = "\xe5\xb1\xb1";
    record.klass = "gpu";
    record.state = USAGE_FINAL;
    record.outcome = "completed";
    record.qos = "urgent";
    record.hold = "k1";
    record.submitted = at("2027-06-30T00:00:00Z");
    record.seen = at("2027-07-01T00:00:00Z");
    record.has_elapsed = true;
    record.elapsed_seconds = (struct decimal){15, 1};
    add_meter(&record, "gpu", "0.25");
    assert_int_equal(usage_add_attribute(&record, "job name", "a\\b \"c\""), 0);
    record_json_write(&record, &zone, &text);
    input = input_from_memory(text.data, text.length);
    importer = importer_open(input, &options, &err);
    assert_non_null(importer);
    assert_int_equal(importer_next(importer, &item, &err), 1);
    if (item.kind != IMPORT_RECORD) {
        fail_msg("%s: %s", item.reason, item.detail);
    }
    length = usage_content(&record, before);
    assert_string_equal(item.record->hold, "k1");
    assert_int_equal(item.record->seen.us, record.seen.us);
    assert_int_equal(usage_content(item.record, after), length);
    assert_memory_equal(after, before, length);
    importer_close(importer);
    input_close(input);
    strbuf_release(&text);
}

static int load_zone(void **state)
{
    struct error err;

    (void)state;
    return zone_load("Asia/Tokyo", &zone, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_kept_by_key),
        cmocka_unit_test(meters_are_held_or_counted_in_their_months),
        cmocka_unit_test(suspended_time_does_not_count_and_months_add_up),
        cmocka_unit_test(counts_without_an_interval_belong_to_its_month),
        cmocka_unit_test(amounts_are_written_exactly),
        cmocka_unit_test(a_record_written_is_the_record_read),
    };

    return cmocka_run_group_tests_name("tally", tests, load_zone, NULL);
}
