/* Live jobs of squeue and slurmrestd: shapes of all releases, arrays, states; what cannot be read
 * is said to be so, never taken for gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "importers/slurm_live.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A running job of 22.05, in front of which a case puts what it is about: of two members with one
 * name the first counts. */
#define BASE                                                                                     \
    "\"job_id\":7,\"job_state\":\"RUNNING\",\"state_reason\":\"None\",\"array_job_id\":0,"       \
    "\"array_task_id\":null,\"array_task_string\":\"\",\"array_max_tasks\":0,\"het_job_id\":0,"  \
    "\"user_id\":20001,\"user_name\":\"alice\",\"account\":\"ml\",\"partition\":\"gpu\","        \
    "\"qos\":\"normal\",\"start_time\":1795377064,\"submit_time\":1795377000,\"time_limit\":10," \
    "\"tres_req_str\":\"cpu=1,mem=1G,node=1,billing=1,gres/gpu=2\","                             \
    "\"tres_alloc_str\":\"cpu=2,mem=1536M,node=1,billing=2,gres/gpu:a100=4\","                   \
    "\"admin_comment\":\"\",\"cluster\":\"sdli\"}"

static int read_job(const char *members, struct slurm_live_job *job, char why[LIVE_WHY_BYTES])
{
    static struct scan_doc doc; /* the job's texts are its */
    static char text[8192];
    static bool is_begun;

    if (!is_begun) {
        scan_init(&doc);
        is_begun = true;
    }
    snprintf(text, sizeof text, "{%s%s", members, members[0] != '\0' ? "," BASE : BASE);
    assert_int_equal(scan_json_whole(&doc, text, strlen(text)), SCAN_OK);
    return slurm_live_read(&doc, "sdli", job, why);
}

static struct slurm_live_job job_of(const char *members)
{
    struct slurm_live_job job;
    char why[LIVE_WHY_BYTES];

    if (read_job(members, &job, why) != 0) {
        fail_msg("%s: %s", members, why);
    }
    return job;
}

static void assert_text(struct scan_text text, const char *wanted)
{
    assert_int_equal(text.length, strlen(wanted));
    assert_memory_equal(text.bytes, wanted, text.length);
}

static void a_running_job(void **state)
{
    struct slurm_live_job job = job_of("");

    (void)state;
    assert_int_equal(job.job_id, 7);
    assert_int_equal(job.submitted.us, 1795377000 * INSTANT_SECOND_US);
    assert_int_equal(job.array_job_id, 0);
    assert_int_equal(job.array_task, -1);
    assert_int_equal(job.tasks, 1);
    assert_int_equal(job.at_once, 0);
    assert_int_equal(job.het_job_id, 0);
    assert_int_equal(job.uid, 20001);
    assert_text(job.user, "alice");
    assert_text(job.account, "ml");
    assert_text(job.partition, "gpu");
    assert_text(job.qos, "normal");
    assert_text(job.hold_key, "");
    assert_int_equal(job.state, LIVE_RUNNING);
    assert_false(job.is_held);
    assert_int_equal(job.start.us, 1795377064 * INSTANT_SECOND_US);
    assert_int_equal(job.limit_seconds, 600);
    assert_string_equal(job.meters, "cpu=2 gpu=4 mem_gib=1.5 node=1");
}

/* What the releases from 23.02 on made of numbers and states. */
static void the_same_in_shapes_of_later_releases(void **state)
{
    struct slurm_live_job job = job_of(
        "\"job_state\":[\"PENDING\"],\"array_job_id\":{\"set\":true,\"infinite\":false,"
        "\"number\":5},\"array_task_id\":{\"set\":false,\"infinite\":false,\"number\":0},"
        "\"array_task_string\":\"1-10:3%2\",\"array_max_tasks\":{\"set\":true,\"infinite\":false,"
        "\"number\":2},\"het_job_id\":{\"set\":true,\"infinite\":false,\"number\":0},"
        "\"start_time\":{\"set\":true,\"infinite\":false,\"number\":1799999999},"
        "\"submit_time\":{\"set\":true,\"infinite\":false,\"number\":1795377001},"
        "\"time_limit\":{\"set\":true,\"infinite\":true,\"number\":0},\"hold\":true,"
        "\"tres_alloc_str\":\"\"");

    (void)state;
    assert_int_equal(job.state, LIVE_PENDING);
    assert_int_equal(job.array_job_id, 5);
    assert_int_equal(job.array_task, -1);
    assert_int_equal(job.tasks, 4);
    assert_int_equal(job.at_once, 2);
    assert_int_equal(job.het_job_id, 0);
    assert_false(instant_is_set(job.start)); /* only expected */
    assert_int_equal(job.submitted.us, 1795377001 * INSTANT_SECOND_US);
    assert_int_equal(job.limit_seconds, -1);
    assert_true(job.is_held);
    assert_string_equal(job.meters, "cpu=1 gpu=2 mem_gib=1 node=1");
}

