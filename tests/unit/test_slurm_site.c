/* Texts of sacctmgr and scontrol, live jobs and the keys of their holds: what is not understood is
 * an error, never somebody who has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "importers/slurm_jobs_pull.h"
#include "importers/slurm_site_pull.h"

static void users_are_those_of_the_associations(void **state)
{
    struct slurm_site_list list = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(slurm_site_read_users(&list, "alice|ml\nroot|root\n", &err), 0);
    assert_int_equal(slurm_site_read_associations(&list,
                                                  "|root||\nalice|ml||normal\nalice|bio|gpu|low\n"
                                                  "nobody-here|ml||",
                                                  &err),
                     0);
    assert_int_equal(list.site.association_count, 3);
    assert_string_equal(list.site.associations[1].partition, "gpu");
    assert_string_equal(list.site.associations[1].default_qos, "low");
    assert_string_equal(list.site.associations[2].default_qos, "");
    assert_int_equal(slurm_site_number_users(&list, &err), 0);
    assert_int_equal(list.site.user_count, 3);
    assert_string_equal(list.site.users[0].user, "alice");
    assert_string_equal(list.site.users[0].default_account, "ml");
    assert_string_equal(list.site.users[1].user, "nobody-here");
    assert_string_equal(list.site.users[1].default_account, "");
    assert_int_equal(list.site.users[1].uid, -1);
    assert_string_equal(list.site.users[2].user, "root");
    assert_int_equal(list.site.users[2].uid, 0);
    slurm_site_list_release(&list);
}

static void lines_of_other_fields_are_refused(void **state)
{
    static const char *const texts[] = {"alice|ml\n", "alice|ml||normal|x\n",
                                        "sacctmgr: error: x\n", "alice|ml||normal\n\n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct slurm_site_list list = {0};
        struct error err = {0};

        assert_int_equal(slurm_site_read_associations(&list, texts[i], &err), -1);
        assert_int_equal(err.code, ERROR_INPUT);
        slurm_site_list_release(&list);
    }
}

#define GPU_LINE                                                                              \
    "PartitionName=gpu AllowGroups=ALL Default=NO QoS=N/A DefaultTime=1-00:00:30 MaxNodes=1 " \
    "MaxTime=UNLIMITED OverSubscribe=EXCLUSIVE DefMemPerNode=4096 TRES=cpu=32\n"
#define CPU_LINE                                                                          \
    "PartitionName=cpu Default=YES DefaultTime=NONE MaxTime=7-00:00:00 OverSubscribe=NO " \
    "DefMemPerNode=UNLIMITED\n"

static void partitions_take_sizes_of_their_nodes_and_defaults_of_the_configuration(void **state)
{
    struct slurm_site_list list = {0};
    struct error err = {0};
    const struct slurm_partition_row *gpu, *cpu;

    (void)state;
    assert_int_equal(slurm_site_read_partitions(&list, GPU_LINE CPU_LINE, &err), 0);
    assert_int_equal(slurm_site_read_config(&list,
                                            "DebugFlags              = DefMemPerCPU = 7\n"
                                            "DefMemPerCPU            = 2048\n",
                                            &err),
                     0);
    assert_int_equal(slurm_site_read_nodes(&list,
                                           "NodeName=a OS=Linux Partitions=cpu RealMemory=9 "
                                           "Partitions=cpu,gpu CfgTRES=cpu=16,mem=62.50G,"
                                           "gres/gpu=4 AllocTRES=\n"
                                           "NodeName=b RealMemory=128000 Partitions=cpu,gpux "
                                           "CfgTRES=cpu=64,mem=125G,gres/gpu:a100=2 Reason=x "
                                           "CfgTRES=cpu=999\n",
                                           &err),
                     0);
    assert_int_equal(list.site.partition_count, 2);
    gpu = &list.site.partitions[0];
    cpu = &list.site.partitions[1];
    assert_string_equal(gpu->partition, "gpu");
    assert_false(gpu->is_default);
    assert_true(gpu->is_exclusive);
    assert_int_equal(gpu->default_seconds, 86430);
    assert_int_equal(gpu->max_seconds, -1);
    assert_int_equal(gpu->mem_per_node, 4096);
    assert_int_equal(gpu->mem_per_cpu, -1);
    assert_int_equal(gpu->node_cpus, 0); /* of two members the first counts; node b is of gpux */
    assert_true(cpu->is_default);
    assert_false(cpu->is_exclusive);
    assert_int_equal(cpu->default_seconds, -1);
    assert_int_equal(cpu->max_seconds, 7 * 86400);
    assert_int_equal(cpu->mem_per_node, -1);
    assert_int_equal(cpu->mem_per_cpu, 2048);
    assert_int_equal(cpu->node_cpus, 64);
    assert_int_equal(cpu->node_gpus, 4);
    assert_int_equal(cpu->node_mem, 128000);
    slurm_site_list_release(&list);
}

static void what_scontrol_cannot_have_said_is_refused(void **state)
{
    static const char *const partitions[] = {
        "slurm_load_partitions error\n", "x PartitionName=gpu\n",
        "PartitionName=gpu DefaultTime=soon\n", "PartitionName=gpu DefMemPerCPU=-1\n"};
    static const char *const nodes[] = {"No nodes in the system\n", "NodeName=a CfgTRES=cpu\n",
                                        "NodeName=a RealMemory=much\n"};

    (void)state;
    for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++) {
        struct slurm_site_list list = {0};
        struct error err = {0};

        assert_int_equal(slurm_site_read_partitions(&list, partitions[i], &err), -1);
        slurm_site_list_release(&list);
    }
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        struct slurm_site_list list = {0};
        struct error err = {0};

        assert_int_equal(slurm_site_read_nodes(&list, nodes[i], &err), -1);
        slurm_site_list_release(&list);
    }
}

