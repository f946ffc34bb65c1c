/* slurm_keep - holds of Slurm's jobs, kept as long as their jobs live.
 *
 * The end of a puller's round: live jobs have been written down and ended ones booked, so
 *
 *      a hold whose job lives      is confirmed: its deadline moves on
 *      a hold whose job is gone    is released if the job never started, else its record ends it
 *      parts of an array           that will never run are given back (slurm_keep_gone.c)
 *      a job without a hold        gets one: once it runs, or as soon as it is seen
 *      a job of a dry project      is held back, if the site says so (slurm_enforce.h)
 *
 * Deadlines run by the puller's own clock, which stands still while it cannot see Slurm
 * (store/hold_lapse.h): slurm_keep_begin moves them on when it is back.
 *
 * A hold counts as a job's only if its project and user are the job's: whoever copies a key into
 * something of his own gains nothing by it.
 */
#ifndef LEDGERD_FLOW_SLURM_KEEP_H
#define LEDGERD_FLOW_SLURM_KEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/slurm_gone.h"
#include "ledgerd/store/store.h"

enum {
    SLURM_KEEP_FRESH_ROUNDS = 3, /* intervals that what a round saw stands for */
    SLURM_KEEP_TTL_ROUNDS = 10,  /* intervals that a confirmed hold lives on, at least; */
    SLURM_KEEP_TTL_S = 60 * 60,  /* and so long */
    SLURM_KEEP_UNSEEN_S = 60,    /* a new hold's job is given to show up */
};

struct slurm_keep_options { /* borrowed */
    const char *cluster;
    const struct conf *conf;
    struct instant round_began; /* when live jobs were asked for */
    struct instant now;
    bool ended_was_read;           /* else nothing is given back: the job may just have ended */
    const struct slurm_gone *gone; /* jobs that have ended; told twice they count once */
    size_t gone_count;
    int64_t interval_us;     /* between rounds */
    const char *scontrol;    /* program that enforces; NULL: nothing is enforced */
    const atomic_bool *stop; /* ends the work early once true; NULL: never */
};

struct slurm_keep_figures {
    size_t confirmed;       /* holds, for the first time or with a new deadline */
    size_t released;        /* holds of jobs that are gone, or have waited for too long */
    size_t cancelled_parts; /* given back of holds whose other parts live */
    size_t started;         /* holds taken for jobs that had none */
    size_t start_refused;
    size_t unheld_jobs;   /* that run without a hold, though one is wanted */
    struct points unheld; /* what they cost at most: with what running work costs beyond its
                             hold, the bound of overspending */
    size_t held_jobs;     /* held back, let go, requeued: by Slurm's commands */
    size_t let_go;
    size_t requeued;
    size_t failed; /* commands that Slurm refused */
};

/* What the source saw stands from now on for SLURM_KEEP_FRESH_ROUNDS intervals; deadlines that
 * stood still go on.  First of what a good round writes. */
int slurm_keep_begin(struct store *store, const char *source, struct instant now,
                     int64_t interval_us, struct error *err);

/* Until the source's first good round its deadlines stand still. When the puller starts. */
int slurm_keep_await(struct store *store, const char *source, struct instant now,
                     struct error *err);

/* Keep the holds of one cluster's jobs: in groups of at most HOLD_GROUP_MAX, each in a transaction
 * of its own. On -1 what was done stays done, and the next round does the rest. */
int slurm_keep(struct store *store, struct hold_desk *desk,
               const struct slurm_keep_options *options, struct slurm_keep_figures *figures,
               struct error *err);

#endif
