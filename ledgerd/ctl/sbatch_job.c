/* sbatch_job - what the options of sbatch come to; see sbatch_options.h.
 *
 * sbatch works some counts out before it submits; a hook sees only those. So they are worked out
 * here as well, in the same order, and the rest is ledger_job_shape's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/ctl/sbatch_options.h"

#define COUNT_MAX INT64_C(1000000000)

enum { DAY_MINUTES = 24 * 60 };

static const char *value_of(const struct sbatch_options *options, enum sbatch_option option)
{
    return options->values[option];
}

static int bad_value(const char *option, const char *value, struct error *err)
{
    return error_set(err, ERROR_ARGUMENT, "--%s: '%.60s' is not one that sbatch takes", option,
                     value);
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* A count above zero, or `otherwise` where the option was not given. */
static int read_count(const struct sbatch_options *options, enum sbatch_option option,
                      const char *name, int64_t otherwise, int64_t *count, struct error *err)
{
    const char *text = value_of(options, option);
    uint64_t number;

    if (text == NULL) {
        *count = otherwise;
        return 0;
    }
    if (parse_u64(text, strlen(text), COUNT_MAX, &number) != 0 || number == 0) {
        return bad_value(name, text, err);
    }
    *count = (int64_t)number;
    return 0;
}

/* "4", "2k", "1m" */
static int parse_nodes(const char *text, size_t length, int64_t *nodes)
{
    char last = length > 0 ? text[length - 1] : '\0';
    int64_t unit = last == 'k' || last == 'K' ? 1024 : last == 'm' || last == 'M' ? 1024 * 1024 : 1;
    uint64_t number;

    if (parse_u64(text, length - (unit > 1), COUNT_MAX / unit, &number) != 0) {
        return -1;
    }
    *nodes = (int64_t)number * unit;
    return 0;
}

/* "4" or "2-4"; *max is 0 where there is no bound. */
static int read_nodes(const char *text, int64_t *min, int64_t *max, struct error *err)
{
    const char *dash = text != NULL ? strchr(text, '-') : NULL;

    *min = 1;
    *max = 0;
    if (text == NULL) {
        return 0;
    }
    if (parse_nodes(text, dash != NULL ? (size_t)(dash - text) : strlen(text), min) != 0 ||
        (dash != NULL && parse_nodes(dash + 1, strlen(dash + 1), max) != 0)) {
        return bad_value("nodes", text, err);
    }
    *max = dash != NULL ? *max : *min;
    return *max != 0 && *max < *min ? bad_value("nodes", text, err) : 0;
}

/* "4G" to MiB; a number alone is MiB, KiB are rounded up. */
static int read_memory(const char *name, const char *text, int64_t *mib, struct error *err)
{
    static const char units[] = "KMGT";
    size_t length = strlen(text);
    const char *unit = NULL;
    uint64_t number;

    if (length > 1 && (text[length - 1] == 'B' || text[length - 1] == 'b')) {
        length--; /* "4GB" */
    }
    for (const char *u = units; length > 0 && *u != '\0'; u++) {
        if (text[length - 1] == *u || text[length - 1] == *u + ('a' - 'A')) {
            unit = u;
        }
    }
    if (parse_u64(text, length - (unit != NULL), COUNT_MAX, &number) != 0) {
        return bad_value(name, text, err);
    }
    *mib = unit == NULL || *unit == 'M' ? (int64_t)number
           : *unit == 'K'               ? (int64_t)(number + 1023) / 1024
                                        : (int64_t)number << 10 * (unit - units - 1);
    return 0;
}

/* --- time ------------------------------------------------------------------------------------- */

/* Up to three numbers with colons between them; their count, or -1. */
static int split_time(const char *text, int64_t parts[3])
{
    int count = 0;

    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ":");
        uint64_t number;

        if (count == 3 || parse_u64(at, length, COUNT_MAX, &number) != 0) {
            return -1;
        }
        parts[count++] = (int64_t)number;
        at += length;
        if (*at == '\0') {
            return count;
        }
    }
}

static bool is_unlimited(const char *text)
{
    return strcmp(text, "-1") == 0 || strcasecmp(text, "infinite") == 0 ||
           strcasecmp(text, "unlimited") == 0;
}

/* minutes[:seconds], hours:minutes:seconds, days-hours[:minutes[:seconds]]; a started minute
 * counts, none at all is no limit. */
static int read_time(const char *text, struct ledger_job *job, struct error *err)
{
    const char *dash = strchr(text, '-');
    int64_t parts[3] = {0};
    int64_t seconds;
    uint64_t days = 0;
    int count;

    if (is_unlimited(text)) {
        job->is_unlimited = true;
        return 0;
    }
    count = split_time(dash != NULL ? dash + 1 : text, parts);
    if (count < 0 ||
        (dash != NULL && parse_u64(text, (size_t)(dash - text), COUNT_MAX, &days) != 0)) {
        return bad_value("time", text, err);
    }
    seconds = dash != NULL || count == 3 ? parts[0] * 3600 + parts[1] * 60 + parts[2]
                                         : parts[0] * 60 + parts[1];
    job->limit_minutes = (int64_t)days * DAY_MINUTES + (seconds + 59) / 60;
    job->is_unlimited = job->limit_minutes == 0;
    return 0;
}

