/* Words of a command: each is checked against its type, and what is wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/flow/command_line.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct option_spec own[] = {
    {"from", 0, "T", WORD_INSTANT, "when", false},
    {"points", 'p', "N", WORD_POINTS, "how much", false},
    {"force", 0, NULL, WORD_FLAG, "all the same", false},
    {0},
};
static const struct option_spec common[] = {
    {"config", 'c', "FILE", WORD_TEXT, "configuration", false},
    {0},
};
static const struct command_spec give = {
    "give",
    NULL,
    {{"PROJECT", WORD_TEXT, false, false}, {"POINTS", WORD_POINTS, false, false}},
    own,
    "give points",
};
static const struct command_spec list = {
    "list", "all", {{"NAME", WORD_TEXT, true, true}}, NULL, "list names",
};

enum { WORDS_MAX = 12, MEMORY_BYTES = 200 };

/* Parse words separated by blanks ("''" is the empty one). */
static int parse(const struct command_spec *spec, const char *text, char *memory,
                 struct command_line *line, struct error *err)
{
    char *words[WORDS_MAX];
    int count = 0;
    char *rest = memory;

    snprintf(memory, MEMORY_BYTES, "%s", text);

    for (char *word; (word = strsep(&rest, " ")) != NULL && count < WORDS_MAX;) {
        words[count++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    return command_line_parse(spec, common, count, words, line, err);
}

static void words_become_typed_values(void **state)
{
    struct command_line line;
    struct error err = {0};
    char memory[MEMORY_BYTES];

    (void)state;
    assert_int_equal(parse(&give, "--from 2027-06-01T00:00:00+09:00 p1 -c f 12.5 --force -p=x",
                           memory, &line, &err),
                     -1);
    assert_int_equal(parse(&give, "--from 2027-06-01T00:00:00+09:00 p1 -c f 12.5 --force -p 3",
                           memory, &line, &err),
                     0);
    assert_string_equal(line.arguments[0].text, "p1");
    assert_int_equal(line.arguments[1].as.points.micro, 12500000);
    assert_true(command_line_has(&line, "force"));
    assert_int_equal(command_line_option(&line, "points")->as.points.micro, 3000000);
    assert_int_equal(command_line_instant(&line, "from", INSTANT_NONE).us, 1811775600000000);
    assert_string_equal(command_line_text(&line, "config", NULL), "f");
}

static void what_is_not_given_is_told_apart(void **state)
{
    struct command_line line;
    struct error err = {0};
    char memory[MEMORY_BYTES];

    (void)state;
    assert_int_equal(parse(&give, "p1 0", memory, &line, &err), 0);
    assert_false(command_line_has(&line, "force"));
    assert_null(command_line_option(&line, "points")->text);
    assert_false(instant_is_set(command_line_instant(&line, "from", INSTANT_NONE)));
    assert_string_equal(command_line_text(&line, "config", "none"), "none");
}

static void repeated_words_are_kept_in_order(void **state)
{
    struct command_line line;
    struct error err = {0};
    char memory[MEMORY_BYTES];

    (void)state;
    assert_int_equal(parse(&list, "a - b -- --c -1", memory, &line, &err), 0);
    assert_int_equal(line.repeated_count, 5);
    static const char *const want[] = {"a", "-", "b", "--c", "-1"};
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_string_equal(line.repeated[i], want[i]);
    }
}

static void wrong_words_are_refused_and_named(void **state)
{
    static const struct {
        const char *words;
        const char *sentence;
    } rows[] = {
        {"p1", "POINTS is missing: give PROJECT POINTS"},
        {"p1 -5", "'-5' is negative"},
        {"p1 5 6", "one word too many"},
        {"'' 5", "PROJECT: the text is empty"},
        {"p1 5 --from", "--from needs a value"},
        {"p1 5 --from ''", "'' is not a time"},
        {"p1 5 --fro x", "unknown option --fro"},
        {"p1 5 --fromage x", "unknown option --fromage"},
        {"p1 5 --", NULL},
        {"p1 5 --=x", "unknown option --=x"},
        {"p1 5 -cf", "unknown option -cf"},
        {"p1 5 --force=1", "takes no value"},
        {"p1 5 --points 1 -p 2", "--points is given twice"},
        {"p1 5 --points=", "'' is not a decimal number"},
        {"p1 \xff", "not UTF-8"},
    };
    char memory[MEMORY_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct command_line line = {.repeated_count = 77};
        struct error err = {0};
        int result = parse(&give, rows[i].words, memory, &line, &err);
        if (rows[i].sentence == NULL) {
            assert_int_equal(result, 0);
        } else if (result != -1 || err.code != ERROR_ARGUMENT ||
                   strstr(err.text, rows[i].sentence) == NULL || line.repeated_count != 77) {
            fail_msg("'%s': %d '%s'", rows[i].words, result, err.text);
        }
    }
}

static void help_ends_the_reading_and_tells_everything(void **state)
{
    struct command_line line;
    struct error err = {0};
    struct strbuf out = STRBUF_INIT;
    char memory[MEMORY_BYTES];

    (void)state;
    assert_int_equal(parse(&give, "p1 --help --frobnicate", memory, &line, &err), 0);
    assert_true(line.wants_help);
    command_help("ledgerctl", &give, common, &out);
    static const char *const parts[] = {
        "usage: ledgerctl give PROJECT POINTS [--from T] [--points N] [--force]", "-p, --points N",
        "-c, --config FILE", "give points"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (strstr(out.data, parts[i]) == NULL) {
            fail_msg("no '%s' in:\n%s", parts[i], out.data);
        }
    }
    strbuf_clear(&out);
    command_synopsis(&list, &out);
    assert_string_equal(out.data, "list all [NAME...]");
    strbuf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_typed_values),
        cmocka_unit_test(what_is_not_given_is_told_apart),
        cmocka_unit_test(repeated_words_are_kept_in_order),
        cmocka_unit_test(wrong_words_are_refused_and_named),
        cmocka_unit_test(help_ends_the_reading_and_tells_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
