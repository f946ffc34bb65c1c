/* Live jobs of any bytes: a list of jobs as squeue and slurmrestd tell it, and what is left of an
 * array. */
#include <stdlib.h>
#include <string.h>

#include "importers/slurm_jobs_pull.h"
#include "importers/slurm_live.h"
#include "ledgerd/core/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

struct bytes_left {
    const uint8_t *at;
    size_t length;
};

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

static ssize_t read_bytes(void *context, void *buffer, size_t size, struct error *err)
{
    struct bytes_left *left = context;
    size_t taken = left->length < size ? left->length : size;

    (void)err;
    memcpy(buffer, left->at, taken);
    left->at += taken;
    left->length -= taken;
    return (ssize_t)taken;
}

/* What the database takes without a check of its own. */
static void check_row(const struct slurm_job_row *job)
{
    static const char *const states[] = {"pending", "running", "suspended", "ending"};
    bool is_state = false;

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        is_state = is_state || strcmp(job->state, states[i]) == 0;
    }
    require(is_state && job->job_id > 0 && job->tasks >= 1 && job->tasks <= LIVE_TASKS_MAX);
    require(job->at_once >= 0 && job->array_task >= -1 && job->array_job_id >= 0);
    require(job->uid >= 0 && job->limit_seconds >= -1 && instant_is_set(job->submitted));
    require((strcmp(job->state, "pending") != 0 || !instant_is_set(job->start)));
    require(usage_is_clean(job->user, strlen(job->user), USAGE_NAME_BYTES));
    require(usage_is_clean(job->account, strlen(job->account), USAGE_NAME_BYTES));
    require(usage_is_clean(job->partition, strlen(job->partition), USAGE_NAME_BYTES));
    require(usage_is_clean(job->hold_key, strlen(job->hold_key), USAGE_ID_BYTES));
    require(strlen(job->meters) < LIVE_METERS_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct bytes_left left = {bytes, length};
    struct slurm_jobs jobs = {0};
    struct error err = {0};
    int tasks = slurm_live_tasks((struct scan_text){(const char *)bytes, length});

    require(tasks == -1 || (tasks >= 1 && tasks <= LIVE_TASKS_MAX));
    slurm_jobs_read(&jobs, "sdli", "squeue", read_bytes, &left, &err);
    for (size_t i = 0; i < jobs.count; i++) {
        check_row(&jobs.rows[i]);
    }
    for (size_t i = 0; i < jobs.gone_count; i++) {
        require(jobs.gone[i].tasks >= 1);
    }
    require(jobs.unread == 0 || jobs.why[0] != '\0');
    slurm_jobs_release(&jobs);
    return 0;
}
