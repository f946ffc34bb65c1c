/* project - add, show and close projects and services; their aliases, members and overdraft.
 *
 * Every verb may be given again: what is so already is reported as unchanged.
 */
#ifndef LEDGERD_FLOW_PROJECT_H
#define LEDGERD_FLOW_PROJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_project.h"

enum { PROJECT_SERVICES_MAX = 256 }; /* patterns of one service */

struct project_add_request {
    struct manual_act act;
    const char *id; /* letters, digits, '.', '_', '-'; begins with a letter or digit; at most 128 */
    const char *share;           /* a share of the policy in force; NULL for a service */
    const char *name;            /* title, NULL or "" if none */
    size_t service_count;        /* > 0 makes an inference service */
    const char *const *services; /* "SOURCE/CLASS", split at the first '/', '*' allowed */
};

struct project_details {
    struct project_row project;
    struct name_pairs services; /* (source, class) */
    struct name_pairs aliases;  /* (source, name) */
    struct name_pairs members;  /* (user, "pi" or "member") */
};

struct project_request { /* close */
    struct manual_act act;
    const char *project;
};

struct project_alias_request {
    struct manual_act act;
    const char *project;
    const char *source;
    const char *name;
};

struct member_request {
    struct manual_act act;
    const char *project;
    const char *user;
    bool is_pi; /* of add */
};

struct overdraft_request {
    struct manual_act act;
    const char *project;
    struct points overdraft; /* not negative */
};

/* A known project's new title is taken over, a known service's new patterns are added.
 * ERROR_ARGUMENT for an id or pattern that cannot be; ERROR_REFUSED with reason no_policy,
 * unknown_share, project_differs (it is there with another share or kind), project_closed,
 * service_taken (another service has that pattern). */
int project_add(struct store *store, const struct project_add_request *request, bool *unchanged,
                struct error *err);

/* ERROR_REFUSED with reason unknown_project where there is none, here and below. */
int project_show(struct store *store, const char *id, struct project_details *details,
                 struct error *err);
void project_details_release(struct project_details *details);
int project_list(struct store *store, struct project_rows *rows, struct error *err);

/* Close it: it is refused from now on, its records are still booked. */
int project_close(struct store *store, const struct project_request *request, bool *unchanged,
                  struct error *err);

/* A name that meant another project means this one from now on: what is booked stays where it is.
 */
int project_alias(struct store *store, const struct project_alias_request *request, bool *unchanged,
                  struct error *err);

/* Add a member or change the role of one. Whether a record is booked does not depend on it. */
int member_add(struct store *store, const struct member_request *request, bool *unchanged,
               struct error *err);
/* Take a member out; unchanged if the user is none. */
int member_remove(struct store *store, const struct member_request *request, bool *unchanged,
                  struct error *err);
/* The members now: pairs of user and role, by user. The caller releases them. */
int member_list(struct store *store, const char *project, struct name_pairs *members,
                struct error *err);

/* How far below zero checks and holds may take the project. ERROR_REFUSED (reason is_service). */
int overdraft_set(struct store *store, const struct overdraft_request *request, bool *unchanged,
                  struct error *err);

#endif
