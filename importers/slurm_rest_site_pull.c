/* slurm_rest_site_pull - see slurm_rest_site_pull.h.
 *
 * As everywhere in Slurm's JSON, no version is looked at: a partition's limits are found where
 * v0.0.38 has them ("max_time_limit") or where later ones do ("maximums":{"time":…}).
 */
#include "importers/slurm_rest_site_pull.h"

#include <string.h>

#include "importers/slurm_field.h"

enum { NAME_BYTES = 256, NAMES_BYTES = 4096 };

#define MINUTES_MAX (UINT64_C(100) * 366 * 24 * 60) /* beyond is a way to say none */

struct site_read { /* the answer at hand */
    struct slurm_site_list *list;
    const char *cluster;
    struct json_items items;
};

/* Reads the element whose tape is in items.doc. */
typedef int element_fn(struct site_read *read, struct error *err);

static int read_elements(struct site_read *read, element_fn *element, struct error *err)
{
    struct json_item item;
    int result;

    while ((result = json_items_next(&read->items, &item, err)) == 1) {
        if (item.status != JSON_ITEM_OK || scan_type(&read->items.doc, 0) != SCAN_OBJECT) {
            return error_set(err, ERROR_INPUT, "slurmrestd: element %llu of %s cannot be read",
                             (unsigned long long)item.number, read->items.list);
        }
        if (element(read, err) != 0) {
            return -1;
        }
    }
    return result;
}

static int read_list(struct slurm_site_list *list, const char *cluster, const char *name,
                     element_fn *element, input_read_fn *from_fn, void *from, struct error *err)
{
    struct input *input = input_from_reader("slurmrestd", from_fn, from, err);
    struct site_read read = {.list = list, .cluster = cluster};
    int result;

    if (input == NULL) {
        return -1;
    }
    json_items_init(&read.items, input, true);
    read.items.list = name;
    result = read_elements(&read, element, err);
    json_items_release(&read.items);
    input_close(input);
    return result;
}

/* --- fields ---------------------------------------------------------------------------------- */

/* A member of a member; SCAN_NONE if either is not there. */
static uint32_t inner(struct scan_doc *doc, const char *outer, const char *key)
{
    uint32_t token = scan_given(doc, 0, outer);

    return token == SCAN_NONE ? SCAN_NONE : scan_given(doc, token, key);
}

static uint32_t first_given(uint32_t a, uint32_t b)
{
    return a != SCAN_NONE ? a : b;
}

/* A text as a string; what does not fit is an error, not another name. */
static int copy_text(struct scan_text text, char *out, size_t size, struct error *err)
{
    if (text.length >= size || memchr(text.bytes, '\0', text.length) != NULL) {
        return error_set(err, ERROR_INPUT, "slurmrestd: a name is longer than %zu bytes", size - 1);
    }
    memcpy(out, text.bytes, text.length);
    out[text.length] = '\0';
    return 0;
}

static int copy_member(struct scan_doc *doc, uint32_t object, const char *key, char *out,
                       struct error *err)
{
    struct scan_text text = {"", 0};

    if (object == 0 || scan_type(doc, object) == SCAN_OBJECT) {
        text = slurm_field_text(doc, object, key);
    }
    return copy_text(text, out, NAME_BYTES, err);
}

/* A number, or -1 where there is none or it means "no limit". */
static int read_number(struct scan_doc *doc, uint32_t token, const char *what, int64_t *value,
                       struct error *err)
{
    struct slurm_number number;

    *value = -1;
    if (token == SCAN_NONE) {
        return 0;
    }
    if (scan_type(doc, token) == SCAN_INTEGER && scan_text(doc, token).bytes[0] == '-') {
        return 0; /* -1, -2: unlimited, no value */
    }
    if (slurm_field_number(doc, token, &number) != 0) {
        return error_set(err, ERROR_INPUT, "slurmrestd: %s is no number", what);
    }
    *value = number.given ? (int64_t)number.value : -1;
    return 0;
}

/* --- associations ---------------------------------------------------------------------------- */

