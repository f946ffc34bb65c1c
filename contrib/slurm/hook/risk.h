/* risk - how many points jobs may cost that are accepted while nobody can be asked.
 *
 * A job's risk is an estimate by flat prices: (GPUs x gpu_hour + CPUs x cpu_hour) x hours x tasks,
 * rounded up.  It is counted against a budget until ledgerd answers again.  All amounts are
 * micro-points.
 */
#ifndef CONTRIB_SLURM_HOOK_RISK_H
#define CONTRIB_SLURM_HOOK_RISK_H

#include "ledger_job.h"

struct risk_options {
    int64_t budget_micro; /* -1: no bound */
    int64_t gpu_hour_micro;
    int64_t cpu_hour_micro;
    int64_t node_hour_micro; /* of exclusive jobs, if that comes to more */
    int64_t seconds;         /* of a job that names no time limit */
};

/* The estimate; INT64_MAX where it is larger than that. */
int64_t risk_estimate(const struct risk_options *options, const struct ledger_shape *shape);

/* Add an estimate to what is spent. False, and nothing added, if the budget does not cover it. */
bool risk_take(const struct risk_options *options, int64_t *spent_micro, int64_t estimate_micro);

#endif
