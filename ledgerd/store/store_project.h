/* store_project - projects, services, their other names and their members.
 *
 * The functions that write run inside a transaction with the booking lock.
 */
#ifndef LEDGERD_STORE_STORE_PROJECT_H
#define LEDGERD_STORE_STORE_PROJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

struct project_row {
    char *id;
    char *name;
    char *share; /* NULL for a service */
    bool is_service;
    int32_t account;
    struct points overdraft;
    struct points posted;  /* balance of its account */
    struct points accrued; /* cost so far of its running work */
    struct instant added_at;
    struct instant closed_at; /* INSTANT_NONE while open */
};

struct project_rows {
    size_t count;
    struct project_row *rows; /* by id */
};

struct name_pair { /* a service's (source, class), an alias's (source, name), a member's (user,
                      role) */
    char *first;
    char *second;
};

struct name_pairs {
    size_t count;
    struct name_pair *pairs; /* sorted */
};

void project_rows_release(struct project_rows *rows);
void name_pairs_release(struct name_pairs *pairs);

/* All projects, or the one named (count 0 if it is not there). */
int store_read_projects(struct store *store, const char *id, struct project_rows *rows,
                        struct error *err);
int store_read_services(struct store *store, const char *project, struct name_pairs *pairs,
                        struct error *err);
int store_read_aliases(struct store *store, const char *project, struct name_pairs *pairs,
                       struct error *err);
int store_read_members(struct store *store, const char *project, struct name_pairs *pairs,
                       struct error *err);

/* Insert the project with its account and its position; a share NULL makes a service. The sink of
 * the share (spent/<share>, expired/<share>) is made if it is missing. */
int store_add_project(struct store *store, const char *id, const char *share, const char *name,
                      struct instant now, struct error *err);

/* *taken_by (free it) is the service that already has this pattern, NULL if none had and it was
 * added. */
int store_add_service(struct store *store, const char *project, const char *source,
                      const char *klass, char **taken_by, struct error *err);
int store_rename_project(struct store *store, const char *id, const char *name, struct error *err);
int store_close_project(struct store *store, const char *id, struct instant now, struct error *err);
/* The position's version moves too: what may be held depends on it. */
int store_set_overdraft(struct store *store, const char *id, struct points overdraft,
                        struct error *err);

/* Set the alias; *before (free it) is the project that it meant until now, NULL if none. */
int store_set_alias(struct store *store, const char *project, const char *source, const char *name,
                    char **before, struct error *err);

/* *changed is false if the user already had that role (add) or was no member (remove). */
int store_set_member(struct store *store, const char *project, const char *user, bool is_pi,
                     struct instant now, bool *changed, struct error *err);
int store_remove_member(struct store *store, const char *project, const char *user, bool *changed,
                        struct error *err);

#endif
