/* What jobs ask for, told from what sbatch says: real submissions, the sums of sbatch(1), arrays as
 * slurmctld counts them, and quantities that must not wrap around. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_client.h"

#include <cmocka.h>

/* "nodes gpus cpus mib seconds parts/at_once flags" */
static const char *shape_text(const struct ledger_job *job)
{
    static char text[256];
    struct ledger_shape shape;
    enum ledger_shape_result result = ledger_job_shape(job, &shape);

    if (result != LEDGER_SHAPE_OK) {
        return ledger_shape_result_text(result);
    }
    snprintf(text, sizeof(text), "n%lld g%lld c%lld m%lld s%lld p%lld/%lld%s%s%s%s",
             (long long)shape.nodes, (long long)shape.gpus, (long long)shape.cpus,
             (long long)shape.memory_mib, (long long)shape.seconds, (long long)shape.parts,
             (long long)shape.at_once, shape.exclusive ? " exclusive" : "",
             shape.mem_default ? " default" : "", shape.mem_whole ? " whole" : "",
             shape.unlimited ? " unlimited" : "");
    return text;
}

/* --- real submissions ----------------------------------------------------------------------- */

/* The value of 'name': '...' in a line of the digest, copied; NULL without one. */
static char *digest_value(const char *line, const char *name)
{
    char quoted[64];
    const char *found;

    snprintf(quoted, sizeof(quoted), "'%s': '", name);
    found = strstr(line, quoted);
    return found == NULL ? NULL
                         : strndup(found + strlen(quoted), strcspn(found + strlen(quoted), "'"));
}

static int64_t digest_number(const char *line, const char *name, int64_t absent)
{
    char *text = digest_value(line, name);
    int64_t value = text == NULL ? absent : strtoll(text, NULL, 10);

    free(text);
    return value;
}

static void read_digest(const char *line, struct ledger_job *job, char *texts[8])
{
    static const char *const names[8] = {"account",       "partition",      "qos",
                                         "array_inx",     "tres_per_job",   "tres_per_node",
                                         "tres_per_task", "tres_per_socket"};

    for (size_t i = 0; i < 8; i++) {
        texts[i] = digest_value(line, names[i]);
    }
    *job = (struct ledger_job){.account = texts[0],
                               .partition = texts[1],
                               .qos = texts[2],
                               .array = texts[3],
                               .tres_per_job = texts[4],
                               .tres_per_node = texts[5],
                               .tres_per_task = texts[6],
                               .tres_per_socket = texts[7],
                               .min_nodes = digest_number(line, "min_nodes", 0),
                               .num_tasks = digest_number(line, "num_tasks", 0),
                               .ntasks_per_node = digest_number(line, "ntasks_per_node", 0),
                               .ntasks_per_gpu = digest_number(line, "ntasks_per_tres", 0),
                               .cpus_per_task = digest_number(line, "cpus_per_task", 0),
                               .min_cpus = digest_number(line, "min_cpus", 0),
                               .min_cpus_a_node = digest_number(line, "pn_min_cpus", 0),
                               .memory_mib = digest_number(line, "min_mem_per_node", -1),
                               .limit_minutes = digest_number(line, "time_limit", -1)};
    if (job->memory_mib == -1) {
        job->memory_mib = digest_number(line, "min_mem_per_cpu", -1);
        job->memory_is_per_cpu = job->memory_mib != -1;
    }
}