static void a_task_that_was_split_off(void **state)
{
    struct slurm_live_job job = job_of("\"array_job_id\":5,\"array_task_id\":0,"
                                       "\"array_task_string\":\"\",\"array_max_tasks\":3");

    (void)state;
    assert_int_equal(job.array_job_id, 5);
    assert_int_equal(job.array_task, 0);
    assert_int_equal(job.tasks, 1);
    assert_int_equal(job.at_once, 3);
}

static void states_weigh_what_still_holds_the_machine(void **state)
{
    static const struct {
        const char *value;
        enum slurm_live_state state;
        bool is_held;
    } cases[] = {
        {"\"PENDING\"", LIVE_PENDING, false},
        {"\"PENDING\",\"state_reason\":\"JobHeldUser\"", LIVE_PENDING, true},
        {"\"PENDING\",\"state_reason\":\"JobHeldAdmin\"", LIVE_PENDING, true},
        {"\"REQUEUE_HOLD\"", LIVE_PENDING, false},
        {"\"REQUEUED\"", LIVE_PENDING, false},
        {"\"CONFIGURING\"", LIVE_RUNNING, false},
        {"\"SUSPENDED\"", LIVE_SUSPENDED, false},
        {"\"COMPLETING\"", LIVE_ENDING, false},
        {"\"COMPLETED\"", LIVE_GONE, false},
        {"\"CANCELLED\"", LIVE_GONE, false},
        {"\"NODE_FAIL\"", LIVE_GONE, false},
        {"[\"RUNNING\",\"SOMETHING_NEW\"]", LIVE_RUNNING, false},
        {"[\"COMPLETING\",\"CANCELLED\"]", LIVE_ENDING, false},
        {"[\"FAILED\",\"COMPLETING\"]", LIVE_ENDING, false},
        {"[\"PENDING\",\"REQUEUED\"]", LIVE_PENDING, false},
        {"[\"TIMEOUT\"]", LIVE_GONE, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char members[200];
        struct slurm_live_job job;

        snprintf(members, sizeof members, "\"job_state\":%s", cases[i].value);
        job = job_of(members);
        if (job.state != cases[i].state ||
            (job.state != LIVE_GONE && job.is_held != cases[i].is_held)) {
            fail_msg("%s: state %d, held %d", cases[i].value, job.state, job.is_held);
        }
    }
}

static void another_clusters_job_is_not_ours(void **state)
{
    (void)state;
    assert_int_equal(job_of("\"cluster\":\"other\"").state, LIVE_GONE);
}

static void the_key_is_found_among_other_words(void **state)
{
    static const struct {
        const char *comment, *key;
    } cases[] = {
        {"ledger:hold=sl_01", "sl_01"}, {"see ticket 5;ledger:hold=sl_01;x", "sl_01"},
        {"ledger:unheld", ""},          {"ledger:hold=", ""},
        {"ledger:hold=a\\u0007b", ""},  {"xledger:hold=a", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char members[200];

        snprintf(members, sizeof members, "\"admin_comment\":\"%s\"", cases[i].comment);
        assert_text(job_of(members).hold_key, cases[i].key);
    }
}

static void what_cannot_be_read_names_job_and_field(void **state)
{
    static const struct {
        const char *members, *why;
    } cases[] = {
        {"\"job_id\":0", "a job without a job_id"},
        {"\"job_id\":\"x\"", "a job without a job_id"},
        {"\"job_state\":\"DANCING\"", "job 7: field job_state cannot be read"},
        {"\"job_state\":[]", "job 7: field job_state cannot be read"},
        {"\"job_state\":null", "job 7: field job_state cannot be read"},
        {"\"submit_time\":0", "job 7: field submit_time cannot be read"},
        {"\"submit_time\":\"then\"", "job 7: field submit_time cannot be read"},
        {"\"array_task_string\":\"1-3,...\"", "job 7: field array_task_string, array_task_id or "
                                              "array_max_tasks cannot be read"},
        {"\"het_job_id\":1.5", "job 7: field het_job_id cannot be read"},
        {"\"user_id\":null", "job 7: field user_id cannot be read"},
        {"\"start_time\":0", "job 7: field start_time cannot be read"},
        {"\"time_limit\":-7", "job 7: field time_limit cannot be read"},
        {"\"tres_alloc_str\":\"cpu\"", "job 7: field tres_alloc_str or tres_req_str cannot be "
                                       "read"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slurm_live_job job;
        char why[LIVE_WHY_BYTES] = "it was read";

        assert_int_equal(read_job(cases[i].members, &job, why), -1);
        assert_string_equal(why, cases[i].why);
    }
}

/* Of a job that has ended it is told whether it was ever given anything, whatever its times say. */
static void a_job_that_has_ended_says_whether_it_ran(void **state)
{
    static const struct {
        const char *members;
        bool never_started;
        int tasks;
    } cases[] = {
        {"\"end_time\":1795377070", false, 1},
        {"\"tres_alloc_str\":\"\",\"start_time\":0,\"end_time\":1795377070", true, 1},
        {"\"tres_alloc_str\":\"\",\"end_time\":1795377064", true, 1}, /* the time of its end */
        {"\"tres_alloc_str\":\"\",\"end_time\":1795377065", false, 1},
        {"\"tres_alloc_str\":\"\",\"start_time\":0,\"nodes\":\"gn1\"", false, 1},
        {"\"start_time\":0,\"end_time\":1795377070", false, 1},
        {"\"tres_alloc_str\":\"\",\"start_time\":0,\"array_job_id\":7,"
         "\"array_task_string\":\"2-6%2\"",
         true, 5},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char members[512];

        snprintf(members, sizeof members,
                 "\"job_state\":\"CANCELLED\",\"admin_comment\":\"ledger:hold=k\",%s",
                 cases[i].members);
        struct slurm_live_job job = job_of(members);
        assert_int_equal(job.state, LIVE_GONE);
        assert_int_equal(job.submitted.us, 1795377000 * INSTANT_SECOND_US);
        assert_text(job.hold_key, "k");
        if (job.never_started != cases[i].never_started || job.tasks != cases[i].tasks) {
            fail_msg("%s", cases[i].members);
        }
    }
    assert_false(instant_is_set(job_of("\"cluster\":\"other\"").submitted));
}

static void tasks_of_an_array_are_counted(void **state)
{
    static const struct {
        const char *text;
        int tasks;
    } cases[] = {
        {"0", 1},
        {"1-10", 10},
        {"1-10%3", 10},
        {"1-10:3", 4},
        {"1,3,5-9:2", 5},
        {"0-4000000", 4000001},
        {"1-1000000,2000001-3000000%1", 2000000},
        {"", -1},
        {"1-", -1},
        {"5-1", -1},
        {"1-10:0", -1},
        {"1,", -1},
        {"1-3,...", -1},
        {"1%", -1},
        {"1%2%3", -1},
        {"0x7", -1},
        {"0-4000000,5", -1},
        {"99999999999", -1},
        {"-1", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int tasks = slurm_live_tasks((struct scan_text){cases[i].text, strlen(cases[i].text)});

        if (tasks != cases[i].tasks) {
            fail_msg("%s: %d", cases[i].text, tasks);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_job),
        cmocka_unit_test(the_same_in_shapes_of_later_releases),
        cmocka_unit_test(a_task_that_was_split_off),
        cmocka_unit_test(states_weigh_what_still_holds_the_machine),
        cmocka_unit_test(another_clusters_job_is_not_ours),
        cmocka_unit_test(the_key_is_found_among_other_words),
        cmocka_unit_test(what_cannot_be_read_names_job_and_field),
        cmocka_unit_test(a_job_that_has_ended_says_whether_it_ran),
        cmocka_unit_test(tasks_of_an_array_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
