/* slurm_resolve - see slurm_resolve.h. */
#include "ledgerd/flow/slurm_resolve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/flow/catalog_slurm.h"
#include "ledgerd/flow/check.h"
#include "ledgerd/flow/hold_parts.h"
#include "ledgerd/flow/slurm_shape.h"

/* What is said of a partition and a time limit. */
struct pricing {
    const struct slurm_resolution *of;
    const int64_t *seconds; /* in place of what was asked for; NULL: that */
    struct usage_record shape;
    struct decimal limit;
    char partition[USAGE_NAME_BYTES + 1];
    enum decide_reason unresolved;
};

static const char *cluster_of(const struct slurm_resolution *of)
{
    return of->asked->ask.cluster;
}

/* --- who -------------------------------------------------------------------------------------- */

static void resolve_user(struct slurm_resolution *out, const struct slurm_user **user)
{
    const struct slurm_ask *ask = &out->asked->ask;
    const struct catalog_slurm *slurm = out->catalog->slurm;

    *user = ask->uid >= 0 ? catalog_slurm_uid(slurm, ask->cluster, ask->uid)
                          : catalog_slurm_user(slurm, ask->cluster, out->asked->user);
    if (*user != NULL) {
        out->user = (*user)->name;
        return;
    }
    out->unresolved = DECIDE_UNKNOWN_USER;
    if (ask->uid >= 0) {
        snprintf(out->detail, sizeof out->detail,
                 "user %" PRId64 " is not known in Slurm's accounting yet: try again in a minute",
                 ask->uid);
    } else {
        snprintf(out->detail, sizeof out->detail,
                 "user %.80s is not known in Slurm's accounting yet: try again in a minute",
                 out->asked->user);
    }
}

/* Whether the account leads to a project or is not this user's is not told apart: projects may be
 * nobody else's business. */
static void resolve_account(struct slurm_resolution *out, const struct slurm_user *user)
{
    const char *said = out->asked->ask.account;

    out->account = *said != '\0' ? said : user->default_account;
    out->project_name = out->account;
    if (*out->account == '\0') {
        snprintf(out->detail, sizeof out->detail,
                 "user %.80s has no default account on %.64s: name one (-A)", user->name,
                 cluster_of(out));
        return;
    }
    if (catalog_slurm_association(out->catalog->slurm, cluster_of(out), user->name, out->account,
                                  NULL) != NULL) {
        out->project = catalog_resolve_project(out->catalog, out->conf, out->source, out->account);
    }
    if (out->project == NULL) {
        snprintf(
            out->detail, sizeof out->detail,
            "account %.80s is no project that user %.80s may use (what is new is known in some "
            "minutes)",
            out->account, user->name);
    }
}

static void resolve_project(struct slurm_resolution *out, const struct slurm_user *user)
{
    const char *said = out->asked->project;

    if (*said == '\0') {
        resolve_account(out, user);
    } else {
        out->account = out->asked->ask.account;
        out->project_name = said;
        out->project = catalog_resolve_project(out->catalog, out->conf, out->source, said);
        snprintf(out->detail, sizeof out->detail, "there is no project %.80s", said);
    }
    if (out->project != NULL) {
        out->project_name = out->project->id;
        out->detail[0] = '\0';
    }
}

/* --- one partition ---------------------------------------------------------------------------- */

static const char *resolve_qos(const struct slurm_resolution *of, const char *partition)
{
    const char *said = of->job != NULL ? of->job->qos : of->asked->shape->qos;
    const struct slurm_association *association;

    if (*said != '\0') {
        return said;
    }
    association = catalog_slurm_association(of->catalog->slurm, cluster_of(of), of->user,
                                            of->account, partition);
    return association != NULL && *association->default_qos != '\0' ? association->default_qos
                                                                    : "normal";
}

/* The time limit that counts; -1 with pricing->unresolved if there is none. */
static int resolve_limit(struct pricing *pricing, const struct slurm_partition *partition,
                         struct error *err)
{
    const struct slurm_ask *ask = &pricing->of->asked->ask;
    int64_t seconds = -1;

    if (pricing->seconds != NULL) {
        seconds = *pricing->seconds;
    } else if (partition != NULL && (ask->is_unlimited || !ask->has_seconds)) {
        bool has_default = !ask->is_unlimited && partition->default_seconds >= 0;
        seconds = has_default ? partition->default_seconds : partition->max_seconds;
    }
    if (seconds < 0 && pricing->seconds == NULL && ask->has_seconds) {
        pricing->limit = pricing->of->asked->seconds;
        return 0;
    }
    if (seconds < 0) {
        pricing->unresolved = DECIDE_NO_TIME_LIMIT;
        return error_set(
            err, ERROR_INPUT,
            "the job has no time limit, and neither has partition %.80s: give one (-t)",
            pricing->partition);
    }
    return decimal_from_u64((unsigned long long)seconds, &pricing->limit) == 0
               ? 0
               : error_set(err, ERROR_INPUT, "the time limit is longer than a job may last");
}

