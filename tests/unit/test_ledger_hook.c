/* What becomes of jobs at submission: breaker, risk budget, configuration, and the whole decision
 * while ledgerd answers, refuses, is dead, and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "contrib/slurm/hook/hook.h"
#include "tests/hook/fake_ledgerd.h"

#include <cmocka.h>

/* --- breaker -------------------------------------------------------------------------------- */

/* Each step: at a time, a(sk) f(ail) s(ucceed), and what that must return. */
static void the_breaker_opens_probes_and_closes(void **state)
{
    static const struct {
        int64_t at;
        char what;
        bool result;
    } steps[] = {
        {0, 'a', true},   {0, 'f', false},  {0, 'a', true},
        {0, 'f', false},  {0, 's', false},                    /* two of three: forgotten */
        {0, 'f', false},  {0, 'f', false},  {5, 'f', true},   /* three in a row */
        {5, 'a', false},  {6, 'f', false},                    /* was under way: no longer pause */
        {14, 'a', false}, {15, 'a', true},  {15, 'a', false}, /* one asks for all */
        {16, 'f', true},  {25, 'a', false}, {26, 'a', true},
        {26, 's', true},  {26, 'a', true},  {26, 'a', true},
        {26, 'f', false}, {26, 'f', false}, {26, 'f', true}, /* three again */
    };
    struct breaker_options options = {.failures = 3, .pause_us = 10};
    struct breaker breaker = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        bool result = steps[i].what == 'a'   ? breaker_allows(&breaker, steps[i].at)
                      : steps[i].what == 'f' ? breaker_fail(&breaker, &options, steps[i].at)
                                             : breaker_succeed(&breaker);
        if (result != steps[i].result) {
            fail_msg("step %zu: %c at %lld returned %d", i, steps[i].what, (long long)steps[i].at,
                     result);
        }
    }
}

/* --- risk ----------------------------------------------------------------------------------- */

