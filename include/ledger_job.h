/* ledger_job - what a Slurm job asks for, as quantities that have a price.
 *
 * A job says what it needs in many overlapping ways; Slurm takes them as conditions that must all
 * hold.  The quantities here are the least that meets them all, by the rules of sbatch(1):
 *
 *     nodes   largest of  1; -N's least number; tasks / --ntasks-per-node; GPUs a job / GPUs a node
 *     tasks   -n; else --ntasks-per-node x nodes; else GPUs a job / GPUs a task;
 *             else --ntasks-per-gpu x GPUs; else one a node
 *     gpu     largest of  a job; a node x nodes; a task x tasks; a socket x sockets x nodes;
 *             where none of these is given, tasks / --ntasks-per-gpu
 *     cpu     largest of  nodes; what sbatch worked out; --cpus-per-task x tasks unless tasks share
 *             CPUs (-O); --mincpus x nodes; --cpus-per-gpu x GPUs
 *     memory  --mem x nodes; or --mem-per-cpu x CPUs; or --mem-per-gpu x GPUs
 *
 * Quotients are rounded up.  What Slurm adds by itself (whole cores, whole nodes of exclusive jobs,
 * a partition's default memory) is known to ledgerd alone, from the partitions that it reads.
 */
#ifndef LEDGER_JOB_H
#define LEDGER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    LEDGER_ARRAY_INDEX_MAX = 4000000, /* Slurm's own bound of MaxArraySize, less one */
    LEDGER_QUANTITY_BYTES = 24,       /* a decimal of up to twelve and nine digits */
};

#define LEDGER_COUNT_MAX INT64_C(999999999999) /* no quantity may be larger */

/* The time of a job without any limit (sbatch -t 0): Slurm's own idea of that, a year. */
#define LEDGER_UNLIMITED_SECONDS INT64_C(31536000)

/* What sbatch was told, in Slurm's words.  Strings may be NULL or empty, counts 0, where it was
 * told nothing; Slurm's own marks for that (NO_VAL) are the caller's to translate. */
struct ledger_job {
    const char *account;
    const char *partition; /* one, or several with commas */
    const char *qos;
    const char *array;           /* --array: "1-10,20-30:2%3" */
    const char *tres_per_job;    /* "gres:gpu:a100:2,gres:nvme:1", "gres/gpu=2", "gpu:2" */
    const char *tres_per_node;   /* --gres, --gpus-per-node */
    const char *tres_per_socket; /* --gpus-per-socket */
    const char *tres_per_task;   /* --gpus-per-task, --tres-per-task ("cpu:2" too) */
    const char *cpus_per_tres;   /* --cpus-per-gpu: "gres:gpu:2" */
    const char *mem_per_tres;    /* --mem-per-gpu: "gres:gpu:1024", MiB */
    int64_t min_nodes;
    int64_t num_tasks;
    int64_t ntasks_per_node;
    int64_t ntasks_per_gpu;
    int64_t cpus_per_task;
    int64_t min_cpus;         /* of the whole job, as sbatch worked it out */
    int64_t min_cpus_a_node;  /* --mincpus */
    int64_t sockets_per_node; /* 0 counts as 1 */
    int64_t memory_mib;       /* a node or a CPU; 0: all memory of the nodes; -1: not told */
    int64_t limit_minutes;    /* -1: not told */
    bool memory_is_per_cpu;
    bool is_unlimited; /* the time limit is none at all; limit_minutes plays no part */
    bool exclusive;    /* whole nodes */
    bool overcommit;   /* tasks share CPUs */
};

/* What one task of the array (or the job) needs. */
struct ledger_shape {
    int64_t nodes, gpus, cpus;
    int64_t memory_mib; /* 0 with mem_default or mem_whole */
    int64_t seconds;    /* -1: the partition's default */
    int64_t parts;      /* tasks of the array, 1 without one */
    int64_t at_once;    /* at most so many of them run at a time, 0: all may */
    bool exclusive;     /* whole nodes */
    bool mem_default;   /* no memory was told: the partition's default */
    bool mem_whole;     /* all memory of the nodes */
    bool mem_per_cpu;   /* memory was told for each CPU: with more CPUs there is more of it */
    bool unlimited;     /* no time limit: what the partition allows at most */
};

enum ledger_shape_result {
    LEDGER_SHAPE_OK,
    LEDGER_SHAPE_BAD_ARRAY, /* not an array that Slurm takes */
    LEDGER_SHAPE_BAD_TRES,  /* a count that is no number */
    LEDGER_SHAPE_TOO_LARGE, /* a quantity above LEDGER_COUNT_MAX, or an array that repeats itself */
    LEDGER_SHAPE_BAD_NUMBER, /* a negative count */
    LEDGER_SHAPE_NO_MEMORY,
};

/* Work out what a job needs. On failure *shape is untouched. Allocates only the bits of an array of
 * several ranges (500 KB at most), and frees them. */
enum ledger_shape_result ledger_job_shape(const struct ledger_job *job, struct ledger_shape *shape);

/* What a user reads of it: "the array specification cannot be read". Never NULL. */
const char *ledger_shape_result_text(enum ledger_shape_result result);

/* How many tasks an array has and how many of them may run at a time (0: all), as Slurm counts: an
 * index that is named twice is one task, the first % counts. Outputs untouched on failure. */
enum ledger_shape_result ledger_array_count(const char *array, int64_t *parts, int64_t *at_once);

/* MiB as a decimal number of GiB, exact but for the tenth fraction digit, which is rounded up. */
void ledger_mem_gib(int64_t memory_mib, char text[LEDGER_QUANTITY_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
