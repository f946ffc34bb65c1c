/* hold_ask - what is asked of Slurm, on its way through a group; see hold_placing.h.
 *
 * What a job means is looked at with the same catalog as the decision: an attempt that finds a
 * newer one completes the request again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/hold_name.h"
#include "ledgerd/flow/hold_placing.h"

enum { JOB_KEY_BYTES = 128 }; /* of a key that a reference takes too */

/* --- the job that it modifies ----------------------------------------------------------------- */

struct finding {
    struct asked_slurm *slurm;
    int64_t job_id;
    int64_t array_task;
};

/* "123" or "123_4"; -1 for what else Slurm writes ("123_[1-5]"), which is no one job. */
static int parse_job(const char *text, int64_t *job_id, int64_t *array_task)
{
    const char *task = strchr(text, '_');
    uint64_t number;

    if (parse_u64(text, task != NULL ? (size_t)(task - text) : strlen(text), UINT32_MAX, &number) !=
        0) {
        return -1;
    }
    *job_id = (int64_t)number;
    *array_task = -1;
    if (task != NULL) {
        if (parse_u64(task + 1, strlen(task + 1), UINT32_MAX, &number) != 0) {
            return -1;
        }
        *array_task = (int64_t)number;
    }
    return 0;
}

static int find_job(struct store *store, void *context, struct error *err)
{
    struct finding *finding = context;
    struct asked_slurm *slurm = finding->slurm;

    if (slurm->has_job) { /* of an attempt that was rolled back */
        slurm_job_row_release(&slurm->job);
        slurm->has_job = false;
    }
    return store_slurm_job_find(store, slurm->request.check.ask.cluster, finding->job_id,
                                finding->array_task, &slurm->job, &slurm->has_job, err);
}

/* The key by which the job's records and holds know each other. */
static void name_job(const struct asked_slurm *slurm, char *name)
{
    const struct slurm_job_row *job = &slurm->job;
    const char *const keys[] = {job->hold_key, job->start_key};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (hold_key_check(keys[i], NULL) == 0 && strlen(keys[i]) <= JOB_KEY_BYTES) {
            snprintf(name, HOLD_KEY_BYTES, "%s", keys[i]);
            return;
        }
    }
    snprintf(name, HOLD_KEY_BYTES, "%.64s/%" PRId64 "@%" PRId64, slurm->request.check.ask.cluster,
             job->job_id, job->submitted.us / INSTANT_SECOND_US);
}

static int take_job(struct asked_slurm *slurm, struct store *store, struct error *err)
{
    struct hold_request *request = &slurm->request;
    struct finding finding = {.slurm = slurm};
    char seconds[DECIMAL_TEXT_BYTES];

    if (parse_job(request->check.ask.modifies, &finding.job_id, &finding.array_task) != 0) {
        return 0; /* no job that is known */
    }
    if (store_transact(store, STORE_UNLOCKED, find_job, &finding, err) != 0) {
        return -1;
    }
    if (!slurm->has_job) {
        return 0;
    }
    name_job(slurm, slurm->ref_id);
    snprintf(slurm->key, sizeof slurm->key, "%.*s/limit/%s", JOB_KEY_BYTES, slurm->ref_id,
             request->check.ask.is_unlimited ? "none"
                                             : decimal_format(request->check.seconds, seconds));
    request->key = slurm->key;
    request->ref_kind = "slurm";
    request->ref_id = slurm->ref_id;
    return 0;
}

/* --- a request -------------------------------------------------------------------------------- */

int asked_slurm_begin(struct asked *asked, struct store *store, struct error *err)
{
    const struct slurm_ask *ask = &asked->request->check.ask;
    struct asked_slurm *slurm;

    if (!check_asks_slurm(&asked->request->check)) {
        return 0;
    }
    slurm = asked->slurm = calloc(1, sizeof *slurm);
    if (slurm == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    snprintf(slurm->source, sizeof slurm->source, "slurm:%s", ask->cluster);
    slurm->catalog_version = -1;
    slurm->request = *asked->request;
    slurm->request.source = slurm->source;
    slurm->request.at_once = ask->at_once;
    slurm->request.is_waiting = *ask->modifies == '\0';
    asked->request = &slurm->request;
    return *ask->modifies != '\0' ? take_job(slurm, store, err) : 0;
}

void asked_slurm_end(struct asked *asked)
{
    if (asked->slurm != NULL && asked->slurm->has_job) {
        slurm_job_row_release(&asked->slurm->job);
    }
    free(asked->slurm);
    asked->slurm = NULL;
}

/* --- by a catalog ----------------------------------------------------------------------------- */

void placing_complete(struct placing *placing)
{
    for (size_t i = 0; i < placing->count; i++) {
        struct asked_slurm *slurm = placing->asked[i].slurm;

        if (slurm != NULL && (slurm->resolution.catalog != placing->catalog ||
                              slurm->catalog_version != placing->catalog->version)) {
            slurm_resolve(placing->catalog, placing->desk->conf, &slurm->request.check,
                          slurm->has_job ? &slurm->job : NULL, placing->now, &slurm->resolution);
            slurm->catalog_version = placing->catalog->version;
        }
    }
}

const struct catalog_project *placing_project(const struct placing *placing,
                                              const struct asked *asked)
{
    const struct check_request *check = &asked->request->check;

    if (asked->slurm != NULL) {
        return asked->slurm->resolution.project;
    }
    return check->has_shape ? catalog_resolve_project(placing->catalog, placing->desk->conf,
                                                      check->shape->source, check->project)
                            : catalog_project(placing->catalog, check->project);
}
