/* job_submit_ledger - the slurmctld plugin: Slurm's words to ours, and the verdict back.
 *
 * slurmctld calls it with read locks on its configuration, jobs, nodes and partitions, from several
 * threads: nothing in here or below waits longer than the configured deadline.  It is built against
 * libslurm-dev alone; the functions that are used of slurmctld are declared here, job records stay
 * opaque.
 *
 * What is handed to Slurm (messages, comment, QOS) must come from Slurm's own allocator, which ends
 * slurmctld when there is no memory at all, as everywhere else in it.
 */
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdio.h>
#include <unistd.h>

#include "contrib/slurm/hook/hook.h"

typedef struct job_record job_record_t;

extern void slurm_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern void slurm_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern char *slurm_xstrdup(const char *text);
extern char *slurm_xstrdup_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern void slurm_xfree(void **pointer);

extern int init(void);
extern int fini(void);
extern int job_submit(job_desc_msg_t *job_desc, uint32_t submit_uid, char **err_msg);
extern int job_modify(job_desc_msg_t *job_desc, job_record_t *job_ptr, uint32_t modify_uid,
                      char **err_msg);

const char plugin_name[] = "Job submit ledger plugin";
const char plugin_type[] = "job_submit/ledger";
const uint32_t plugin_version = SLURM_VERSION_NUMBER;

static struct hook hook;

static void write_log(bool is_error, const char *line)
{
    if (is_error) {
        slurm_error("%s: %s", plugin_type, line);
    } else {
        slurm_info("%s: %s", plugin_type, line);
    }
}

int init(void)
{
    hook_init(&hook, write_log);
    return SLURM_SUCCESS;
}

int fini(void)
{
    return SLURM_SUCCESS;
}

/* Slurm's marks for "nothing said" become 0. */
static int64_t count16(uint16_t value)
{
    return value == NO_VAL16 || value == INFINITE16 ? 0 : value;
}

static int64_t count32(uint32_t value)
{
    return value == NO_VAL || value == INFINITE ? 0 : value;
}

static void read_memory(const job_desc_msg_t *desc, struct ledger_job *job)
{
    if (desc->pn_min_memory == NO_VAL64) {
        job->memory_mib = -1;
        return;
    }
    job->memory_is_per_cpu = (desc->pn_min_memory & MEM_PER_CPU) != 0;
    job->memory_mib = (int64_t)(desc->pn_min_memory & ~MEM_PER_CPU);
}

static void read_job(const job_desc_msg_t *desc, struct ledger_job *job)
{
    *job = (struct ledger_job){
        .account = desc->account,
        .partition = desc->partition,
        .qos = desc->qos,
        .array = desc->array_inx,
        .tres_per_job = desc->tres_per_job,
        .tres_per_node = desc->tres_per_node,
        .tres_per_socket = desc->tres_per_socket,
        .tres_per_task = desc->tres_per_task,
        .cpus_per_tres = desc->cpus_per_tres,
        .mem_per_tres = desc->mem_per_tres,
        .min_nodes = count32(desc->min_nodes),
        .num_tasks = count32(desc->num_tasks),
        .ntasks_per_node = count16(desc->ntasks_per_node),
        .ntasks_per_gpu = count16(desc->ntasks_per_tres),
        .cpus_per_task = count16(desc->cpus_per_task),
        .min_cpus = count32(desc->min_cpus),
        .min_cpus_a_node = count16(desc->pn_min_cpus),
        .sockets_per_node = count16(desc->sockets_per_node),
        .limit_minutes = desc->time_limit == NO_VAL ? -1 : (int64_t)desc->time_limit,
        .is_unlimited = desc->time_limit == INFINITE,
        .exclusive = desc->shared == JOB_SHARED_NONE,
        .overcommit = desc->overcommit != NO_VAL8 && desc->overcommit != 0,
    };
    read_memory(desc, job);
}

/* Replace one of Slurm's strings by another one. */
static void set_string(char **string, char *text)
{
    slurm_xfree((void **)string);
    *string = text;
}

/* Behind what an earlier plugin has said. */
static void append(char **string, const char *separator, const char *text)
{
    if (*string == NULL || (*string)[0] == '\0') {
        set_string(string, slurm_xstrdup(text));
    } else {
        set_string(string, slurm_xstrdup_printf("%s%s%s", *string, separator, text));
    }
}

static int answer(const struct hook_result *result, char **err_msg)
{
    if (err_msg != NULL && result->message[0] != '\0') {
        append(err_msg, "\n", result->message);
    }
    return result->accepted ? SLURM_SUCCESS : ESLURM_ACCOUNTING_POLICY;
}

int job_submit(job_desc_msg_t *job_desc, uint32_t submit_uid, char **err_msg)
{
    struct ledger_job job;
    struct hook_result result;
    uint32_t uid = job_desc->user_id == NO_VAL ? submit_uid : job_desc->user_id;

    read_job(job_desc, &job);
    hook_submit(&hook, &job, uid, &result);
    if (result.accepted && result.comment[0] != '\0') {
        append(&job_desc->admin_comment, ";", result.comment);
    }
    if (result.accepted && result.qos[0] != '\0') {
        set_string(&job_desc->qos, slurm_xstrdup(result.qos));
    }
    return answer(&result, err_msg);
}

static bool is_operator(uint32_t uid)
{
    return uid == 0 || uid == geteuid(); /* slurmctld runs as SlurmUser */
}

int job_modify(job_desc_msg_t *job_desc, job_record_t *job_ptr, uint32_t modify_uid, char **err_msg)
{
    char digits[16];
    const char *id = job_desc->job_id_str;
    int64_t seconds = LEDGER_UNLIMITED_SECONDS;
    struct hook_result result;

    (void)job_ptr;
    if (job_desc->time_limit == NO_VAL) {
        return SLURM_SUCCESS;
    }
    if (job_desc->time_limit != INFINITE) {
        seconds = (int64_t)job_desc->time_limit * 60;
    }
    if (id == NULL || id[0] == '\0') {
        snprintf(digits, sizeof(digits), "%u", job_desc->job_id);
        id = digits;
    }
    hook_modify(&hook, id, seconds, modify_uid, is_operator(modify_uid), &result);
    return answer(&result, err_msg);
}
