/* The plugin as slurmctld calls it, linked to stubs: real submissions, the texts that it hands
 * back, and job descriptions of any content, from several threads. The seed is printed; LEDGER_SEED
 * repeats it. */
#include <setjmp.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include "tests/hook/fake_ledgerd.h"
#include "tests/hook/slurm_stubs.h"

#include <cmocka.h>

typedef struct job_record job_record_t;
extern int init(void);
extern int fini(void);
extern int job_submit(job_desc_msg_t *desc, uint32_t uid, char **message);
extern int job_modify(job_desc_msg_t *desc, job_record_t *record, uint32_t uid, char **message);

enum { ROUNDS = 4000, THREADS = 4 };

static struct fake fake;

/* What Slurm's own initialisation leaves in a description, as far as the plugin reads it. */
static void init_desc(job_desc_msg_t *desc)
{
    memset(desc, 0, sizeof(*desc));
    desc->min_nodes = desc->max_nodes = desc->num_tasks = desc->min_cpus = NO_VAL;
    desc->time_limit = desc->job_id = NO_VAL;
    desc->user_id = 20001;
    desc->ntasks_per_node = desc->ntasks_per_tres = desc->cpus_per_task = NO_VAL16;
    desc->pn_min_cpus = desc->sockets_per_node = desc->shared = NO_VAL16;
    desc->overcommit = NO_VAL8;
    desc->pn_min_memory = NO_VAL64;
}

static void release_desc(job_desc_msg_t *desc)
{
    char **strings[] = {&desc->account,       &desc->partition,       &desc->qos,
                        &desc->array_inx,     &desc->tres_per_job,    &desc->tres_per_node,
                        &desc->tres_per_task, &desc->tres_per_socket, &desc->cpus_per_tres,
                        &desc->mem_per_tres,  &desc->admin_comment,   &desc->job_id_str};

    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        free(*strings[i]);
        *strings[i] = NULL;
    }
}

static void start_plugin(const char *more)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s.conf", fake.folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "cluster = sdli\nsocket = %s\n%s", fake.path, more);
    fclose(file);
    setenv("LEDGER_HOOK_CONF", path, 1);
    assert_int_equal(init(), SLURM_SUCCESS);
    unlink(path); /* read once */
}

/* --- what Slurm says and gets back ---------------------------------------------------------- */

static void a_submission_is_told_whole(void **state)
{
    job_desc_msg_t desc;
    char *message = NULL;

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    start_plugin("deadline = 1s\n");
    init_desc(&desc);
    desc.account = strdup("ml");
    desc.partition = strdup("gpu,cpu");
    desc.qos = strdup("urgent");
    desc.array_inx = strdup("1-10,20-30:2%3");
    desc.tres_per_task = strdup("gres:gpu:a100:2");
    desc.admin_comment = strdup("kept");
    desc.num_tasks = 4;
    desc.min_cpus = 8;
    desc.cpus_per_task = 2;
    desc.min_nodes = 2;
    desc.pn_min_memory = MEM_PER_CPU | 1536;
    desc.time_limit = 90;
    desc.shared = JOB_SHARED_NONE;
    assert_int_equal(job_submit(&desc, 0, &message), SLURM_SUCCESS);
    assert_null(message);
    assert_true(begins_with(
        fake_body(&fake),
        "{\"cluster\":\"sdli\",\"uid\":20001,\"seconds\":\"5400\",\"account\":\"ml\","
        "\"qos\":\"urgent\",\"partition\":\"gpu,cpu\",\"nodes\":\"2\",\"exclusive\":true,\"mem_per_"
        "cpu\":true,"
        "\"meters\":{\"gpu\":\"8\",\"cpu\":\"8\",\"mem_gib\":\"12\",\"node\":\"2\"},\"parts\":16,"
        "\"at_once\":3,\"ttl\":\"1h\",\"ref\":{\"kind\":\"slurm\",\"id\":\"sl_"));
    assert_true(begins_with(desc.admin_comment, "kept;ledger:hold=sl_"));
    assert_int_equal(strlen(desc.admin_comment), 5 + 12 + 35);
    assert_string_equal(desc.qos, "urgent");
    release_desc(&desc);
    fake_stop(&fake);
}

static void nothing_said_is_nothing_asked(void **state)
{
    job_desc_msg_t desc;
    char *message = NULL;

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    start_plugin("deadline = 1s\n");
    init_desc(&desc);
    assert_int_equal(job_submit(&desc, 20001, &message), SLURM_SUCCESS);
    assert_true(begins_with(fake_body(&fake),
                            "{\"cluster\":\"sdli\",\"uid\":20001,\"nodes\":\"1\","
                            "\"mem_default\":true,\"meters\":{\"cpu\":\"1\",\"node\":\"1\"},"
                            "\"ttl\":\"1h\""));
    release_desc(&desc);
    fake_stop(&fake);
}

