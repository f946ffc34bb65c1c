/* slurm_keep_start - holds for jobs that have none; see slurm_keep.h.
 *
 * A job has none if it was submitted while ledgerd was away, if its hold was made of nothing
 * because it is to be held when it starts, or if its hold has lapsed or is another project's or
 * user's.  What it may cost is asked of the book like any hold, under a key that names the job:
 *
 *      sdli/4711@1780000000        of a job, or a task of an array; the next ones .../2, .../3
 *      sdli/4711_*@1780000000      of all tasks of an array that are still to be split off
 *
 * A refusal is counted, not kept: the next round asks again.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/hold_desk.h"
#include "ledgerd/flow/hold_name.h"
#include "ledgerd/flow/hold_parts.h"
#include "ledgerd/flow/slurm_keep_round.h"
#include "ledgerd/flow/slurm_resolve.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_keep.h"

enum {
    GROUP_JOBS = HOLD_GROUP_MAX,
    ID_BYTES = 48, /* of a record: job id @ submit */
};

struct candidate { /* a live job */
    struct slurm_job_row job;
    bool is_known;         /* a hold was made for it once, of its project and user */
    bool is_held;          /* it has one that counts, or was let through without */
    const char *project;   /* NULL: none that jobs pay for */
    struct points price;   /* of all tasks that may run at a time */
    struct points accrued; /* of it by now, covered by no hold */
    bool has_ended;        /* since the live jobs were asked for: its record is booked */
    char key[HOLD_KEY_BYTES];
};

