/* slurm_live - a job that is pending or running, as `squeue --json` and slurmrestd's /slurm/…/jobs
 * tell of it: an element of their list of jobs, of any release (slurm_field.h).
 */
#ifndef IMPORTERS_SLURM_LIVE_H
#define IMPORTERS_SLURM_LIVE_H

#include <stdint.h>

#include "importers/slurm_job.h"

enum slurm_live_state {
    LIVE_GONE, /* it has ended, or is another cluster's: no live job, and little is told of it */
    LIVE_PENDING,
    LIVE_RUNNING,
    LIVE_SUSPENDED,
    LIVE_ENDING, /* completing: its end is not in accounting yet */
};

enum {
    LIVE_METERS_BYTES = 4 * (DECIMAL_TEXT_BYTES + 12),
    LIVE_WHY_BYTES = 160,
    LIVE_TASKS_MAX = 4000001, /* MaxArraySize of Slurm itself */
};

struct slurm_live_job {
    int64_t job_id;
    struct instant submitted;
    int64_t array_job_id; /* 0: of no array */
    int64_t array_task;   /* -1: what is still to be split off, or no array */
    int tasks;            /* that it stands for, at least 1 */
    int at_once;          /* 0: any number */
    int64_t het_job_id;   /* 0: of none */
    int64_t uid;
    struct scan_text user, account, partition, qos;
    struct scan_text hold_key; /* of its admin comment; "" if there is none */
    enum slurm_live_state state;
    bool never_started; /* of LIVE_GONE */
    bool is_held;
    struct instant start;  /* INSTANT_NONE: pending */
    int64_t limit_seconds; /* -1: unlimited */
    /* "cpu=4 gpu=2 mem_gib=8 node=1": what it has been given, or asks for, of each task */
    char meters[LIVE_METERS_BYTES];
};

/* The job of a scanned document, an object; its texts are the document's. Of one that has ended are
 * told when it was submitted (INSTANT_NONE: nothing is told, it is another cluster's), whose it is,
 * what it stands for and never_started. 0, or -1 with `why`: it cannot be read ("job 12: field
 * submit_time"). */
int slurm_live_read(struct scan_doc *doc, const char *cluster, struct slurm_live_job *job,
                    char why[LIVE_WHY_BYTES]);

/* How many tasks "1,3,5-9:2%4" names, the form in which Slurm tells what is left of an array; -1 if
 * it cannot be read ("1-3,..." is cut off). */
int slurm_live_tasks(struct scan_text expression);

#endif
