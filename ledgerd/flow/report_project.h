/* report_project - a month of every project: opening, what moved, closing, and who used what.
 *
 * Figures come from transfers, users from charges, classes from roll-ups: three readings of the
 * same month, which are compared before anything is shown.
 */
#ifndef LEDGERD_FLOW_REPORT_PROJECT_H
#define LEDGERD_FLOW_REPORT_PROJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/hours.h"
#include "ledgerd/store/store.h"

struct report_project {
    const struct catalog_project *project;
    struct points opening;  /* balance before the month */
    struct points granted;  /* net of what was revoked in the month */
    struct points charged;  /* net of reversals */
    struct points received; /* services: for the tokens that they served */
    struct points refunded;
    struct points adjusted; /* moved between projects, net, and what belongs to closed months */
    struct points moved;    /* the part of it that was moved between projects */
    struct points late_sum;
    struct points expired;
    struct points closing;
    struct points accrued; /* cost so far of running work; of the current month alone */
    struct points users_sum;
    struct points classes_sum;
    struct unit_seconds gpu; /* held in the month */
    json_t *charged_by;      /* {source: points} */
    json_t *users;           /* [{user, points}] */
    json_t *classes;         /* [{source, class, points, list_points, meters}] */
};

struct report_projects {
    const struct catalog *catalog; /* borrowed */
    struct month month;
    size_t count; /* all projects and services of the catalog, in its order */
    struct report_project *projects;
    json_t *adjustments; /* [{month, project, source, id, points}] that belong to closed months */
};

/* Gather a month, of one project (by id) or of all (NULL), inside one store_transact. `current` is
 * the month that has accruals. ERROR_VERIFY if the readings do not agree. */
int report_projects_gather(struct store *store, const struct catalog *catalog, struct month month,
                           struct month current, const char *project,
                           struct report_projects *projects, struct error *err);
void report_projects_release(struct report_projects *projects);

/* True if the project is closed and has nothing to show. */
bool report_project_is_idle(const struct report_project *project);

/* The project's object of contract section 8. A new reference, NULL when memory is out. */
json_t *report_project_document(const struct report_project *project);

#endif
