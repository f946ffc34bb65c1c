/* Usage records: cleaning names, sorted lists, and content that is equal only if the record is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/core/usage.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct usage_arena arena;

static struct decimal number(const char *text)
{
    struct decimal value;

    assert_int_equal(decimal_parse(text, strlen(text), &value), 0);
    return value;
}

static void names_are_cleaned(void **state)
{
    static const struct {
        const char *bytes;
        size_t limit;
        const char *kept;
    } rows[] = {
        {"plain", 100, "plain"},
        {"", 100, ""},
        {"a\nb\x7f", 100,
         "a\xef\xbf\xbd"
         "b\xef\xbf\xbd"},
        {"caf\xe9 x", 100, "caf\xef\xbf\xbd x"},
        {"\xe5\x90\x8d\xe5\x89\x8d", 100, "\xe5\x90\x8d\xe5\x89\x8d"},
        {"\xe5\x90\x8d\xe5\x89\x8d", 5, "\xe5\x90\x8d"},
        {"\xe5\x90\x8d", 2, ""},
        {"\xc2\x9b[31m", 100, "\xef\xbf\xbd\xef\xbf\xbd[31m"}, /* CSI, a terminal's escape */
        {"abcdef", 3, "abc"},
        {"ab\xff", 4, "ab"},
    };
    struct usage_record record;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        usage_clear(&record, &arena);
        assert_string_equal(usage_keep(&arena, rows[i].bytes, strlen(rows[i].bytes), rows[i].limit),
                            rows[i].kept);
    }
    assert_true(usage_is_clean("gateway:sdli", 12, 64));
    assert_true(usage_is_clean("\xe5\x90\x8d", 3, 3));
    assert_false(usage_is_clean("\xe5\x90\x8d", 3, 2));
    assert_false(usage_is_clean("a\nb", 3, 64));
    assert_false(usage_is_clean("a\0b", 3, 64));
    assert_false(usage_is_clean("\xff", 1, 64));
    assert_false(usage_is_clean("\xc2\x85", 2, 64));
}

static void a_full_arena_gives_empty_strings(void **state)
{
    static char flood[USAGE_ATTRIBUTE_BYTES];
    struct usage_record record;

    (void)state;
    memset(flood, 'x', sizeof flood);
    usage_clear(&record, &arena);
    for (int i = 0; i < 40; i++) {
        const char *kept = usage_keep(&arena, flood, sizeof flood, sizeof flood);
        assert_true(strlen(kept) <= sizeof flood);
        assert_true(arena.used <= sizeof arena.bytes);
    }
    assert_string_equal(usage_keep(&arena, "x", 1, 10), "");
    for (size_t left = 0; left < 6; left++) {
        arena.used = sizeof arena.bytes - left;
        assert_true(strlen(usage_keep(&arena, "abcdef", 6, 6)) == (left > 0 ? left - 1 : 0));
    }
}

static void lists_are_sorted_and_without_doubles(void **state)
{
    static const char *const names[] = {"gpu", "cpu", "node", "mem_gib", "a", "z"};
    struct usage_record record;
    char many[USAGE_METERS_MAX + 1][8];

    (void)state;
    usage_clear(&record, &arena);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(usage_add_meter(&record, names[i], number("1")), 0);
        assert_int_equal(usage_add_meter(&record, names[i], number("2")), -1);
        assert_int_equal(usage_add_attribute(&record, names[i], names[i]), 0);
        assert_int_equal(usage_add_attribute(&record, names[i], ""), -1);
    }
    for (size_t i = 1; i < record.meter_count; i++) {
        assert_true(strcmp(record.meters[i - 1].name, record.meters[i].name) < 0);
        assert_true(strcmp(record.attributes[i - 1].name, record.attributes[i].name) < 0);
    }
    assert_string_equal(usage_attribute(&record, "node"), "node");
    assert_null(usage_attribute(&record, "nod"));
    assert_true(decimal_equal(*usage_meter(&record, "z"), number("1")));
    assert_null(usage_meter(&record, "gpus"));
    usage_clear(&record, &arena);
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i][0] = (char)('A' + i / 26);
        many[i][1] = (char)('A' + i % 26);
        many[i][2] = '\0';
        assert_int_equal(usage_add_meter(&record, many[i], number("0")),
                         i < USAGE_METERS_MAX ? 0 : -1);
        assert_int_equal(usage_add_attribute(&record, many[i], ""),
                         i < USAGE_ATTRIBUTES_MAX ? 0 : -1);
    }
}

