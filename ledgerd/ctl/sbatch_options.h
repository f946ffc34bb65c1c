/* sbatch_options - the options of sbatch that decide what a job costs. Internal to sbatch. */
#ifndef LEDGERD_CTL_SBATCH_OPTIONS_H
#define LEDGERD_CTL_SBATCH_OPTIONS_H

#include "ledgerd/base/error.h"
#include "ledgerd/ctl/sbatch.h"

enum sbatch_option {
    SBATCH_OTHER, /* of no account */
    /* Of the job as a whole: a component has those of the one before. */
    SBATCH_ACCOUNT,
    SBATCH_ARRAY,
    SBATCH_CLUSTERS,
    SBATCH_MEM,
    SBATCH_QOS,
    SBATCH_TIME,
    SBATCH_WRAP,
    /* Of each component by itself, from here on. */
    SBATCH_CORES_PER_SOCKET,
    SBATCH_CPUS_PER_GPU,
    SBATCH_CPUS_PER_TASK,
    SBATCH_EXCLUSIVE,
    SBATCH_EXTRA_NODE_INFO,
    SBATCH_GPUS,
    SBATCH_GPUS_PER_NODE,
    SBATCH_GPUS_PER_SOCKET,
    SBATCH_GPUS_PER_TASK,
    SBATCH_GRES,
    SBATCH_MEM_PER_CPU,
    SBATCH_MEM_PER_GPU,
    SBATCH_MINCPUS,
    SBATCH_NODES,
    SBATCH_NTASKS,
    SBATCH_NTASKS_PER_GPU,
    SBATCH_NTASKS_PER_NODE,
    SBATCH_OVERCOMMIT,
    SBATCH_PARTITION,
    SBATCH_SOCKETS_PER_NODE,
    SBATCH_THREADS_PER_CORE,
    SBATCH_OPTIONS,
};
enum { SBATCH_OF_COMPONENT = SBATCH_CORES_PER_SOCKET };

struct sbatch_options {
    const char *values[SBATCH_OPTIONS]; /* as they were given; NULL: not; "": without a value */
};

/* Take over the options that words[0..count) begin with; *taken gets how many of the words they
 * are. Unknown ones are noted and left out. ERROR_ARGUMENT for one whose value is missing. */
int sbatch_take_options(struct sbatch *sbatch, size_t count, const char *const *words,
                        struct sbatch_options *options, size_t *taken, struct error *err);

/* Forget what is of a component by itself. */
void sbatch_next_component(struct sbatch_options *options);

/* The job that the options describe. ERROR_ARGUMENT for a value that sbatch would not take. */
int sbatch_make_job(struct sbatch *sbatch, const struct sbatch_options *options,
                    struct ledger_job *job, struct error *err);

/* Keep a text until the sbatch is released: the copy, or NULL with *err. Text is taken over by
 * sbatch_keep, copied by sbatch_copy. */
const char *sbatch_keep(struct sbatch *sbatch, char *text, struct error *err);
const char *sbatch_copy(struct sbatch *sbatch, const char *text, size_t length, struct error *err);

/* Note something for the user; printf. */
void sbatch_note(struct sbatch *sbatch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