/* true, 1, or of the set of flags that has "DEFAULT" in it. */
static bool is_true(struct scan_doc *doc, uint32_t token)
{
    return token != SCAN_NONE &&
           (scan_type(doc, token) == SCAN_TRUE ||
            (scan_type(doc, token) == SCAN_INTEGER && slurm_text_is(scan_text(doc, token), "1")));
}

static int read_association(struct site_read *read, struct error *err)
{
    struct scan_doc *doc = &read->items.doc;
    char user[NAME_BYTES], account[NAME_BYTES], partition[NAME_BYTES], qos[NAME_BYTES] = "";
    uint32_t defaults = scan_given(doc, 0, "default");

    if (!slurm_text_is(slurm_field_text(doc, 0, "cluster"), read->cluster) ||
        slurm_field_text(doc, 0, "user").length == 0) {
        return 0; /* another cluster's, or the account's own */
    }
    if (copy_member(doc, 0, "user", user, err) != 0 ||
        copy_member(doc, 0, "account", account, err) != 0 ||
        copy_member(doc, 0, "partition", partition, err) != 0 ||
        (defaults != SCAN_NONE && copy_member(doc, defaults, "qos", qos, err) != 0)) {
        return -1;
    }
    const struct slurm_association_row association = {user, account, partition, qos};
    const struct slurm_user_row row = {
        user, -1, is_true(doc, scan_given(doc, 0, "is_default")) ? account : ""};

    return slurm_site_add_association(read->list, &association, err) != 0
               ? -1
               : slurm_site_add_user(read->list, &row, err);
}

int slurm_rest_read_associations(struct slurm_site_list *list, const char *cluster,
                                 input_read_fn *read, void *from, struct error *err)
{
    return read_list(list, cluster, "associations", read_association, read, from, err);
}

/* --- partitions ------------------------------------------------------------------------------ */

/* Seconds of a limit in minutes; none, and what is beyond any job, is -1. */
static int read_minutes(struct scan_doc *doc, uint32_t token, const char *what, int64_t *seconds,
                        struct error *err)
{
    if (read_number(doc, token, what, seconds, err) != 0) {
        return -1;
    }
    if (*seconds > (int64_t)MINUTES_MAX) {
        *seconds = -1;
    }
    *seconds = *seconds >= 0 ? *seconds * 60 : -1;
    return 0;
}

/* MiB that jobs get which name none; 0 is what slurmctld has where nobody said. */
static int read_memory(struct scan_doc *doc, uint32_t token, const char *what, int64_t *mib,
                       struct error *err)
{
    if (read_number(doc, token, what, mib, err) != 0) {
        return -1;
    }
    *mib = *mib > 0 ? *mib : -1;
    return 0;
}

static bool list_has(struct scan_doc *doc, uint32_t list, const char *word)
{
    if (list == SCAN_NONE || scan_type(doc, list) != SCAN_ARRAY) {
        return false;
    }
    for (uint32_t t = list + 1; t < doc->tokens[list].next; t = doc->tokens[t].next) {
        struct scan_text text = scan_text(doc, t);

        if (scan_type(doc, t) == SCAN_STRING && text.length == strlen(word) &&
            strncasecmp(text.bytes, word, text.length) == 0) {
            return true;
        }
    }
    return false;
}

/* OverSubscribe=EXCLUSIVE is "no job shares a node", a share of 0. v0.0.38 does not tell. */
static int read_exclusive(struct scan_doc *doc, bool *exclusive, struct error *err)
{
    uint32_t maximums = scan_given(doc, 0, "maximums");
    uint32_t shared = SCAN_NONE;
    int64_t jobs;

    if (maximums != SCAN_NONE) {
        uint32_t oversubscribe = scan_given(doc, maximums, "oversubscribe");
        shared = first_given(oversubscribe != SCAN_NONE ? scan_given(doc, oversubscribe, "jobs")
                                                        : SCAN_NONE,
                             scan_given(doc, maximums, "shares"));
    }
    if (read_number(doc, shared, "maximums.oversubscribe.jobs", &jobs, err) != 0) {
        return -1;
    }
    *exclusive = jobs == 0;
    return 0;
}