/* --- lists of resources ----------------------------------------------------------------------- */

/* "a100:2,h100:1" or "2" as Slurm's lists have it, behind what stands there. */
static void add_gpus(const char *gpus, struct strbuf *out)
{
    for (const char *at = gpus; *at != '\0';) {
        size_t length = strcspn(at, ",");

        strbuf_add_string(out, out->length > 0 ? ",gres:gpu:" : "gres:gpu:");
        strbuf_add(out, at, length);
        at += length + (at[length] == ',');
    }
}

static int list_gpus(struct sbatch *sbatch, const char *gpus, const char *gres, const char **list,
                     struct error *err)
{
    struct strbuf text = STRBUF_INIT;

    if (gpus == NULL && gres == NULL) {
        return 0;
    }
    if (gpus != NULL) {
        add_gpus(gpus, &text);
    }
    if (gres != NULL && strcmp(gres, "none") != 0) {
        strbuf_printf(&text, "%s%s", text.length > 0 ? "," : "", gres);
    }
    *list = sbatch_copy(sbatch, text.data, text.length, err);
    strbuf_release(&text);
    return *list == NULL ? -1 : 0;
}

static int read_lists(struct sbatch *sbatch, const struct sbatch_options *options,
                      struct ledger_job *job, struct error *err)
{
    const char *mem_per_gpu = value_of(options, SBATCH_MEM_PER_GPU);
    char digits[32];
    int64_t mib;

    if (mem_per_gpu != NULL) {
        if (read_memory("mem-per-gpu", mem_per_gpu, &mib, err) != 0) {
            return -1;
        }
        snprintf(digits, sizeof digits, "%" PRId64, mib);
        mem_per_gpu = digits;
    }
    return list_gpus(sbatch, value_of(options, SBATCH_GPUS), NULL, &job->tres_per_job, err) != 0 ||
                   list_gpus(sbatch, value_of(options, SBATCH_GPUS_PER_NODE),
                             value_of(options, SBATCH_GRES), &job->tres_per_node, err) != 0 ||
                   list_gpus(sbatch, value_of(options, SBATCH_GPUS_PER_SOCKET), NULL,
                             &job->tres_per_socket, err) != 0 ||
                   list_gpus(sbatch, value_of(options, SBATCH_GPUS_PER_TASK), NULL,
                             &job->tres_per_task, err) != 0 ||
                   list_gpus(sbatch, value_of(options, SBATCH_CPUS_PER_GPU), NULL,
                             &job->cpus_per_tres, err) != 0 ||
                   list_gpus(sbatch, mem_per_gpu, NULL, &job->mem_per_tres, err) != 0
               ? -1
               : 0;
}

/* --- tasks and CPUs --------------------------------------------------------------------------- */

struct counts { /* as sbatch keeps them */
    int64_t min_nodes, max_nodes, tasks, cpus_a_task, tasks_a_node;
    int64_t sockets, cores, threads;
    bool has_nodes, has_tasks, has_extra;
};

/* sockets[:cores[:threads]], of which any may be '*' */
static int read_extra(const struct sbatch_options *options, struct counts *counts,
                      struct error *err)
{
    const char *text = value_of(options, SBATCH_EXTRA_NODE_INFO);
    int64_t *const fields[] = {&counts->sockets, &counts->cores, &counts->threads};
    size_t field = 0;

    counts->has_extra = text != NULL;
    for (const char *at = text; at != NULL; field++) {
        size_t length = strcspn(at, ":");
        bool is_any = length == 1 && *at == '*';
        uint64_t number = 0;

        if (field == sizeof fields / sizeof fields[0] ||
            (!is_any && parse_u64(at, length, COUNT_MAX, &number) != 0)) {
            return bad_value("extra-node-info", text, err);
        }
        *fields[field] = (int64_t)number;
        at = at[length] == ':' ? at + length + 1 : NULL;
    }
    return 0;
}

static int read_counts(const struct sbatch_options *options, struct counts *counts,
                       struct error *err)
{
    counts->has_nodes = value_of(options, SBATCH_NODES) != NULL;
    counts->has_tasks = value_of(options, SBATCH_NTASKS) != NULL;
    return read_nodes(value_of(options, SBATCH_NODES), &counts->min_nodes, &counts->max_nodes,
                      err) != 0 ||
                   read_count(options, SBATCH_NTASKS, "ntasks", 1, &counts->tasks, err) != 0 ||
                   read_count(options, SBATCH_CPUS_PER_TASK, "cpus-per-task", 0,
                              &counts->cpus_a_task, err) != 0 ||
                   read_count(options, SBATCH_NTASKS_PER_NODE, "ntasks-per-node", 0,
                              &counts->tasks_a_node, err) != 0 ||
                   read_extra(options, counts, err) != 0 ||
                   read_count(options, SBATCH_SOCKETS_PER_NODE, "sockets-per-node", counts->sockets,
                              &counts->sockets, err) != 0 ||
                   read_count(options, SBATCH_CORES_PER_SOCKET, "cores-per-socket", counts->cores,
                              &counts->cores, err) != 0 ||
                   read_count(options, SBATCH_THREADS_PER_CORE, "threads-per-core", counts->threads,
                              &counts->threads, err) != 0
               ? -1
               : 0;
}

