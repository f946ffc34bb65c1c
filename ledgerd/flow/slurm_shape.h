/* slurm_shape - what a task of a job will have in one partition of a cluster. Internal to
 * slurm_resolve.
 */
#ifndef LEDGERD_FLOW_SLURM_SHAPE_H
#define LEDGERD_FLOW_SLURM_SHAPE_H

#include "ledgerd/base/error.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/slurm_ask.h"
#include "ledgerd/store/store_catalog_slurm.h"
#include "ledgerd/store/store_slurm.h"

/* Complete the meters that were asked for with what Slurm adds: the rest of whole nodes, memory
 * that was not said. `partition` is NULL if nothing is known of it. ERROR_INPUT if the numbers are
 * too large. */
int slurm_shape_complete(const struct slurm_ask *ask, const struct slurm_partition *partition,
                         struct usage_record *shape, struct error *err);

/* The meters of a live job, as slurm_job_row has them. ERROR_INPUT if they cannot be read. */
int slurm_shape_of_job(const struct slurm_job_row *job, struct usage_record *shape,
                       struct error *err);

#endif
