/* Errors, growing buffers, log lines and the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <cmocka.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/log.h"
#include "ledgerd/base/strbuf.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void errors_carry_code_reason_and_sentence(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(error_set_reason(&err, ERROR_REFUSED, "over_pool", "%d points", 7), -1);
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_string_equal(err.reason, "over_pool");
    assert_int_equal(error_prefix(&err, "grant %s", "hp1"), -1);
    assert_string_equal(err.text, "grant hp1: 7 points");
    assert_int_equal(error_set(&err, ERROR_INPUT, "again: %s", err.text), -1);
    assert_string_equal(err.text, "again: grant hp1: 7 points");
    assert_string_equal(err.reason, "");
    assert_int_equal(error_set(NULL, ERROR_INPUT, "nobody listens"), -1);
    assert_int_equal(error_prefix(NULL, "nobody"), -1);
}

static void long_errors_are_cut_and_stay_strings(void **state)
{
    char flood[3 * ERROR_TEXT_BYTES];
    struct error err;

    (void)state;
    memset(flood, 'x', sizeof flood - 1);
    flood[sizeof flood - 1] = '\0';
    error_set(&err, ERROR_INPUT, "%s", flood);
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
    error_prefix(&err, "%s", flood);
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
    error_set(&err, ERROR_INPUT, "short");
    error_prefix(&err, "%s", flood);
    assert_true(strlen(err.text) < ERROR_TEXT_BYTES);
}

static void exit_statuses_are_those_of_the_contract(void **state)
{
    static const int statuses[] = {
        [ERROR_NONE] = 0,        [ERROR_REFUSED] = 1, [ERROR_ARGUMENT] = 2, [ERROR_INPUT] = 3,
        [ERROR_UNAVAILABLE] = 4, [ERROR_VERIFY] = 5,  [ERROR_INTERNAL] = 4,
    };

    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct error err = {.code = (enum error_code)i};
        assert_int_equal(error_exit_status(&err), statuses[i]);
    }
}

static void buffers_grow_and_stay_strings(void **state)
{
    struct strbuf buf = STRBUF_INIT;
    char *text;

    (void)state;
    assert_string_equal(buf.data, "");
    for (int i = 0; i < 1000; i++) {
        strbuf_printf(&buf, "%d,", i);
        assert_int_equal(strlen(buf.data), buf.length);
    }
    assert_int_equal(buf.length, 3890);
    strbuf_clear(&buf);
    assert_string_equal(buf.data, "");
    strbuf_add(&buf, "a\0b", 3);
    assert_int_equal(buf.length, 3);
    text = strbuf_detach(&buf);
    assert_memory_equal(text, "a\0b", 4);
    free(text);
    assert_string_equal(buf.data, "");
    text = strbuf_detach(&buf);
    assert_string_equal(text, "");
    free(text);
    assert_null(strbuf_reserve(&buf, SIZE_MAX - 5));
    assert_true(buf.failed);
    strbuf_add_string(&buf, "ignored");
    assert_int_equal(buf.length, 0);
    assert_null(strbuf_detach(&buf));
    strbuf_release(&buf);
}

/* Whatever bytes go in, a JSON reader gets a string out, and the same one if they were text. */
static void json_strings_are_read_back(void **state)
{
    static const char *const texts[] = {"plain", "", "q\"b\\s/", "\b\f\n\r\t\x01\x1f\x7f",
                                        "\xe5\x90\x8d\xe5\x89\x8d \xf0\x9f\x98\x80"};
    struct strbuf buf = STRBUF_INIT;
    json_t *json;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        strbuf_clear(&buf);
        strbuf_add_json_string(&buf, texts[i]);
        json = json_loads(buf.data, JSON_DECODE_ANY, NULL);
        assert_string_equal(json_string_value(json), texts[i]);
        json_decref(json);
    }
    strbuf_clear(&buf);
    strbuf_add_json(&buf, "a\xff\xe5\x90z", 5);
    assert_string_equal(buf.data, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
    random_seed(1);
    for (int round = 0; round < 2000; round++) {
        char bytes[24];

        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (char)(1 + random_below(255));
        }
        strbuf_clear(&buf);
        strbuf_add_json(&buf, bytes, sizeof bytes);
        json = json_loads(buf.data, JSON_DECODE_ANY, NULL);
        assert_true(json_is_string(json));
        json_decref(json);
    }
    strbuf_clear(&buf);
    strbuf_add_json_string(&buf, NULL);
    assert_string_equal(buf.data, "null");
    strbuf_release(&buf);
}

/* What `write` puts on standard error, NUL-terminated. */
static void capture(char *out, size_t size, void (*write_lines)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    ssize_t length;

    dup2(fileno(file), STDERR_FILENO);
    write_lines();
    dup2(saved, STDERR_FILENO);
    close(saved);
    length = pread(fileno(file), out, size - 1, 0);
    out[length > 0 ? length : 0] = '\0';
    fclose(file);
}

static void forged_lines(void)
{
    log_event(LOG_LEVEL_DEBUG, "unheard", "key", "value", NULL);
    log_event(LOG_LEVEL_WARNING, "job", "name", "x\ntime=0 level=error event=forged", "left_out",
              (const char *)NULL, "plain", "a-b", NULL);
}

static void a_job_name_cannot_forge_a_log_line(void **state)
{
    char text[1000];

    (void)state;
    capture(text, sizeof text, forged_lines);
    assert_non_null(strstr(text, " level=warning event=job name=\"x\\ntime=0 level"));
    assert_non_null(strstr(text, " plain=a-b\n"));
    assert_null(strstr(text, "left_out"));
    assert_null(strstr(text, "unheard"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    log_configure(LOG_LEVEL_INFO, true);
    capture(text, sizeof text, forged_lines);
    log_configure(LOG_LEVEL_INFO, false);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "event")), "job");
    assert_string_equal(json_string_value(json_object_get(json, "name")),
                        "x\ntime=0 level=error event=forged");
    json_decref(json);
}

static void a_pretended_clock_runs_on(void **state)
{
    struct instant start = instant_from_seconds(1811775600), first, later;

    (void)state;
    assert_false(clock_is_pretended());
    assert_true(clock_now().us > INT64_C(1700000000000000));
    clock_pretend(start);
    assert_true(clock_is_pretended());
    first = clock_now();
    assert_true(first.us >= start.us && first.us < start.us + 5 * INSTANT_SECOND_US);
    usleep(2000);
    later = clock_now();
    assert_true(later.us >= first.us + 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_code_reason_and_sentence),
        cmocka_unit_test(long_errors_are_cut_and_stay_strings),
        cmocka_unit_test(exit_statuses_are_those_of_the_contract),
        cmocka_unit_test(buffers_grow_and_stay_strings),
        cmocka_unit_test(json_strings_are_read_back),
        cmocka_unit_test(a_job_name_cannot_forge_a_log_line),
        cmocka_unit_test(a_pretended_clock_runs_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