static void users_read_what_ledgerd_says(void **state)
{
    job_desc_msg_t desc;
    char *message = strdup("another plugin's");

    (void)state;
    fake_says(&fake, fake_http(402, "{\"user_message\":\"project p has 1.0 points left\"}"));
    fake_start(&fake, fake_answer);
    start_plugin("deadline = 1s\nmessage_prefix = SDLI:\n");
    init_desc(&desc);
    assert_int_equal(job_submit(&desc, 20001, &message), ESLURM_ACCOUNTING_POLICY);
    assert_string_equal(message, "another plugin's\nSDLI: project p has 1.0 points left");
    assert_null(desc.admin_comment);
    assert_int_equal(job_submit(&desc, 20001, NULL), ESLURM_ACCOUNTING_POLICY);

    fake_says(&fake, fake_http(201, "{\"hold\":\"h\",\"downgraded_to\":\"low\","
                                    "\"user_message\":\"goes on in low\"}"));
    free(message);
    message = NULL;
    desc.qos = strdup("urgent");
    assert_int_equal(job_submit(&desc, 20001, &message), SLURM_SUCCESS);
    assert_string_equal(message, "SDLI: goes on in low");
    assert_string_equal(desc.qos, "low");
    free(message);
    release_desc(&desc);
    fake_stop(&fake);
}

static void only_time_limits_are_asked_about_later(void **state)
{
    job_desc_msg_t desc;
    char *message = NULL;

    (void)state;
    fake_says(&fake, fake_http(404, "{\"code\":\"unknown_job\",\"user_message\":\"what?\"}"));
    fake_start(&fake, fake_answer);
    start_plugin("deadline = 1s\n");
    init_desc(&desc);
    desc.job_id_str = strdup("12_3");
    assert_int_equal(job_modify(&desc, NULL, 20001, &message), SLURM_SUCCESS);
    assert_int_equal(fake.connections, 0);
    desc.time_limit = 120;
    assert_int_equal(job_modify(&desc, NULL, 20001, &message), ESLURM_ACCOUNTING_POLICY);
    assert_non_null(strstr(fake_request(&fake), "\"seconds\":\"7200\",\"modifies\":\"12_3\""));
    assert_string_equal(message, "accounting does not know this job yet, try again in a minute");
    assert_int_equal(job_modify(&desc, NULL, 0, &message), SLURM_SUCCESS);
    free(desc.job_id_str);
    desc.job_id_str = NULL;
    desc.job_id = 77;
    desc.time_limit = INFINITE;
    assert_int_equal(job_modify(&desc, NULL, 0, &message), SLURM_SUCCESS);
    assert_non_null(strstr(fake_request(&fake), "\"seconds\":\"31536000\",\"modifies\":\"77\""));
    free(message);
    fake_stop(&fake);
}

/* --- any content ---------------------------------------------------------------------------- */

struct random {
    uint64_t value;
};

static uint64_t next(struct random *random) /* xorshift */
{
    random->value ^= random->value << 13;
    random->value ^= random->value >> 7;
    random->value ^= random->value << 17;
    return random->value;
}

/* NULL, something real, something cut or stirred, or any bytes; exactly as long as it is. */
static char *any_text(struct random *random)
{
    static const char *const real[] = {
        "ml",       "gpu,cpu",     "urgent",       "1-10,20-30:2%3",
        "gres:gpu", "gres:gpu:2",  "gres/gpu=2",   "gres:gpu:a100:2,gres:x:1k",
        "0-3%2",    "[1-5]",       "1,1,2",        "gres:gpu:99999999999999999999",
        "12_3",     "0-4000000:7", "4294967294",   "gres:gpu:100,gres:gpu:16384p",
        "",         "%",           "ledger:hold=", "\xff\xfe\"\\\r\n{}",
    };
    uint64_t kind = next(random) % 8;
    char *text;
    size_t length;

    if (kind == 0) {
        return NULL;
    }
    if (kind < 5) {
        text = strdup(real[next(random) % (sizeof(real) / sizeof(real[0]))]);
        length = strlen(text);
        if (kind == 4 && length > 0) {
            text[next(random) % length] = (char)(1 + next(random) % 255);
        }
        return text;
    }
    length = next(random) % (kind == 7 ? 9000 : 40);
    text = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        text[i] = kind == 5 ? "0123456789-:,%[]gresup/= "[next(random) % 25]
                            : (char)(1 + next(random) % 255);
    }
    text[length] = '\0';
    return text;
}

static uint64_t any_number(struct random *random, uint64_t no_value)
{
    switch (next(random) % 6) {
    case 0:
        return no_value;
    case 1:
        return no_value + 1;
    case 2:
        return 0;
    case 3:
        return next(random);
    default:
        return next(random) % 100;
    }
}