static void fill(struct usage_record *record)
{
    usage_clear(record, &arena);
    record->source = "slurm:sdli";
    record->id = "4711@1780000000";
    record->project = "hp270001";
    record->user = "u00042";
    record->klass = "gpu";
    record->start = instant_from_seconds(1811775600);
    record->end = instant_from_seconds(1811775700);
    record->outcome = "completed";
    record->qos = "normal";
    record->hold = "h_1";
    usage_add_meter(record, "gpu", number("4"));
    usage_add_meter(record, "cpu", number("72"));
    usage_add_attribute(record, "partition", "gpu");
    usage_add_attribute(record, "name", "");
}

/* Each change of a field that belongs to the content, and only that. */
static bool change(struct usage_record *record, int which)
{
    switch (which) {
    case 0:
        record->project = "hp27000";
        record->user = "1u00042";
        return true;
    case 1:
        record->user = "";
        return true;
    case 2:
        record->klass = "cpu";
        return true;
    case 3:
        record->start.us++;
        return true;
    case 4:
        record->end.us--;
        return true;
    case 5:
        record->state = USAGE_RUNNING;
        return true;
    case 6:
        record->outcome = "failed";
        return true;
    case 7:
        record->has_elapsed = true;
        return true;
    case 8:
        record->requested_seconds = number("0.1");
        return true;
    case 9:
        record->submitted = instant_from_seconds(0);
        return true;
    case 10:
        record->qos = "";
        return true;
    case 11:
        record->basis = USAGE_PARTIAL;
        return true;
    case 12:
        record->meters[0].quantity = number("72.000000001");
        return true;
    case 13:
        record->meters[0].name = "cpus";
        return true;
    case 14:
        return usage_add_meter(record, "node", number("0")) == 0;
    case 15:
        record->meter_count--;
        return true;
    case 16:
        return usage_add_attribute(record, "zone", "") == 0;
    case 17:
        record->attributes[0].value = "x";
        return true;
    case 18: /* a name's end moved into the value */
        record->attributes[1].name = "partitio";
        record->attributes[1].value = "ngpu";
        return true;
    default:
        return false;
    }
}

static void content_differs_where_records_do(void **state)
{
    static char contents[32][4096];
    size_t lengths[32], count = 0;
    struct usage_record record;

    (void)state;
    fill(&record);
    lengths[count] = usage_content(&record, contents[count]);
    count++;
    for (;; count++) {
        fill(&record);
        if (!change(&record, (int)count - 1)) {
            break;
        }
        lengths[count] = usage_content(&record, contents[count]);
    }
    assert_int_equal(count, 20);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (lengths[i] == lengths[j] && memcmp(contents[i], contents[j], lengths[i]) == 0) {
                fail_msg("changes %zu and %zu have the same content", i, j);
            }
        }
    }
}

static void content_ignores_identity_hold_and_seen(void **state)
{
    static char first[4096], second[4096];
    struct usage_record record;
    size_t length;

    (void)state;
    fill(&record);
    length = usage_content(&record, first);
    record.source = "slurm:other";
    record.id = "1";
    record.hold = "";
    record.seen = instant_from_seconds(5);
    record.elapsed_seconds = number("7"); /* not given: no part of it */
    assert_int_equal(usage_content(&record, second), length);
    assert_memory_equal(first, second, length);
}

