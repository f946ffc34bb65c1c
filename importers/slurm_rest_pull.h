/* slurm_rest_pull - a cluster read through slurmrestd.
 *
 * Accounting is asked for in narrow windows of time (slurm_rest_window.h), because slurmrestd makes
 * each answer in memory. The token's file is read again for each thing that is asked for, so that a
 * new token needs no restart.
 */
#ifndef IMPORTERS_SLURM_REST_PULL_H
#define IMPORTERS_SLURM_REST_PULL_H

#include "importers/slurm_source.h"

/* A source of mode `slurmrestd`; conf->url may end in the version to ask for
 * ("http://host:6820/v0.0.40"), which is asked of slurmrestd otherwise. NULL on error. */
struct slurm_source *slurm_rest_open(const struct slurm_source_options *options, struct error *err);

#endif
