/* slurm_jobs_pull - a cluster's live jobs in memory: as a round reads them, and what it knows of
 * their holds.
 *
 * Accounting tells a job's admin comment, and with it the key of its hold, only when the job has
 * ended; of running work, and of work whose hold was taken later than at submission, live jobs
 * know.
 */
#ifndef IMPORTERS_SLURM_JOBS_PULL_H
#define IMPORTERS_SLURM_JOBS_PULL_H

#include <stddef.h>
#include <stdint.h>

#include "importers/importer.h"
#include "importers/slurm_live.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/arena.h"
#include "ledgerd/flow/slurm_gone.h"
#include "ledgerd/store/store_slurm.h"

enum { SLURM_JOBS_MAX = 4 * 1000 * 1000 }; /* in slurmctld's memory; sites have up to 100,000s */

struct slurm_jobs { /* a zeroed one is empty */
    struct slurm_job_row *rows;
    size_t count, capacity;
    struct slurm_gone *gone; /* those that slurmctld remembers, and what is added */
    size_t gone_count, gone_capacity;
    uint64_t pending, running; /* array tasks count each; suspended and ending ones run */
    uint64_t unread;           /* jobs that could not be read */
    char why[LIVE_WHY_BYTES];  /* for the first of these */
    struct arena texts;
};

/* Forget all of them, but keep the memory. */
void slurm_jobs_clear(struct slurm_jobs *jobs);
void slurm_jobs_release(struct slurm_jobs *jobs);

/* Append the live jobs of an answer. A job that cannot be read is counted; an answer that cannot be
 * is an error: ERROR_UNAVAILABLE, or ERROR_INPUT (Slurm's own error, not JSON, cut off). */
int slurm_jobs_read(struct slurm_jobs *jobs, const char *cluster, const char *name,
                    input_read_fn *read, void *from, struct error *err);

/* Append a job that has ended; its texts are copied. */
int slurm_jobs_add_gone(struct slurm_jobs *jobs, const struct slurm_gone *gone, struct error *err);

struct slurm_hold_key {
    int64_t job_id;
    int64_t submitted; /* seconds since 1970 */
    size_t number;     /* in the order of adding */
    const char *key;
};

struct slurm_hold_keys { /* a zeroed one is empty */
    struct slurm_hold_key *keys;
    size_t count, capacity;
    struct arena texts;
};

void slurm_hold_keys_clear(struct slurm_hold_keys *keys);
void slurm_hold_keys_release(struct slurm_hold_keys *keys);

/* Remember the hold of a job: that which was taken later, else that of its submission, if any. Of
 * one job what was added first counts. */
int slurm_hold_keys_add(struct slurm_hold_keys *keys, const struct slurm_job_row *job,
                        struct error *err);

/* Sort, so that it may be looked into from any thread until something is added. */
void slurm_hold_keys_sort(struct slurm_hold_keys *keys);

/* The key for "<job id>@<submitted>"; NULL if none is known. */
const char *slurm_hold_keys_find(const struct slurm_hold_keys *keys, const char *record_id);

#endif