static int multiply_tasks(struct counts *counts, int64_t factor, struct error *err)
{
    if (factor > 0) {
        counts->has_tasks = true;
        if (__builtin_mul_overflow(counts->tasks, factor, &counts->tasks) ||
            counts->tasks > COUNT_MAX) {
            return error_set(err, ERROR_ARGUMENT, "more tasks than can be counted");
        }
    }
    return 0;
}

/* Tasks follow from nodes, where only those are said; more nodes than tasks are not taken. */
static int work_out_tasks(struct counts *counts, struct error *err)
{
    bool is_fixed = counts->max_nodes == 0 || counts->max_nodes == counts->min_nodes;

    if (counts->tasks_a_node > 0 && !counts->has_tasks && is_fixed) {
        counts->tasks = counts->min_nodes;
        return multiply_tasks(counts, counts->tasks_a_node, err);
    }
    if ((counts->has_nodes || counts->has_extra) && is_fixed && !counts->has_tasks) {
        counts->tasks = counts->min_nodes > 0 ? counts->min_nodes : 1;
        return multiply_tasks(counts, counts->sockets, err) != 0 ||
                       multiply_tasks(counts, counts->cores, err) != 0 ||
                       multiply_tasks(counts, counts->threads, err) != 0
                   ? -1
                   : 0;
    }
    if (counts->has_nodes && counts->has_tasks && counts->tasks < counts->min_nodes) {
        counts->min_nodes = counts->tasks;
    }
    return 0;
}

static int64_t least_cpus(const struct counts *counts, bool overcommit)
{
    int64_t nodes = counts->min_nodes > 0 ? counts->min_nodes : 1;

    return overcommit                ? nodes
           : counts->cpus_a_task > 0 ? counts->tasks * counts->cpus_a_task
                                     : counts->tasks;
}

static int read_tasks(const struct sbatch_options *options, struct ledger_job *job,
                      struct error *err)
{
    struct counts counts = {0};

    if (read_counts(options, &counts, err) != 0 || work_out_tasks(&counts, err) != 0 ||
        read_count(options, SBATCH_MINCPUS, "mincpus", 0, &job->min_cpus_a_node, err) != 0 ||
        read_count(options, SBATCH_NTASKS_PER_GPU, "ntasks-per-gpu", 0, &job->ntasks_per_gpu,
                   err) != 0) {
        return -1;
    }
    job->overcommit = value_of(options, SBATCH_OVERCOMMIT) != NULL;
    job->min_nodes = counts.has_nodes ? counts.min_nodes : 0;
    job->num_tasks = counts.has_tasks ? counts.tasks : 0;
    job->ntasks_per_node = counts.tasks_a_node;
    job->cpus_per_task = counts.cpus_a_task;
    job->sockets_per_node = counts.sockets;
    job->min_cpus = least_cpus(&counts, job->overcommit);
    if (job->min_cpus_a_node < counts.cpus_a_task) {
        job->min_cpus_a_node = counts.cpus_a_task;
    }
    return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int read_memories(const struct sbatch_options *options, struct ledger_job *job,
                         struct error *err)
{
    const char *a_node = value_of(options, SBATCH_MEM);
    const char *a_cpu = value_of(options, SBATCH_MEM_PER_CPU);

    job->memory_mib = -1;
    job->memory_is_per_cpu = a_cpu != NULL;
    return a_cpu != NULL    ? read_memory("mem-per-cpu", a_cpu, &job->memory_mib, err)
           : a_node != NULL ? read_memory("mem", a_node, &job->memory_mib, err)
                            : 0;
}

static bool is_exclusive(const struct sbatch_options *options)
{
    const char *text = value_of(options, SBATCH_EXCLUSIVE);

    return text != NULL && (*text == '\0' || strcmp(text, "exclusive") == 0);
}

int sbatch_make_job(struct sbatch *sbatch, const struct sbatch_options *options,
                    struct ledger_job *job, struct error *err)
{
    const char *time = value_of(options, SBATCH_TIME);

    *job = (struct ledger_job){
        .account = value_of(options, SBATCH_ACCOUNT),
        .partition = value_of(options, SBATCH_PARTITION),
        .qos = value_of(options, SBATCH_QOS),
        .array = value_of(options, SBATCH_ARRAY),
        .limit_minutes = -1,
        .exclusive = is_exclusive(options),
    };
    if (value_of(options, SBATCH_CLUSTERS) != NULL) {
        sbatch->clusters = value_of(options, SBATCH_CLUSTERS);
    }
    return (time != NULL && read_time(time, job, err) != 0) ||
                   read_memories(options, job, err) != 0 || read_tasks(options, job, err) != 0 ||
                   read_lists(sbatch, options, job, err) != 0
               ? -1
               : 0;
}
