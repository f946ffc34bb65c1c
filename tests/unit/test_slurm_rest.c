/* What is asked of slurmrestd: which version, for how much time at once, and as whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "importers/slurm_rest_token.h"
#include "importers/slurm_rest_version.h"
#include "importers/slurm_rest_window.h"

/* --- versions -------------------------------------------------------------------------------- */

static void the_newest_version_that_is_known_is_chosen(void **state)
{
    static const struct {
        const char *paths;
        const char *version; /* NULL: none will do */
    } cases[] = {
        {"'/slurm/v0.0.38/jobs':{},'/slurmdb/v0.0.38/jobs':{}", "v0.0.38"},
        {"'\\/slurm\\/v0.0.38\\/jobs':{},'\\/slurmdb\\/v0.0.38\\/jobs':{}", "v0.0.38"},
        {"'/slurm/v0.0.40/jobs/':{},'/slurmdb/v0.0.40/jobs/':{}", "v0.0.40"},
        {"'/slurm/v0.0.38/jobs':{},'/slurmdb/v0.0.38/jobs':{},'/slurm/v0.0.39/jobs':{'get':{}},"
         "'/slurmdb/v0.0.39/jobs':{},'/slurmdb/v0.0.40/jobs':{}",
         "v0.0.39"},
        {"'/slurm/v0.0.44/jobs/':{},'/slurmdb/v0.0.44/jobs/':{},'/slurm/v0.0.43/jobs/':{},"
         "'/slurmdb/v0.0.43/jobs/':{}",
         "v0.0.43"},
        {"'/slurm/v0.0.46/jobs/':{},'/slurmdb/v0.0.46/jobs/':{},'/slurm/v0.0.45/jobs/':{},"
         "'/slurmdb/v0.0.45/jobs/':{}",
         "v0.0.45"},
        {"'/slurm/v0.0.40/jobs':{},'/slurmdb/v0.0.39/jobs':{}", NULL},
        {"'/slurm/v0.0.40/job/{job_id}':{},'/slurmdb/v0.0.40/jobs':{}", NULL},
        {"'/slurm/v0.0.x/jobs':{},'/slurmdb/v0.0.x/jobs':{}", NULL},
        {"'/slurm/v0.0.99999999999/jobs':{},'/slurmdb/v0.0.99999999999/jobs':{}", NULL},
        {"'/jobs':{},'':{},'/slurm/jobs':{},'/slurmdb//jobs':{}", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024], version[SLURM_REST_VERSION_BYTES] = "untouched";
        struct error err = {0};
        int length = snprintf(text, sizeof text, "{\"openapi\":\"3\",\"paths\":{%s}}",
                              cases[i].paths);

        for (char *quote = text; (quote = strchr(quote, '\'')) != NULL;) {
            *quote = '"';
        }
        if (cases[i].version == NULL) {
            assert_int_equal(slurm_rest_version_choose(text, (size_t)length, version, &err), -1);
            assert_int_equal(err.code, ERROR_INPUT);
            assert_string_equal(version, "untouched");
        } else {
            assert_int_equal(slurm_rest_version_choose(text, (size_t)length, version, &err), 0);
            assert_string_equal(version, cases[i].version);
        }
    }
}

static void what_is_no_openapi_names_no_version(void **state)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"paths\":[]}",
                                        "{\"paths\":null}",
                                        "<html>",
                                        "{\"paths\":{\"/slurm/v0.0.38/jobs\":{}"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char version[SLURM_REST_VERSION_BYTES];
        struct error err = {0};

        assert_int_equal(slurm_rest_version_choose(texts[i], strlen(texts[i]), version, &err), -1);
    }
}