static void risk_is_estimated_exactly_and_rounded_up(void **state)
{
    struct risk_options options = {.budget_micro = -1,
                                   .gpu_hour_micro = 1000000,
                                   .cpu_hour_micro = 13800,
                                   .node_hour_micro = 5000000,
                                   .seconds = 86400};
    static const struct {
        struct ledger_shape shape;
        int64_t micro;
    } cases[] = {
        {{.gpus = 4, .cpus = 1, .seconds = 3600, .parts = 1}, 4013800},
        {{.gpus = 4, .cpus = 1, .seconds = 3600, .parts = 100}, 401380000},
        {{.cpus = 1, .seconds = 1, .parts = 1}, 4}, /* 3.83 */
        {{.cpus = 1, .seconds = -1, .parts = 1}, 331200},
        {{.nodes = 3, .cpus = 3, .seconds = 3600, .parts = 1, .exclusive = true}, 15000000},
        {{.gpus = LEDGER_COUNT_MAX, .seconds = LEDGER_COUNT_MAX, .parts = 4000000}, INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(risk_estimate(&options, &cases[i].shape), cases[i].micro);
    }
}

static void the_budget_is_never_passed(void **state)
{
    struct risk_options options = {.budget_micro = 100};
    int64_t spent = 0;

    (void)state;
    assert_true(risk_take(&options, &spent, 60));
    assert_false(risk_take(&options, &spent, 41));
    assert_int_equal(spent, 60);
    assert_true(risk_take(&options, &spent, 40));
    assert_false(risk_take(&options, &spent, INT64_MAX));
    options.budget_micro = -1;
    assert_true(risk_take(&options, &spent, INT64_MAX));
    assert_int_equal(spent, INT64_MAX);
}

/* --- configuration -------------------------------------------------------------------------- */

static void every_setting_is_read(void **state)
{
    static const char text[] = "# the hook\n"
                               "cluster = sdli\n\n"
                               "socket=/run/x/sock\r\n"
                               "\tdeadline = 250ms \n"
                               "breaker_failures = 5\nbreaker_pause = 1m\nttl = 2h\n"
                               "fail = closed\nfail.gpu = open\nfail.cpu = closed\n"
                               "risk_budget = 5000.5\nrisk.gpu_hour = 1\nrisk.cpu_hour = 0.0138\n"
                               "risk.node_hour = 4\nrisk.time = 2d\n"
                               "exempt_uids = 0,64030\nmessage_prefix = SDLI:";
    struct hook_conf conf;
    char error[HOOK_ERROR_BYTES] = "";

    (void)state;
    assert_int_equal(hook_conf_parse(text, &conf, error), 0);
    assert_string_equal(conf.cluster, "sdli");
    assert_string_equal(conf.socket_path, "/run/x/sock");
    assert_string_equal(conf.ttl, "2h");
    assert_string_equal(conf.message_prefix, "SDLI: ");
    assert_int_equal(conf.deadline_us, 250000);
    assert_int_equal(conf.breaker.failures, 5);
    assert_int_equal(conf.breaker.pause_us, 60000000);
    assert_int_equal(conf.risk.budget_micro, 5000500000);
    assert_int_equal(conf.risk.gpu_hour_micro, 1000000);
    assert_int_equal(conf.risk.cpu_hour_micro, 13800);
    assert_int_equal(conf.risk.node_hour_micro, 4000000);
    assert_int_equal(conf.risk.seconds, 172800);
    assert_false(hook_conf_fails_open(&conf, ""));
    assert_true(hook_conf_fails_open(&conf, "gpu"));
    assert_false(hook_conf_fails_open(&conf, "gpu,cpu"));
    assert_false(hook_conf_fails_open(&conf, "gpu,other"));
    assert_false(hook_conf_fails_open(&conf, "gp"));
    assert_true(hook_conf_is_exempt(&conf, 0));
    assert_true(hook_conf_is_exempt(&conf, 64030));
    assert_false(hook_conf_is_exempt(&conf, 6403));
}

static void a_bad_configuration_names_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "cluster is missing"},
        {"cluster = a\nfail = maybe\n", "line 2: fail must be open or closed"},
        {"cluster = a\nfail. = open\n",
         "line 2: fail.PARTITION must be open or closed, for at most 64"},
        {"colour = red\n", "line 1: there is no setting colour"},
        {"cluster\n", "line 1: is not \"key = value\""},
        {"cluster =\n", "line 1: cluster must be a cluster's name"},
        {"\n\nsocket = run/sock\n",
         "line 3: socket must be the full path of a Unix socket, below 108 bytes"},
        {"deadline = 11s", "line 1: deadline must be a duration from 1ms to 10s"},
        {"deadline = 0ms", "line 1: deadline must be a duration from 1ms to 10s"},
        {"deadline = 50", "line 1: deadline must be a duration from 1ms to 10s"},
        {"breaker_failures = 0", "line 1: breaker_failures must be a number above 0"},
        {"breaker_pause = 2h", "line 1: breaker_pause must be a duration of at most 1h"},
        {"ttl = 1h x", "line 1: ttl must be a duration of at least 1s"},
        {"risk_budget = 1.0000001",
         "line 1: risk_budget must be points, with at most six fraction digits"},
        {"risk_budget = -1",
         "line 1: risk_budget must be points, with at most six fraction digits"},
        {"risk_budget = 9999999999999",
         "line 1: risk_budget must be points, with at most six fraction digits"},
        {"exempt_uids = 0,",
         "line 1: exempt_uids must be numbers of users with commas between them, at most 32"},
        {"cluster = a\nrisk_budget = 5\n",
         "risk_budget needs prices: risk.gpu_hour, risk.cpu_hour"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hook_conf conf = {.deadline_us = 77};
        char error[HOOK_ERROR_BYTES] = "";

        assert_int_equal(hook_conf_parse(cases[i].text, &conf, error), -1);
        assert_string_equal(error, cases[i].error);
        assert_int_equal(conf.deadline_us, 77);
    }
}

static void too_many_of_anything_is_said(void **state)
{
    char text[8192] = "cluster = a\nexempt_uids = 0";
    struct hook_conf conf;
    char error[HOOK_ERROR_BYTES];

    (void)state;
    for (int i = 0; i < HOOK_UIDS_MAX; i++) {
        strcat(text, ",1");
    }
    assert_int_equal(hook_conf_parse(text, &conf, error), -1);
    snprintf(text, sizeof(text), "cluster = a\n");
    for (int i = 0; i <= HOOK_PARTITIONS_MAX; i++) {
        strcat(text, "fail.p = open\n");
    }
    assert_int_equal(hook_conf_parse(text, &conf, error), -1);
}

/* --- the whole decision --------------------------------------------------------------------- */

static char last_error[1024];
static int log_lines;

static void keep_log(bool is_error, const char *line)
{
    log_lines++;
    if (is_error) {
        snprintf(last_error, sizeof(last_error), "%s", line);
    }
}

static void write_conf(const char *path, const char *socket, const char *more)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "cluster = sdli\nsocket = %s\ndeadline = 500ms\nmessage_prefix = L:\n%s", socket,
            more);
    assert_int_equal(fclose(file), 0);
}

/* A hook with this configuration, about the server's socket. */
static void start_hook(struct hook *hook, struct fake *fake, char path[128], const char *more)
{
    snprintf(path, 128, "%s.conf", fake->folder);
    write_conf(path, fake->path, more);
    assert_int_equal(setenv("LEDGER_HOOK_CONF", path, 1), 0);
    last_error[0] = '\0';
    log_lines = 0;
    hook_init(hook, keep_log);
    assert_string_equal(last_error, "");
}

