/* slurm_gone - a job that Slurm says has ended: slurmctld, which remembers it for a while
 * (MinJobAge), or accounting. What is known of it decides what becomes of its part of a hold.
 */
#ifndef LEDGERD_FLOW_SLURM_GONE_H
#define LEDGERD_FLOW_SLURM_GONE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/instant.h"

struct slurm_gone {
    int64_t job_id;
    struct instant submitted;
    int64_t array_job_id; /* 0: of no array, or accounting tells */
    int tasks;            /* that it stands for: those of an array that were never split off */
    bool never_started;   /* else it ran, or may have: its record says what it used */
    const char *hold_key; /* of its admin comment; "" if there is none */
    const char *user, *account;
};

#endif
