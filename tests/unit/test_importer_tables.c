/* What comes out of each input of tests/data, real and nasty.
 *
 * The tables (expected.json in tests/data/nasty, counts.json in tests/data) were written from what
 * the sources mean, not from what the importers answer; their form is described in
 * tests/data/README.md. Every file of a table is read from end to end, and each item compared with
 * what must come out. All differences are printed before the test fails, so that one run shows them
 * all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <cmocka.h>

#include "importers/importer.h"
#include "ledgerd/base/zone.h"

static const char data_folder[] = "tests/data";

/* One case being read. */
struct trial {
    const struct zone *zone;
    const char *file;
    size_t item; /* from 1 */
    int failures;
};

static const char *text_of(json_t *object, const char *name, const char *otherwise)
{
    json_t *value = json_object_get(object, name);

    return json_is_string(value) ? json_string_value(value) : otherwise;
}

static void differ(struct trial *trial, const char *what, const char *wanted, const char *got)
{
    print_error("%s, item %zu: %s: wanted '%s', got '%s'\n", trial->file, trial->item, what, wanted,
                got);
    trial->failures++;
}

static void compare_text(struct trial *trial, const char *what, const char *wanted, const char *got)
{
    if (strcmp(wanted, got) != 0)
        differ(trial, what, wanted, got);
}

static void compare_instant(struct trial *trial, const char *what, const char *wanted,
                            struct instant got)
{
    char text[INSTANT_TEXT_BYTES] = "none";

    if (instant_is_set(got))
        zone_format(trial->zone, got, text);
    compare_text(trial, what, wanted, text);
}

static void compare_decimal(struct trial *trial, const char *what, const char *wanted,
                            struct decimal got)
{
    char text[DECIMAL_TEXT_BYTES];

    compare_text(trial, what, wanted, decimal_format(got, text));
}

/* The whole set, where a meter of 0 may be left out on either side. */
static void compare_meters(struct trial *trial, json_t *wanted, const struct usage_record *record)
{
    const char *name;
    json_t *value;
    char what[USAGE_NAME_BYTES + 16];

    json_object_foreach(wanted, name, value)
    {
        const struct decimal *got = usage_meter(record, name);

        snprintf(what, sizeof what, "meter %s", name);
        compare_decimal(trial, what, json_string_value(value), got != NULL ? *got : DECIMAL_ZERO);
    }
    for (size_t i = 0; i < record->meter_count; i++) {
        const struct usage_meter *meter = &record->meters[i];

        if (json_object_get(wanted, meter->name) == NULL && !decimal_is_zero(meter->quantity))
            differ(trial, "meters", "no such meter", meter->name);
    }
}

static void compare_attributes(struct trial *trial, json_t *wanted,
                               const struct usage_record *record)
{
    const char *name;
    json_t *value;

    json_object_foreach(wanted, name, value)
    {
        const char *got = usage_attribute(record, name);

        compare_text(trial, name, json_string_value(value), got != NULL ? got : "absent");
    }
}

/* A field of the record that is plain text, or NULL if `name` is none of those. */
static const char *record_text(const struct usage_record *record, const char *name)
{
    const struct {
        const char *name, *text;
    } fields[] = {
        {"source", record->source},   {"id", record->id},
        {"project", record->project}, {"user", record->user},
        {"class", record->klass},     {"outcome", record->outcome},
        {"qos", record->qos},         {"state", usage_state_text(record->state)},
        {"hold", record->hold},       {"basis", usage_basis_text(record->basis)},
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].text;
    return NULL;
}

static void compare_record(struct trial *trial, json_t *wanted, const struct usage_record *record)
{
    const char *name;
    json_t *value;

    json_object_foreach(wanted, name, value)
    {
        const char *text = json_string_value(value);

        if (strcmp(name, "meters") == 0)
            compare_meters(trial, value, record);
        else if (strcmp(name, "attributes") == 0)
            compare_attributes(trial, value, record);
        else if (strcmp(name, "start") == 0)
            compare_instant(trial, name, text, record->start);
        else if (strcmp(name, "end") == 0)
            compare_instant(trial, name, text, record->end);
        else if (strcmp(name, "submitted") == 0)
            compare_instant(trial, name, text, record->submitted);
        else if (strcmp(name, "elapsed_seconds") == 0)
            compare_decimal(trial, name, text, record->elapsed_seconds);
        else if (strcmp(name, "requested_seconds") == 0)
            compare_decimal(trial, name, text, record->requested_seconds);
        else if (record_text(record, name) != NULL)
            compare_text(trial, name, text, record_text(record, name));
        else
            differ(trial, "table", "a field of a record", name);
    }
}

static const char *kind_text(enum import_kind kind)
{
    switch (kind) {
    case IMPORT_RECORD:
        return "record";
    case IMPORT_BAD:
        return "bad";
    case IMPORT_SKIPPED:
        return "skipped";
    }
    return "?";
}

