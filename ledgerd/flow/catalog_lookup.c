/* catalog_lookup - see catalog_lookup.h. */
#include "ledgerd/flow/catalog_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"

/* FNV-1a. The names are the site's own, so nobody gains by making them collide. */
static uint64_t hash_names(const char *first, const char *second)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *p = first; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    hash *= UINT64_C(0x100000001b3); /* a NUL between them */
    for (const char *p = second; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return hash;
}

int lookup_table_init(struct lookup_table *table, size_t count)
{
    size_t slots = 8;

    while (slots < count * 2) {
        slots *= 2;
    }
    table->slots = calloc(slots, sizeof *table->slots);
    if (table->slots == NULL) {
        return -1;
    }
    table->mask = slots - 1;
    return 0;
}

void lookup_table_release(struct lookup_table *table)
{
    free(table->slots);
    *table = (struct lookup_table){0};
}

static struct lookup_slot *find_slot(const struct lookup_table *table, uint64_t hash,
                                     const char *first, const char *second)
{
    for (size_t i = (size_t)hash & table->mask;; i = (i + 1) & table->mask) {
        struct lookup_slot *slot = &table->slots[i];

        if (slot->first == NULL || (slot->hash == hash && strcmp(slot->first, first) == 0 &&
                                    strcmp(slot->second, second) == 0)) {
            return slot;
        }
    }
}

void lookup_table_put(struct lookup_table *table, const char *first, const char *second,
                      const struct catalog_project *project)
{
    uint64_t hash = hash_names(first, second);

    *find_slot(table, hash, first, second) = (struct lookup_slot){hash, first, second, project};
}

const struct catalog_project *lookup_table_get(const struct lookup_table *table, const char *first,
                                               const char *second)
{
    return find_slot(table, hash_names(first, second), first, second)->project;
}

const struct catalog_project *catalog_project(const struct catalog *catalog, const char *id)
{
    return lookup_table_get(&catalog->lookup->projects, id, "");
}

const struct catalog_project *catalog_resolve_project(const struct catalog *catalog,
                                                      const struct conf *conf, const char *source,
                                                      const char *name)
{
    const struct catalog_project *project = NULL;
    const char *means;

    if (*name == '\0') {
        return NULL;
    }
    project = lookup_table_get(&catalog->lookup->aliases, source, name);
    if (project != NULL) {
        return project;
    }
    means = conf != NULL ? conf_name_find(conf, CONF_NAME_PROJECT, source, name) : NULL;
    return catalog_project(catalog, means != NULL ? means : name);
}

const char *catalog_resolve_class(const struct conf *conf, const char *source, const char *name)
{
    const char *means = conf != NULL ? conf_name_find(conf, CONF_NAME_CLASS, source, name) : NULL;

    return means != NULL ? means : name;
}

const struct catalog_project *catalog_service(const struct catalog *catalog, const char *source,
                                              const char *klass)
{
    for (size_t i = 0; i < catalog->lookup->service_count; i++) {
        const struct catalog_service_pattern *pattern = &catalog->lookup->services[i];

        if (parse_glob(pattern->source, source) && parse_glob(pattern->klass, klass)) {
            return pattern->project;
        }
    }
    return NULL;
}

static int compare_member(const void *user, const void *member)
{
    return strcmp(user, ((const struct catalog_member *)member)->user);
}

bool catalog_is_member(const struct catalog_project *project, const char *user)
{
    return bsearch(user, project->members, project->member_count, sizeof *project->members,
                   compare_member) != NULL;
}

const struct catalog_limit *catalog_limits(const struct catalog_project *project, const char *user,
                                           size_t *count)
{
    size_t low = 0;
    size_t high = project->limit_count;
    size_t end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(project->limits[middle].user, user) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (end = low; end < project->limit_count && strcmp(project->limits[end].user, user) == 0;) {
        end++;
    }
    *count = end - low;
    return project->limits + low;
}
