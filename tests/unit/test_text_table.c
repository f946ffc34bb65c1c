/* Lists for people: columns line up whatever the names, and no name breaks a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/flow/document.h"
#include "ledgerd/flow/text_table.h"

static const struct text_column columns[] = {
    {"name", "name", false}, {"sum.points", "points", true}, {"note", "note", false}, {0}};

static void expect_table(const char *json, const char *text)
{
    struct strbuf out = STRBUF_INIT;
    json_t *rows = json_loads(json, 0, NULL);

    assert_non_null(rows);
    text_table_write(rows, columns, 0, &out);
    assert_string_equal(out.data, text);
    json_decref(rows);
    strbuf_release(&out);
}

static void columns_line_up(void **state)
{
    (void)state;
    expect_table("[{\"name\":\"a\",\"sum\":{\"points\":\"1.000000\"},\"note\":\"x\"},"
                 " {\"name\":\"longer\",\"sum\":{\"points\":\"12345.000000\"},\"note\":null}]",
                 "name          points  note\n"
                 "a           1.000000  x\n"
                 "longer  12345.000000  -\n");
    expect_table("[]", "name  points  note\n");
}

static void wide_characters_fill_two_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width("\xe6\x97\xa5\xe6\x9c\xac", 6), 4); /* "Japan" in kanji */
    assert_int_equal(text_width("\xc3\xa9", 2), 1);                 /* e with acute */
    assert_int_equal(text_width("\xff", 1), 1);
    expect_table("[{\"name\":\"\\u65e5\\u672c\",\"sum\":{\"points\":\"1\"},\"note\":1},"
                 " {\"name\":\"abcd\",\"sum\":{\"points\":\"22\"},\"note\":true}]",
                 "name  points  note\n"
                 "\xe6\x97\xa5\xe6\x9c\xac       1  1\n"
                 "abcd      22  yes\n");
}

static void control_characters_cannot_forge_a_line(void **state)
{
    (void)state;
    expect_table("[{\"name\":\"a\\nb\\u001b[2J\",\"sum\":{\"points\":\"1\"},\"note\":\"\"}]",
                 "name     points  note\n"
                 "a b [2J       1  -\n");
}

static void values_show_as_people_write_them(void **state)
{
    struct strbuf out = STRBUF_INIT;
    json_t *value = json_loads("{\"a\":\"1\",\"b\":[\"x\",\"y\"],\"c\":false}", 0, NULL);

    (void)state;
    document_show(value, &out);
    assert_string_equal(out.data, "a=1 b=x y c=no");
    json_decref(value);
    strbuf_release(&out);
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    json_t *value = document_bytes("a\xff\0b", 4);

    (void)state;
    assert_string_equal(json_string_value(value), "a\xef\xbf\xbd\xef\xbf\xbd"
                                                  "b");
    json_decref(value);
    value = document_text(NULL);
    assert_true(json_is_null(value));
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up),
        cmocka_unit_test(wide_characters_fill_two_columns),
        cmocka_unit_test(control_characters_cannot_forge_a_line),
        cmocka_unit_test(values_show_as_people_write_them),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