static int read_partition(struct site_read *read, struct error *err)
{
    struct scan_doc *doc = &read->items.doc;
    char name[NAME_BYTES];
    struct slurm_partition_row row = {
        .partition = name, .is_default = list_has(doc, scan_given(doc, 0, "flags"), "default")};
    uint32_t per_node = first_given(scan_given(doc, 0, "default_memory_per_node"),
                                    inner(doc, "defaults", "partition_memory_per_node"));
    uint32_t per_cpu = first_given(scan_given(doc, 0, "default_memory_per_cpu"),
                                   inner(doc, "defaults", "partition_memory_per_cpu"));

    if (copy_member(doc, 0, "name", name, err) != 0 ||
        read_minutes(
            doc,
            first_given(scan_given(doc, 0, "default_time_limit"), inner(doc, "defaults", "time")),
            "default time limit", &row.default_seconds, err) != 0 ||
        read_minutes(
            doc, first_given(scan_given(doc, 0, "max_time_limit"), inner(doc, "maximums", "time")),
            "maximum time limit", &row.max_seconds, err) != 0 ||
        read_memory(doc, per_node, "default memory per node", &row.mem_per_node, err) != 0 ||
        read_memory(doc, per_cpu, "default memory per cpu", &row.mem_per_cpu, err) != 0 ||
        read_exclusive(doc, &row.is_exclusive, err) != 0) {
        return -1;
    }
    if (name[0] == '\0') {
        return error_set(err, ERROR_INPUT, "slurmrestd: a partition without a name");
    }
    return slurm_site_add_partition(read->list, &row, err);
}

int slurm_rest_read_partitions(struct slurm_site_list *list, input_read_fn *read, void *from,
                               struct error *err)
{
    return read_list(list, "", "partitions", read_partition, read, from, err);
}

/* --- nodes ----------------------------------------------------------------------------------- */

/* ["gpu","cpu"] or "gpu,cpu" as names with commas between. */
static int copy_names(struct scan_doc *doc, uint32_t token, char out[NAMES_BYTES],
                      struct error *err)
{
    size_t used = 0;

    out[0] = '\0';
    if (token != SCAN_NONE && scan_type(doc, token) == SCAN_STRING) {
        return copy_text(scan_text(doc, token), out, NAMES_BYTES, err);
    }
    if (token == SCAN_NONE || scan_type(doc, token) != SCAN_ARRAY) {
        return 0;
    }
    for (uint32_t t = token + 1; t < doc->tokens[token].next; t = doc->tokens[t].next) {
        if (used > 0) {
            out[used++] = ',';
        }
        if (used + NAME_BYTES >= NAMES_BYTES ||
            copy_text(scan_text(doc, t), out + used, NAME_BYTES, err) != 0) {
            return error_set(err, ERROR_INPUT, "slurmrestd: a node in too many partitions");
        }
        used += strlen(out + used);
    }
    return 0;
}

static int read_node(struct site_read *read, struct error *err)
{
    struct scan_doc *doc = &read->items.doc;
    char partitions[NAMES_BYTES];
    struct slurm_site_node node = {.partitions = partitions};
    struct slurm_tres tres = {0};

    if (copy_names(doc, scan_given(doc, 0, "partitions"), partitions, err) != 0 ||
        read_number(doc, scan_given(doc, 0, "cpus"), "cpus of a node", &node.cpus, err) != 0 ||
        read_number(doc, scan_given(doc, 0, "real_memory"), "memory of a node", &node.mem_mib,
                    err) != 0) {
        return -1;
    }
    if (slurm_tres_parse(slurm_field_text(doc, 0, "tres"), &tres) != 0) {
        return error_set(err, ERROR_INPUT, "slurmrestd: tres of a node cannot be read");
    }
    tres.gpu = tres.gpu.given ? tres.gpu : tres.gpu_typed;
    node.gpus = tres.gpu.given ? (int64_t)tres.gpu.value.mantissa : 0;
    slurm_site_add_node(read->list, &node);
    return 0;
}

int slurm_rest_read_nodes(struct slurm_site_list *list, input_read_fn *read, void *from,
                          struct error *err)
{
    return read_list(list, "", "nodes", read_node, read, from, err);
}