static int describe_task(struct pricing *pricing, const struct slurm_partition *partition,
                         struct error *err)
{
    const struct slurm_resolution *of = pricing->of;
    struct usage_record *shape = &pricing->shape;

    if (of->job != NULL) {
        struct check_request empty;

        check_request_init(&empty, shape);
        if (slurm_shape_of_job(of->job, shape, err) != 0) {
            return -1;
        }
    } else {
        *shape = *of->asked->shape;
        if (slurm_shape_complete(&of->asked->ask, partition, shape, err) != 0) {
            return -1;
        }
    }
    shape->source = *shape->source != '\0' ? shape->source : of->source;
    shape->klass = *shape->klass != '\0' ? shape->klass : pricing->partition;
    shape->qos = resolve_qos(of, pricing->partition);
    /* As a record will have them, for cards that look at them; those that were said stay. */
    if (usage_attribute(shape, "partition") == NULL) {
        usage_add_attribute(shape, "partition", pricing->partition);
    }
    if (usage_attribute(shape, "account") == NULL && *of->account != '\0') {
        usage_add_attribute(shape, "account", of->account);
    }
    return 0;
}

/* Price a task in the partition of that name ("": the default one). */
static int price_in(struct pricing *pricing, const char *name, size_t length, struct points *price,
                    struct error *err)
{
    const struct slurm_resolution *of = pricing->of;
    const struct slurm_partition *partition;

    if (length > USAGE_NAME_BYTES) {
        return error_set(err, ERROR_INPUT, "partition: a name is too long");
    }
    memcpy(pricing->partition, name, length);
    pricing->partition[length] = '\0';
    partition = catalog_slurm_partition(of->catalog->slurm, cluster_of(of), pricing->partition);
    if (length == 0 && partition != NULL) {
        snprintf(pricing->partition, sizeof pricing->partition, "%s", partition->name);
    }
    if (*pricing->partition == '\0' && *of->asked->shape->klass == '\0') {
        return error_set(err, ERROR_INPUT,
                         "no partition is named, and %.64s is not known to have a default one",
                         cluster_of(of));
    }
    if (describe_task(pricing, partition, err) != 0 ||
        resolve_limit(pricing, partition, err) != 0) {
        return -1;
    }
    struct usage_record shape = pricing->shape; /* pricing puts the class into it */
    const struct check_request request = {
        .has_shape = true, .seconds = pricing->limit, .shape = &shape};

    return check_price(of->catalog, of->conf, &request, of->now, price, err);
}

/* --- all of them ------------------------------------------------------------------------------ */

static void keep_dearest(const struct pricing *pricing, struct slurm_resolution *out)
{
    bool is_own = pricing->shape.klass == pricing->partition;

    memcpy(out->partition, pricing->partition, sizeof out->partition);
    out->shape = pricing->shape;
    out->shape.klass = is_own ? out->partition : pricing->shape.klass;
    for (size_t i = 0; i < out->shape.attribute_count; i++) {
        if (out->shape.attributes[i].value == pricing->partition) {
            out->shape.attributes[i].value = out->partition;
        }
    }
    out->qos = out->shape.qos;
    out->klass = catalog_resolve_class(out->conf, out->shape.source, out->shape.klass);
    out->seconds = check_whole_seconds(pricing->limit);
}

/* The price of a task in the dearest of the partitions; what that is goes to `out`, if not NULL. */
static int price_task(struct pricing *pricing, struct slurm_resolution *out, struct points *dearest,
                      struct error *err)
{
    const struct slurm_resolution *of = pricing->of;
    const char *at = of->job != NULL ? of->job->partition : of->asked->ask.partition;

    at += strspn(at, ",");
    for (size_t count = 0; count == 0 || *at != '\0'; count++) {
        size_t length = strcspn(at, ",");
        struct points price;

        if (count == SLURM_PARTITIONS_MAX) {
            return error_set(err, ERROR_INPUT, "partition: more than %d are named",
                             SLURM_PARTITIONS_MAX);
        }
        if (price_in(pricing, at, length, &price, err) != 0) {
            return -1;
        }
        if (count == 0 || points_compare(price, *dearest) > 0) {
            *dearest = price;
            if (out != NULL) {
                keep_dearest(pricing, out);
            }
        }
        at += length;
        at += strspn(at, ",");
    }
    return 0;
}

/* For all tasks that may run at a time, less what the job costs as it is. */
static int price_job(const struct slurm_resolution *of, struct points task, struct points *all,
                     struct error *err)
{
    struct points before = POINTS_ZERO;

    if (of->job != NULL) {
        struct pricing pricing = {.of = of, .seconds = &of->job->limit_seconds};

        if (of->job->limit_seconds < 0) {
            *all = POINTS_ZERO; /* any limit is a shorter one */
            return 0;
        }
        if (price_task(&pricing, NULL, &before, err) != 0) {
            return -1;
        }
    }
    if (points_compare(task, before) <= 0) {
        *all = POINTS_ZERO;
        return 0;
    }
    task.micro -= before.micro; /* both are prices: no less than zero */
    return check_price_parts(task, of->parts, of->at_once, all, err);
}

