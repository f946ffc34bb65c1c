/* slurm_site_pull - a list of a cluster's users, associations and partitions, as it is read; and
 * the texts of sacctmgr and scontrol that it is read from.
 *
 * These texts are the administrators' own, so a line that cannot be read is an error of the whole:
 * what is not understood must not look like a user or a partition that was removed.
 */
#ifndef IMPORTERS_SLURM_SITE_PULL_H
#define IMPORTERS_SLURM_SITE_PULL_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/arena.h"
#include "ledgerd/store/store_slurm.h"

enum {
    SLURM_SITE_ROWS_MAX = 1000 * 1000,    /* of each kind */
    SLURM_SITE_BYTES = 256 * 1024 * 1024, /* of one text */
};

struct slurm_site_node {    /* of scontrol show node: what it has, and in which partitions */
    const char *partitions; /* with commas */
    int64_t cpus, gpus, mem_mib;
};

struct slurm_site_list { /* a zeroed one is empty */
    struct slurm_site site;
    size_t user_capacity, association_capacity, partition_capacity;
    struct arena texts; /* of the rows */
};

void slurm_site_list_release(struct slurm_site_list *list);

/* Append a row; its texts are copied, cleaned. -1 if there is no memory, or one too many. */
int slurm_site_add_user(struct slurm_site_list *list, const struct slurm_user_row *user,
                        struct error *err);
int slurm_site_add_association(struct slurm_site_list *list,
                               const struct slurm_association_row *association, struct error *err);
int slurm_site_add_partition(struct slurm_site_list *list,
                             const struct slurm_partition_row *partition, struct error *err);

/* Raise the sizes of the partitions that the node is in to what it has. */
void slurm_site_add_node(struct slurm_site_list *list, const struct slurm_site_node *node);

/* Leave one row a user, with its number by the system's own database (getpwnam); -1 where that
 * knows none. When all is read; may take long: never on a path that somebody waits for. */
int slurm_site_number_users(struct slurm_site_list *list, struct error *err);

/* Read what these write; each appends. -1, ERROR_INPUT: the text is something else.
 *      sacctmgr -n -P show assoc cluster=C onlydefaults format=user,account
 *      sacctmgr -n -P show assoc cluster=C format=user,account,partition,defaultqos
 *      scontrol -o show partition
 *      scontrol show config (what partitions that say nothing go by)
 *      scontrol -o show node */
int slurm_site_read_users(struct slurm_site_list *list, const char *text, struct error *err);
int slurm_site_read_associations(struct slurm_site_list *list, const char *text, struct error *err);
int slurm_site_read_partitions(struct slurm_site_list *list, const char *text, struct error *err);
int slurm_site_read_config(struct slurm_site_list *list, const char *text, struct error *err);
int slurm_site_read_nodes(struct slurm_site_list *list, const char *text, struct error *err);

/* True if sacctmgr -n -P show cluster format=cluster lists it. */
bool slurm_site_has_cluster(const char *text, const char *cluster);

#endif
