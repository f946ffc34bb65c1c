/* route - the table of the API; see route.h. */
#include "ledgerd/http/route.h"

#include <stdio.h>
#include <string.h>

/* Who may call. A decision names its project as it was asked for, by an alias, say: it is not for
 * who sees one project. */
enum {
    READERS = ROLE_REPORT | ROLE_ADMIN,                  /* of what is about all projects */
    PROJECT_READERS = ROLE_READ | READERS,               /* of one project's book */
    PROJECT_USERS = ROLE_GATEWAY_USER | PROJECT_READERS, /* of what its users see */
    HOLDERS = ROLE_SUBMIT | ROLE_ADMIN,                  /* who act before work runs */
    HOLD_READERS = ROLE_SUBMIT | PROJECT_READERS,
    DECISION_READERS = ROLE_SUBMIT | READERS,
    ASKERS = ROLE_SUBMIT | PROJECT_USERS,
};

const struct route routes[] = {
    {"GET", "/healthz", ROUTE_MEMORY, ROLES_NOT_ASKED, handle_healthz},
    {"GET", "/readyz", ROUTE_MEMORY, ROLES_NOT_ASKED, handle_readyz},
    {"GET", "/metrics", ROUTE_MEMORY, READERS, handle_metrics},
    {"GET", "/v1/check", ROUTE_MEMORY, ASKERS, handle_check},
    {"POST", "/v1/checks", ROUTE_MEMORY, ASKERS, handle_checks},
    {"GET", "/v1/authz", ROUTE_MEMORY, ASKERS, handle_authz},
    {"GET", "/v1/decisions/{id}", ROUTE_EITHER, DECISION_READERS, handle_decision},
    {"POST", "/v1/holds", ROUTE_LATER, HOLDERS, handle_hold_post},
    {"GET", "/v1/holds/{hold}", ROUTE_READ, HOLD_READERS, handle_hold},
    {"POST", "/v1/holds/{hold}/settle", ROUTE_WRITE, HOLDERS, handle_hold_settle},
    {"POST", "/v1/holds/{hold}/release", ROUTE_WRITE, HOLDERS, handle_hold_release},
    {"POST", "/v1/holds/{hold}/extend", ROUTE_WRITE, HOLDERS, handle_hold_extend},
    {"POST", "/v1/usage", ROUTE_GROUP, ROLE_INGEST | ROLE_ADMIN, handle_usage_posts},
    {"GET", "/v1/projects", ROUTE_READ, PROJECT_READERS, handle_projects},
    {"GET", "/v1/projects/{project}", ROUTE_READ, PROJECT_READERS, handle_project},
    {"GET", "/v1/projects/{project}/balance", ROUTE_READ, PROJECT_USERS, handle_project_balance},
    {"GET", "/v1/projects/{project}/usage", ROUTE_READ, PROJECT_USERS, handle_project_usage},
    {"GET", "/v1/projects/{project}/statement", ROUTE_READ, PROJECT_READERS,
     handle_project_statement},
    {"GET", "/v1/projects/{project}/transfers", ROUTE_READ, PROJECT_READERS,
     handle_project_transfers},
    {"GET", "/v1/projects/{project}/holds", ROUTE_READ, PROJECT_READERS, handle_project_holds},
    {"GET", "/v1/shares", ROUTE_READ, READERS, handle_shares},
    {"GET", "/v1/reports/monthly", ROUTE_READ, READERS, handle_report_monthly},
    {"GET", "/v1/records", ROUTE_READ, PROJECT_READERS, handle_records},
    {"POST", "/v1/tokens/introspect", ROUTE_MEMORY, HOLDERS, handle_introspect},
};

const size_t route_count = sizeof(routes) / sizeof(routes[0]);

/* The path's parts equal the request's; a part in braces stands for any that is not empty. */
static bool path_matches(const char *path, const struct request *request)
{
    size_t i = 0;

    for (const char *at = path; *at == '/'; i++) {
        const char *part = at + 1;
        size_t length = strcspn(part, "/");
        if (i == request->part_count) {
            return false;
        }
        const char *given = request->parts[i];
        bool matches = part[0] == '{' ? given[0] != '\0'
                                      : strlen(given) == length && memcmp(given, part, length) == 0;
        if (!matches) {
            return false;
        }
        at = part + length;
    }
    return i == request->part_count;
}

const struct route *route_find(const char *method, const struct request *request, bool *path_known)
{
    /* HEAD is GET whose body the server leaves out. */
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

    *path_known = false;
    for (size_t i = 0; i < route_count; i++) {
        if (path_matches(routes[i].path, request)) {
            *path_known = true;
            if (strcmp(routes[i].method, wanted) == 0) {
                return &routes[i];
            }
        }
    }
    return NULL;
}

void route_methods(const struct request *request, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < route_count && used < size; i++) {
        if (path_matches(routes[i].path, request)) {
            used += (size_t)snprintf(text + used, size - used, "%s%s%s", used > 0 ? ", " : "",
                                     routes[i].method,
                                     strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
        }
    }
}
