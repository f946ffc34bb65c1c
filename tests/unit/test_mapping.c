/* Mapping files: what they say is done, and what they cannot say is refused with the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "importers/importer.h"
#include "importers/mapping.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define REST "\"id\":[\"id\"],\"start\":[\"t\"],\"counts\":{\"input\":[\"n\"]}"

static void what_a_mapping_cannot_say_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "m: line 1: "},
        {"{", "m: line 1: "},
        {"{\n\"mapping\":\"a\",\n\"mapping\":\"b\"}", "m: line 3: "},
        {"[]", "m: mapping: the file must hold an object"},
        {"{" REST "}", "m: mapping: the mapping has no name"},
        {"{\"mapping\":\"\"," REST "}", "m: mapping: a text that is not empty"},
        {"{\"mapping\":\"a\",\"start\":[\"t\"],\"counts\":{\"input\":[\"n\"]}}", "m: id: records"},
        {"{\"mapping\":\"a\",\"id\":[\"i\"],\"counts\":{\"input\":[\"n\"]}}", "m: start: neither"},
        {"{\"mapping\":\"a\",\"id\":[\"i\"],\"end\":[\"t\"]}", "m: counts: neither"},
        {"{\"mapping\":\"a\",\"idd\":[\"i\"]}", "m: idd: a mapping has no such member"},
        {"{\"mapping\":\"a\",\"id\":\"i\"}", "m: id: a list of places"},
        {"{\"mapping\":\"a\",\"id\":[]}", "m: id: a list of places"},
        {"{\"mapping\":\"a\",\"id\":[7]}", "m: id: a place is"},
        {"{\"mapping\":\"a\",\"id\":[\"\"]}", "m: id: a path is members' names"},
        {"{\"mapping\":\"a\",\"id\":[\"a//b\"]}", "m: id: a path is members' names"},
        {"{\"mapping\":\"a\",\"id\":[\"a/\"]}", "m: id: a path is members' names"},
        {"{\"mapping\":\"a\",\"id\":[\"1/2/3/4/5/6/7/8/9\"]}", "m: id: a path has at most"},
        {"{\"mapping\":\"a\",\"id\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
         "m: id: at most 8 places"},
        {"{\"mapping\":\"a\",\"id\":[{\"at\":\"a\",\"from\":\"b\"}]}", "m: id: a place is"},
        {"{\"mapping\":\"a\",\"start\":[{\"at\":\"a\",\"form\":\"hours\"}]}", "m: start: a form"},
        {"{\"mapping\":\"a\",\"counts\":{\"inputs\":[\"a\"]}}", "m: counts: there is no count"},
        {"{\"mapping\":\"a\",\"counts\":[]}", "m: counts: an object"},
        {"{\"mapping\":\"a\",\"input_includes\":[\"output\"]}", "m: input_includes: "},
        {"{\"mapping\":\"a\",\"input_includes\":\"cached\"}", "m: input_includes: "},
        {"{\"mapping\":\"a\",\"attributes\":{\"x\":\"y\"}}", "m: x: a list of places"},
        {"{\"mapping\":\"a\",\"skip\":[{\"at\":\"s\",\"is\":\"x\"}]}", "m: skip: "},
        {"{\"mapping\":\"a\",\"skip\":[{\"at\":\"s\",\"is\":\"x\",\"reason\":\"y\"}]}",
         "m: skip: a reason"},
        {"{\"mapping\":\"a\",\"blank\":[\"\"]}", "m: blank: a text"},
        {"{\"mapping\":\"a\",\"zone\":\"JST\"}", "m: zone: UTC or site"},
        {"{\"mapping\":\"a\",\"constants\":{\"id\":\"x\"}}", "m: constants: only"},
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_null(mapping_read("m", rows[i].text, strlen(rows[i].text), &err));
        assert_int_equal(err.code, ERROR_INPUT);
        if (strncmp(err.text, rows[i].message, strlen(rows[i].message)) != 0) {
            fail_msg("wanted '%s...', got '%s'", rows[i].message, err.text);
        }
    }
    assert_null(mapping_load("/nowhere/m.json", &err));
    assert_int_equal(err.code, ERROR_INPUT);
}

static void all_that_come_along_can_be_read(void **state)
{
    struct error err;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct mapping *mapping = mapping_built_in(i == 0 ? "envoy" : "litellm", &err);

        assert_non_null(mapping);
        mapping_destroy(mapping);
    }
    assert_null(mapping_built_in("other", &err));
}

/* A gateway that nobody knew: a mapping of everything that can be said, and what it makes of lines.
 */
static const char everything[] =
    "{\"mapping\":\"x\",\"says\":\"of a test\",\"blank\":[\"-\",\"none\"],\"zone\":\"UTC\","
    "\"id\":[\"no\",\"req/a~1b\"],\"model\":[\"m\"],\"project\":[\"tags/project\"],"
    "\"user\":[\"who\"],\"constants\":{\"user\":\"nobody\",\"model\":\"llm\"},"
    "\"start\":[{\"at\":\"ns\",\"form\":\"nanoseconds\"},{\"at\":\"ms\",\"form\":\"milliseconds\"},"
    "{\"at\":\"s\",\"form\":\"seconds\"},\"t\"],"
    "\"duration\":[{\"at\":\"took\",\"form\":\"seconds\"}],"
    "\"counts\":{\"input\":[\"u/in\"],\"cached\":[\"u/hit\"],\"cache_write\":[\"u/put\"],"
    "\"output\":[\"u/out\"],\"more_output\":[\"u/thoughts\"],\"more_input\":[\"u/tools\"]},"
    "\"input_includes\":[\"cached\"],"
    "\"skip\":[{\"at\":\"kind\",\"is\":\"ping\",\"reason\":\"no_usage\"}],"
    "\"attributes\":{\"finish\":[\"why\"]}}";

