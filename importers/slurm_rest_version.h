/* slurm_rest_version - which of slurmrestd's versions to ask for, and how its answers are told
 * apart.
 */
#ifndef IMPORTERS_SLURM_REST_VERSION_H
#define IMPORTERS_SLURM_REST_VERSION_H

#include <stddef.h>

#include "ledgerd/base/error.h"

enum {
    SLURM_REST_VERSION_BYTES = 24,
    SLURM_REST_KNOWN = 43, /* v0.0.43, of Slurm 25.05: the newest whose answers were seen */
};

/* The version to ask for by what /openapi says it has: the newest known that has both accounting
 * and the controller, else the oldest of those that are newer. "v0.0.38". ERROR_INPUT. */
int slurm_rest_version_choose(const char *openapi, size_t length,
                              char version[SLURM_REST_VERSION_BYTES], struct error *err);

/* Split a URL that ends in a version ("http://host:6820/v0.0.38"): *base is how much of it comes
 * before that, without slashes at its end; version is "" if it names none. */
void slurm_rest_version_split(const char *url, size_t *base,
                              char version[SLURM_REST_VERSION_BYTES]);

#endif
