/* slurm_pull - one round of reading a cluster into the book.
 *
 *      users, associations, partitions     every ten minutes, or when somebody asked
 *      live jobs                           what slurmctld has in memory
 *      ended jobs   -> ingest              from a while before what was read last
 *      running jobs -> ingest              their cost so far
 *      holds of jobs                       confirmed, released, taken (flow/slurm_keep.h)
 *
 * Everything is keyed by what was read, so a round that breaks off, or that two processes make at a
 * time, books nothing twice.  Ended jobs are asked for by the time of their end:
 *
 *      read before          |<-- overlap -->|
 *      ---------------------+---------------+-----------+--> end of work
 *                           |<------- this round ------>| now
 *      |<-- lag, once an hour --------------------------|
 *
 * The overlap catches what reached accounting only some time after its end; the hour's wider look
 * what came later still (slurmdbd was away) and rows that changed after they were read (a job's end
 * that was mended after a crash).  What comes later than `lag` needs `ledgerctl import slurm`.
 * Besides, each look reaches back to the latest work that is known, so that an empty answer is seen
 * to be none.
 */
#ifndef IMPORTERS_SLURM_PULL_H
#define IMPORTERS_SLURM_PULL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "importers/slurm_source.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/pull_board.h"
#include "ledgerd/flow/slurm_keep.h"
#include "ledgerd/store/store.h"

struct slurm_pull; /* what one cluster's pulling keeps from round to round; one thread uses it */

/* Told after each step of a backlog: up to where it is read. */
typedef void slurm_pull_step_fn(void *context, struct instant through, struct instant to,
                                const struct ingest_counts *counts);

struct slurm_pull_options { /* borrowed for as long as the pull lives */
    const struct conf *conf;
    const struct conf_source *source; /* a [slurm …] section with a mode */
    struct pull_board *board;         /* NULL: nobody asks */
    const atomic_bool *stop;          /* ends a round early, as a failed one; NULL: never */
    slurm_pull_step_fn *step;         /* NULL: nobody is told */
    void *context;
};

struct slurm_pull_result { /* of one round; valid also when it failed: what was done is done */
    bool is_busy;          /* another process reads this cluster now: nothing was done */
    bool has_read_site;
    bool is_site_changed;
    struct instant read_through; /* INSTANT_NONE: as before */
    struct ingest_counts counts;
    uint64_t pending_jobs, running_jobs; /* array tasks count each */
    uint64_t unread_jobs;                /* in the list of live jobs, and not understood */
    char unread_why[160];
    struct slurm_keep_figures kept;
    int64_t elapsed_us;
};

/* ERROR_ARGUMENT: the section's mode cannot be (no url, say). NULL on error. */
struct slurm_pull *slurm_pull_create(const struct slurm_pull_options *options, struct error *err);
void slurm_pull_destroy(struct slurm_pull *pull); /* accepts NULL */

/* Make a round; a failed one is noted in the book with its reason, if the book can be reached.
 * A part that fails ends no other part that does not need it; the first error is returned. */
int slurm_pull_round(struct slurm_pull *pull, struct store *store, struct slurm_pull_result *result,
                     struct error *err);

#endif