static void a_url_may_end_in_the_version(void **state)
{
    static const struct {
        const char *url, *base, *version;
    } cases[] = {
        {"http://host:6820", "http://host:6820", ""},
        {"http://host:6820/", "http://host:6820", ""},
        {"http://host:6820/v0.0.40", "http://host:6820", "v0.0.40"},
        {"https://host/slurm-api//v0.0.38//", "https://host/slurm-api", "v0.0.38"},
        {"https://host/v0.0.", "https://host/v0.0.", ""},
        {"https://host/v0.0.4x", "https://host/v0.0.4x", ""},
        {"https://v0.0.40/x", "https://v0.0.40/x", ""},
        {"", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char version[SLURM_REST_VERSION_BYTES];
        size_t base;

        slurm_rest_version_split(cases[i].url, &base, version);
        assert_string_equal(version, cases[i].version);
        assert_int_equal(base, strlen(cases[i].base));
        assert_memory_equal(cases[i].url, cases[i].base, base);
    }
}

/* --- windows --------------------------------------------------------------------------------- */

enum { LIMIT_BYTES = 1000 };
static const int64_t LIMIT_US = 1000;

/* A cluster whose jobs end at an even pace, so many bytes a second; what an answer of a window
 * holds. */
static uint64_t bytes_of(struct instant from, struct instant end, uint64_t a_second)
{
    return (uint64_t)((end.us - from.us) / INSTANT_SECOND_US) * a_second;
}

/* Walk [0, to) as the puller does. Returns how many answers it took, asserts that nothing is left
 * out and that no answer that counts is too large. */
static int walk(uint64_t a_second, struct instant to)
{
    struct slurm_rest_window window;
    struct instant from = {0};
    int asked = 0;

    slurm_rest_window_init(&window, LIMIT_BYTES, LIMIT_US);
    while (instant_compare(from, to) < 0) {
        struct instant end = slurm_rest_window_end(&window, from, to);
        uint64_t bytes = bytes_of(from, end, a_second);

        assert_true(++asked < 100000);
        assert_true(instant_compare(from, end) < 0);
        assert_true(instant_compare(end, to) <= 0);
        if (bytes > LIMIT_BYTES) {
            assert_true(slurm_rest_window_halve(&window, from, end));
        } else {
            slurm_rest_window_grow(&window, bytes, 0);
            from = end;
        }
    }
    return asked;
}

static void windows_fit_whatever_the_pace(void **state)
{
    const struct instant day = instant_from_seconds(86400);

    (void)state;
    assert_true(walk(0, day) <= 6); /* 1 h, 2 h, 4 h, 8 h, 9 h */
    assert_in_range(walk(1, day), 86, 200);
    assert_in_range(walk(10, day), 864, 2000);
    assert_in_range(walk(900, instant_from_seconds(600)), 600, 620);
}

static void a_window_grows_to_a_day_and_no_further(void **state)
{
    struct slurm_rest_window window;

    (void)state;
    slurm_rest_window_init(&window, LIMIT_BYTES, LIMIT_US);
    for (int i = 0; i < 100; i++) {
        slurm_rest_window_grow(&window, 0, 0);
    }
    assert_int_equal(window.seconds, REST_WINDOW_MAX_SECONDS);
}

static void a_window_does_not_grow_towards_a_limit(void **state)
{
    struct slurm_rest_window window;

    (void)state;
    slurm_rest_window_init(&window, LIMIT_BYTES, LIMIT_US);
    slurm_rest_window_grow(&window, LIMIT_BYTES / 2, 0);
    slurm_rest_window_grow(&window, 0, LIMIT_US / 2);
    assert_int_equal(window.seconds, REST_WINDOW_FIRST_SECONDS);
}

static void a_second_is_not_halved(void **state)
{
    struct slurm_rest_window window;
    struct instant from = {0};
    int halved = 0;

    (void)state;
    slurm_rest_window_init(&window, LIMIT_BYTES, LIMIT_US);
    while (slurm_rest_window_halve(
        &window, from, slurm_rest_window_end(&window, from, instant_from_seconds(7200)))) {
        halved++;
    }
    assert_int_equal(window.seconds, REST_WINDOW_MIN_SECONDS);
    assert_int_equal(halved, 11);
    /* What is left of a time may be shorter than a second. */
    assert_false(slurm_rest_window_halve(&window, from, (struct instant){1}));
}

static void the_rest_of_a_time_is_halved_by_its_own_length(void **state)
{
    struct slurm_rest_window window;

    (void)state;
    slurm_rest_window_init(&window, LIMIT_BYTES, LIMIT_US);
    assert_true(slurm_rest_window_halve(&window, (struct instant){0}, instant_from_seconds(100)));
    assert_int_equal(window.seconds, 50);
}

/* --- tokens ---------------------------------------------------------------------------------- */

static void a_token_is_found_as_scontrol_prints_it(void **state)
{
    static const struct {
        const char *text, *token; /* NULL: none */
    } cases[] = {
        {"SLURM_JWT=aa.bb.cc\n", "aa.bb.cc"},
        {"aa.bb-_.cc", "aa.bb-_.cc"},
        {" \n aa.bb.cc \r\n\n", "aa.bb.cc"},
        {"aa\r\nX-Other: b", NULL},
        {"aa bb", NULL},
        {"SLURM_JWT=", "SLURM_JWT="},
        {"", NULL},
        {"\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *token = NULL;
        size_t length = 0;
        int result = slurm_rest_token_find(cases[i].text, strlen(cases[i].text), &token, &length);

        assert_int_equal(result, cases[i].token != NULL ? 0 : -1);
        if (cases[i].token != NULL) {
            assert_int_equal(length, strlen(cases[i].token));
            assert_memory_equal(token, cases[i].token, length);
        }
    }
}

static void a_token_says_whose_it_is(void **state)
{
    static const struct {
        const char *token, *user; /* NULL: it does not say */
    } cases[] = {
        /* {"exp":1795464201,"iat":1795377801,"sun":"root"} */
        {"x.eyJleHAiOjE3OTU0NjQyMDEsImlhdCI6MTc5NTM3NzgwMSwic3VuIjoicm9vdCJ9.y", "root"},
        {"x.eyJzdW4iOiJhIn0.y", "a"},           /* {"sun":"a"} */
        {"x.eyJzdW4iOiJhXHUwMDBhYiJ9.y", NULL}, /* {"sun":"a\nb"}: no header's text */
        {"x.eyJzdW4iOiIifQ.y", NULL},           /* {"sun":""} */
        {"x.eyJzdW4iOjV9.y", NULL},             /* {"sun":5} */
        {"x.e30.y", NULL},                      /* {} */
        {"x.!!.y", NULL},
        {"x.eyJzdW4iOiJhIn0", NULL},
        {"opaque", NULL},
        {"..", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf user = STRBUF_INIT;
        int result = slurm_rest_token_user(cases[i].token, strlen(cases[i].token), &user);

        assert_int_equal(result, cases[i].user != NULL ? 0 : -1);
        assert_string_equal(user.data, cases[i].user != NULL ? cases[i].user : "");
        strbuf_release(&user);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_version_that_is_known_is_chosen),
        cmocka_unit_test(what_is_no_openapi_names_no_version),
        cmocka_unit_test(a_url_may_end_in_the_version),
        cmocka_unit_test(windows_fit_whatever_the_pace),
        cmocka_unit_test(a_window_grows_to_a_day_and_no_further),
        cmocka_unit_test(a_window_does_not_grow_towards_a_limit),
        cmocka_unit_test(a_second_is_not_halved),
        cmocka_unit_test(the_rest_of_a_time_is_halved_by_its_own_length),
        cmocka_unit_test(a_token_is_found_as_scontrol_prints_it),
        cmocka_unit_test(a_token_says_whose_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
