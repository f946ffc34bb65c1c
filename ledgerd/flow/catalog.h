/* catalog - what is agreed, in memory: policies, cards, projects, names, members, services, grants,
 * access tokens, and what was pulled of Slurm's clusters.
 *
 * Loaded whole from the store, then read-only, so that any number of threads may read one.  A
 * reader that must be fresh compares its version with the book's and loads a new one
 * (catalog_refresh).  Lookups are by hash and touch no allocator.
 */
#ifndef LEDGERD_FLOW_CATALOG_H
#define LEDGERD_FLOW_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/limit.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/store/store.h"

struct catalog_member {
    char *user;
    bool is_pi;
};

struct catalog_limit { /* on spending; see core/limit.h */
    int32_t number;
    char *user; /* "" for the whole project */
    enum limit_period period;
    struct points points;
};

struct catalog_project {
    char *id;
    char *name;
    char *share; /* NULL for a service */
    bool is_service;
    bool is_closed;
    int32_t account;       /* project/<id> or service/<id> */
    int32_t spent_account; /* spent/<share>, or spent/service */
    struct points overdraft;
    size_t grant_count;
    struct balance_grant *grants; /* by id */
    size_t edge_count;
    struct instant
        *edges; /* every from and to of its grants, ascending, all different: the draw segments */
    size_t member_count;
    struct catalog_member *members; /* sorted by user */
    size_t limit_count;
    struct catalog_limit *limits; /* sorted by user: the whole project's first */
};

struct catalog {
    int64_t version;
    int64_t rating_version;
    struct zone zone;         /* UTC until there is a policy */
    struct calendar calendar; /* points to zone above */
    struct policies policies;
    struct ratecards cards;
    size_t project_count;
    struct catalog_project *projects; /* sorted by id */
    size_t limit_count;               /* of all projects */
    struct catalog_lookup *lookup;    /* opaque hashes: projects, aliases, services */
    struct catalog_slurm *slurm;      /* see catalog_slurm.h */
    struct catalog_access *access;    /* see catalog_access.h */
};

/* Read the catalog as of the store's current transaction, or of one of its own. NULL on error. */
struct catalog *catalog_load(struct store *store, struct error *err);
void catalog_destroy(struct catalog *catalog); /* accepts NULL */

/* Bring *catalog (NULL: none yet) to what the book has now: read again only if that has changed. On
 * error it is what it was, or NULL. */
int catalog_refresh(struct catalog **catalog, struct store *store, struct error *err);

/* The versions that the book has now. */
int catalog_versions(struct store *store, int64_t *version, int64_t *rating_version,
                     struct error *err);

/* By id; NULL if unknown. */
const struct catalog_project *catalog_project(const struct catalog *catalog, const char *id);

/* The project that records of `source` mean by `name`: by alias, then configuration (account.NAME
 * of the source's section; conf may be NULL), then the equal id. NULL if none. */
const struct catalog_project *catalog_resolve_project(const struct catalog *catalog,
                                                      const struct conf *conf, const char *source,
                                                      const char *name);

/* The class that `source` means by `name` (partition.NAME or model.NAME of its section, else the
 * name itself). */
const char *catalog_resolve_class(const struct conf *conf, const char *source, const char *name);

/* The service that serves (source, class), or NULL. */
const struct catalog_project *catalog_service(const struct catalog *catalog, const char *source,
                                              const char *klass);

/* The limits that hold for the user alone ("": for the whole project); *count of them. */
const struct catalog_limit *catalog_limits(const struct catalog_project *project, const char *user,
                                           size_t *count);

/* True if the user belongs to the project now. */
bool catalog_is_member(const struct catalog_project *project, const char *user);

#endif
