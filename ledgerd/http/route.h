/* route - all paths of the API in one table.
 *
 * A handler that answers from memory runs in the server's own thread and must never wait; one that
 * needs the database runs in a worker, with a connection of its own.
 */
#ifndef LEDGERD_HTTP_ROUTE_H
#define LEDGERD_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/core/role.h"
#include "ledgerd/http/request.h"

enum route_place {
    ROUTE_MEMORY, /* answered from memory, at once */
    ROUTE_READ,   /* by a worker, from one snapshot, as ledger_report */
    ROUTE_WRITE,  /* by a worker, as ledger_daemon */
    ROUTE_EITHER, /* from memory, or as ROUTE_READ if the handler finds no answer there */
    ROUTE_GROUP,  /* as ROUTE_WRITE, by one worker at a time: the request and those that its next
                     leads to, WORKERS_GROUP_MAX at most, each with its own reply */
    ROUTE_LATER,  /* begun from memory, finished when others have done their part: request->later */
};

/* Fill the reply. Never fails: what goes wrong is a problem document. (A handler of ROUTE_EITHER
 * that was called without a store may leave it untouched, one of ROUTE_LATER fills request->later
 * instead.) */
typedef void route_handler(struct request *request, struct reply *reply);

enum { ROLES_NOT_ASKED = 0 }; /* for whoever calls */

struct route {
    const char *method;
    const char *path; /* "/v1/projects/{project}/balance": {…} stands for one part */
    enum route_place place;
    unsigned roles; /* a set of enum role, one of which is enough; or ROLES_NOT_ASKED */
    route_handler *handle;
};

extern const struct route routes[];
extern const size_t route_count;

/* The route for a method and a decoded path. NULL if no path matches; *method_known tells "no such
 * path" from "not with this method". */
const struct route *route_find(const char *method, const struct request *request, bool *path_known);

/* The methods that the request's path takes, as the value of an Allow header. */
void route_methods(const struct request *request, char *text, size_t size);

/* What a proxy that asks /v1/authz reads of a refusal: the status, no body, and X-Ledger-Reason and
 * -Detail. */
void authz_deny(struct reply *reply, unsigned status, const char *reason, const char *detail);

/* The handlers, one file a noun. */
route_handler handle_healthz, handle_readyz, handle_metrics;           /* health.c */
route_handler handle_check, handle_checks, handle_decision;            /* checks.c */
route_handler handle_authz;                                            /* authz.c */
route_handler handle_usage_posts;                                      /* usage.c */
route_handler handle_projects, handle_project, handle_project_balance; /* projects.c */
route_handler handle_project_transfers;
route_handler handle_project_usage;                                           /* project_usage.c */
route_handler handle_project_statement, handle_shares, handle_report_monthly; /* reports.c */
route_handler handle_records;                                                 /* records.c */
route_handler handle_introspect;                                              /* introspect.c */
route_handler handle_hold_post, handle_project_holds;                         /* holds.c */
route_handler handle_hold, handle_hold_settle, handle_hold_release, handle_hold_extend;

#endif