static void what_slurm_hands_to_a_hook_is_counted(void **state)
{
    static const char *const expected[] = {
        "n1 g2 c1 m0 s600 p1/0 default",  /* gpu1 */
        "n1 g1 c1 m0 s60 p1/0 default",   /* timeout1 */
        "n1 g1 c1 m0 s300 p4/2 default",  /* array1: 0-3%2 */
        "n1 g1 c1 m0 s300 p1/0 default",  /* het1, first component */
        "n1 g0 c2 m0 s300 p1/0 default",  /* and second */
        "n1 g0 c2 m0 s300 p1/0 default",  /* requeue1 */
        "n1 g1 c1 m0 s300 p1/0 default",  /* cancelrun */
        "n1 g1 c2 m0 s7200 p1/0 default", /* running1: -c 2 */
        "n2 g8 c4 m2000 s86400 p1/0",     /* pending1: two GPUs a task */
        "n1 g0 c1 m0 s600 p1/0 default",  /* suspend1 */
        "n1 g0 c1 m0 s300 p1/0 default",  /* failed1 */
        "n1 g3 c1 m0 s300 p1/0 default",  /* begin1: --gpus=v:3 */
        "n1 g3 c4 m400 s300 p1/0",        /* begin2: --mem-per-cpu=100 -n 4 */
        "n1 g4 c4 m0 s-1 p16/3 default",  /* begin3: 1-10,20-30:2%3, a GPU a task */
        "n1 g2 c2 m0 s-1 p1/0 default",   /* begin4 */
        "n1 g1 c2 m100 s-1 p1/0",         /* begin5: CPUs and memory by GPU */
    };
    FILE *file = fopen("tests/data/slurm-hook/job_submit_digest.txt", "r");
    char line[4096];

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct ledger_job job;
        char *texts[8];
        char *cpus;
        char *memory;

        assert_non_null(fgets(line, sizeof(line), file));
        read_digest(line, &job, texts);
        job.cpus_per_tres = cpus = digest_value(line, "cpus_per_tres");
        job.mem_per_tres = memory = digest_value(line, "mem_per_tres");
        assert_string_equal(shape_text(&job), expected[i]);
        free(cpus);
        free(memory);
        for (size_t k = 0; k < 8; k++) {
            free(texts[k]);
        }
    }
    fclose(file);
}

/* --- the sums ------------------------------------------------------------------------------- */

#define NOTHING .memory_mib = -1, .limit_minutes = -1

