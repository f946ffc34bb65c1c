/* The JSON scanner: grammar and values checked against jansson, on tables, on every file of
 * tests/data and on documents made at random from a fixed seed; limits and unescaping on tables of
 * their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <ftw.h>
#include <cmocka.h>

#include "ledgerd/base/strbuf.h"
#include "tests/lib/scan_compare.h"

static struct scan_doc doc;

static void compare(const char *text, size_t length)
{
    const char *difference = scan_compare(&doc, text, length);

    if (difference != NULL) {
        fail_msg("%s: %.*s", difference, (int)(length < 500 ? length : 500), text);
    }
}

static void grammar_is_that_of_jansson(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[]",
        "{}",
        "[1]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "0",
        "-0",
        "-",
        "01",
        "1.",
        ".5",
        "1.5e",
        "1e5",
        "1E+5",
        "1e-2",
        "+1",
        "0x1",
        "1 2",
        "true",
        "tru",
        "truex",
        "nul",
        "null",
        "false",
        "\"a\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "'a'",
        "NaN",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,}",
        "{a:1}",
        "[1,[2,{}]]",
        "[[]",
        "[]]",
        "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\t\"",
        "\"\\u0000\"",
        "\"\\b\\f\\n\\r\\t\\/\\\\\\\"\"",
        "\xef\xbb\xbf{}",
        "[1]\n",
        "\r\n[ 1 , 2 ]",
        "\"\xff\"",
        "99999999999999999999999999",
        "1e999",
        "{\"\":0}",
        "{\"a\\u0062\":1}",
        "1,2",
        "[\"\x7f\"]",
        "[\"abcdefgh\xc3\xa9ijklmnop\"]",
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\n\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        compare(texts[i], strlen(texts[i]));
    }
}

static size_t compared;

static void compare_lines(const char *text, size_t length)
{
    const char *end = text + length;

    for (const char *at = text; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        size_t skip = stop - at > 5 && memcmp(at, "data:", 5) == 0 ? 5 : 0;

        compare(at + skip, (size_t)(stop - at) - skip);
        compared++;
        at = stop + 1;
    }
}

static int compare_file(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    struct strbuf text = STRBUF_INIT;
    FILE *file;

    (void)ftw;
    if (type != FTW_F) {
        return 0;
    }
    file = fopen(path, "rb");
    assert_non_null(file);
    strbuf_reserve(&text, (size_t)status->st_size + 1);
    text.length = fread(text.data, 1, (size_t)status->st_size, file);
    fclose(file);
    compare(text.data, text.length);
    compare_lines(text.data, text.length);
    strbuf_release(&text);
    return 0;
}

static void every_file_of_the_data_is_read_as_jansson_reads_it(void **state)
{
    (void)state;
    assert_int_equal(nftw("tests/data", compare_file, 16, FTW_PHYS), 0);
    assert_true(compared > 1000);
}

static uint64_t random_state;

static unsigned pick(unsigned below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % below;
}

static void make_string(struct strbuf *out)
{
    static const char *const parts[] = {
        "a",    "\\n", "\\u00e9",        "é",  "\\\"", "input_tokens",
        "\\\\", " ",   "\\ud83d\\ude00", "漢", "\\/",  "\\u0001"};

    strbuf_add_char(out, '"');
    for (unsigned n = pick(5); n > 0; n--) {
        strbuf_add_string(out, parts[pick(sizeof parts / sizeof *parts)]);
    }
    strbuf_add_char(out, '"');
}

static void make_value(struct strbuf *out, unsigned depth)
{
    static const char *const scalars[] = {
        "0", "-1", "1.5", "1e3", "-0.0", "true", "false", "null", "123456789012345678", "0.1E-2"};
    unsigned kind = pick(depth > 6 ? 2 : 4);

    if (kind == 0) {
        strbuf_add_string(out, scalars[pick(sizeof scalars / sizeof *scalars)]);
    } else if (kind == 1) {
        make_string(out);
    } else {
        strbuf_add_char(out, kind == 2 ? '[' : '{');
        for (unsigned n = pick(4), first = 1; n > 0; n--, first = 0) {
            strbuf_add_string(out, first ? (pick(3) ? "" : " ") : ",");
            if (kind == 3) {
                make_string(out);
                strbuf_add_string(out, pick(3) ? ":" : " : ");
            }
            make_value(out, depth + 1);
        }
        strbuf_add_char(out, kind == 2 ? ']' : '}');
    }
}

static void random_documents_whole_cut_and_damaged_agree(void **state)
{
    static const char damage[] = "{}[]\",:\\ 0-e.tfnu\x01\xff";
    struct strbuf text = STRBUF_INIT;

    (void)state;
    random_state = 20270601;
    for (int i = 0; i < 30000; i++) {
        strbuf_clear(&text);
        make_value(&text, 0);
        compare(text.data, text.length);
        compare(text.data, pick((unsigned)text.length + 1));
        text.data[pick((unsigned)text.length)] = damage[pick(sizeof damage - 1)];
        compare(text.data, text.length);
    }
    strbuf_release(&text);
}

static void a_cut_text_is_told_from_a_bad_one(void **state)
{
    static const char whole[] = "{\"a\":[1,true,null,\"x\\u00e9\"],\"b\":-1.5e3}";

    (void)state;
    for (size_t length = 0; length < sizeof whole - 1; length++) {
        assert_int_equal(scan_json_whole(&doc, whole, length), SCAN_CUT);
    }
    assert_int_equal(scan_json_whole(&doc, whole, sizeof whole - 1), SCAN_OK);
    assert_int_equal(scan_json_whole(&doc, "{\"a\":[1,true,}", 14), SCAN_BAD);
    assert_int_equal(doc.end, 13);
}

static void nesting_is_bounded(void **state)
{
    char text[2 * SCAN_DEPTH_MAX + 2];

    (void)state;
    memset(text, '[', SCAN_DEPTH_MAX);
    memset(text + SCAN_DEPTH_MAX, ']', SCAN_DEPTH_MAX);
    assert_int_equal(scan_json_whole(&doc, text, 2 * SCAN_DEPTH_MAX), SCAN_OK);
    memset(text, '[', SCAN_DEPTH_MAX + 1);
    assert_int_equal(scan_json_whole(&doc, text, SCAN_DEPTH_MAX + 1), SCAN_TOO_BIG);
}

static void the_number_of_values_is_bounded(void **state)
{
    size_t length = 2 * (size_t)SCAN_TOKENS_MAX + 2;
    char *text = malloc(length);

    (void)state;
    assert_non_null(text);
    memset(text, ',', length);
    for (size_t i = 1; i < length; i += 2) {
        text[i] = '1';
    }
    text[0] = '[';
    text[length - 1] = ']';
    assert_int_equal(scan_json_whole(&doc, text, length), SCAN_TOO_BIG);
    free(text);
}

static void members_are_found_by_their_unescaped_name(void **state)
{
    static const char text[] = "{\"x\":{\"b\":1},\"b\":null,\"\\u0061\\n\":\"\\u65e5\\n\",\"b\":7}";
    struct scan_text value;
    uint32_t found;

    (void)state;
    assert_int_equal(scan_json_whole(&doc, text, sizeof text - 1), SCAN_OK);
    found = scan_member(&doc, 0, "a\n");
    assert_int_not_equal(found, SCAN_NONE);
    value = scan_text(&doc, found);
    assert_int_equal(value.length, 4);
    assert_memory_equal(value.bytes, "日\n", 4);
    assert_int_equal(scan_type(&doc, scan_member(&doc, 0, "b")), SCAN_NULL);
    assert_int_equal(scan_given(&doc, 0, "b"), SCAN_NONE);
    assert_int_equal(scan_member(&doc, 0, "c"), SCAN_NONE);
    assert_int_equal(scan_member(&doc, found, "b"), SCAN_NONE);
}

static void lone_surrogates_are_replaced(void **state)
{
    static const char text[] = "[\"\\ud800x\\udc00\"]";
    struct scan_text value;

    (void)state;
    assert_int_equal(scan_json_whole(&doc, text, sizeof text - 1), SCAN_OK);
    assert_true(doc.odd);
    value = scan_text(&doc, 1);
    assert_int_equal(value.length, 7);
    assert_memory_equal(value.bytes, "\xef\xbf\xbdx\xef\xbf\xbd", 7);
}

static int release(void **state)
{
    (void)state;
    scan_release(&doc);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar_is_that_of_jansson),
        cmocka_unit_test(every_file_of_the_data_is_read_as_jansson_reads_it),
        cmocka_unit_test(random_documents_whole_cut_and_damaged_agree),
        cmocka_unit_test(a_cut_text_is_told_from_a_bad_one),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(members_are_found_by_their_unescaped_name),
        cmocka_unit_test(lone_surrogates_are_replaced),
    };

    scan_init(&doc);
    return cmocka_run_group_tests(tests, NULL, release);
}
