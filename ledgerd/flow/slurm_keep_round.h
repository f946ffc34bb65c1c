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
#include "ledgerd/store/store_keep.h"
#include "ledgerd/store/store_slurm.h"

struct keep_job { /* a live job that runs, or waits, without points held for it */
    int64_t job_id;
    int64_t array_job_id, array_task; /* 0 and -1 where it is no single task of an array */
    bool is_pending;
    bool is_held; /* by scontrol hold: ours or somebody's */
    bool held_by_us;
    const char *project;
    const char *qos;
};

struct keep_name { /* a job that has ended, by a key that a hold of it may have */
    const char *key;
    const char *project; /* "": none */
    const struct slurm_gone *job;
};

struct keep_names { /* by key */
    size_t count;
    struct keep_name *at;
};

struct keep_gone { /* how many parts of a hold have become what, see slurm_keep_gone.c */
    int64_t unrecorded, never, moved, elsewhere;
    int64_t told; /* of the last three, given back before */
};

struct keep_round {
    struct store *store;
    struct hold_desk *desk;
    const struct slurm_keep_options *options;
    struct slurm_keep_figures *figures;
    const struct conf_source *section; /* NULL: the cluster has none, defaults hold */
    char source[USAGE_SOURCE_BYTES + 1];
    int64_t ttl_us;     /* of a hold that is confirmed */
    struct arena arena; /* texts of the list */
    struct keep_names gone;
    BATCH_LIST(struct keep_job) unheld; /* gathered only where something is enforced */
};

/* True once the work is to end early. */
bool keep_round_stops(const struct keep_round *round);

/* The book's catalog as of now; valid until the desk is used again. NULL on error. */
const struct catalog *keep_round_catalog(struct keep_round *round, struct error *err);

/* Sort what has ended by its keys. */
int keep_round_gone(struct keep_round *round, struct error *err);

/* What has become of the parts of these holds that are missing: gone[holds->count]. */
int keep_gone_find(struct keep_round *round, const struct keep_holds *holds, struct keep_gone *gone,
                   struct error *err);

/* How many parts of the hold are to be given back now; *told: how many of them because of what was
 * told of their jobs, not because there is no trace of any. */
int64_t keep_gone_parts(const struct keep_hold *hold, const struct keep_gone *gone, int64_t *told);

/* Confirm the holds of live jobs, give back those of jobs that are gone. */
int keep_round_holds(struct keep_round *round, struct error *err);

/* Take holds for jobs without one; gathers what has none for the next step. */
int keep_round_starts(struct keep_round *round, struct error *err);

/* Hold jobs of dry projects back, let them go again. */
int keep_round_enforce(struct keep_round *round, struct error *err);

#endif