static void resolve_price(struct slurm_resolution *out)
{
    struct pricing pricing = {.of = out};
    struct error why = {0};
    struct points task;

    if (out->asked->has_points) {
        out->points = out->asked->points;
        out->is_rated = true;
        out->qos = out->asked->shape->qos;
        return;
    }
    if (price_task(&pricing, out, &task, &why) == 0 &&
        price_job(out, task, &out->points, &why) == 0) {
        out->is_rated = true;
        return;
    }
    out->points = POINTS_ZERO;
    out->unresolved = pricing.unresolved;
    snprintf(out->detail, sizeof out->detail, "%.*s", SLURM_DETAIL_BYTES - 1, why.text);
}

static void take_policy(struct slurm_resolution *out)
{
    static const char downgrade[] = "downgrade:";
    const struct policy *policy = policies_at(&out->catalog->policies, out->now);

    if (policy == NULL) {
        return;
    }
    out->holds_nothing = policy->holds_slurm != HOLD_SUBMIT;
    if (strncmp(policy->exhausted_slurm, downgrade, sizeof downgrade - 1) == 0) {
        out->downgrade_qos = policy->exhausted_slurm + sizeof downgrade - 1;
    }
}

static void resolve_job(struct slurm_resolution *out)
{
    const struct slurm_job_row *job = out->job;

    if (job == NULL) {
        out->unresolved = DECIDE_UNKNOWN_JOB;
        snprintf(out->detail, sizeof out->detail,
                 "job %.40s is not known yet: try again in a minute", out->asked->ask.modifies);
        return;
    }
    out->user = job->user;
    out->account = out->project_name = job->account;
    out->parts = job->tasks;
    out->at_once = job->at_once;
    out->project = slurm_resolve_job_project(out->catalog, out->conf, cluster_of(out), job);
    if (out->project != NULL) {
        out->project_name = out->project->id;
    } else {
        snprintf(out->detail, sizeof out->detail, "account %.80s is no project", job->account);
    }
    resolve_price(out);
}

static void resolve_submission(struct slurm_resolution *out)
{
    const struct slurm_user *user;

    resolve_user(out, &user);
    if (user == NULL) {
        return;
    }
    resolve_project(out, user);
    if (out->project != NULL) {
        resolve_price(out);
    }
}

void slurm_resolve(const struct catalog *catalog, const struct conf *conf,
                   const struct check_request *asked, const struct slurm_job_row *job,
                   struct instant now, struct slurm_resolution *out)
{
    bool modifies = *asked->ask.modifies != '\0';

    *out = (struct slurm_resolution){.catalog = catalog,
                                     .conf = conf,
                                     .asked = asked,
                                     .job = modifies ? job : NULL,
                                     .now = now,
                                     .user = asked->user,
                                     .account = asked->ask.account,
                                     .project_name = asked->project,
                                     .parts = asked->ask.parts,
                                     .at_once = asked->ask.at_once,
                                     .qos = "",
                                     .klass = "",
                                     .downgrade_qos = ""};
    snprintf(out->source, sizeof out->source, "slurm:%s", asked->ask.cluster);
    take_policy(out);
    if (modifies) {
        resolve_job(out);
    } else {
        resolve_submission(out);
    }
}

int slurm_resolve_points(const struct slurm_resolution *resolution, int64_t seconds,
                         struct points *points, struct error *err)
{
    struct pricing pricing = {.of = resolution, .seconds = &seconds};
    struct points task;

    return price_task(&pricing, NULL, &task, err) != 0 ? -1
                                                       : price_job(resolution, task, points, err);
}

/* --- live jobs -------------------------------------------------------------------------------- */

const struct catalog_project *slurm_resolve_job_project(const struct catalog *catalog,
                                                        const struct conf *conf,
                                                        const char *cluster,
                                                        const struct slurm_job_row *job)
{
    char source[USAGE_SOURCE_BYTES + 1];

    snprintf(source, sizeof source, "slurm:%s", cluster);
    return catalog_resolve_project(catalog, conf, source, job->account);
}

int slurm_resolve_job(const struct catalog *catalog, const struct conf *conf, const char *cluster,
                      const struct slurm_job_row *job, int64_t seconds, struct instant now,
                      struct points *points, struct error *err)
{
    struct usage_record shape;
    struct check_request asked;
    struct slurm_resolution of = {.catalog = catalog,
                                  .conf = conf,
                                  .asked = &asked,
                                  .job = job,
                                  .now = now,
                                  .user = job->user,
                                  .account = job->account};
    struct pricing pricing = {.of = &of, .seconds = &seconds};

    check_request_init(&asked, &shape);
    asked.ask.cluster = cluster;
    snprintf(of.source, sizeof of.source, "slurm:%s", cluster);
    return price_task(&pricing, NULL, points, err);
}
