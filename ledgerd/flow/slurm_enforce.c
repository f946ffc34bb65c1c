/* slurm_enforce - jobs of projects that have run dry are held back, and let go when they have
 * points again; see slurm_keep.h.
 *
 * Only what nothing is held for is touched, and of that what waits: a job that runs is left alone,
 * or, if the site says so, requeued at a QOS of its choice.  What waits at that QOS is left alone
 * too: it may run without points.  Slurm's own commands do it, one job at a time; each is written
 * down, and one that Slurm refused is not tried again soon.
 *
 * A job is held back once: whoever lets it go by hand has the last word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/child.h"
#include "ledgerd/flow/balance_read.h"
#include "ledgerd/flow/slurm_keep_round.h"
#include "ledgerd/store/store_keep.h"

enum {
    ROUND_COMMANDS = 200, /* in one round: a command takes some 10 ms, and loads slurmctld */
    OUTPUT_BYTES = 4096,  /* read of what a command says */
    COMMAND_S = 10,       /* that one may take */
    RETRY_S = 10 * 60,    /* before a job is tried again whose command failed */
    DETAIL_BYTES = 512,
    JOB_BYTES = 48, /* of an array's number and a task's */
};

struct funds { /* of a project, as they were when they were first looked at */
    const char *project;
    struct points available;
};

struct enforcing {
    struct keep_round *round;
    int64_t *failed; /* jobs that are not to be tried again yet, ascending */
    size_t failed_count;
    size_t commands;
    BATCH_LIST(struct funds) funds;
};

/* --- what a project has ----------------------------------------------------------------------- */

static int read_funds(struct enforcing *enforcing, const char *project, struct points *available,
                      struct error *err)
{
    struct balance_sheet sheet;

    if (enforcing->funds.count == enforcing->funds.capacity) {
        size_t capacity = enforcing->funds.capacity * 2 + 16;
        struct funds *grown = realloc(enforcing->funds.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return error_set(err, ERROR_INTERNAL, "out of memory");
        }
        enforcing->funds.at = grown;
        enforcing->funds.capacity = capacity;
    }
    if (balance_read(enforcing->round->store, project, enforcing->round->options->now, &sheet,
                     err) != 0) {
        return -1;
    }
    *available = sheet.balance.available;
    balance_sheet_release(&sheet);
    enforcing->funds.at[enforcing->funds.count++] = (struct funds){project, *available};
    return 0;
}

static int find_funds(struct enforcing *enforcing, const char *project, struct points *available,
                      struct error *err)
{
    for (size_t i = 0; i < enforcing->funds.count; i++) {
        if (strcmp(enforcing->funds.at[i].project, project) == 0) {
            *available = enforcing->funds.at[i].available;
            return 0;
        }
    }
    return read_funds(enforcing, project, available, err);
}

/* --- commands --------------------------------------------------------------------------------- */

/* The last task of an array has the array's own number, by which Slurm's commands mean all of its
 * tasks. */
static const char *name_job(const struct keep_job *job, char name[JOB_BYTES])
{
    if (job->array_task >= 0) {
        snprintf(name, JOB_BYTES, "%lld_%lld", (long long)job->array_job_id,
                 (long long)job->array_task);
    } else {
        snprintf(name, JOB_BYTES, "%lld", (long long)job->job_id);
    }
    return name;
}

/* Run scontrol with these two arguments. *err is what it said if it failed. */
static int run_scontrol(const struct enforcing *enforcing, const char *verb, const char *first,
                        const char *second, struct error *err)
{
    const struct slurm_keep_options *options = enforcing->round->options;
    const char *const argv[] = {options->scontrol, verb, first, second, NULL};
    const struct child_options child = {
        .argv = argv, .whole_us = COMMAND_S * INSTANT_SECOND_US, .stop = options->stop};
    struct strbuf output = STRBUF_INIT;
    int result = child_run(&child, OUTPUT_BYTES, &output, err);

    strbuf_release(&output);
    return result;
}

static int note(const struct enforcing *enforcing, const struct keep_job *job, const char *kind,
                const char *detail, bool held_by_us, struct error *err)
{
    const struct slurm_keep_options *options = enforcing->round->options;
    const struct keep_event event = {.cluster = options->cluster,
                                     .job_id = job->job_id,
                                     .kind = kind,
                                     .at = options->now,
                                     .detail = detail};

    return store_keep_event(enforcing->round->store, &event, held_by_us, err);
}

static int note_failed(const struct enforcing *enforcing, const struct keep_job *job,
                       const char *verb, const struct error *why, struct error *err)
{
    char detail[DETAIL_BYTES];

    enforcing->round->figures->failed++;
    snprintf(detail, sizeof detail, "scontrol %s: %.400s", verb, why->text);
    return note(enforcing, job, "failed", detail, job->held_by_us, err);
}

static void describe(const struct keep_job *job, struct points available, const char *what,
                     char detail[DETAIL_BYTES])
{
    char points[POINTS_TEXT_BYTES];

    snprintf(detail, DETAIL_BYTES, "project %s has %s points available%s", job->project,
             points_format(available, points), what);
}

