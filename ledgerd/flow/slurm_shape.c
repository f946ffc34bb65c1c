/* slurm_shape - see slurm_shape.h. */
#include "ledgerd/flow/slurm_shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "importers/slurm_job.h"
#include "ledgerd/base/parse.h"

enum { METER_DIGITS_BYTES = 32 };

static int too_large(const char *what, struct error *err)
{
    return error_set(err, ERROR_INPUT, "the job's %s is more than can be counted", what);
}

static struct usage_meter *find_meter(struct usage_record *shape, const char *name)
{
    for (size_t i = 0; i < shape->meter_count; i++) {
        if (strcmp(shape->meters[i].name, name) == 0) {
            return &shape->meters[i];
        }
    }
    return NULL;
}

static int set_meter(struct usage_record *shape, const char *name, struct decimal quantity,
                     struct error *err)
{
    struct usage_meter *meter = find_meter(shape, name);

    if (meter != NULL) {
        meter->quantity = quantity;
        return 0;
    }
    return usage_add_meter(shape, name, quantity) == 0
               ? 0
               : error_set(err, ERROR_INPUT, "the job has too many meters");
}

/* The meter's quantity as a whole number, rounded up; 0 without one. */
static int64_t count_of(const struct usage_record *shape, const char *name)
{
    const struct decimal *quantity = usage_meter(shape, name);
    unsigned __int128 unit = 1;

    if (quantity == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < quantity->scale; i++) {
        unit *= 10;
    }
    return (int64_t)((quantity->mantissa + unit - 1) / unit); /* below 10^12 and one */
}

static int multiply(int64_t a, int64_t b, const char *what, int64_t *product, struct error *err)
{
    return __builtin_mul_overflow(a, b, product) ? too_large(what, err) : 0;
}

/* At least a x b of the meter. */
static int raise_meter(struct usage_record *shape, const char *name, int64_t a, int64_t b,
                       struct error *err)
{
    struct decimal quantity;
    int64_t product;