static void options_that_overlap_are_all_met(void **state)
{
    static const struct {
        const char *options;
        struct ledger_job job;
        const char *shape;
    } cases[] = {
        {"", {NOTHING}, "n1 g0 c1 m0 s-1 p1/0 default"},
        {"-n8 --ntasks-per-node=2 takes four nodes",
         {NOTHING, .num_tasks = 8, .ntasks_per_node = 2, .min_cpus = 8},
         "n4 g0 c8 m0 s-1 p1/0 default"},
        {"-n7 --ntasks-per-node=2 too",
         {NOTHING, .num_tasks = 7, .ntasks_per_node = 2},
         "n4 g0 c7 m0 s-1 p1/0 default"},
        {"-N3 --ntasks-per-node=2",
         {NOTHING, .min_nodes = 3, .ntasks_per_node = 2},
         "n3 g0 c6 m0 s-1 p1/0 default"},
        {"-n4 -c2 from a client that works nothing out",
         {NOTHING, .num_tasks = 4, .cpus_per_task = 2},
         "n1 g0 c8 m0 s-1 p1/0 default"},
        {"-n4 -O",
         {NOTHING, .num_tasks = 4, .min_cpus = 1, .overcommit = true},
         "n1 g0 c1 m0 s-1 p1/0 default"},
        {"-N2 --mincpus=3",
         {NOTHING, .min_nodes = 2, .min_cpus = 2, .min_cpus_a_node = 3},
         "n2 g0 c6 m0 s-1 p1/0 default"},
        {"--gpus=8 --gpus-per-node=4 is two nodes",
         {NOTHING, .tres_per_job = "gres:gpu:8", .tres_per_node = "gres:gpu:4"},
         "n2 g8 c2 m0 s-1 p1/0 default"},
        {"--gpus=8 --gpus-per-task=2 is four tasks",
         {NOTHING, .tres_per_job = "gres:gpu:8", .tres_per_task = "gres:gpu:2"},
         "n1 g8 c4 m0 s-1 p1/0 default"},
        {"-n4 --gpus-per-task=2 --gpus-per-node=4",
         {NOTHING, .num_tasks = 4, .tres_per_task = "gres:gpu:2", .tres_per_node = "gres:gpu:4"},
         "n2 g8 c4 m0 s-1 p1/0 default"},
        {"-N2 --gres=gpu:a100:2,gpu:v100:1,nvme:4",
         {NOTHING, .min_nodes = 2, .tres_per_node = "gres:gpu:a100:2,gres:gpu:v100:1,gres:nvme:4"},
         "n2 g6 c2 m0 s-1 p1/0 default"},
        {"--gpus-per-socket=2 --sockets-per-node=2 -N2",
         {NOTHING, .min_nodes = 2, .sockets_per_node = 2, .tres_per_socket = "gres:gpu:2"},
         "n2 g8 c2 m0 s-1 p1/0 default"},
        {"--ntasks-per-gpu=2 --gpus=2 without tasks",
         {NOTHING, .ntasks_per_gpu = 2, .tres_per_job = "gres:gpu:2"},
         "n1 g2 c4 m0 s-1 p1/0 default"},
        {"-n5 --ntasks-per-gpu=2 takes three GPUs",
         {NOTHING, .num_tasks = 5, .ntasks_per_gpu = 2},
         "n1 g3 c5 m0 s-1 p1/0 default"},
        {"--gpus=2 --cpus-per-gpu=3 --mem-per-gpu=1G",
         {NOTHING, .tres_per_job = "gres:gpu:2", .cpus_per_tres = "gres:gpu:3",
          .mem_per_tres = "gres:gpu:1024"},
         "n1 g2 c6 m2048 s-1 p1/0"},
        {"--mem=100 -N2",
         {.limit_minutes = -1, .min_nodes = 2, .memory_mib = 100},
         "n2 g0 c2 m200 s-1 p1/0"},
        {"--mem-per-cpu=100 -n3 -c2",
         {.limit_minutes = -1,
          .memory_mib = 100,
          .memory_is_per_cpu = true,
          .num_tasks = 3,
          .cpus_per_task = 2},
         "n1 g0 c6 m600 s-1 p1/0"},
        {"--mem=0", {.limit_minutes = -1}, "n1 g0 c1 m0 s-1 p1/0 whole"},
        {"--exclusive -N2 -t 90",
         {.memory_mib = -1, .limit_minutes = 90, .min_nodes = 2, .exclusive = true},
         "n2 g0 c2 m0 s5400 p1/0 exclusive default"},
        {"-t 0", {NOTHING, .is_unlimited = true}, "n1 g0 c1 m0 s31536000 p1/0 default unlimited"},
        {"the newer way to write",
         {NOTHING, .tres_per_job = "gres/gpu=2"},
         "n1 g2 c1 m0 s-1 p1/0 default"},
        {"and with a type",
         {NOTHING, .tres_per_job = "gres/gpu:a100=2;gres/gpu:v=1"},
         "n1 g3 c1 m0 s-1 p1/0 default"},
        {"no prefix, no count", {NOTHING, .tres_per_node = "gpu"}, "n1 g1 c1 m0 s-1 p1/0 default"},
        {"a type and no count",
         {NOTHING, .tres_per_node = "gres:gpu:v"},
         "n1 g1 c1 m0 s-1 p1/0 default"},
        {"none", {NOTHING, .tres_per_node = "gres:none"}, "n1 g0 c1 m0 s-1 p1/0 default"},
        {"not GPUs, but called nearly so",
         {NOTHING, .tres_per_node = "gres:gpus:2,gres:gp:2,mgpu:3"},
         "n1 g0 c1 m0 s-1 p1/0 default"},
        {"a unit",
         {NOTHING, .tres_per_node = "gres:gpu:1k,gres:mps:4G"},
         "n1 g1024 c1 m0 s-1 p1/0 default"},
        {"--tres-per-task=cpu:3,gres/gpu:1 -n2",
         {NOTHING, .num_tasks = 2, .tres_per_task = "cpu:3,gres/gpu:1"},
         "n1 g2 c6 m0 s-1 p1/0 default"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(shape_text(&cases[i].job), cases[i].shape) != 0) {
            fail_msg("%s: %s, not %s", cases[i].options, shape_text(&cases[i].job), cases[i].shape);
        }
    }
}

