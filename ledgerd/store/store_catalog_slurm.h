/* store_catalog_slurm - what was last pulled of clusters' users, associations and partitions, read
 * whole: a part of the catalog.
 */
#ifndef LEDGERD_STORE_STORE_CATALOG_SLURM_H
#define LEDGERD_STORE_STORE_CATALOG_SLURM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"

struct slurm_user {
    const char *cluster;
    const char *name;
    int64_t uid; /* -1 if the system does not know the name */
    const char *default_account;
};

struct slurm_association {
    const char *cluster;
    const char *user;
    const char *account;
    const char *partition; /* "" for all */
    const char *default_qos;
};

struct slurm_partition {
    const char *cluster;
    const char *name;
    bool is_default;
    bool is_exclusive;
    int64_t default_seconds; /* -1 if it says none */
    int64_t max_seconds;     /* -1 if unlimited */
    int64_t mem_per_node;    /* MiB; -1 if it does not say */
    int64_t mem_per_cpu;     /* MiB; -1 if it does not say */
    int64_t node_cpus;       /* of the node that has most, as are the next two */
    int64_t node_gpus;
    int64_t node_mem; /* MiB */
};

struct slurm_rows { /* each list in the order of its columns, texts as bytes */
    size_t user_count;
    struct slurm_user *users;
    size_t association_count;
    struct slurm_association *associations;
    size_t partition_count;
    struct slurm_partition *partitions;
    char *texts[3]; /* what they point into, a block a list */
};

/* Read them all, as the transaction sees them. Owned by the caller. */
int store_read_slurm(struct store *store, struct slurm_rows *rows, struct error *err);
void slurm_rows_release(struct slurm_rows *rows);

#endif
