/* shape - the arithmetic of ledger_job.h.
 *
 * Nodes, tasks and GPUs may each be told by the others ("--gpus=8 --gpus-per-node=4" is two nodes),
 * so they are worked out in this order: nodes, tasks, GPUs, and nodes again.
 */
#include "ledger_job.h"

#include <stdio.h>

#include "contrib/slurm/client/tres.h"

/* The counts that the lists of a job tell. */
struct told {
    int64_t gpus, gpus_a_node, gpus_a_socket, gpus_a_task;
    int64_t cpus_a_gpu, cpus_a_task, mib_a_gpu;
};

/* Quantities do not wrap: what is above LEDGER_COUNT_MAX stays there, and is refused at the end. */
static int64_t product(int64_t a, int64_t b)
{
    int64_t result;

    if (__builtin_mul_overflow(a, b, &result) || result > LEDGER_COUNT_MAX) {
        return LEDGER_COUNT_MAX + 1;
    }
    return result;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a / b, rounded up; 0 where b is 0 and nothing follows from it. */
static int64_t quotient(int64_t a, int64_t b)
{
    return b == 0 ? 0 : a / b + (a % b != 0);
}

static enum ledger_shape_result read_lists(const struct ledger_job *job, struct told *told)
{
    const struct {
        const char *list;
        const char *name;
        int64_t *count;
    } lists[] = {
        {job->tres_per_job, "gpu", &told->gpus},
        {job->tres_per_node, "gpu", &told->gpus_a_node},
        {job->tres_per_socket, "gpu", &told->gpus_a_socket},
        {job->tres_per_task, "gpu", &told->gpus_a_task},
        {job->tres_per_task, "cpu", &told->cpus_a_task},
        {job->cpus_per_tres, "gpu", &told->cpus_a_gpu},
        {job->mem_per_tres, "gpu", &told->mib_a_gpu},
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        enum ledger_shape_result result = tres_count(lists[i].list, lists[i].name, lists[i].count);
        if (result != LEDGER_SHAPE_OK) {
            return result;
        }
    }
    return LEDGER_SHAPE_OK;
}

static bool has_negative(const struct ledger_job *job)
{
    return job->min_nodes < 0 || job->num_tasks < 0 || job->ntasks_per_node < 0 ||
           job->ntasks_per_gpu < 0 || job->cpus_per_task < 0 || job->min_cpus < 0 ||
           job->min_cpus_a_node < 0 || job->sockets_per_node < 0 || job->memory_mib < -1 ||
           job->limit_minutes < -1;
}

static int64_t count_gpus(const struct ledger_job *job, const struct told *told, int64_t nodes,
                          int64_t tasks)
{
    int64_t sockets = product(larger(job->sockets_per_node, 1), nodes);
    int64_t gpus = told->gpus;

    gpus = larger(gpus, product(told->gpus_a_node, nodes));
    gpus = larger(gpus, product(told->gpus_a_socket, sockets));
    gpus = larger(gpus, product(told->gpus_a_task, tasks));
    return gpus > 0 ? gpus : quotient(tasks, job->ntasks_per_gpu);
}

static int64_t count_tasks(const struct ledger_job *job, const struct told *told, int64_t nodes)
{
    int64_t gpus;

    if (job->num_tasks > 0) {
        return job->num_tasks;
    }
    if (job->ntasks_per_node > 0) {
        return product(job->ntasks_per_node, nodes);
    }
    if (told->gpus > 0 && told->gpus_a_task > 0) {
        return quotient(told->gpus, told->gpus_a_task);
    }
    gpus = job->ntasks_per_gpu > 0 ? count_gpus(job, told, nodes, 0) : 0;
    return gpus > 0 ? product(job->ntasks_per_gpu, gpus) : nodes;
}

static int64_t count_nodes(const struct ledger_job *job, const struct told *told, int64_t gpus)
{
    int64_t nodes = larger(job->min_nodes, 1);

    nodes = larger(nodes, quotient(job->num_tasks, job->ntasks_per_node));
    return larger(nodes, quotient(gpus, told->gpus_a_node));
}

static int64_t count_cpus(const struct ledger_job *job, const struct told *told,
                          const struct ledger_shape *shape, int64_t tasks)
{
    int64_t a_task = larger(larger(job->cpus_per_task, told->cpus_a_task), 1);
    int64_t cpus = larger(shape->nodes, job->min_cpus);

    if (!job->overcommit) {
        cpus = larger(cpus, product(a_task, tasks));
    }
    cpus = larger(cpus, product(job->min_cpus_a_node, shape->nodes));
    return larger(cpus, product(told->cpus_a_gpu, shape->gpus));
}

static void count_memory(const struct ledger_job *job, const struct told *told,
                         struct ledger_shape *shape)
{
    shape->memory_mib = 0;
    shape->mem_whole = job->memory_mib == 0;
    shape->mem_per_cpu = job->memory_mib > 0 && job->memory_is_per_cpu;
    shape->mem_default = job->memory_mib == -1 && told->mib_a_gpu == 0;
    if (job->memory_mib > 0) {
        shape->memory_mib = product(job->memory_mib,
                                    job->memory_is_per_cpu ? shape->cpus : shape->nodes);
    } else if (job->memory_mib == -1) {
        shape->memory_mib = product(told->mib_a_gpu, shape->gpus);
    }
}

static int64_t count_seconds(const struct ledger_job *job)
{
    if (job->is_unlimited) {
        return LEDGER_UNLIMITED_SECONDS;
    }
    return job->limit_minutes == -1 ? -1 : product(job->limit_minutes, 60);
}

static bool is_too_large(const struct ledger_shape *shape)
{
    return shape->nodes > LEDGER_COUNT_MAX || shape->gpus > LEDGER_COUNT_MAX ||
           shape->cpus > LEDGER_COUNT_MAX || shape->memory_mib > LEDGER_COUNT_MAX ||
           shape->seconds > LEDGER_COUNT_MAX;
}

enum ledger_shape_result ledger_job_shape(const struct ledger_job *job, struct ledger_shape *shape)
{
    struct told told = {0};
    struct ledger_shape made = {.parts = 1, .exclusive = job->exclusive};
    int64_t tasks;
    enum ledger_shape_result result;

    if (has_negative(job)) {
        return LEDGER_SHAPE_BAD_NUMBER;
    }
    result = read_lists(job, &told);
    if (result == LEDGER_SHAPE_OK && job->array != NULL && job->array[0] != '\0') {
        result = ledger_array_count(job->array, &made.parts, &made.at_once);
    }
    if (result != LEDGER_SHAPE_OK) {
        return result;
    }
    made.nodes = count_nodes(job, &told, told.gpus);
    tasks = count_tasks(job, &told, made.nodes);
    made.gpus = count_gpus(job, &told, made.nodes, tasks);
    made.nodes = count_nodes(job, &told, made.gpus);
    made.cpus = count_cpus(job, &told, &made, tasks);
    count_memory(job, &told, &made);
    made.unlimited = job->is_unlimited;
    made.seconds = count_seconds(job);
    if (is_too_large(&made)) {
        return LEDGER_SHAPE_TOO_LARGE;
    }
    *shape = made;
    return LEDGER_SHAPE_OK;
}

const char *ledger_shape_result_text(enum ledger_shape_result result)
{
    switch (result) {
    case LEDGER_SHAPE_OK:
        return "the request can be read";
    case LEDGER_SHAPE_BAD_ARRAY:
        return "the array specification cannot be read";
    case LEDGER_SHAPE_BAD_TRES:
        return "a count of GPUs or other resources cannot be read";
    case LEDGER_SHAPE_TOO_LARGE:
        return "a quantity is larger than any cluster";
    case LEDGER_SHAPE_BAD_NUMBER:
        return "a count is negative";
    case LEDGER_SHAPE_NO_MEMORY:
        break;
    }
    return "there is no memory to count the array's tasks";
}

void ledger_mem_gib(int64_t memory_mib, char text[LEDGER_QUANTITY_BYTES])
{
    int64_t gib = memory_mib / 1024;
    int64_t nano = quotient((memory_mib % 1024) * INT64_C(1000000000), 1024);
    int length = snprintf(text, LEDGER_QUANTITY_BYTES, "%lld", (long long)gib);

    if (nano > 0) {
        length += snprintf(text + length, LEDGER_QUANTITY_BYTES - (size_t)length, ".%09lld",
                           (long long)nano);
        while (text[length - 1] == '0') {
            text[--length] = '\0';
        }
    }
}