static void a_cluster_is_known_by_its_whole_name(void **state)
{
    (void)state;
    assert_true(slurm_site_has_cluster("a\nsdli\n", "sdli"));
    assert_false(slurm_site_has_cluster("sdli2\n", "sdli"));
    assert_false(slurm_site_has_cluster("", "sdli"));
}

struct text {
    const char *at;
};

static ssize_t read_text(void *context, void *buffer, size_t size, struct error *err)
{
    struct text *text = context;
    size_t length = strlen(text->at);

    (void)err;
    length = length < size ? length : size;
    memcpy(buffer, text->at, length);
    text->at += length;
    return (ssize_t)length;
}

static int read_jobs(struct slurm_jobs *jobs, const char *answer, struct error *err)
{
    struct text text = {answer};

    return slurm_jobs_read(jobs, "c", "squeue", read_text, &text, err);
}

#define JOB(id, state)                                  \
    "{\"job_id\":" #id ",\"job_state\":\"" state        \
    "\",\"user_id\":1,\"user_name\":\"u\",\"account\":" \
    "\"a\\u0001b\",\"submit_time\":5,\"start_time\":6,\"tres_req_str\":\"cpu=1\"}"

static void live_jobs_are_counted_and_strange_ones_told(void **state)
{
    struct slurm_jobs jobs = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(read_jobs(&jobs,
                               "{\"errors\":[],\"jobs\":[" JOB(1, "RUNNING") "," JOB(
                                   2, "PENDING") ","
                                                 "{\"job_id\":3,\"job_state\":\"PENDING\"},7," JOB(
                                                     4, "COMPLETED") "]}",
                               &err),
                     0);
    assert_int_equal(jobs.count, 2);
    assert_int_equal(jobs.running, 1);
    assert_int_equal(jobs.pending, 1);
    assert_int_equal(jobs.unread, 2);
    assert_string_equal(jobs.why, "job 3: field submit_time cannot be read");
    assert_string_equal(jobs.rows[0].account, "a\xef\xbf\xbd"
                                              "b"); /* what a database takes */
    slurm_jobs_clear(&jobs);
    assert_int_equal(jobs.count + jobs.unread, 0);
    slurm_jobs_release(&jobs);
}

static void an_answer_that_is_none_is_an_error(void **state)
{
    static const char *const answers[] = {
        "",
        "{\"errors\":[],\"jobs\":[" JOB(1, "RUNNING") ",",
        "{\"errors\":[{\"error_number\":-1,\"error\":\"Unspecified error\"}],\"jobs\":[]}",
        "slurm_load_jobs error: Unable to contact slurm controller",
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct slurm_jobs jobs = {0};
        struct error err = {0};
        int result = read_jobs(&jobs, answers[i], &err);

        /* A line that is no JSON is a job that cannot be read: nothing is taken for gone either. */
        assert_true(result == -1 || jobs.unread > 0);
        assert_true(result == 0 || strncmp(err.text, "squeue: ", 8) == 0);
        slurm_jobs_release(&jobs);
    }
}

static void keys_are_found_by_id_and_submission(void **state)
{
    const struct {
        int64_t id, submitted;
        const char *hold, *start;
    } jobs[] = {
        {7, 100, "sl_7", ""},  {7, 200, "sl_8", "c/7@200"}, {5, 100, "", ""},
        {7, 100, "later", ""}, {3, 100, "sl_3", ""},
    };
    struct slurm_hold_keys keys = {0};
    struct error err = {0};

    (void)state;
    assert_null(slurm_hold_keys_find(&keys, "7@100"));
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        const struct slurm_job_row row = {.job_id = jobs[i].id,
                                          .submitted = instant_from_seconds(jobs[i].submitted),
                                          .hold_key = jobs[i].hold,
                                          .start_key = jobs[i].start};

        assert_int_equal(slurm_hold_keys_add(&keys, &row, &err), 0);
    }
    slurm_hold_keys_sort(&keys);
    assert_string_equal(slurm_hold_keys_find(&keys, "7@100"), "sl_7");
    assert_string_equal(slurm_hold_keys_find(&keys, "7@200"), "c/7@200");
    assert_string_equal(slurm_hold_keys_find(&keys, "3@100"), "sl_3");
    assert_null(slurm_hold_keys_find(&keys, "5@100"));
    assert_null(slurm_hold_keys_find(&keys, "7@300"));
    assert_null(slurm_hold_keys_find(&keys, "7"));
    assert_null(slurm_hold_keys_find(&keys, "x@y"));
    slurm_hold_keys_clear(&keys);
    assert_null(slurm_hold_keys_find(&keys, "7@100"));
    slurm_hold_keys_release(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_those_of_the_associations),
        cmocka_unit_test(lines_of_other_fields_are_refused),
        cmocka_unit_test(partitions_take_sizes_of_their_nodes_and_defaults_of_the_configuration),
        cmocka_unit_test(what_scontrol_cannot_have_said_is_refused),
        cmocka_unit_test(a_cluster_is_known_by_its_whole_name),
        cmocka_unit_test(live_jobs_are_counted_and_strange_ones_told),
        cmocka_unit_test(an_answer_that_is_none_is_an_error),
        cmocka_unit_test(keys_are_found_by_id_and_submission),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
