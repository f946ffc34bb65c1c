/* slurm_resolve - complete what was asked of Slurm, by the associations and partitions of the
 * catalog, so that it has a project, a user and a price.
 *
 *     user       of the uid
 *     account    the user's default
 *     project    what the account means: alias, configuration, the equal name
 *     partition  the cluster's default; of several the dearest counts
 *     qos        the association's default, else "normal"
 *     class      what the partition means by the configuration
 *     seconds    the partition's default time limit, else its longest
 *     meters     all of the nodes, of a job that has whole nodes (sbatch(1): their CPUs and GPUs,
 * not their memory); memory by the partition's default, else all of the nodes'
 *
 * A user's project is one that an association leads to: to anybody else it is not there.
 */
#ifndef LEDGERD_FLOW_SLURM_RESOLVE_H
#define LEDGERD_FLOW_SLURM_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/core/decide.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store_slurm.h"

struct check_request;

enum { SLURM_DETAIL_BYTES = 512 };

struct slurm_resolution { /* borrows from request, catalog and job; points into itself: never moved
                           */
    const struct catalog *catalog;
    const struct conf *conf;
    const struct check_request *asked;
    const struct slurm_job_row *job; /* whose time limit is asked for; NULL otherwise */
    struct instant now;

    const char *user;
    const char *account;                   /* "" if a project was named */
    const char *project_name;              /* as asked: the project's id, or the account */
    const struct catalog_project *project; /* NULL if there is none, or none for this user */
    enum decide_reason unresolved;         /* DECIDE_ALLOWED, or why it cannot be completed */
    bool is_rated;                         /* else detail says why there is no price */
    struct points points;                  /* for all tasks that may run at a time */
    int64_t parts;
    int64_t at_once;
    int64_t seconds; /* of the time limit, rounded up */
    const char *qos;
    const char *klass;
    bool holds_nothing;        /* by policy nothing is held at submission */
    const char *downgrade_qos; /* of a job that is refused for its points; "": it stays refused */
    char source[USAGE_SOURCE_BYTES + 1];
    char partition[USAGE_NAME_BYTES + 1]; /* the one that counts */
    char detail[SLURM_DETAIL_BYTES];      /* why there is no project, user, job or price */
    struct usage_record shape;            /* of a task there, with its QOS; not of given points */
};

/* Complete the request. `job` is what its ask.modifies means, NULL if there is no such job or none
 * is meant. What cannot be completed is said in the resolution, for a decision to refuse it. */
void slurm_resolve(const struct catalog *catalog, const struct conf *conf,
                   const struct check_request *asked, const struct slurm_job_row *job,
                   struct instant now, struct slurm_resolution *resolution);

/* What it would ask for with another time limit; not of given points. ERROR_INPUT if that has no
 * price. */
int slurm_resolve_points(const struct slurm_resolution *resolution, int64_t seconds,
                         struct points *points, struct error *err);

/* What a live job of the cluster costs with a time limit of `seconds`, each of its tasks: the
 * dearest of its partitions counts. ERROR_INPUT if it has no price. */
int slurm_resolve_job(const struct catalog *catalog, const struct conf *conf, const char *cluster,
                      const struct slurm_job_row *job, int64_t seconds, struct instant now,
                      struct points *points, struct error *err);

/* The project of a live job, or NULL. */
const struct catalog_project *slurm_resolve_job_project(const struct catalog *catalog,
                                                        const struct conf *conf,
                                                        const char *cluster,
                                                        const struct slurm_job_row *job);

#endif
