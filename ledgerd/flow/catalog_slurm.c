/* catalog_slurm - see catalog_slurm.h. */
#include "ledgerd/flow/catalog_slurm.h"

#include <stdlib.h>
#include <string.h>

static int compare_uid(const char *cluster, int64_t uid, const struct slurm_user *user)
{
    int order = strcmp(cluster, user->cluster);

    return order != 0 ? order : (uid > user->uid) - (uid < user->uid);
}

static int compare_by_uid(const void *a, const void *b)
{
    const struct slurm_user *one = *(const struct slurm_user *const *)a;
    const struct slurm_user *other = *(const struct slurm_user *const *)b;
    int order = compare_uid(one->cluster, one->uid, other);

    return order != 0 ? order : strcmp(one->name, other->name);
}

struct catalog_slurm *catalog_slurm_create(struct slurm_rows *rows)
{
    struct catalog_slurm *slurm = calloc(1, sizeof *slurm);

    if (slurm == NULL) {
        return NULL;
    }
    slurm->by_uid = calloc(rows->user_count + 1, sizeof *slurm->by_uid);
    if (slurm->by_uid == NULL) {
        free(slurm);
        return NULL;
    }
    slurm->rows = *rows;
    *rows = (struct slurm_rows){0};
    for (size_t i = 0; i < slurm->rows.user_count; i++) {
        if (slurm->rows.users[i].uid >= 0) {
            slurm->by_uid[slurm->by_uid_count++] = &slurm->rows.users[i];
        }
    }
    qsort(slurm->by_uid, slurm->by_uid_count, sizeof slurm->by_uid[0], compare_by_uid);
    return slurm;
}

void catalog_slurm_destroy(struct catalog_slurm *slurm)
{
    if (slurm == NULL) {
        return;
    }
    slurm_rows_release(&slurm->rows);
    free(slurm->by_uid);
    free(slurm);
}

static int compare_user(const void *key, const void *element)
{
    const struct slurm_user *wanted = key, *user = element;
    int order = strcmp(wanted->cluster, user->cluster);

    return order != 0 ? order : strcmp(wanted->name, user->name);
}

const struct slurm_user *catalog_slurm_user(const struct catalog_slurm *slurm, const char *cluster,
                                            const char *name)
{
    const struct slurm_user wanted = {.cluster = cluster, .name = name};

    return bsearch(&wanted, slurm->rows.users, slurm->rows.user_count, sizeof wanted, compare_user);
}

const struct slurm_user *catalog_slurm_uid(const struct catalog_slurm *slurm, const char *cluster,
                                           int64_t uid)
{
    size_t low = 0, high = slurm->by_uid_count;

    while (low < high) { /* to the first that is not below */
        size_t middle = low + (high - low) / 2;

        if (compare_uid(cluster, uid, slurm->by_uid[middle]) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < slurm->by_uid_count && compare_uid(cluster, uid, slurm->by_uid[low]) == 0
               ? slurm->by_uid[low]
               : NULL;
}

static int compare_account(const struct slurm_association *wanted,
                           const struct slurm_association *association)
{
    int order = strcmp(wanted->cluster, association->cluster);

    order = order != 0 ? order : strcmp(wanted->user, association->user);
    return order != 0 ? order : strcmp(wanted->account, association->account);
}

/* The first of the user's associations with the account, and how many follow it, itself included.
 */
static const struct slurm_association *find_account(const struct catalog_slurm *slurm,
                                                    const struct slurm_association *wanted,
                                                    size_t *count)
{
    size_t low = 0, high = slurm->rows.association_count, end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_account(wanted, &slurm->rows.associations[middle]) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (end = low; end < slurm->rows.association_count &&
                    compare_account(wanted, &slurm->rows.associations[end]) == 0;) {
        end++;
    }
    *count = end - low;
    return slurm->rows.associations + low;
}

const struct slurm_association *catalog_slurm_association(const struct catalog_slurm *slurm,
                                                          const char *cluster, const char *user,
                                                          const char *account,
                                                          const char *partition)
{
    const struct slurm_association wanted = {.cluster = cluster, .user = user, .account = account};
    const struct slurm_association *for_all = NULL;
    size_t count;
    const struct slurm_association *first = find_account(slurm, &wanted, &count);

    if (partition == NULL) {
        return count > 0 ? first : NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(first[i].partition, partition) == 0) {
            return &first[i];
        }
        for_all = first[i].partition[0] == '\0' ? &first[i] : for_all;
    }
    return for_all;
}

static int compare_partition(const void *key, const void *element)
{
    const struct slurm_partition *wanted = key, *partition = element;
    int order = strcmp(wanted->cluster, partition->cluster);

    return order != 0 ? order : strcmp(wanted->name, partition->name);
}

/* Clusters have some tens of partitions at most: a scan of them all is as good as a search. */
static const struct slurm_partition *default_partition(const struct catalog_slurm *slurm,
                                                       const char *cluster)
{
    for (size_t i = 0; i < slurm->rows.partition_count; i++) {
        const struct slurm_partition *partition = &slurm->rows.partitions[i];

        if (partition->is_default && strcmp(partition->cluster, cluster) == 0) {
            return partition;
        }
    }
    return NULL;
}

const struct slurm_partition *catalog_slurm_partition(const struct catalog_slurm *slurm,
                                                      const char *cluster, const char *name)
{
    const struct slurm_partition wanted = {.cluster = cluster, .name = name};

    if (*name == '\0') {
        return default_partition(slurm, cluster);
    }
    return bsearch(&wanted, slurm->rows.partitions, slurm->rows.partition_count, sizeof wanted,
                   compare_partition);
}

const char *catalog_slurm_only_cluster(const struct catalog_slurm *slurm)
{
    size_t count = slurm->rows.user_count;

    if (count == 0 ||
        strcmp(slurm->rows.users[0].cluster, slurm->rows.users[count - 1].cluster) != 0) {
        return NULL;
    }
    return slurm->rows.users[0].cluster;
}
