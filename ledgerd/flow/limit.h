/* limit - how much a project, or a user within it, may spend in a period: set, clear, list, and how
 * each stands now.
 *
 * A limit counts what was charged in the period, what running work has accrued in it, and what is
 * held. It refuses checks and holds; work that ran is booked whatever the limit.
 */
#ifndef LEDGERD_FLOW_LIMIT_H
#define LEDGERD_FLOW_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/decide.h"
#include "ledgerd/core/limit.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_limit.h"

struct limit_request {
    struct manual_act act;
    const char *project;
    const char *user; /* NULL: the whole project */
    enum limit_period period;
    bool all_periods;     /* of clear, in place of period */
    struct points points; /* of set; not negative */
};

/* Set a limit for a project or for a user, who need not be a member yet. ERROR_REFUSED with reason
 * unknown_project, is_service (a service is never refused). */
int limit_set(struct store *store, const struct limit_request *request, bool *unchanged,
              struct error *err);

/* Clear it; *cleared gets how many limits there were. */
int limit_clear(struct store *store, const struct limit_request *request, int64_t *cleared,
                struct error *err);

struct limit_row {
    char *user; /* NULL: the whole project */
    struct decide_bound bound;
    struct period period; /* that holds `now` */
};

struct limit_rows {
    size_t count;
    struct limit_row *rows; /* the whole project's first, then by user */
};

/* A project's limits and how they stand at `now`. The caller releases them. */
int limit_list(struct store *store, const char *project, struct instant now,
               struct limit_rows *rows, struct error *err);
void limit_rows_release(struct limit_rows *rows);

/* Read what counts against the project's limits (NULL: all projects') in the periods that hold
 * `now` and those that ended within a day before, for readers whose clocks differ. */
int limit_read_sums(struct store *store, const struct catalog *catalog, const char *project,
                    struct instant now, struct store_limit_sums *sums, struct error *err);

/* What is known of a project's limits: the sums, and how much of what they count as held is past
 * its deadline, of the whole project and of the user that is asked about. */
struct limit_knowledge {
    struct store_limit_sums sums; /* borrowed */
    struct points lapsed;
    struct points user_lapsed;
};

/* How the limits that hold for the user within the project ("": for nobody in particular) stand at
 * `now`: bounds[DECIDE_BOUNDS_MAX], of which *count are filled. They borrow names from the project.
 * ERROR_INTERNAL if the numbers overflow. */
int limit_bounds(const struct catalog *catalog, const struct catalog_project *project,
                 const char *user, const struct limit_knowledge *known, struct instant now,
                 struct decide_bound *bounds, size_t *count, struct error *err);

#endif
