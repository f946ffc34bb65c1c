/* slurm_sacct_pull - a cluster read through Slurm's own programs: sacct, squeue, sacctmgr,
 * scontrol.
 *
 * They are run without a shell, in UTC, with times as seconds.  sacct's output is streamed, so
 * memory does not grow with it; a program that dies, hangs or stops in the middle of a line is an
 * error and never looks like an answer that ended.
 */
#ifndef IMPORTERS_SLURM_SACCT_PULL_H
#define IMPORTERS_SLURM_SACCT_PULL_H

#include "importers/slurm_source.h"

/* A source of mode `sacct`; the others' programs are looked for in the folder of conf->command, or
 * in PATH where it names none. NULL on error. */
struct slurm_source *slurm_sacct_open(const struct slurm_source_options *options,
                                      struct error *err);

#endif
