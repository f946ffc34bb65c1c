/* reconcile - does the book agree with Slurm's own accounting?
 *
 * Job by job with what sacct tells now, and total by total with sacct and with sreport, which rolls
 * up hours by itself.  Nothing is changed: what differs is named, with the reason as far as it can
 * be told.
 */
#ifndef LEDGERD_FLOW_RECONCILE_H
#define LEDGERD_FLOW_RECONCILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"

struct reconcile_options {
    const char *cluster; /* records are of source slurm:<cluster> */
    const char *command; /* of sacct; sacctmgr and sreport are its siblings; "": found in PATH */
    struct instant from; /* jobs that ran in [from, to) */
    struct instant to;   /* not behind `now` */
    struct instant now;
    int64_t limit;     /* differences that are named; the rest is counted */
    bool skip_sreport; /* leave the comparison with sreport out */
};

/* Compare. A new reference, or NULL: ERROR_UNAVAILABLE if Slurm or the database is away,
 * ERROR_INPUT if sacct's output cannot be read.
 *
 *     {"cluster","from","to","agrees",
 *      "jobs":{"slurm","book","running","never_started"},      that ended in the time; that run
 *      "differing":{"missing","extra","different","unsettled","behind","unreadable"},
 *      "differences":[{"id","kind","project","account","why","fields":[{"field","slurm","book"}]}],
 *      "ended":[{"account","meter","book","sacct","agrees"}],  hours of jobs that ended in the time
 *      "used":{"from","to","rolled_up_to","note",              hours used in the time
 *              "hours":[{"account","meter","book","sacct","sreport","agrees"}]}}
 *
 * The account of a row of sums is null. "used" is null without sreport, its "hours" empty if no
 * whole hour of the time is rolled up. */
json_t *reconcile_slurm(struct store *store, const struct catalog *catalog,
                        const struct reconcile_options *options, struct error *err);

#endif
