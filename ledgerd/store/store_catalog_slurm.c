/* store_catalog_slurm - see store_catalog_slurm.h. */
#include "ledgerd/store/store_catalog_slurm.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

enum { LIST_USERS, LIST_ASSOCIATIONS, LIST_PARTITIONS, LIST_COUNT };

/* The collation of all texts is "C": sorted as bytes. */
static const char *const LIST_SQL[LIST_COUNT] = {
    [LIST_USERS] = "SELECT cluster, user_name, default_account, uid FROM ledger.slurm_user "
                   "ORDER BY cluster, user_name",
    [LIST_ASSOCIATIONS] = "SELECT cluster, user_name, account, partition, default_qos "
                          "FROM ledger.slurm_association "
                          "ORDER BY cluster, user_name, account, partition",
    [LIST_PARTITIONS] = "SELECT cluster, partition, is_default, is_exclusive, default_seconds, "
                        "max_seconds, mem_per_node, mem_per_cpu, node_cpus, node_gpus, node_mem "
                        "FROM ledger.slurm_partition ORDER BY cluster, partition",
};
static const size_t LIST_TEXTS[LIST_COUNT] = {3, 5, 2}; /* the first columns are texts */

static int64_t number_or_none(const struct rows *rows, size_t row, int column)
{
    return rows_is_null(rows, row, column) ? -1 : rows_i64(rows, row, column);
}

static const char *take_text(const struct rows *rows, size_t row, int column, char **end)
{
    const char *kept = *end;

    *end = stpcpy(*end, rows_text(rows, row, column)) + 1;
    return kept;
}

static void take_user(const struct rows *rows, size_t row, char **end, struct slurm_rows *out)
{
    struct slurm_user *user = &out->users[out->user_count++];

    user->cluster = take_text(rows, row, 0, end);
    user->name = take_text(rows, row, 1, end);
    user->default_account = take_text(rows, row, 2, end);
    user->uid = number_or_none(rows, row, 3);
}

static void take_association(const struct rows *rows, size_t row, char **end,
                             struct slurm_rows *out)
{
    struct slurm_association *association = &out->associations[out->association_count++];

    association->cluster = take_text(rows, row, 0, end);
    association->user = take_text(rows, row, 1, end);
    association->account = take_text(rows, row, 2, end);
    association->partition = take_text(rows, row, 3, end);
    association->default_qos = take_text(rows, row, 4, end);
}

static void take_partition(const struct rows *rows, size_t row, char **end, struct slurm_rows *out)
{
    struct slurm_partition *partition = &out->partitions[out->partition_count++];

    partition->cluster = take_text(rows, row, 0, end);
    partition->name = take_text(rows, row, 1, end);
    partition->is_default = rows_bool(rows, row, 2);
    partition->is_exclusive = rows_bool(rows, row, 3);
    partition->default_seconds = number_or_none(rows, row, 4);
    partition->max_seconds = number_or_none(rows, row, 5);
    partition->mem_per_node = number_or_none(rows, row, 6);
    partition->mem_per_cpu = number_or_none(rows, row, 7);
    partition->node_cpus = rows_i64(rows, row, 8);
    partition->node_gpus = rows_i64(rows, row, 9);
    partition->node_mem = rows_i64(rows, row, 10);
}

static size_t text_bytes(const struct rows *rows, size_t texts)
{
    size_t bytes = 1;

    for (size_t i = 0; i < rows_count(rows); i++) {
        for (size_t column = 0; column < texts; column++) {
            bytes += rows_length(rows, i, (int)column) + 1;
        }
    }
    return bytes;
}

static int make_room(struct slurm_rows *out, int list, size_t count, size_t bytes)
{
    out->texts[list] = malloc(bytes);
    switch (list) {
    case LIST_USERS:
        out->users = calloc(count + 1, sizeof *out->users);
        return out->users == NULL || out->texts[list] == NULL ? -1 : 0;
    case LIST_ASSOCIATIONS:
        out->associations = calloc(count + 1, sizeof *out->associations);
        return out->associations == NULL || out->texts[list] == NULL ? -1 : 0;
    default:
        out->partitions = calloc(count + 1, sizeof *out->partitions);
        return out->partitions == NULL || out->texts[list] == NULL ? -1 : 0;
    }
}

static int read_list(struct store *store, int list, struct slurm_rows *out, struct error *err)
{
    static void (*const take[LIST_COUNT])(const struct rows *, size_t, char **,
                                          struct slurm_rows *) = {take_user, take_association,
                                                                  take_partition};
    struct query query;
    struct rows rows;
    char *end;

    query_init(&query, LIST_SQL[list]);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (make_room(out, list, rows_count(&rows), text_bytes(&rows, LIST_TEXTS[list])) != 0) {
        rows_release(&rows);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    end = out->texts[list];
    for (size_t i = 0; i < rows_count(&rows); i++) {
        take[list](&rows, i, &end, out);
    }
    rows_release(&rows);
    return 0;
}

int store_read_slurm(struct store *store, struct slurm_rows *rows, struct error *err)
{
    *rows = (struct slurm_rows){0};
    for (int list = 0; list < LIST_COUNT; list++) {
        if (read_list(store, list, rows, err) != 0) {
            slurm_rows_release(rows);
            return -1;
        }
    }
    return 0;
}

void slurm_rows_release(struct slurm_rows *rows)
{
    free(rows->users);
    free(rows->associations);
    free(rows->partitions);
    for (int list = 0; list < LIST_COUNT; list++) {
        free(rows->texts[list]);
    }
    *rows = (struct slurm_rows){0};
}