static void compare_item(struct trial *trial, json_t *wanted, const struct import_item *item)
{
    const char *kind = kind_text(item->kind);
    json_t *body = json_object_get(wanted, kind);
    char got[600];

    if (body == NULL) {
        snprintf(got, sizeof got, "%s %s (%s)", kind, item->reason, item->detail);
        differ(trial, "kind", json_object_iter_key(json_object_iter(wanted)), got);
    } else if (item->kind == IMPORT_RECORD) {
        compare_record(trial, body, item->record);
    } else {
        compare_text(trial, kind, json_string_value(body), item->reason);
        if (item->kind == IMPORT_BAD && item->detail[0] == '\0')
            differ(trial, "detail", "a sentence", "");
    }
}

static struct input *case_input(const char *folder, const char *file)
{
    char path[512];
    struct error err = {0};
    struct input *input;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    input = input_open(path, &err);
    if (input == NULL)
        fail_msg("%s", err.text);
    return input;
}

static void case_options(json_t *table, json_t *test, const struct zone *zone,
                         struct import_options *options)
{
    *options = (struct import_options){
        .source = text_of(test, "source", text_of(table, "source", "slurm:sdli")),
        .cluster = text_of(test, "cluster", NULL),
        .project = text_of(table, "project", NULL),
        .user = text_of(table, "user", NULL),
        .zone = zone,
        .now = instant_from_seconds(1814500000), /* 2 July 2027 */
    };
    assert_int_equal(
        import_format_parse(text_of(test, "format", ""), &options->format, &options->mapping), 0);
}

/* Read all items; return what importer_next ended with, or -1 where the importer did not even open.
 */
static int case_read(struct trial *trial, json_t *items, struct input *input,
                     const struct import_options *options, struct error *err)
{
    struct importer *importer = importer_open(input, options, err);
    struct import_item item;
    int result;

    if (importer == NULL)
        return -1;
    while ((result = importer_next(importer, &item, err)) == 1) {
        trial->item++;
        if (trial->item > json_array_size(items))
            differ(trial, "kind", "the end", kind_text(item.kind));
        else
            compare_item(trial, json_array_get(items, trial->item - 1), &item);
    }
    importer_close(importer);
    return result;
}

static int case_run(json_t *table, json_t *test, const char *folder, const struct zone *zone)
{
    struct trial trial = {.zone = zone, .file = text_of(test, "file", "?")};
    json_t *items = json_object_get(test, "items");
    const char *wanted = text_of(test, "error", "none");
    struct input *input = case_input(folder, trial.file);
    struct import_options options;
    struct error err = {0};

    case_options(table, test, zone, &options);
    if (case_read(&trial, items, input, &options, &err) == 0)
        compare_text(&trial, "error", wanted, "none");
    else
        compare_text(&trial, "error", wanted, err.code == ERROR_INPUT ? "input" : err.text);
    if (trial.item < json_array_size(items))
        differ(&trial, "items", "more", "the end");
    input_close(input);
    return trial.failures;
}

static json_t *table_load(const char *folder, const char *file)
{
    char path[512];
    json_error_t problem;
    json_t *table;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    table = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
    if (table == NULL)
        fail_msg("%s:%d: %s", path, problem.line, problem.text);
    return table;
}

static void zone_of(json_t *table, struct zone *zone)
{
    struct error err = {0};

    if (zone_load(text_of(table, "zone", "Asia/Tokyo"), zone, &err) != 0)
        fail_msg("%s", err.text);
}

static void table_run(const char *folder)
{
    static struct zone zone;
    json_t *table = table_load(folder, "expected.json");
    json_t *cases = json_object_get(table, "cases");
    int failures = 0;
    size_t i;
    json_t *test;

    zone_of(table, &zone);
    assert_true(json_array_size(cases) > 0);
    json_array_foreach(cases, i, test) failures += case_run(table, test, folder, &zone);
    json_decref(table);
    assert_int_equal(failures, 0);
}

static void nasty_slurm_listings_come_out_as_they_should(void **state)
{
    (void)state;
    table_run("tests/data/nasty/slurm");
}

static void nasty_token_records_come_out_as_they_should(void **state)
{
    (void)state;
    table_run("tests/data/nasty/tokens");
}

/* Sums over one real file. */
struct tally {
    long records, bad, skipped;
};

static void tally_add(struct tally *tally, const struct import_item *item)
{
    if (item->kind == IMPORT_RECORD)
        tally->records++;
    else if (item->kind == IMPORT_BAD)
        tally->bad++;
    else
        tally->skipped++;
}