static void quantities_never_wrap_around(void **state)
{
    static const struct {
        struct ledger_job job;
        const char *result;
    } cases[] = {
        {{NOTHING, .min_nodes = INT64_MAX}, "a quantity is larger than any cluster"},
        {{NOTHING, .num_tasks = 0xfffffffd, .cpus_per_task = 0xfffd},
         "a quantity is larger than any cluster"},
        {{NOTHING, .min_nodes = 0xfffffffd, .ntasks_per_node = 0xfffd, .cpus_per_task = 0xfffd},
         "a quantity is larger than any cluster"},
        {{.limit_minutes = -1, .memory_mib = INT64_MAX, .min_nodes = 3},
         "a quantity is larger than any cluster"},
        {{.memory_mib = -1, .limit_minutes = INT64_MAX}, "a quantity is larger than any cluster"},
        {{NOTHING, .tres_per_job = "gpu:999999999999,gpu:1"},
         "a quantity is larger than any cluster"},
        {{NOTHING, .tres_per_job = "gpu:99999999999999999999999"},
         "a quantity is larger than any cluster"},
        {{NOTHING, .tres_per_job = "gpu:16384p"}, "a quantity is larger than any cluster"},
        {{NOTHING, .tres_per_job = "gpu:2x"}, "a count of GPUs or other resources cannot be read"},
        {{NOTHING, .tres_per_job = "gpu:2kk"}, "a count of GPUs or other resources cannot be read"},
        {{NOTHING, .num_tasks = -1}, "a count is negative"},
        {{NOTHING, .array = "1-"}, "the array specification cannot be read"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(shape_text(&cases[i].job), cases[i].result);
    }
}

static void failure_leaves_the_shape_alone(void **state)
{
    struct ledger_shape shape = {.nodes = 77, .parts = 5};
    struct ledger_job job = {NOTHING, .array = "x"};

    (void)state;
    assert_int_equal(ledger_job_shape(&job, &shape), LEDGER_SHAPE_BAD_ARRAY);
    assert_int_equal(shape.nodes, 77);
    assert_int_equal(shape.parts, 5);
}

/* --- arrays --------------------------------------------------------------------------------- */

/* As a cluster of 22.05 took them, or refused them with "Invalid job array specification". */
static void arrays_are_counted_as_slurmctld_does(void **state)
{
    static const struct {
        const char *array;
        int parts; /* 0: refused */
        int at_once;
    } cases[] = {
        {"0-3%2", 4, 2},
        {"1-10,20-30:2%3", 16, 3},
        {"1,1,2", 2, 0},
        {"1-10:3%2", 4, 2},
        {"[1-5]", 5, 0},
        {"1-5,3-7", 7, 0},
        {"1-5%0", 5, 0},
        {"1-5%99", 5, 0},
        {"5-1", 0, 0},
        {"1-", 0, 0},
        {" 1-3", 3, 0},
        {"1, 2", 2, 0},
        {"1-3%", 3, 0},
        {"1-3%2,5", 4, 2},
        {"0x3", 0, 0},
        {"1,,2", 2, 0},
        {"1-10%2%5", 10, 2},
        {"7", 1, 0},
        {"0-3999999", 4000000, 0},
        {"0-4000000:4000000", 2, 0},
        {"4000001", 0, 0},
        {"1-5:0", 0, 0},
        {"-3", 0, 0},
        {"a", 0, 0},
        {",", 0, 0},
        {"1-5:2:2", 0, 0},
        {"1;2", 0, 0},
        {"99999999999999999999", 0, 0},
        {"0-15:4,2-15:4", 8, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t parts = 0;
        int64_t at_once = 0;

        (void)ledger_array_count(cases[i].array, &parts, &at_once);
        if (parts != cases[i].parts || at_once != cases[i].at_once) {
            fail_msg("%s: %lld tasks, %lld at once", cases[i].array, (long long)parts,
                     (long long)at_once);
        }
    }
}

static void an_array_cannot_keep_the_controller_busy(void **state)
{
    enum { TIMES = 20000 };
    static const char range[] = "0-3999999,";
    char *array = malloc(TIMES * (sizeof(range) - 1) + 1);
    int64_t parts = 0;
    int64_t at_once;
    int64_t began = ledger_monotonic_us();

    (void)state;
    array[0] = '\0';
    for (size_t i = 0; i < TIMES; i++) {
        memcpy(array + i * (sizeof(range) - 1), range, sizeof(range));
    }
    assert_int_equal(ledger_array_count(array, &parts, &at_once), LEDGER_SHAPE_TOO_LARGE);
    assert_true(ledger_monotonic_us() - began < 1000000); /* 80 milliard bits would be minutes */
    free(array);
}

/* --- as ledgerd reads it -------------------------------------------------------------------- */

static void gibibytes_are_exact_or_rounded_up(void **state)
{
    static const struct {
        int64_t mib;
        const char *gib;
    } cases[] = {
        {0, "0"},
        {1024, "1"},
        {1536, "1.5"},
        {1000, "0.9765625"},
        {2, "0.001953125"},
        {1, "0.000976563"},
        {1023, "0.999023438"},
        {LEDGER_COUNT_MAX, "976562499.999023438"},
    };
    char text[LEDGER_QUANTITY_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ledger_mem_gib(cases[i].mib, text);
        assert_string_equal(text, cases[i].gib);
    }
}

static void an_ask_says_what_is_known_and_no_more(void **state)
{
    struct ledger_job job = {.memory_mib = 1536,
                             .limit_minutes = 10,
                             .tres_per_job = "gres:gpu:2",
                             .array = "1-100%10",
                             .num_tasks = 4};
    struct ledger_ask ask = {.cluster = "sdli",
                             .uid = 20001,
                             .account = "m\"l\n\xff",
                             .partition = "gpu,cpu",
                             .qos = "",
                             .key = "sl_1",
                             .ttl = "1h"};
    char text[1024];
    int length;

    (void)state;
    assert_int_equal(ledger_job_shape(&job, &ask.shape), LEDGER_SHAPE_OK);
    length = ledger_ask_json(&ask, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_string_equal(
        text, "{\"cluster\":\"sdli\",\"uid\":20001,\"seconds\":\"600\","
              "\"account\":\"m\\\"l\\u000a\xef\xbf\xbd\",\"partition\":\"gpu,cpu\",\"nodes\":\"1\","
              "\"meters\":{\"gpu\":\"2\",\"cpu\":\"4\",\"mem_gib\":\"1.5\",\"node\":\"1\"},"
              "\"parts\":100,\"at_once\":10,\"ttl\":\"1h\","
              "\"ref\":{\"kind\":\"slurm\",\"id\":\"sl_1\"}}");
    ask = (struct ledger_ask){.user = "alice",
                              .uid = -1,
                              .shape = {.nodes = 2,
                                        .cpus = 2,
                                        .seconds = -1,
                                        .parts = 1,
                                        .exclusive = true,
                                        .mem_whole = true}};
    ledger_ask_json(&ask, text, sizeof(text));
    assert_string_equal(text, "{\"user\":\"alice\",\"nodes\":\"2\",\"exclusive\":true,"
                              "\"mem_default\":true,\"mem_whole\":true,"
                              "\"meters\":{\"cpu\":\"2\",\"node\":\"2\"}}");
    assert_int_equal(ledger_job_shape(&(struct ledger_job){.num_tasks = 2,
                                                           .memory_mib = 512,
                                                           .memory_is_per_cpu = true,
                                                           .limit_minutes = -1},
                                      &ask.shape),
                     LEDGER_SHAPE_OK);
    ledger_ask_json(&ask, text, sizeof(text));
    assert_string_equal(text, "{\"user\":\"alice\",\"nodes\":\"1\",\"mem_per_cpu\":true,"
                              "\"meters\":{\"cpu\":\"2\",\"mem_gib\":\"1\",\"node\":\"1\"}}");
    ask = (struct ledger_ask){
        .cluster = "sdli", .uid = 0, .modifies = "12_3", .shape = {.seconds = 7200}};
    ledger_ask_json(&ask, text, sizeof(text));
    assert_string_equal(text, "{\"cluster\":\"sdli\",\"uid\":0,\"seconds\":\"7200\","
                              "\"modifies\":\"12_3\"}");
}

static void an_ask_that_does_not_fit_is_none(void **state)
{
    struct ledger_ask ask = {.cluster = "sdli", .uid = 1, .shape = {.nodes = 1, .cpus = 1}};
    char text[256];
    int length = ledger_ask_json(&ask, text, sizeof(text));

    (void)state;
    for (int size = 1; size <= length; size++) {
        char *small = malloc((size_t)size); /* of just that size, for the sanitizers */
        assert_int_equal(ledger_ask_json(&ask, small, (size_t)size), -1);
        free(small);
    }
    assert_int_equal(ledger_ask_json(&ask, text, (size_t)length + 1), length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_slurm_hands_to_a_hook_is_counted),
        cmocka_unit_test(options_that_overlap_are_all_met),
        cmocka_unit_test(quantities_never_wrap_around),
        cmocka_unit_test(failure_leaves_the_shape_alone),
        cmocka_unit_test(arrays_are_counted_as_slurmctld_does),
        cmocka_unit_test(an_array_cannot_keep_the_controller_busy),
        cmocka_unit_test(gibibytes_are_exact_or_rounded_up),
        cmocka_unit_test(an_ask_says_what_is_known_and_no_more),
        cmocka_unit_test(an_ask_that_does_not_fit_is_none),
    };

    return cmocka_run_group_tests_name("ledger_job", tests, NULL, NULL);
}
