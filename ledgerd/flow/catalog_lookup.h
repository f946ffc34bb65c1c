/* catalog_lookup - finding things in a catalog by name. Internal to the catalog.
 *
 * Two hash tables with open addressing over borrowed strings: projects by id, and projects by
 * (source, alias).  They are filled once, never over half, and then only read.
 */
#ifndef LEDGERD_FLOW_CATALOG_LOOKUP_H
#define LEDGERD_FLOW_CATALOG_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/flow/catalog.h"

struct lookup_slot {
    uint64_t hash;
    const char *first; /* NULL: free */
    const char *second;
    const struct catalog_project *project;
};

struct lookup_table {
    size_t mask; /* slots - 1, a power of two less one */
    struct lookup_slot *slots;
};

struct catalog_service_pattern {
    const char *source; /* globs */
    const char *klass;
    const struct catalog_project *project;
};

struct catalog_lookup {
    struct lookup_table projects;
    struct lookup_table aliases;
    size_t service_count;
    struct catalog_service_pattern *services; /* by source and class */
    char *names;                              /* the bytes of aliases and patterns */
};

/* Room for `count` names. 0 or -1 (out of memory). */
int lookup_table_init(struct lookup_table *table, size_t count);
void lookup_table_release(struct lookup_table *table);

/* Both strings are borrowed. `second` is "" where one name is enough. */
void lookup_table_put(struct lookup_table *table, const char *first, const char *second,
                      const struct catalog_project *project);
const struct catalog_project *lookup_table_get(const struct lookup_table *table, const char *first,
                                               const char *second);

#endif
