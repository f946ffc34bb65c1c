/* catalog_slurm - who may submit what on which cluster, as the puller saw it last: the part of the
 * catalog that a job's request is completed from.
 *
 * Read-only, like the rest of the catalog. Lookups are by binary search and touch no allocator.
 */
#ifndef LEDGERD_FLOW_CATALOG_SLURM_H
#define LEDGERD_FLOW_CATALOG_SLURM_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store_catalog_slurm.h"

struct catalog_slurm {
    struct slurm_rows rows;
    const struct slurm_user **by_uid; /* those with a uid, by cluster, uid and name */
    size_t by_uid_count;
};

/* Take over the rows, which are empty afterwards. NULL if out of memory. */
struct catalog_slurm *catalog_slurm_create(struct slurm_rows *rows);
void catalog_slurm_destroy(struct catalog_slurm *slurm); /* accepts NULL */

/* The user by name or uid; NULL if unknown. Of several names of one uid the first. */
const struct slurm_user *catalog_slurm_user(const struct catalog_slurm *slurm, const char *cluster,
                                            const char *name);
const struct slurm_user *catalog_slurm_uid(const struct catalog_slurm *slurm, const char *cluster,
                                           int64_t uid);

/* The user's association with the account that counts in the partition: the one for it alone, else
 * the one for all. NULL if there is neither. With partition NULL: any of the account's. */
const struct slurm_association *catalog_slurm_association(const struct catalog_slurm *slurm,
                                                          const char *cluster, const char *user,
                                                          const char *account,
                                                          const char *partition);

/* The partition by name; with name "" the default one. NULL if unknown. */
const struct slurm_partition *catalog_slurm_partition(const struct catalog_slurm *slurm,
                                                      const char *cluster, const char *name);

/* The one cluster that is known; NULL if there is none or more than one. */
const char *catalog_slurm_only_cluster(const struct catalog_slurm *slurm);

#endif
