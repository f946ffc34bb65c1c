/* slurm_site_pull - see slurm_site_pull.h. */
#include "importers/slurm_site_pull.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "importers/slurm_job.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/core/usage.h"

enum {
    NAME_BYTES = USAGE_NAME_BYTES,
    FIELDS_MAX = 4,           /* of a line of sacctmgr's that we ask for */
    PASSWD_BYTES = 64 * 1024, /* of one user's entry: a long list of groups is not in it */
};

#define SECONDS_MAX (UINT64_C(100) * 366 * 86400) /* beyond is a way to say none */

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* --- rows --------------------------------------------------------------------------------------
 */

void slurm_site_list_release(struct slurm_site_list *list)
{
    free(list->site.users);
    free(list->site.associations);
    free(list->site.partitions);
    arena_release(&list->texts);
    *list = (struct slurm_site_list){0};
}

/* Room for one more row of `size` bytes; NULL on error. */
static void *grow(void *rows, size_t count, size_t *capacity, size_t size, struct error *err)
{
    size_t more = *capacity == 0 ? 64 : *capacity * 2;
    void *grown;

    if (count < *capacity) {
        return rows;
    }
    if (count >= SLURM_SITE_ROWS_MAX) {
        error_set(err, ERROR_INPUT, "more than %d users, associations or partitions",
                  SLURM_SITE_ROWS_MAX);
        return NULL;
    }
    grown = reallocarray(rows, more, size);
    if (grown == NULL) {
        no_memory(err);
        return NULL;
    }
    *capacity = more;
    return grown;
}

static const char *keep(struct slurm_site_list *list, const char *text)
{
    struct usage_arena room;

    room.used = 0;
    return arena_string(&list->texts, usage_keep(&room, text, strlen(text), NAME_BYTES));
}

int slurm_site_add_user(struct slurm_site_list *list, const struct slurm_user_row *user,
                        struct error *err)
{
    struct slurm_user_row *rows = grow(list->site.users, list->site.user_count,
                                       &list->user_capacity, sizeof *rows, err);

    if (rows == NULL) {
        return -1;
    }
    list->site.users = rows;
    rows[list->site.user_count++] = (struct slurm_user_row){keep(list, user->user), user->uid,
                                                            keep(list, user->default_account)};
    return list->texts.failed ? no_memory(err) : 0;
}

int slurm_site_add_association(struct slurm_site_list *list,
                               const struct slurm_association_row *association, struct error *err)
{
    struct slurm_association_row *rows = grow(list->site.associations, list->site.association_count,
                                              &list->association_capacity, sizeof *rows, err);

    if (rows == NULL) {
        return -1;
    }
    list->site.associations = rows;
    rows[list->site.association_count++] = (struct slurm_association_row){
        keep(list, association->user), keep(list, association->account),
        keep(list, association->partition), keep(list, association->default_qos)};
    return list->texts.failed ? no_memory(err) : 0;
}

int slurm_site_add_partition(struct slurm_site_list *list,
                             const struct slurm_partition_row *partition, struct error *err)
{
    struct slurm_partition_row *rows = grow(list->site.partitions, list->site.partition_count,
                                            &list->partition_capacity, sizeof *rows, err);

    if (rows == NULL) {
        return -1;
    }
    list->site.partitions = rows;
    rows[list->site.partition_count] = *partition;
    rows[list->site.partition_count++].partition = keep(list, partition->partition);
    return list->texts.failed ? no_memory(err) : 0;
}

