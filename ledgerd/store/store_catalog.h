/* store_catalog - everything that is agreed, read whole: what flow/catalog is built from. */
#ifndef LEDGERD_STORE_STORE_CATALOG_H
#define LEDGERD_STORE_STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/limit.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_catalog_access.h"
#include "ledgerd/store/store_catalog_slurm.h"

struct agreed_row { /* a policy or a rate card */
    int64_t number;
    char *name;
    char *document;
    struct instant effective_from;
    struct instant applied_at;
};

struct agreed_rows {
    size_t count;
    struct agreed_row *rows; /* by effective_from */
};

struct catalog_project_row {
    char *id;
    char *name;
    char *share; /* NULL for a service */
    bool is_service;
    bool is_closed;
    int32_t account;
    int32_t spent_account;
    struct points overdraft;
};

struct catalog_name_row { /* alias, service pattern or member */
    char *project;
    char *first;  /* source; user of a member */
    char *second; /* name or class; role of a member */
};

struct catalog_grant_row {
    char *project;
    int64_t id;
    struct points points;
    struct instant from;
    struct instant to;
    bool is_revoked;
};

struct catalog_limit_row {
    int32_t number;
    char *project;
    char *user; /* "" for the whole project */
    enum limit_period period;
    struct points points;
};

struct catalog_edge_row {
    char *project;
    struct instant at;
};

struct catalog_rows {
    int64_t version;
    int64_t rating_version;
    struct agreed_rows policies;
    struct agreed_rows cards;
    size_t project_count;
    struct catalog_project_row *projects; /* by id in byte order */
    size_t service_count;
    struct catalog_name_row *services; /* by source and class */
    size_t alias_count;
    struct catalog_name_row *aliases;
    size_t member_count;
    struct catalog_name_row *members; /* by project and user in byte order */
    size_t grant_count;
    struct catalog_grant_row *grants; /* by project in byte order, then id */
    size_t edge_count;
    struct catalog_edge_row *edges; /* by project in byte order, then time; all different */
    size_t limit_count;
    struct catalog_limit_row *limits; /* by project and user in byte order */
    struct slurm_rows slurm;
    struct access_rows access;
};

/* Read it. Inside a transaction of READ COMMITTED the versions are read first: what is newer than
 * they say is noticed by the next comparison. */
int store_read_catalog(struct store *store, struct catalog_rows *rows, struct error *err);
void catalog_rows_release(struct catalog_rows *rows);

/* The versions alone, for readers that compare them with what they have. */
int store_read_versions(struct store *store, int64_t *version, int64_t *rating_version,
                        struct error *err);

void agreed_rows_release(struct agreed_rows *rows);

#endif