/* It is marked before it is held: a mark without a hold does no harm, a hold without one would
 * stay. */
static int hold_back(struct enforcing *enforcing, const struct keep_job *job,
                     struct points available, struct error *err)
{
    const struct slurm_keep_options *options = enforcing->round->options;
    struct error why = {0};
    char id[JOB_BYTES];
    char detail[DETAIL_BYTES];

    if (store_keep_mark_held(enforcing->round->store, options->cluster, job->job_id, true, err) !=
        0) {
        return -1;
    }
    if (run_scontrol(enforcing, "hold", name_job(job, id), NULL, &why) != 0) {
        return note_failed(enforcing, job, "hold", &why, err);
    }
    enforcing->round->figures->held_jobs++;
    describe(job, available, "", detail);
    return note(enforcing, job, "hold", detail, true, err);
}

static int let_go(struct enforcing *enforcing, const struct keep_job *job, struct points available,
                  struct error *err)
{
    struct error why = {0};
    char id[JOB_BYTES];
    char detail[DETAIL_BYTES];

    if (run_scontrol(enforcing, "release", name_job(job, id), NULL, &why) != 0) {
        return note_failed(enforcing, job, "release", &why, err);
    }
    enforcing->round->figures->let_go++;
    describe(job, available, " again", detail);
    return note(enforcing, job, "release", detail, false, err);
}

/* Slurm changes the QOS of what waits alone, so it is requeued first: before it may start again it
 * has to be gone from its nodes, and to wait out the delay that Slurm gives it.  While it goes from
 * its nodes, Slurm may write the new QOS to the run that ends, too: then that costs by it. */
static int requeue(struct enforcing *enforcing, const struct keep_job *job, struct points available,
                   struct error *err)
{
    const char *qos = enforcing->round->section->enforce_qos;
    struct error why = {0};
    char id[JOB_BYTES];
    char update[JOB_BYTES + 8];
    char to[USAGE_NAME_BYTES + 8];
    char detail[DETAIL_BYTES];

    snprintf(update, sizeof update, "JobId=%s", name_job(job, id));
    snprintf(to, sizeof to, "QOS=%s", qos);
    if (run_scontrol(enforcing, "requeue", id, NULL, &why) != 0) {
        return note_failed(enforcing, job, "requeue", &why, err);
    }
    enforcing->round->figures->requeued++;
    describe(job, available, "", detail);
    if (note(enforcing, job, "requeue", detail, job->held_by_us, err) != 0) {
        return -1;
    }
    return run_scontrol(enforcing, "update", update, to, &why) != 0
               ? note_failed(enforcing, job, "update", &why, err)
               : 0;
}

/* --- job after job ---------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static bool has_failed(const struct enforcing *enforcing, const struct keep_job *job)
{
    return bsearch(&job->job_id, enforcing->failed, enforcing->failed_count, sizeof job->job_id,
                   compare_ids) != NULL;
}

static int enforce(struct enforcing *enforcing, const struct keep_job *job, struct error *err)
{
    const struct conf_source *section = enforcing->round->section;
    bool is_requeued = section->enforce == CONF_ENFORCE_REQUEUE;
    bool is_exempt = is_requeued && strcmp(job->qos, section->enforce_qos) == 0;
    bool may_hold = job->is_pending && !job->is_held && !job->held_by_us && !is_exempt;
    bool may_requeue = !job->is_pending && is_requeued && !is_exempt;
    bool may_let_go = job->is_pending && job->is_held && job->held_by_us;
    struct points available = POINTS_ZERO;

    if (!may_hold && !may_requeue && !may_let_go) {
        return 0;
    }
    if (find_funds(enforcing, job->project, &available, err) != 0) {
        return -1;
    }
    bool is_dry = available.micro <= 0;
    if (is_dry == may_let_go) {
        return 0;
    }
    enforcing->commands++;
    return may_let_go ? let_go(enforcing, job, available, err)
           : may_hold ? hold_back(enforcing, job, available, err)
                      : requeue(enforcing, job, available, err);
}

int keep_round_enforce(struct keep_round *round, struct error *err)
{
    struct enforcing enforcing = {.round = round};
    const struct instant since = {round->options->now.us - RETRY_S * INSTANT_SECOND_US};
    int result = 0;

    if (round->unheld.count == 0) {
        return 0;
    }
    result = store_keep_failed(round->store, round->options->cluster, since, &enforcing.failed,
                               &enforcing.failed_count, err);
    for (size_t i = 0; i < round->unheld.count && result == 0; i++) {
        const struct keep_job *job = &round->unheld.at[i];

        if (enforcing.commands >= ROUND_COMMANDS || keep_round_stops(round)) {
            break; /* the next round does the rest */
        }
        if (!has_failed(&enforcing, job)) {
            result = enforce(&enforcing, job, err);
        }
    }
    free(enforcing.failed);
    free(enforcing.funds.at);
    return result;
}
