/* slurm_rest_site_pull - users, associations and partitions as slurmrestd tells of them.
 *
 * An element that cannot be read is an error of the whole: what is not understood must not look
 * like a user or a partition that was removed.
 */
#ifndef IMPORTERS_SLURM_REST_SITE_PULL_H
#define IMPORTERS_SLURM_REST_SITE_PULL_H

#include "importers/importer.h"
#include "importers/slurm_site_pull.h"

/* Read the answer of /slurmdb/…/associations (those of the cluster), /slurm/…/partitions,
 * /slurm/…/nodes, of any release; each appends. Nodes come after partitions. */
int slurm_rest_read_associations(struct slurm_site_list *list, const char *cluster,
                                 input_read_fn *read, void *from, struct error *err);
int slurm_rest_read_partitions(struct slurm_site_list *list, input_read_fn *read, void *from,
                               struct error *err);
int slurm_rest_read_nodes(struct slurm_site_list *list, input_read_fn *read, void *from,
                          struct error *err);

#endif