static void what_a_mapping_says_is_done(void **state)
{
    static const struct {
        const char *line, *id, *user, *meters; /* meters as "name=…" in order; or the reason */
        enum import_kind kind;
    } rows[] = {
        {"{\"no\":7,\"ms\":1000,\"u\":{\"in\":10,\"hit\":4,\"put\":3,\"out\":5,\"thoughts\":6,"
         "\"tools\":2}}",
         "7", "nobody",
         "cache_write_input_tokens=3 cached_input_tokens=4 input_tokens=8 output_tokens=11 ",
         IMPORT_RECORD},
        {"{\"req\":\"{\\\"a/b\\\":\\\"r1\\\"}\",\"who\":\"-\",\"s\":1,\"u\":\"{\\\"in\\\":1}\"}",
         "r1", "nobody", "input_tokens=1 ", IMPORT_RECORD},
        {"{\"no\":\"a\",\"who\":\"me\",\"ns\":\"1000000000\",\"took\":2,"
         "\"u\":[{\"key\":\"in\",\"value\":{\"intValue\":\"9\"}}]}",
         "a", "me", "input_tokens=9 ", IMPORT_RECORD},
        {"{\"no\":\"a\",\"t\":\"1970-01-01 00:00:01\",\"u\":{\"in\":1}}", "a", "nobody",
         "input_tokens=1 ", IMPORT_RECORD},
        {"{\"no\":\"a\",\"kind\":\"ping\",\"s\":1,\"u\":{\"in\":1}}", "", "", "no_usage",
         IMPORT_SKIPPED},
        {"{\"no\":\"a\",\"s\":1,\"u\":{\"in\":\"none\"}}", "", "", "no_usage", IMPORT_SKIPPED},
        {"{\"no\":\"a\",\"s\":1,\"u\":{\"in\":1,\"hit\":2}}", "", "", "malformed", IMPORT_BAD},
        {"{\"no\":\"a\",\"s\":1,\"u\":{\"in\":-1}}", "", "", "malformed", IMPORT_BAD},
        {"{\"no\":\"a\",\"s\":1,\"u\":{\"in\":1.5}}", "", "", "malformed", IMPORT_BAD},
        {"{\"no\":\"a\",\"ms\":\"x\",\"u\":{\"in\":1}}", "", "", "malformed", IMPORT_BAD},
        {"{\"no\":\"a\",\"ms\":99999999999999999999,\"u\":{\"in\":1}}", "", "", "malformed",
         IMPORT_BAD},
        {"{\"no\":\"a\",\"s\":1,\"took\":\"long\",\"u\":{\"in\":1}}", "", "", "malformed",
         IMPORT_BAD},
        {"{\"no\":\"a\",\"u\":{\"in\":1}}", "", "", "no_time", IMPORT_BAD},
        {"{\"s\":1,\"u\":{\"in\":1}}", "", "", "no_identity", IMPORT_BAD},
        {"[1]x", "", "", "malformed", IMPORT_BAD},
    };
    char path[] = "/tmp/mapping-XXXXXX";
    int fd = mkstemp(path);
    struct error err = {0};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, everything, sizeof everything - 1), sizeof everything - 1);
    close(fd);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct import_options options = {.format = IMPORT_MAPPING,
                                               .mapping = path,
                                               .source = "gateway:x",
                                               .by_line = true,
                                               .project = "p"};
        struct input *input = input_from_memory(rows[i].line, strlen(rows[i].line));
        struct importer *importer = importer_open(input, &options, &err);
        struct import_item item;
        char meters[300] = "";

        assert_non_null(importer);
        assert_int_equal(importer_next(importer, &item, &err), 1);
        if (item.kind != rows[i].kind) {
            fail_msg("%s: %s %s", rows[i].line, item.reason, item.detail);
        }
        if (item.kind != IMPORT_RECORD) {
            assert_string_equal(item.reason, rows[i].meters);
        } else {
            for (size_t k = 0; k < item.record->meter_count; k++) {
                char text[DECIMAL_TEXT_BYTES];

                snprintf(meters + strlen(meters), sizeof meters - strlen(meters), "%s=%s ",
                         item.record->meters[k].name,
                         decimal_format(item.record->meters[k].quantity, text));
            }
            assert_string_equal(meters, rows[i].meters);
            assert_string_equal(item.record->id, rows[i].id);
            assert_string_equal(item.record->user, rows[i].user);
            assert_string_equal(item.record->klass, "llm");
            assert_int_equal(item.record->start.us, 1000000);
            assert_int_equal(item.record->end.us, strstr(rows[i].line, "took") ? 3000000 : 1000000);
        }
        importer_close(importer);
        input_close(input);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_mapping_cannot_say_is_refused_with_its_place),
        cmocka_unit_test(all_that_come_along_can_be_read),
        cmocka_unit_test(what_a_mapping_says_is_done),
    };

    return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