static struct hook_result submit(struct hook *hook, const struct ledger_job *job)
{
    struct hook_result result;

    hook_submit(hook, job, 20001, &result);
    return result;
}

static const struct ledger_job gpu_hour = {.partition = "gpu",
                                           .account = "ml",
                                           .tres_per_job = "gpu:1",
                                           .memory_mib = -1,
                                           .limit_minutes = 60};

static void ledgerd_decides_while_it_answers(void **state)
{
    static struct fake fake;
    struct hook hook;
    struct hook_result result;
    char path[128];

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    start_hook(&hook, &fake, path, "exempt_uids = 7\n");
    result = submit(&hook, &gpu_hour);
    assert_true(result.accepted);
    assert_memory_equal(result.comment, "ledger:hold=sl_", 15);
    assert_non_null(strstr(fake_request(&fake), result.comment + strlen("ledger:hold=")));
    assert_string_equal(result.message, "");
    assert_string_equal(result.qos, "");

    fake_says(&fake, fake_http(402, "{\"detail\":\"d\",\"user_message\":\"too dear\"}"));
    result = submit(&hook, &gpu_hour);
    assert_false(result.accepted);
    assert_string_equal(result.message, "L: too dear");
    assert_string_equal(result.comment, "");

    fake_says(&fake, fake_http(201, "{\"hold\":\"h_2\",\"downgraded_to\":\"low\"}"));
    result = submit(&hook, &gpu_hour);
    assert_true(result.accepted);
    assert_string_equal(result.qos, "low");
    assert_string_equal(result.message, "L: there are not enough points: the job runs in QOS low");

    hook_submit(&hook, &gpu_hour, 7, &result);
    assert_true(result.accepted);
    assert_string_equal(result.comment, "");
    assert_int_equal(fake.connections, 3);
    fake_stop(&fake);
    unlink(path);
}

static void what_cannot_be_read_is_refused_unasked(void **state)
{
    static struct fake fake;
    struct ledger_job job = {.array = "1-x", .memory_mib = -1, .limit_minutes = -1};
    struct hook hook;
    struct hook_result result;
    char path[128];

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    start_hook(&hook, &fake, path, "");
    result = submit(&hook, &job);
    assert_false(result.accepted);
    assert_string_equal(result.message, "L: the array specification cannot be read");
    assert_int_equal(fake.connections, 0);
    fake_stop(&fake);
    unlink(path);
}

static void a_dead_ledgerd_is_not_asked_on_and_on(void **state)
{
    static struct fake fake;
    struct hook hook;
    struct hook_result result;
    char path[128];

    (void)state;
    fake_says(&fake, fake_http(503, "{\"detail\":\"database away\"}"));
    fake_start(&fake, fake_answer);
    start_hook(&hook, &fake, path,
               "breaker_failures = 2\nbreaker_pause = 300ms\nfail.closed = closed\n"
               "risk_budget = 3\nrisk.gpu_hour = 1\n");
    for (int i = 0; i < 3; i++) { /* two of them asked, the third by itself */
        result = submit(&hook, &gpu_hour);
        assert_true(result.accepted);
        assert_string_equal(result.comment, "ledger:unheld");
    }
    assert_int_equal(fake.connections, 2);
    result = submit(&hook, &gpu_hour); /* a fourth point */
    assert_false(result.accepted);
    assert_string_equal(result.message,
                        "L: accounting cannot be asked, and as much work as may start without it "
                        "has been accepted: try again in a minute");
    assert_string_equal(result.comment, "");

    usleep(350000);
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    result = submit(&hook, &gpu_hour);
    assert_true(result.accepted);
    assert_memory_equal(result.comment, "ledger:hold=sl_", 15);
    assert_int_equal(hook.spent_micro, 0); /* the budget is whole again */
    assert_int_equal(fake.connections, 3);
    fake_stop(&fake);
    result = submit(&hook, &gpu_hour);
    assert_true(result.accepted);
    assert_string_equal(result.comment, "ledger:unheld");
    unlink(path);
}

static void a_closed_partition_waits_for_ledgerd(void **state)
{
    static struct fake fake;
    struct ledger_job job = gpu_hour;
    struct hook hook;
    struct hook_result result;
    char path[128];

    (void)state;
    fake_listen(&fake, 1);
    start_hook(&hook, &fake, path, "fail.gpu = closed\n");
    fake_unlisten(&fake);
    result = submit(&hook, &job);
    assert_false(result.accepted);
    assert_string_equal(result.message,
                        "L: accounting cannot be asked at the moment, try again in a minute");
    job.partition = "cpu";
    assert_true(submit(&hook, &job).accepted);
    job.partition = "cpu,gpu";
    assert_false(submit(&hook, &job).accepted);
    unlink(path);
}