/* Kept hashes depend on these bytes: they must never change under the same version. */
static void content_is_laid_out_as_ever(void **state)
{
    static const unsigned char wanted[] = {
        1, 1, 0, 0, 0, 'p', 0, 0,    0,   0, 0, 0, 0, 0,       /* version, project, user, class */
        1, 0, 0, 0, 0, 0,   0, 0,    2,   1, 0, 0, 0, 0, 0, 0, /* start, end */
        1, 0,                                                  /* final, reported */
        0, 0, 0, 0, 0,                                         /* outcome, no elapsed */
        0, 0, 0, 0, 0, 0,   0, 0,    0,   0, 0, 0, 0, 0, 0, 0, 0, /* elapsed */
        1, 5, 0, 0, 0, 0,   0, 0,    0,   0, 0, 0, 0, 0, 0, 0, 0, /* requested 0.5 */
        0, 0, 0, 0, 0, 0,   0, 0x80, 0,   0, 0, 0,                /* submitted, qos */
        1, 0, 0, 0, 1, 0,   0, 0,    'g', 0, 4, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0,   0, 0,    0,   0, 0, 0, 0,
    };
    static char out[USAGE_CONTENT_BYTES];
    struct usage_record record;

    (void)state;
    usage_clear(&record, &arena);
    record.project = "p";
    record.start.us = 1;
    record.end.us = 258;
    record.requested_seconds = number("0.5");
    usage_add_meter(&record, "g", number("4"));
    assert_int_equal(usage_content(&record, out), sizeof wanted);
    assert_memory_equal(out, wanted, sizeof wanted);
}

static void the_largest_content_fits(void **state)
{
    static char out[USAGE_CONTENT_BYTES], flood[2 * USAGE_ATTRIBUTE_BYTES];
    struct usage_record record;

    (void)state;
    memset(flood, 'x', sizeof flood - 1);
    usage_clear(&record, &arena);
    record.project = record.user = record.klass = record.qos = record.outcome = flood;
    record.meter_count = USAGE_METERS_MAX;
    record.attribute_count = USAGE_ATTRIBUTES_MAX;
    for (size_t i = 0; i < USAGE_METERS_MAX; i++) {
        record.meters[i] = (struct usage_meter){flood, number("999999999999.999999999")};
    }
    for (size_t i = 0; i < USAGE_ATTRIBUTES_MAX; i++) {
        record.attributes[i] = (struct usage_attribute){flood, flood};
    }
    assert_true(usage_content(&record, out) <= sizeof out);
}

static void records_without_identity_or_interval_are_refused(void **state)
{
    struct usage_record record;
    struct error err;

    (void)state;
    fill(&record);
    assert_int_equal(usage_validate(&record, &err), 0);
    record.id = "";
    assert_int_equal(usage_validate(&record, &err), -1);
    assert_string_equal(err.reason, "no_identity");
    fill(&record);
    record.source = "";
    assert_int_equal(usage_validate(&record, &err), -1);
    assert_string_equal(err.reason, "no_identity");
    for (int i = 0; i < 4; i++) {
        fill(&record);
        switch (i) {
        case 0:
            record.end.us = record.start.us - 1;
            break;
        case 1:
            record.end = INSTANT_NONE;
            break;
        case 2:
            record.end.us = INSTANT_LIMIT_US;
            break;
        default:
            record.submitted.us = -1;
            break;
        }
        assert_int_equal(usage_validate(&record, &err), -1);
        assert_string_equal(err.reason, "bad_interval");
    }
}

static void words_are_read_back(void **state)
{
    enum usage_state usage_state;
    enum usage_basis basis;

    (void)state;
    for (int i = USAGE_RUNNING; i <= USAGE_FINAL; i++) {
        const char *text = usage_state_text((enum usage_state)i);
        assert_int_equal(usage_state_parse(text, strlen(text), &usage_state), 0);
        assert_int_equal(usage_state, i);
    }
    for (int i = USAGE_REPORTED; i <= USAGE_ESTIMATED; i++) {
        const char *text = usage_basis_text((enum usage_basis)i);
        assert_int_equal(usage_basis_parse(text, strlen(text), &basis), 0);
        assert_int_equal(basis, i);
    }
    assert_int_equal(usage_state_parse("FINAL", 5, &usage_state), -1);
    assert_int_equal(usage_basis_parse("report", 6, &basis), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_cleaned),
        cmocka_unit_test(a_full_arena_gives_empty_strings),
        cmocka_unit_test(lists_are_sorted_and_without_doubles),
        cmocka_unit_test(content_differs_where_records_do),
        cmocka_unit_test(content_ignores_identity_hold_and_seen),
        cmocka_unit_test(content_is_laid_out_as_ever),
        cmocka_unit_test(the_largest_content_fits),
        cmocka_unit_test(records_without_identity_or_interval_are_refused),
        cmocka_unit_test(words_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