static void any_desc(struct random *random, job_desc_msg_t *desc)
{
    uint8_t *bytes = (uint8_t *)desc;

    for (size_t i = 0; i < sizeof(*desc); i++) {
        bytes[i] = (uint8_t)next(random); /* what the plugin does not read may be anything */
    }
    desc->account = any_text(random);
    desc->partition = any_text(random);
    desc->qos = any_text(random);
    desc->array_inx = any_text(random);
    desc->tres_per_job = any_text(random);
    desc->tres_per_node = any_text(random);
    desc->tres_per_task = any_text(random);
    desc->tres_per_socket = any_text(random);
    desc->cpus_per_tres = any_text(random);
    desc->mem_per_tres = any_text(random);
    desc->admin_comment = any_text(random);
    desc->job_id_str = any_text(random);
    desc->min_nodes = (uint32_t)any_number(random, NO_VAL);
    desc->num_tasks = (uint32_t)any_number(random, NO_VAL);
    desc->min_cpus = (uint32_t)any_number(random, NO_VAL);
    desc->time_limit = (uint32_t)any_number(random, NO_VAL);
    desc->user_id = (uint32_t)any_number(random, NO_VAL);
    desc->ntasks_per_node = (uint16_t)any_number(random, NO_VAL16);
    desc->ntasks_per_tres = (uint16_t)any_number(random, NO_VAL16);
    desc->cpus_per_task = (uint16_t)any_number(random, NO_VAL16);
    desc->pn_min_cpus = (uint16_t)any_number(random, NO_VAL16);
    desc->sockets_per_node = (uint16_t)any_number(random, NO_VAL16);
    desc->shared = (uint16_t)any_number(random, NO_VAL16);
    desc->overcommit = (uint8_t)any_number(random, NO_VAL8);
    desc->pn_min_memory = any_number(random, NO_VAL64);
}

/* What must be true of every decision. */
static void check_submission(struct random *random)
{
    job_desc_msg_t desc;
    char *message = NULL;
    char *comment;
    int result;

    any_desc(random, &desc);
    comment = desc.admin_comment == NULL ? strdup("") : strdup(desc.admin_comment);
    result = job_submit(&desc, (uint32_t)next(random), &message);
    if (result == SLURM_SUCCESS) {
        const char *added = desc.admin_comment + strlen(comment) + (comment[0] != '\0');
        assert_memory_equal(desc.admin_comment, comment, strlen(comment));
        assert_true(strcmp(added, "ledger:unheld") == 0 ||
                    (strncmp(added, "ledger:hold=sl_", 15) == 0 && strlen(added) == 47));
    } else {
        assert_int_equal(result, ESLURM_ACCOUNTING_POLICY);
        assert_non_null(message);
        assert_string_not_equal(message, "");
        assert_string_equal(desc.admin_comment == NULL ? "" : desc.admin_comment, comment);
    }
    free(message);
    message = NULL;
    result = job_modify(&desc, NULL, (uint32_t)next(random) % 3, &message);
    assert_true(result == SLURM_SUCCESS || (result == ESLURM_ACCOUNTING_POLICY && message != NULL));
    free(message);
    free(comment);
    release_desc(&desc);
}

/* Answers in turn: allowed, refused, downgraded, busy, garbage, nothing. */
static void answer_anything(struct fake *server, int connection)
{
    static const struct {
        int status;
        const char *body;
    } answers[] = {
        {201, "{\"hold\":\"h_1\"}"},
        {402, "{\"user_message\":\"no\"}"},
        {201, "{\"hold\":\"h_1\",\"downgraded_to\":\"low\"}"},
        {503, "{}"},
        {201, "{\"hold\":"},
        {404, "{\"code\":\"unknown_job\",\"detail\":\"what?\"}"},
    };
    size_t turn = (size_t)server->connections % 7;

    fake_read(server, connection);
    if (turn < 6) {
        const char *bytes = fake_http(answers[turn].status, answers[turn].body);
        (void)!send(connection, bytes, strlen(bytes), MSG_NOSIGNAL);
    }
}

static void *submit_many(void *context)
{
    struct random random = {*(uint64_t *)context};

    for (int i = 0; i < ROUNDS / THREADS; i++) {
        check_submission(&random);
    }
    return NULL;
}

static void any_description_is_decided(void **state)
{
    const char *given = getenv("LEDGER_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2 + 1;
    uint64_t seeds[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    printf("# LEDGER_SEED=%llu\n", (unsigned long long)seed);
    fake_start(&fake, answer_anything);
    start_plugin("deadline = 100ms\nbreaker_failures = 3\nbreaker_pause = 1ms\nfail.cpu = closed\n"
                 "risk_budget = 100000\nrisk.gpu_hour = 1\nrisk.cpu_hour = 0.1\n");
    for (size_t i = 0; i < THREADS; i++) {
        seeds[i] = seed + i * UINT64_C(0x9e3779b97f4a7c15);
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &seeds[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(fake.connections > 100); /* the breaker did not decide them all */
    fake_stop(&fake);
    assert_int_equal(fini(), SLURM_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission_is_told_whole),
        cmocka_unit_test(nothing_said_is_nothing_asked),
        cmocka_unit_test(users_read_what_ledgerd_says),
        cmocka_unit_test(only_time_limits_are_asked_about_later),
        cmocka_unit_test(any_description_is_decided),
    };

    return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