static void longer_limits_are_asked_about(void **state)
{
    static struct fake fake;
    struct hook hook;
    struct hook_result result;
    char path[128];

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    start_hook(&hook, &fake, path, "breaker_failures = 100\n");
    hook_modify(&hook, "12_3", 7200, 20001, false, &result);
    assert_true(result.accepted);
    assert_non_null(strstr(fake_request(&fake), "\"seconds\":\"7200\",\"modifies\":\"12_3\""));

    fake_says(&fake, fake_http(402, "{\"code\":\"insufficient_points\",\"user_message\":\"no\"}"));
    log_lines = 0;
    hook_modify(&hook, "12_3", 7200, 0, true, &result);
    assert_false(result.accepted);
    assert_string_equal(result.message, "L: no");
    assert_int_equal(log_lines, 1);

    fake_says(&fake, fake_http(404, "{\"code\":\"unknown_job\",\"user_message\":\"what?\"}"));
    hook_modify(&hook, "12_3", 7200, 20001, false, &result);
    assert_false(result.accepted);
    assert_string_equal(result.message,
                        "L: accounting does not know this job yet, try again in a minute");
    hook_modify(&hook, "12_3", 7200, 0, true, &result);
    assert_true(result.accepted);
    fake_stop(&fake);
    hook_modify(&hook, "12_3", 7200, 20001, false, &result);
    assert_false(result.accepted);
    hook_modify(&hook, "12_3", 7200, 0, true, &result);
    assert_true(result.accepted);
    unlink(path);
}

static void a_bad_new_file_changes_nothing(void **state)
{
    static struct fake fake;
    struct hook hook;
    char path[128];

    (void)state;
    fake_says(&fake, fake_http(402, "{\"user_message\":\"no\"}"));
    fake_start(&fake, fake_answer);
    start_hook(&hook, &fake, path, "");
    assert_string_equal(submit(&hook, &gpu_hour).message, "L: no");

    write_conf(path, fake.path, "fail = sometimes\n");
    hook.look_again_us = 0; /* a second has passed */
    assert_string_equal(submit(&hook, &gpu_hour).message, "L: no");
    assert_non_null(strstr(last_error, "line 5: fail must be open or closed; the settings stay"));
    last_error[0] = '\0';
    hook.look_again_us = 0;
    submit(&hook, &gpu_hour);
    assert_string_equal(last_error, ""); /* said once */

    write_conf(path, fake.path, "message_prefix = New:\n");
    assert_string_equal(submit(&hook, &gpu_hour).message, "L: no"); /* not within the second */
    hook.look_again_us = 0;
    assert_string_equal(submit(&hook, &gpu_hour).message, "New: no");

    unlink(path);
    hook.look_again_us = 0;
    assert_string_equal(submit(&hook, &gpu_hour).message, "New: no");
    assert_non_null(strstr(last_error, "No such file"));
    fake_stop(&fake);
}

static void without_any_configuration_jobs_go_on(void **state)
{
    struct hook hook;
    struct hook_result result;

    (void)state;
    assert_int_equal(setenv("LEDGER_HOOK_CONF", "/nowhere/at/all.conf", 1), 0);
    last_error[0] = '\0';
    hook_init(&hook, keep_log);
    assert_string_equal(last_error,
                        "/nowhere/at/all.conf: No such file or directory; ledgerd is not asked");
    result = submit(&hook, &gpu_hour);
    assert_true(result.accepted);
    assert_string_equal(result.comment, "ledger:unheld");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_breaker_opens_probes_and_closes),
        cmocka_unit_test(risk_is_estimated_exactly_and_rounded_up),
        cmocka_unit_test(the_budget_is_never_passed),
        cmocka_unit_test(every_setting_is_read),
        cmocka_unit_test(a_bad_configuration_names_its_line),
        cmocka_unit_test(too_many_of_anything_is_said),
        cmocka_unit_test(ledgerd_decides_while_it_answers),
        cmocka_unit_test(what_cannot_be_read_is_refused_unasked),
        cmocka_unit_test(a_dead_ledgerd_is_not_asked_on_and_on),
        cmocka_unit_test(a_closed_partition_waits_for_ledgerd),
        cmocka_unit_test(longer_limits_are_asked_about),
        cmocka_unit_test(a_bad_new_file_changes_nothing),
        cmocka_unit_test(without_any_configuration_jobs_go_on),
    };

    return cmocka_run_group_tests_name("ledger_hook", tests, NULL, NULL);
}
