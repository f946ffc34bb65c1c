/* slurm_keep_round - what the steps of one round share. Internal to slurm_keep. */
#ifndef LEDGERD_FLOW_SLURM_KEEP_ROUND_H
#define LEDGERD_FLOW_SLURM_KEEP_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/arena.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/slurm_keep.h"
#include "ledgerd/store/store_slurm.h"

struct keep_job { /* a live job that runs, or waits, without points held for it */
    int64_t job_id;
    bool is_pending;
    bool is_held; /* by scontrol hold: ours or somebody's */
    bool held_by_us;
    const char *project;
    const char *qos;
};

struct keep_round {
    struct store *store;
    struct hold_desk *desk;
    const struct slurm_keep_options *options;
    struct slurm_keep_figures *figures;
    const struct conf_source *section; /* NULL: the cluster has none, defaults hold */
    char source[USAGE_SOURCE_BYTES + 1];
    int64_t ttl_us;                     /* of a hold that is confirmed */
    struct arena arena;                 /* texts of the list */
    BATCH_LIST(struct keep_job) unheld; /* gathered only where something is enforced */
};

/* True once the work is to end early. */
bool keep_round_stops(const struct keep_round *round);

/* The book's catalog as of now; valid until the desk is used again. NULL on error. */
const struct catalog *keep_round_catalog(struct keep_round *round, struct error *err);

/* Confirm the holds of live jobs, give back those of jobs that are gone. */
int keep_round_holds(struct keep_round *round, struct error *err);

/* Take holds for jobs without one; gathers what has none for the next step. */
int keep_round_starts(struct keep_round *round, struct error *err);

/* Hold jobs of dry projects back, let them go again. */
int keep_round_enforce(struct keep_round *round, struct error *err);

#endif