struct group {
    struct keep_round *round;
    const struct catalog *catalog; /* until holds are taken */
    enum hold_when when;           /* the policy's holds.slurm */
    struct ingest_hasher *hasher;
    struct arena arena;
    size_t count;
    struct candidate jobs[GROUP_JOBS];
    size_t wanted_count;
    struct candidate *wanted[GROUP_JOBS];
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

static bool is_pending(const struct slurm_job_row *job)
{
    return strcmp(job->state, "pending") == 0;
}

static bool is_running(const struct slurm_job_row *job)
{
    return strcmp(job->state, "running") == 0 || strcmp(job->state, "suspended") == 0;
}

/* --- has it a hold? --------------------------------------------------------------------------- */

/* The decision let it through at a lower QOS, with nothing held. */
static bool is_downgraded(const struct hold_row *row)
{
    json_t *decision = json_loads(row->decision, 0, NULL);
    bool result = json_is_string(json_object_get(decision, "downgraded_to"));

    json_decref(decision);
    return result;
}

static bool counts(const struct hold_row *row, struct instant now)
{
    return strcmp(row->state, "open") == 0 && instant_compare(row->lapses_at, now) > 0 &&
           (row->points.micro > 0 || is_downgraded(row));
}

static void match(struct candidate *candidate, const struct hold_row *row, struct instant now)
{
    if (candidate->project == NULL || strcmp(row->project, candidate->project) != 0 ||
        strcmp(row->user, candidate->job.user) != 0) {
        return;
    }
    candidate->is_known = true;
    candidate->is_held = candidate->is_held || counts(row, now);
}

static int hash_keys(struct group *group, unsigned char (*hashes)[STORE_HASH_BYTES], size_t *count,
                     struct error *err)
{
    *count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct slurm_job_row *job = &group->jobs[i].job;
        const char *const keys[] = {job->hold_key, job->start_key};

        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            if (*keys[k] != '\0' &&
                hold_key_hash(group->hasher, keys[k], hashes[(*count)++], err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int find_holds(struct group *group, struct error *err)
{
    unsigned char hashes[2 * GROUP_JOBS][STORE_HASH_BYTES];
    struct hold_rows rows;
    size_t count;

    if (hash_keys(group, hashes, &count, err) != 0) {
        return -1;
    }
    if (count == 0) {
        return 0;
    }
    if (store_find_holds(group->round->store, NULL, 0,
                         (const unsigned char(*)[STORE_HASH_BYTES])hashes, count, &rows,
                         err) != 0) {
        return -1;
    }
    for (size_t r = 0; r < rows.count; r++) {
        for (size_t i = 0; i < group->count; i++) {
            const struct slurm_job_row *job = &group->jobs[i].job;

            if (strcmp(rows.rows[r].key, job->hold_key) == 0 ||
                strcmp(rows.rows[r].key, job->start_key) == 0) {
                match(&group->jobs[i], &rows.rows[r], group->round->options->now);
            }
        }
    }
    store_hold_rows_release(&rows);
    return 0;
}

/* --- does it want one? ------------------------------------------------------------------------ */

/* A running job is to be held however often it takes; a waiting one once, if at all. */
static bool is_wanted(const struct group *group, const struct candidate *candidate)
{
    const struct slurm_job_row *job = &candidate->job;

    if (candidate->project == NULL || candidate->is_held) {
        return false;
    }
    return is_running(job) ? group->when != HOLD_NONE
                           : is_pending(job) && group->when == HOLD_SUBMIT &&
                                 !candidate->is_known && *job->start_key == '\0';
}

static void name_key(const struct group *group, struct candidate *candidate)
{
    const struct slurm_job_row *job = &candidate->job;
    long long number = 1;
    char base[HOLD_KEY_BYTES];

    snprintf(base, sizeof base, "%s/%lld%s@%lld", group->round->options->cluster,
             (long long)job->job_id, job->tasks > 1 ? "_*" : "",
             (long long)(job->submitted.us / INSTANT_SECOND_US));
    size_t length = strlen(base);
    if (strncmp(job->start_key, base, length) == 0) {
        number = job->start_key[length] == '/' ? strtoll(job->start_key + length + 1, NULL, 10) + 1
                                               : 2;
    }
    if (number == 1) {
        snprintf(candidate->key, sizeof candidate->key, "%s", base);
    } else {
        snprintf(candidate->key, sizeof candidate->key, "%.*s/%lld", HOLD_KEY_BYTES - 24, base,
                 number);
    }
}

/* False if there is none: an unlimited job, or one that no rule rates. */
static bool find_price(const struct group *group, struct candidate *candidate)
{
    const struct keep_round *round = group->round;
    const struct slurm_job_row *job = &candidate->job;
    struct error why = {0};
    struct points task;

    return job->limit_seconds >= 0 &&
           slurm_resolve_job(group->catalog, round->options->conf, round->options->cluster, job,
                             job->limit_seconds, round->options->now, &task, &why) == 0 &&
           !__builtin_mul_overflow(task.micro, hold_slots(job->tasks, job->at_once),
                                   &candidate->price.micro);
}

static int gather_unheld(struct keep_round *round, const struct candidate *candidate,
                         struct error *err)
{
    const struct slurm_job_row *job = &candidate->job;
    bool is_enforced = round->section != NULL && round->section->enforce != CONF_ENFORCE_NONE &&
                       round->options->scontrol != NULL;

    if (!is_enforced || candidate->project == NULL || candidate->has_ended ||
        (candidate->is_held && !job->held_by_us) || (!is_pending(job) && !is_running(job))) {
        return 0;
    }
    if (round->unheld.count == round->unheld.capacity) {
        size_t capacity = round->unheld.capacity * 2 + 64;
        struct keep_job *grown = realloc(round->unheld.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        round->unheld.at = grown;
        round->unheld.capacity = capacity;
    }
    round->unheld.at[round->unheld.count++] = (struct keep_job){
        .job_id = job->job_id,
        .array_job_id = job->array_job_id,
        .array_task = job->array_task,
        .is_pending = is_pending(job),
        .is_held = job->is_held,
        .held_by_us = job->held_by_us,
        .project = arena_string(&round->arena, candidate->project),
        .qos = arena_string(&round->arena, job->qos),
    };
    return round->arena.failed ? no_memory(err) : 0;
}

static void count_unheld(struct group *group, const struct candidate *candidate)
{
    struct slurm_keep_figures *figures = group->round->figures;

    if (is_running(&candidate->job)) {
        figures->unheld_jobs++;
        if (__builtin_add_overflow(figures->unheld.micro, candidate->price.micro,
                                   &figures->unheld.micro)) {
            figures->unheld.micro = INT64_MAX;
        }
    }
}

static void choose(struct group *group)
{
    group->wanted_count = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct candidate *candidate = &group->jobs[i];

        if (!is_wanted(group, candidate)) {
            continue;
        }
        if (!find_price(group, candidate)) {
            count_unheld(group, candidate);
        } else if (candidate->price.micro > 0) {
            name_key(group, candidate);
            group->wanted[group->wanted_count++] = candidate;
        }
    }
}

/* --- take it ---------------------------------------------------------------------------------- */

static struct hold_request request_of(const struct group *group, const struct candidate *candidate)
{
    return (struct hold_request){
        .key = candidate->key,
        .check = {.project = candidate->project,
                  .user = candidate->job.user,
                  .has_points = true,
                  .points = candidate->price,
                  .ask = SLURM_ASK_NONE},
        .parts = candidate->job.tasks,
        .at_once = candidate->job.tasks > 1 ? candidate->job.at_once : 0,
        .ttl_us = group->round->ttl_us,
        .ref_kind = "slurm",
        .ref_id = candidate->key,
        .source = group->round->source,
        .is_waiting = is_pending(&candidate->job),
        .is_unrecorded = true,
        .accrued = candidate->accrued,
    };
}

/* What a running job has cost so far counts against its project until its hold takes its place. One
 * that has ended meanwhile needs none: its record has ended the one it had. */
static int find_works(struct group *group, struct error *err)
{
    const char *ids[GROUP_JOBS];
    struct keep_work works[GROUP_JOBS];
    size_t kept = 0;

    for (size_t i = 0; i < group->wanted_count; i++) {
        const struct slurm_job_row *job = &group->wanted[i]->job;
        char id[ID_BYTES];

        snprintf(id, sizeof id, "%lld@%lld", (long long)job->job_id,
                 (long long)(job->submitted.us / INSTANT_SECOND_US));
        ids[i] = arena_string(&group->arena, id);
    }
    if (group->arena.failed) {
        return no_memory(err);
    }
    if (store_keep_works(group->round->store, group->round->source, ids, group->wanted_count, works,
                         err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < group->wanted_count; i++) {
        struct candidate *candidate = group->wanted[i];

        candidate->accrued = works[i].accrued;
        candidate->has_ended = works[i].has_ended;
        if (!candidate->has_ended) {
            group->wanted[kept++] = candidate;
        }
    }
    group->wanted_count = kept;
    return 0;
}

/* What a crash left undone is found by its key, whatever has changed of the job since. */
static bool is_taken(const struct hold_outcome *outcome)
{
    return outcome->fate != HOLD_REFUSED;
}

static int note_started(struct group *group, const struct hold_outcome *outcomes, struct error *err)
{
    struct slurm_keep_figures *figures = group->round->figures;
    struct keep_start starts[GROUP_JOBS];
    int64_t made[GROUP_JOBS];
    size_t count = 0, made_count = 0;

    for (size_t i = 0; i < group->wanted_count; i++) {
        struct candidate *candidate = group->wanted[i];

        if (is_taken(&outcomes[i])) {
            starts[count++] = (struct keep_start){candidate->job.job_id, candidate->job.submitted,
                                                  candidate->key};
            candidate->is_held = true;
            if (outcomes[i].fate == HOLD_MADE) {
                made[made_count++] = outcomes[i].hold.number;
            }
        } else {
            figures->start_refused++;
            count_unheld(group, candidate);
        }
    }
    figures->started += made_count;
    if (count == 0) {
        return 0;
    }
    return store_keep_started(group->round->store, group->round->options->cluster, starts, count,
                              err) != 0
               ? -1
               : store_keep_confirmed(group->round->store, made, made_count,
                                      group->round->options->now, err);
}

static int take_holds(struct group *group, struct error *err)
{
    const struct hold_knowledge nothing = {0};
    struct hold_request *requests = calloc(group->wanted_count + 1, sizeof *requests);
    struct hold_outcome *outcomes = calloc(group->wanted_count + 1, sizeof *outcomes);
    int result = -1;

    if (requests == NULL || outcomes == NULL) {
        no_memory(err);
    } else if (find_works(group, err) == 0) {
        for (size_t i = 0; i < group->wanted_count; i++) {
            requests[i] = request_of(group, group->wanted[i]);
        }
        result = hold_place(group->round->store, group->round->desk, &nothing, requests,
                            group->wanted_count, group->round->options->now, outcomes, err);
        if (result == 0) {
            result = note_started(group, outcomes, err);
        }
        for (size_t i = 0; i < group->wanted_count; i++) {
            hold_outcome_release(&outcomes[i]);
        }
    }
    free(requests);
    free(outcomes);
    return result;
}

/* --- group after group ------------------------------------------------------------------------ */

static int find_projects(struct group *group, struct error *err)
{
    const struct slurm_keep_options *options = group->round->options;
    const struct policy *policy;

    group->catalog = keep_round_catalog(group->round, err);
    if (group->catalog == NULL) {
        return -1;
    }
    policy = policies_at(&group->catalog->policies, options->now);
    group->when = policy != NULL ? policy->holds_slurm : HOLD_NONE;
    for (size_t i = 0; i < group->count; i++) {
        const struct catalog_project *project = slurm_resolve_job_project(
            group->catalog, options->conf, options->cluster, &group->jobs[i].job);

        if (project != NULL && !project->is_service) {
            group->jobs[i].project = arena_string(&group->arena, project->id);
        }
    }
    return group->arena.failed ? no_memory(err) : 0;
}

static int end_group(struct group *group, struct error *err)
{
    int result = 0;

    if (group->count == 0) {
        return 0;
    }
    if (find_projects(group, err) != 0 || find_holds(group, err) != 0) {
        return -1;
    }
    choose(group);
    if (group->wanted_count > 0) {
        result = take_holds(group, err);
    }
    for (size_t i = 0; i < group->count && result == 0; i++) {
        result = gather_unheld(group->round, &group->jobs[i], err);
    }
    group->count = 0;
    arena_clear(&group->arena);
    return result;
}

static int add_job(void *context, const struct slurm_job_row *job, struct error *err)
{
    struct group *group = context;
    struct candidate *candidate = &group->jobs[group->count++];
    const char **const texts[] = {&candidate->job.user,      &candidate->job.account,
                                  &candidate->job.partition, &candidate->job.qos,
                                  &candidate->job.state,     &candidate->job.meters,
                                  &candidate->job.hold_key,  &candidate->job.start_key};

    *candidate = (struct candidate){.job = *job};
    candidate->job.texts = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_string(&group->arena, *texts[i]);
    }
    if (group->arena.failed) {
        return no_memory(err);
    }
    if (keep_round_stops(group->round)) {
        return error_set(err, ERROR_UNAVAILABLE, "the round was stopped");
    }
    return group->count < GROUP_JOBS ? 0 : end_group(group, err);
}

int keep_round_starts(struct keep_round *round, struct error *err)
{
    struct group *group = calloc(1, sizeof *group);
    int result = -1;

    if (group == NULL) {
        return no_memory(err);
    }
    group->round = round;
    group->hasher = ingest_hasher_create(err);
    if (group->hasher != NULL &&
        store_slurm_jobs_read(round->store, round->options->cluster, add_job, group, err) == 0) {
        result = end_group(group, err);
    }
    ingest_hasher_destroy(group->hasher);
    arena_release(&group->arena);
    free(group);
    return result;
}
