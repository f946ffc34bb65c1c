/* slurm_ask - what sbatch was told of a job, as a hook or ledgerctl passes it on.
 *
 * It stands beside the project, user, QOS, seconds and meters of a check's request, any of which
 * may be missing: slurm_resolve completes them from what was pulled of the cluster.
 */
#ifndef LEDGERD_FLOW_SLURM_ASK_H
#define LEDGERD_FLOW_SLURM_ASK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SLURM_LIST_BYTES = 1024,            /* of a list of partitions */
    SLURM_PARTITIONS_MAX = 64,          /* in it */
    SLURM_COUNT_MAX = 10 * 1000 * 1000, /* nodes, tasks of an array */
};
#define SLURM_UID_MAX INT64_C(4294967295)

struct slurm_ask {         /* strings are borrowed, "" where nothing was said */
    const char *cluster;   /* "" or NULL: nothing is asked of Slurm */
    int64_t uid;           /* -1: not said */
    const char *account;   /* Slurm's */
    const char *partition; /* several with commas: the dearest counts */
    const char *modifies;  /* job ("123", "123_4") that is to get another time limit */
    bool has_seconds;      /* the request's seconds were said */
    bool is_unlimited;     /* no time limit: what the partition allows at most, else the seconds */
    bool is_exclusive;     /* whole nodes */
    bool is_mem_default;   /* no memory was said: the partition's default */
    bool is_mem_whole;     /* all memory of the nodes, whatever the default */
    bool is_mem_per_cpu;   /* the memory was said for each CPU, else for each node */
    int64_t nodes;         /* at least so many, and what the meters are for; 0: not said */
    int64_t parts;         /* tasks of the array, each of which has the meters */
    int64_t at_once;       /* of which so many may run at a time; 0: all */
};

#define SLURM_ASK_NONE   \
    ((struct slurm_ask){ \
        .cluster = "", .uid = -1, .account = "", .partition = "", .modifies = "", .parts = 1})

#endif
