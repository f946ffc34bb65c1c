/* Metrics of model servers: the counters of tokens and nothing else, exactly, or the line that is
 * wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "importers/engine_metrics.h"

#define IN "llamacpp:prompt_tokens_total"
#define OUT "vllm:generation_tokens_total"

static int parse(const char *text, struct engine_metrics *metrics, struct error *err)
{
    return engine_metrics_parse(text, strlen(text), metrics, err);
}

static void counters_are_read_exactly(void **state)
{
    static const struct {
        const char *text;
        uint64_t value, slack;
        const char *model;
    } cases[] = {
        {IN " 0\n", 0, 0, ""},
        {IN " 17", 17, 0, ""},
        {IN " 999999\r\n", 999999, 0, ""},
        {IN " 1e+06\n", 1000000, 5, ""},
        {IN " 1.23457e+06\n", 1234570, 5, ""},
        {IN " 1.23457e+09\n", 1234570000, 5000, ""},
        {IN "{} 5\n", 5, 0, ""},
        {OUT "{engine=\"0\",model_name=\"a/b\"} 1.2345678e+07 1780000000000\n", 12345678, 0, "a/b"},
        {OUT "{ model_name = \"m\" , engine=\"\\\"\\\\\\n\", } 3.000\n", 3, 0, "m"},
        {OUT "{model_name=\"a\"} 1.5e+01\n", 15, 0, "a"},
        {OUT "{model_name=\"a\"} 1e+15\n", ENGINE_VALUE_MAX, 0, "a"},
        {OUT "{model_name=\"a\"} 00100.00\n", 100, 0, "a"},
        {"# HELP x y\n\nother{a=\"b\"} NaN\n" IN " 1\n \n", 1, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_metrics metrics = {0};
        struct error err = {0};

        if (parse(cases[i].text, &metrics, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(metrics.count, 1);
        if (metrics.counters[0].value != cases[i].value ||
            metrics.counters[0].slack != cases[i].slack ||
            strcmp(metrics.counters[0].model, cases[i].model) != 0)
            fail_msg("%s: %llu, %llu", cases[i].text, (unsigned long long)metrics.counters[0].value,
                     (unsigned long long)metrics.counters[0].slack);
        engine_metrics_release(&metrics);
    }
}

static void what_cannot_be_read_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no counters"},
        {"other 1\n", "no counters"},
        {"<html>\n", "line 1"},
        {IN " 1\n{\"json\":1}\n", "line 2"},
        {IN "\n", "without a value"},
        {IN " -1\n", "whole number"},
        {IN " 1.5\n", "whole number"},
        {IN " 1.23e+01\n", "whole number"},
        {IN " 1e-01\n", "whole number"},
        {IN " 1e\n", "whole number"},
        {IN " .\n", "whole number"},
        {IN " 1.2.3\n", "whole number"},
        {IN " NaN\n", "whole number"},
        {IN " +Inf\n", "whole number"},
        {IN " 1000000000000001\n", "whole number"},
        {IN " 1e+16\n", "whole number"},
        {IN " 99999999999999999999999999\n", "whole number"},
        {IN " 1e+15\n" IN " 1e+15\n", "line 2"},
        {IN "{a} 1\n", "labels"},
        {IN "{a=b} 1\n", "label"},
        {IN "{a=\"b\n", "label"},
        {IN "{a=\"b\\\n", "label"},
        {IN "{a=\"b\" c=\"d\"} 1\n", "labels"},
        {IN "{a=\"b\"\n", "labels"},
        {OUT "{model_name=\"a\\nb\"} 1\n", "model_name"},
        {"# taken at noon\n" IN " 1\n", "taken at"},
        {"process_start_time_seconds soon\n" IN " 1\n", "no time"},
        {"process_start_time_seconds 1e+15\n" IN " 1\n", "no time"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_metrics metrics = {0};
        struct error err = {0};

        if (parse(cases[i].text, &metrics, &err) == 0)
            fail_msg("read: %s", cases[i].text);
        assert_int_equal(err.code, ERROR_INPUT);
        assert_null(metrics.counters);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: says %s", cases[i].text, err.text);
    }
}

static void a_series_has_all_of_its_labels_and_lines_of_one_add_up(void **state)
{
    struct engine_metrics metrics = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(parse(OUT "{engine=\"0\",model_name=\"m\"} 5\n" OUT
                               "{engine=\"1\",model_name=\"m\"} 7\n" OUT
                               "{engine=\"0\",model_name=\"m\"} 11\n" IN " 1\n" IN " 2\n",
                           &metrics, &err),
                     0);
    assert_int_equal(metrics.count, 3);
    assert_int_equal(metrics.counters[0].value, 16);
    assert_int_equal(metrics.counters[1].value, 7);
    assert_int_equal(metrics.counters[2].value, 3);
    engine_metrics_release(&metrics);
}

static void times_are_read_where_they_are_given(void **state)
{
    static const struct {
        const char *text;
        int64_t taken_seconds, started_seconds; /* -1: none */
    } cases[] = {
        {IN " 1\n", -1, -1},
        {"# taken at 1970-01-01T00:01:00Z\n" IN " 1\n", 60, -1},
        {"process_start_time_seconds 1.78000000012e+09\n" IN " 1\n", -1, 1780000000},
        {"process_start_time_seconds 1780000000.99\n" IN " 1\n", -1, 1780000000},
        {"process_start_time_seconds 1.78e+09\nprocess_start_time_seconds 1.79e+09\n" IN " 1\n", -1,
         -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct engine_metrics metrics = {0};
        struct error err = {0};

        assert_int_equal(parse(cases[i].text, &metrics, &err), 0);
        assert_int_equal(instant_is_set(metrics.taken) ? metrics.taken.us / INSTANT_SECOND_US : -1,
                         cases[i].taken_seconds);
        assert_int_equal(instant_is_set(metrics.started) ? metrics.started.us / INSTANT_SECOND_US
                                                         : -1,
                         cases[i].started_seconds);
        engine_metrics_release(&metrics);
    }
}

static void more_than_is_allowed_is_refused(void **state)
{
    struct engine_metrics metrics = {0};
    struct error err = {0};
    char *text = calloc(1, ENGINE_TEXT_BYTES + 2);
    size_t length = 0;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i <= ENGINE_COUNTERS_MAX; i++)
        length += (size_t)sprintf(text + length, OUT "{engine=\"%d\"} 1\n", i);
    assert_int_equal(engine_metrics_parse(text, length, &metrics, &err), -1);
    assert_non_null(strstr(err.text, "too many"));
    memset(text, 'x', ENGINE_TEXT_BYTES + 1);
    assert_int_equal(engine_metrics_parse(text, ENGINE_TEXT_BYTES + 1, &metrics, &err), -1);
    assert_non_null(strstr(err.text, "longer"));
    length = (size_t)sprintf(text, OUT "{a=\"");
    memset(text + length, 'y', 5000);
    assert_int_equal(engine_metrics_parse(text, length + 5000, &metrics, &err), -1);
    assert_non_null(strstr(err.text, "too long"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_read_exactly),
        cmocka_unit_test(what_cannot_be_read_is_refused_with_its_line),
        cmocka_unit_test(a_series_has_all_of_its_labels_and_lines_of_one_add_up),
        cmocka_unit_test(times_are_read_where_they_are_given),
        cmocka_unit_test(more_than_is_allowed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