/* True if `name` is one of the names with commas between. */
static bool is_listed(const char *names, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = names; (at = strstr(at, name)) != NULL; at += length) {
        if ((at == names || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void slurm_site_add_node(struct slurm_site_list *list, const struct slurm_site_node *node)
{
    for (size_t i = 0; i < list->site.partition_count; i++) {
        struct slurm_partition_row *partition = &list->site.partitions[i];

        if (is_listed(node->partitions, partition->partition)) {
            partition->node_cpus = greater(partition->node_cpus, node->cpus);
            partition->node_gpus = greater(partition->node_gpus, node->gpus);
            partition->node_mem = greater(partition->node_mem, node->mem_mib);
        }
    }
}

/* --- users -------------------------------------------------------------------------------------
 */

static int compare_users(const void *a, const void *b)
{
    const struct slurm_user_row *x = a, *y = b;
    int order = strcmp(x->user, y->user);

    return order != 0 ? order : strcmp(y->default_account, x->default_account); /* "" last */
}

/* One row a user: that with a default account, if there is one. */
static void leave_one_each(struct slurm_site *site)
{
    size_t kept = 0;

    if (site->user_count > 0) {
        qsort(site->users, site->user_count, sizeof *site->users, compare_users);
    }
    for (size_t i = 0; i < site->user_count; i++) {
        if (i == 0 || strcmp(site->users[i].user, site->users[kept - 1].user) != 0) {
            site->users[kept++] = site->users[i];
        }
    }
    site->user_count = kept;
}

int slurm_site_number_users(struct slurm_site_list *list, struct error *err)
{
    char *room = malloc(PASSWD_BYTES);
    int result = room != NULL ? 0 : no_memory(err);

    leave_one_each(&list->site);
    for (size_t i = 0; result == 0 && i < list->site.user_count; i++) {
        struct slurm_user_row *user = &list->site.users[i];
        struct passwd entry, *found = NULL;
        int failure = getpwnam_r(user->user, &entry, room, PASSWD_BYTES, &found);

        user->uid = found != NULL ? (int64_t)entry.pw_uid : -1;
        if (found == NULL && failure != 0 && failure != ENOENT && failure != ESRCH) {
            /* Not "no such user": to write that down would turn everybody away. */
            result = error_set(err, ERROR_UNAVAILABLE, "the system cannot look up user %s: %s",
                               user->user, strerror(failure));
        }
    }
    free(room);
    return result;
}

/* --- lines of sacctmgr
 * ---------------------------------------------------------------------------- */

/* The next line of *text, which moves on; false at the end. */
static bool next_line(const char **text, struct scan_text *line)
{
    const char *newline;

    if (**text == '\0') {
        return false;
    }
    newline = strchr(*text, '\n');
    line->bytes = *text;
    line->length = newline != NULL ? (size_t)(newline - *text) : strlen(*text);
    *text += line->length + (newline != NULL ? 1 : 0);
    return true;
}

struct line_fields {
    char texts[FIELDS_MAX][NAME_BYTES + 1];
};

/* Cut "alice|ml||normal" into its fields; there must be as many as were asked for. */
static int cut_line(struct scan_text line, size_t wanted, struct line_fields *fields,
                    struct error *err)
{
    const char *at = line.bytes, *end = line.bytes + line.length;
    char shown[EXCERPT_BYTES];

    for (size_t i = 0; i < wanted; i++) {
        const char *stop = i + 1 < wanted ? memchr(at, '|', (size_t)(end - at)) : end;
        size_t length = stop != NULL ? (size_t)(stop - at) : 0;

        if (stop == NULL || length > NAME_BYTES || memchr(at, '\0', length) != NULL ||
            (i + 1 == wanted && memchr(at, '|', length) != NULL)) {
            return error_set(err, ERROR_INPUT,
                             "sacctmgr wrote a line that is none of %zu fields: "
                             "'%s'",
                             wanted, excerpt(line.bytes, line.length, shown));
        }
        memcpy(fields->texts[i], at, length);
        fields->texts[i][length] = '\0';
        at = stop + 1;
    }
    return 0;
}

int slurm_site_read_users(struct slurm_site_list *list, const char *text, struct error *err)
{
    struct line_fields fields;
    struct scan_text line;

    while (next_line(&text, &line)) {
        const struct slurm_user_row user = {fields.texts[0], -1, fields.texts[1]};

        if (cut_line(line, 2, &fields, err) != 0 ||
            (fields.texts[0][0] != '\0' && slurm_site_add_user(list, &user, err) != 0)) {
            return -1;
        }
    }
    return 0;
}

int slurm_site_read_associations(struct slurm_site_list *list, const char *text, struct error *err)
{
    struct line_fields fields;
    struct scan_text line;

    while (next_line(&text, &line)) {
        const struct slurm_association_row association = {fields.texts[0], fields.texts[1],
                                                          fields.texts[2], fields.texts[3]};
        const struct slurm_user_row user = {fields.texts[0], -1, ""};

        if (cut_line(line, 4, &fields, err) != 0) {
            return -1;
        }
        if (fields.texts[0][0] == '\0') {
            continue; /* the account's own */
        }
        if (slurm_site_add_association(list, &association, err) != 0 ||
            slurm_site_add_user(list, &user, err) != 0) {
            return -1;
        }
    }
    return 0;
}

bool slurm_site_has_cluster(const char *text, const char *cluster)
{
    struct scan_text line;

    while (next_line(&text, &line)) {
        if (slurm_text_is(line, cluster)) {
            return true;
        }
    }
    return false;
}

/* --- lines of scontrol -o
 * ------------------------------------------------------------------------- */

/* The value of " Key=value " in a line, up to the next blank; "" if the key is not there. */
static struct scan_text value_of(struct scan_text line, const char *key)
{
    size_t length = strlen(key);
    const char *end = line.bytes + line.length;

    for (const char *at = line.bytes; at < end; at++) {
        const char *found = memmem(at, (size_t)(end - at), key, length);
        const char *stop;

        if (found == NULL) {
            break;
        }
        if ((found == line.bytes || found[-1] == ' ') && found + length < end &&
            found[length] == '=') {
            found += length + 1;
            stop = memchr(found, ' ', (size_t)(end - found));
            return (struct scan_text){found, (size_t)((stop != NULL ? stop : end) - found)};
        }
        at = found;
    }
    return (struct scan_text){"", 0};
}

static int fail_value(const char *what, const char *key, struct scan_text value, struct error *err)
{
    char shown[EXCERPT_BYTES];

    return error_set(err, ERROR_INPUT, "scontrol says of %s %s=%s, which cannot be read", what, key,
                     excerpt(value.bytes, value.length, shown));
}

/* A time limit; "", NONE and UNLIMITED are none. */
static int read_seconds(struct scan_text line, const char *what, const char *key, int64_t *seconds,
                        struct error *err)
{
    struct scan_text value = value_of(line, key);
    struct slurm_number number;

    *seconds = -1;
    if (value.length == 0 || slurm_text_is(value, "NONE") || slurm_text_is(value, "UNLIMITED")) {
        return 0;
    }
    if (slurm_duration_parse(value, &number) != 0 || !number.given) {
        return fail_value(what, key, value, err);
    }
    *seconds = number.value <= SECONDS_MAX ? (int64_t)number.value : -1;
    return 0;
}

/* A number; "" and UNLIMITED are none. */
static int read_count(struct scan_text line, const char *what, const char *key, int64_t *count,
                      struct error *err)
{
    struct scan_text value = value_of(line, key);
    uint64_t number;

    *count = -1;
    if (value.length == 0 || slurm_text_is(value, "UNLIMITED")) {
        return 0;
    }
    if (parse_u64(value.bytes, value.length, INT64_MAX, &number) != 0) {
        return fail_value(what, key, value, err);
    }
    *count = (int64_t)number;
    return 0;
}

static int read_partition(struct slurm_site_list *list, struct scan_text line, struct error *err)
{
    struct scan_text name = value_of(line, "PartitionName");
    struct slurm_partition_row partition = {0};
    char text[NAME_BYTES + 1];

    if (name.length == 0 || name.length > NAME_BYTES || name.bytes != line.bytes + 14) {
        return error_set(err, ERROR_INPUT, "scontrol wrote a line that is no partition");
    }
    memcpy(text, name.bytes, name.length);
    text[name.length] = '\0';
    partition.partition = text;
    partition.is_default = slurm_text_is(value_of(line, "Default"), "YES");
    partition.is_exclusive = slurm_text_is(value_of(line, "OverSubscribe"), "EXCLUSIVE");
    if (read_seconds(line, text, "DefaultTime", &partition.default_seconds, err) != 0 ||
        read_seconds(line, text, "MaxTime", &partition.max_seconds, err) != 0 ||
        read_count(line, text, "DefMemPerNode", &partition.mem_per_node, err) != 0 ||
        read_count(line, text, "DefMemPerCPU", &partition.mem_per_cpu, err) != 0) {
        return -1;
    }
    return slurm_site_add_partition(list, &partition, err);
}

int slurm_site_read_partitions(struct slurm_site_list *list, const char *text, struct error *err)
{
    struct scan_text line;

    while (next_line(&text, &line)) {
        if (line.length > 0 && read_partition(list, line, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* "DefMemPerCPU           = 2048" of the configuration: what partitions that say nothing go by. */
int slurm_site_read_config(struct slurm_site_list *list, const char *text, struct error *err)
{
    int64_t per_node = -1, per_cpu = -1;
    struct scan_text line;

    while (next_line(&text, &line)) {
        const char *equals = memchr(line.bytes, '=', line.length);
        int64_t *to = NULL;
        uint64_t number;
        struct scan_text value;

        if (strncmp(line.bytes, "DefMemPerNode ", 14) == 0) {
            to = &per_node;
        } else if (strncmp(line.bytes, "DefMemPerCPU ", 13) == 0) {
            to = &per_cpu;
        }
        if (to == NULL || equals == NULL || equals[1] != ' ') {
            continue;
        }
        value = (struct scan_text){equals + 2, line.length - (size_t)(equals + 2 - line.bytes)};
        if (slurm_text_is(value, "UNLIMITED")) {
            continue;
        }
        if (parse_u64(value.bytes, value.length, INT64_MAX, &number) != 0) {
            return fail_value("the configuration", "DefMem", value, err);
        }
        *to = (int64_t)number;
    }
    for (size_t i = 0; i < list->site.partition_count; i++) {
        struct slurm_partition_row *partition = &list->site.partitions[i];

        if (partition->mem_per_node < 0 && partition->mem_per_cpu < 0) {
            partition->mem_per_node = per_node;
            partition->mem_per_cpu = per_cpu;
        }
    }
    return 0;
}

static int64_t count_of(struct slurm_quantity quantity)
{
    return quantity.given && quantity.value.scale == 0 ? (int64_t)quantity.value.mantissa : 0;
}

static int read_node(struct slurm_site_list *list, struct scan_text line, struct error *err)
{
    struct scan_text name = value_of(line, "NodeName"), partitions = value_of(line, "Partitions");
    struct scan_text configured = value_of(line, "CfgTRES");
    struct slurm_tres tres = {0};
    struct slurm_site_node node;
    char *copy;

    if (name.length == 0 || name.bytes != line.bytes + 9) {
        return error_set(err, ERROR_INPUT, "scontrol wrote a line that is no node");
    }
    if (slurm_tres_parse(configured, &tres) != 0) {
        return fail_value("a node", "CfgTRES", configured, err);
    }
    node.cpus = count_of(tres.cpu);
    node.gpus = count_of(tres.gpu.given ? tres.gpu : tres.gpu_typed);
    if (read_count(line, "a node", "RealMemory", &node.mem_mib, err) != 0) {
        return -1;
    }
    copy = strndup(partitions.bytes, partitions.length);
    if (copy == NULL) {
        return no_memory(err);
    }
    node.partitions = copy;
    slurm_site_add_node(list, &node);
    free(copy);
    return 0;
}

int slurm_site_read_nodes(struct slurm_site_list *list, const char *text, struct error *err)
{
    struct scan_text line;

    while (next_line(&text, &line)) {
        if (line.length > 0 && read_node(list, line, err) != 0) {
            return -1;
        }
    }
    return 0;
}