static int tally_run(json_t *table, json_t *test, const struct zone *zone)
{
    const char *file = text_of(test, "file", "?");
    struct input *input = case_input(data_folder, file);
    struct import_options options;
    struct error err = {0};
    struct tally got = {0};
    long records, bad, skipped;
    int result = -1, wants_error = json_object_get(test, "error") != NULL;

    case_options(table, test, zone, &options);
    struct importer *importer = importer_open(input, &options, &err);
    struct import_item item;
    while (importer != NULL && (result = importer_next(importer, &item, &err)) == 1)
        tally_add(&got, &item);
    importer_close(importer);
    input_close(input);
    records = (long)json_integer_value(json_object_get(test, "records"));
    bad = (long)json_integer_value(json_object_get(test, "bad"));
    skipped = (long)json_integer_value(json_object_get(test, "skipped"));
    if (got.records == records && got.bad == bad && got.skipped == skipped &&
        (result == -1) == wants_error)
        return 0;
    print_error("%s: wanted %ld records, %ld bad, %ld skipped%s; got %ld, %ld, %ld%s%s\n", file,
                records, bad, skipped, wants_error ? ", an error" : "", got.records, got.bad,
                got.skipped, result == -1 ? ", error " : "", result == -1 ? err.text : "");
    return 1;
}

static void real_files_are_read_to_the_last_record(void **state)
{
    static struct zone zone;
    json_t *table = table_load(data_folder, "counts.json");
    json_t *cases = json_object_get(table, "cases");
    int failures = 0;
    size_t i;
    json_t *test;

    (void)state;
    zone_of(table, &zone);
    assert_true(json_array_size(cases) > 0);
    json_array_foreach(cases, i, test) failures += tally_run(table, test, &zone);
    json_decref(table);
    assert_int_equal(failures, 0);
}

/* One usage of many providers, as the body of an answer with an id, a model and a time. */
static char *provider_body(const char *member, json_t *usage, size_t line)
{
    char id[32];
    json_t *body;
    char *text;

    snprintf(id, sizeof id, "provider-%zu", line);
    body = json_pack("{s:s, s:i, s:s, s:O}", "id", id, "created", 1814500000, "model", "any",
                     member, usage);
    assert_non_null(body);
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

static json_int_t meter_count_of(const struct usage_record *record, const char *name)
{
    const struct decimal *quantity = usage_meter(record, name);

    if (quantity == NULL)
        return 0;
    assert_int_equal(quantity->scale, 0);
    return (json_int_t)quantity->mantissa;
}

/* True if one of the ways in which the provider counts gives what the record says. The providers'
 * input tokens include cached ones, the ledger's meters are disjoint. */
static int provider_agrees(json_t *ways, const struct usage_record *record)
{
    json_int_t input = meter_count_of(record, "input_tokens") +
                       meter_count_of(record, "cached_input_tokens") +
                       meter_count_of(record, "cache_write_input_tokens");
    json_int_t output = meter_count_of(record, "output_tokens");
    size_t i;
    json_t *way;

    json_array_foreach(ways, i,
                       way) if (json_integer_value(json_object_get(way, "input_tokens")) == input &&
                                json_integer_value(json_object_get(way, "output_tokens")) ==
                                    output) return 1;
    return 0;
}

/* 0 if the line's usage is counted as its provider counts, or is in quarantine; never skipped. */
static int provider_run(json_t *line, size_t number, const struct import_options *options)
{
    json_t *recorded = json_object_get(line, "body");
    const char *member = json_object_get(recorded, "usage") != NULL ? "usage" : "usageMetadata";
    json_t *usage = json_object_get(recorded, member);
    struct error err = {0};
    struct import_item item;
    int failed;

    assert_true(json_is_object(usage));
    char *body = provider_body(member, usage, number);
    struct input *input = input_from_memory(body, strlen(body));
    struct importer *importer = importer_open(input, options, &err);
    assert_non_null(importer);
    assert_int_equal(importer_next(importer, &item, &err), 1);
    failed = item.kind == IMPORT_SKIPPED ||
             (item.kind == IMPORT_RECORD &&
              !provider_agrees(json_object_get(line, "extracted_usages"), item.record));
    if (failed)
        print_error("line %zu: %s %s\n", number, kind_text(item.kind), body);
    importer_close(importer);
    input_close(input);
    free(body);
    return failed;
}

static void usages_of_many_providers_are_counted_as_they_count(void **state)
{
    static struct zone zone;
    struct error err = {0};
    struct import_options options = {
        .format = IMPORT_OPENAI, .source = "gateway:sdli", .zone = &zone};
    FILE *file = fopen("tests/data/tokens/provider_usages.jsonl", "r");
    json_error_t problem;
    json_t *line;
    size_t number = 0;
    int failures = 0;

    (void)state;
    assert_non_null(file);
    assert_int_equal(zone_load("Asia/Tokyo", &zone, &err), 0);
    while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK, &problem)) != NULL) {
        failures += provider_run(line, ++number, &options);
        json_decref(line);
    }
    fclose(file);
    assert_int_equal(number, 800);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nasty_slurm_listings_come_out_as_they_should),
        cmocka_unit_test(nasty_token_records_come_out_as_they_should),
        cmocka_unit_test(real_files_are_read_to_the_last_record),
        cmocka_unit_test(usages_of_many_providers_are_counted_as_they_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