    if (multiply(a, b, name, &product, err) != 0) {
        return -1;
    }
    if (product <= count_of(shape, name)) {
        return 0;
    }
    if (decimal_from_u64((unsigned long long)product, &quantity) != 0) {
        return too_large(name, err);
    }
    return set_meter(shape, name, quantity, err);
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* How many nodes of `size` take the quantity; 1 where the size is not known. */
static int64_t nodes_for(int64_t quantity, int64_t size)
{
    return size > 0 && quantity > 0 ? (quantity - 1) / size + 1 : 1;
}

static int64_t node_count(const struct slurm_ask *ask, const struct slurm_partition *partition,
                          const struct usage_record *shape)
{
    int64_t nodes = most(most(1, ask->nodes), count_of(shape, "node"));

    if (partition != NULL) {
        nodes = most(nodes, nodes_for(count_of(shape, "cpu"), partition->node_cpus));
        nodes = most(nodes, nodes_for(count_of(shape, "gpu"), partition->node_gpus));
    }
    return nodes;
}

/* Of whole nodes all CPUs and GPUs. */
static int take_nodes(const struct slurm_partition *partition, int64_t nodes,
                      struct usage_record *shape, struct error *err)
{
    if (partition == NULL) {
        return raise_meter(shape, "node", nodes, 1, err);
    }
    return raise_meter(shape, "node", nodes, 1, err) != 0 ||
                   raise_meter(shape, "cpu", partition->node_cpus, nodes, err) != 0 ||
                   raise_meter(shape, "gpu", partition->node_gpus, nodes, err) != 0
               ? -1
               : 0;
}

/* A job that needs more nodes than it says has a CPU at least on each; only what it counts. */
static int spread_tasks(int64_t nodes, struct usage_record *shape, struct error *err)
{
    static const char *const names[] = {"node", "cpu"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (find_meter(shape, names[i]) != NULL &&
            raise_meter(shape, names[i], nodes, 1, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int take_memory(int64_t mib, struct usage_record *shape, struct error *err)
{
    char text[METER_DIGITS_BYTES];
    struct slurm_quantity gib;
    struct scan_text written = {.bytes = text,
                                .length = (size_t)snprintf(text, sizeof text, "%" PRId64 "M", mib)};

    /* Rounded as a record's memory will be. */
    if (slurm_memory_parse(written, &gib) != 0 || !gib.given) {
        return too_large("memory", err);
    }
    return set_meter(shape, "mem_gib", gib.value, err);
}

/* The meter in MiB, Slurm's unit. */
static int64_t memory_of(const struct usage_record *shape)
{
    const struct decimal *gib = usage_meter(shape, "mem_gib");
    unsigned __int128 unit = 1;

    if (gib == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < gib->scale; i++) {
        unit *= 10;
    }
    return (int64_t)((gib->mantissa * 1024 + unit / 2) / unit); /* below 10^12 x 1024 */
}

/* Memory that was said for each of `had` CPUs or nodes, for each of those that there are. */
static int spread_memory(int64_t had, int64_t has, struct usage_record *shape, struct error *err)
{
    int64_t mib = memory_of(shape);

    if (mib == 0 || had <= 0 || has <= had) {
        return 0;
    }
    if (multiply(mib, has, "memory", &mib, err) != 0) {
        return -1;
    }
    return take_memory((mib - 1) / had + 1, shape, err);
}

/* The memory that a job gets that says none, or all, in MiB. */
static int default_memory(const struct slurm_ask *ask, const struct slurm_partition *partition,
                          int64_t nodes, const struct usage_record *shape, int64_t *mib,
                          struct error *err)
{
    if (!ask->is_mem_whole && partition->mem_per_cpu >= 0) {
        return multiply(partition->mem_per_cpu, most(count_of(shape, "cpu"), nodes), "memory", mib,
                        err);
    }
    return multiply(!ask->is_mem_whole && partition->mem_per_node >= 0 ? partition->mem_per_node
                                                                       : partition->node_mem,
                    nodes, "memory", mib, err);
}

int slurm_shape_complete(const struct slurm_ask *ask, const struct slurm_partition *partition,
                         struct usage_record *shape, struct error *err)
{
    bool is_exclusive = ask->is_exclusive || (partition != NULL && partition->is_exclusive);
    bool says_memory = !ask->is_mem_default && !ask->is_mem_whole;
    int64_t nodes = node_count(ask, partition, shape);
    int64_t cpus = count_of(shape, "cpu");
    int64_t mib;

    if ((is_exclusive ? take_nodes(partition, nodes, shape, err)
                      : spread_tasks(nodes, shape, err)) != 0) {
        return -1;
    }
    if (says_memory) {
        return ask->is_mem_per_cpu ? spread_memory(cpus, count_of(shape, "cpu"), shape, err)
                                   : spread_memory(most(1, ask->nodes), nodes, shape, err);
    }
    if (partition == NULL) {
        return 0;
    }
    return default_memory(ask, partition, nodes, shape, &mib, err) != 0
               ? -1
               : take_memory(mib, shape, err);
}

/* --- live jobs -------------------------------------------------------------------------------- */

/* The names of meters that jobs have: records borrow them. */
static const char *meter_name(const char *text, size_t length)
{
    static const char *const names[] = {"cpu", "gpu", "mem_gib", "node"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0) {
            return names[i];
        }
    }
    return NULL;
}

int slurm_shape_of_job(const struct slurm_job_row *job, struct usage_record *shape,
                       struct error *err)
{
    const char *at = job->meters;

    while (*at != '\0') {
        size_t length = strcspn(at, " ");
        size_t name_length = strcspn(at, "= ");
        const char *name = meter_name(at, name_length);
        struct decimal quantity;

        if (name == NULL || name_length + 1 >= length ||
            decimal_parse(at + name_length + 1, length - name_length - 1, &quantity) != 0 ||
            usage_add_meter(shape, name, quantity) != 0) {
            return error_set(err, ERROR_INPUT, "job %" PRId64 " has meters that cannot be read",
                             job->job_id);
        }
        at += length;
        at += *at == ' ';
    }
    return 0;
}
