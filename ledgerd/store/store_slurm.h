/* store_slurm - what is remembered of a Slurm cluster: its live jobs, and who may run where.
 *
 * Slurm's own knowledge, brought up to date by each round of the puller.  Jobs are written as a
 * whole set: what is not in it is gone.  Users, associations and partitions are part of the
 * catalog, so they are written only when something has changed.
 */
#ifndef LEDGERD_STORE_STORE_SLURM_H
#define LEDGERD_STORE_STORE_SLURM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store.h"

struct slurm_job_row { /* a job that is pending or running; no text is NULL */
    int64_t job_id;    /* its own (raw) id */
    struct instant submitted;
    int64_t array_job_id; /* 0: of no array */
    int64_t array_task;   /* -1: what is still to be split off an array, or no array */
    int tasks;            /* tasks of the array that it stands for, at least 1 */
    int at_once;          /* tasks of the array that may run at a time; 0: any number */
    int64_t het_job_id;   /* leader of its heterogeneous job; 0: of none */
    int64_t uid;
    const char *user;
    const char *account;
    const char *partition; /* several, with commas, while pending */
    const char *qos;
    const char *state;     /* pending, running, suspended, ending */
    bool is_held;          /* by somebody's scontrol hold */
    struct instant start;  /* INSTANT_NONE: pending */
    int64_t limit_seconds; /* -1: unlimited */
    const char *meters;    /* of each task: "cpu=4 gpu=2 mem_gib=8 node=1", sorted by name */
    const char *hold_key;  /* of the hold of its submission; "": none */
    const char *start_key; /* of the hold that was taken for it later; "": none */
    bool held_by_us;
    void *texts; /* owned: slurm_job_row_release; NULL: the texts are borrowed */
};

/* Make `jobs` the cluster's live jobs, in a transaction of its own: writes those that changed,
 * deletes the gone.  start_key and held_by_us of the rows are not looked at: what is remembered of
 * the same (job_id, submitted) stays.  Of two rows with one job_id the latter counts. */
int store_slurm_jobs_write(struct store *store, const char *cluster,
                           const struct slurm_job_row *jobs, size_t count, struct instant now,
                           struct error *err);

/* The same, but the gone stay: for a set that may not be whole. */
int store_slurm_jobs_update(struct store *store, const char *cluster,
                            const struct slurm_job_row *jobs, size_t count, struct instant now,
                            struct error *err);

/* Told of each job in the order of ids; the row is valid during the call, which may use the store.
 * -1 ends the reading. */
typedef int slurm_job_fn(void *context, const struct slurm_job_row *job, struct error *err);
int store_slurm_jobs_read(struct store *store, const char *cluster, slurm_job_fn *each,
                          void *context, struct error *err);

/* The job by its own id, or with array_task >= 0 that task of the array job_id: split off already,
 * or else the row that stands for what is still to be split off.  The id of an array means all of
 * its tasks that have not ended: the row of one of them, with how many there are and the least of
 * their limits. *found tells; release the row. */
int store_slurm_job_find(struct store *store, const char *cluster, int64_t job_id,
                         int64_t array_task, struct slurm_job_row *job, bool *found,
                         struct error *err);
void slurm_job_row_release(struct slurm_job_row *job);

struct slurm_user_row {
    const char *user;
    int64_t uid;                 /* -1: the system does not know the name */
    const char *default_account; /* "": none */
};

struct slurm_association_row {
    const char *user;
    const char *account;
    const char *partition;   /* "": all */
    const char *default_qos; /* "": Slurm tells none */
};

struct slurm_partition_row { /* columns of ledger.slurm_partition; -1: null */
    const char *partition;
    bool is_default;
    int64_t default_seconds, max_seconds;
    bool is_exclusive;
    int64_t mem_per_node, mem_per_cpu; /* MiB */
    int64_t node_cpus, node_gpus, node_mem;
};

struct slurm_site {
    struct slurm_user_row *users;
    size_t user_count;
    struct slurm_association_row *associations;
    size_t association_count;
    struct slurm_partition_row *partitions;
    size_t partition_count;
};

/* Make `site` what is known of the cluster, in a transaction of its own, under the booking lock if
 * anything has changed.  *changed tells. Keys that are there twice: the latter counts. */
int store_slurm_site_write(struct store *store, const char *cluster, const struct slurm_site *site,
                           bool *changed, struct error *err);

#endif
