/* project_find - a project that must be there. Internal to the manual verbs. */
#ifndef LEDGERD_FLOW_PROJECT_FIND_H
#define LEDGERD_FLOW_PROJECT_FIND_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_project.h"

/* Read one project. ERROR_REFUSED (reason unknown_project) if it is not there. The caller releases
 * *rows, which holds just that one. */
int project_find(struct store *store, const char *id, struct project_rows *rows, struct error *err);

/* The refusal itself. */
int project_unknown(const char *id, struct error *err);

/* The policy that speaks for manual acts at `now`: the one in force, else the first to come.
 * ERROR_REFUSED (reason no_policy) if the book has none. NULL on error. */
const struct policy *policy_for_acts(const struct catalog *catalog, struct instant now,
                                     struct error *err);

#endif
