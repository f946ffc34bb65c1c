/* slurm_keep_gone - what becomes of the parts of holds whose jobs have ended; see slurm_keep.h.
 *
 * Of the parts of a hold that neither live nor have ended, `missing`, it is known
 *
 *      unrecorded      they ran, and their records are still to come       waited for
 *      never           they ended without ever having been started         given back
 *      moved           they are another project's, or user's, by now       given back
 *      elsewhere       their records ended another hold, or none           given back
 *
 * and nothing of the rest.  While other tasks of the array live, slurmctld has let the rest go from
 * the list of tasks that are still to be split off, which leaves no trace: it remembers those that
 * it has split off for longer than a round.  Where nothing lives any more the rest may also have
 * run, so long ago that slurmctld has forgotten it, and so lately that accounting does not know:
 * then its records are waited for, until the deadline of the hold.
 *
 * What was given back before because of what was told is told again, so it is subtracted: the
 * event says how much that was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/slurm_keep_round.h"
#include "ledgerd/flow/slurm_resolve.h"
#include "ledgerd/store/store_keep_gone.h"

enum { ID_BYTES = 48, KEYS_OF_A_JOB = 3 };

/* --- jobs by the keys of their holds ---------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const struct keep_name *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    if (order == 0) {
        order = (x->job->job_id > y->job->job_id) - (x->job->job_id < y->job->job_id);
    }
    if (order == 0) {
        order = instant_compare(x->job->submitted, y->job->submitted);
    }
    return order != 0 ? order : x->job->never_started - y->job->never_started;
}

static bool is_same(const struct keep_name *a, const struct keep_name *b)
{
    return strcmp(a->key, b->key) == 0 && a->job->job_id == b->job->job_id &&
           instant_compare(a->job->submitted, b->job->submitted) == 0;
}

static long long seconds_of(const struct slurm_gone *job)
{
    return (long long)(job->submitted.us / INSTANT_SECOND_US);
}

/* Keys that a hold of it may have: of its submission, or as slurm_keep_start.c names them. */
static void add_names(struct keep_round *round, const struct slurm_gone *job, const char *project)
{
    const char *cluster = round->options->cluster;
    struct keep_names *names = &round->gone;
    int64_t array = job->array_job_id != 0 ? job->array_job_id : job->job_id;
    char key[HOLD_KEY_BYTES];

    if (*job->hold_key != '\0') {
        names->at[names->count++] = (struct keep_name){job->hold_key, project, job};
    }
    snprintf(key, sizeof key, "%s/%lld@%lld", cluster, (long long)job->job_id, seconds_of(job));
    names->at[names->count++] = (struct keep_name){arena_string(&round->arena, key), project, job};
    if (job->array_job_id != 0 || job->tasks > 1) {
        snprintf(key, sizeof key, "%s/%lld_*@%lld", cluster, (long long)array, seconds_of(job));
        names->at[names->count++] = (struct keep_name){arena_string(&round->arena, key), project,
                                                       job};
    }
}

/* A job that is told twice counts once, as one that ran if one of the two says so. */
static void drop_doubles(struct keep_names *names)
{
    size_t kept = 0;

    for (size_t i = 0; i < names->count; i++) {
        if (kept == 0 || !is_same(&names->at[kept - 1], &names->at[i])) {
            names->at[kept++] = names->at[i];
        }
    }
    names->count = kept;
}

int keep_round_gone(struct keep_round *round, struct error *err)
{
    const struct slurm_keep_options *options = round->options;
    const struct catalog *catalog = keep_round_catalog(round, err);
    struct keep_names *names = &round->gone;

    if (catalog == NULL) {
        return -1;
    }
    names->at = calloc(options->gone_count * KEYS_OF_A_JOB + 1, sizeof *names->at);
    for (size_t i = 0; names->at != NULL && i < options->gone_count; i++) {
        const struct slurm_job_row job = {.account = options->gone[i].account};
        const struct catalog_project *project = slurm_resolve_job_project(catalog, options->conf,
                                                                          options->cluster, &job);

        add_names(round, &options->gone[i],
                  project != NULL ? arena_string(&round->arena, project->id) : "");
    }
    if (names->at == NULL || round->arena.failed) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    qsort(names->at, names->count, sizeof *names->at, compare_names);
    drop_doubles(names);
    return 0;
}

/* The first that is not before this key. */
static size_t find_first(const struct keep_names *names, const char *key)
{
    size_t low = 0, high = names->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(names->at[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* --- the holds of a page ---------------------------------------------------------------------- */

struct gathering {
    struct keep_round *round;
    size_t hold_count;
    int64_t *holds;
    size_t *of; /* index of each in the page */
    BATCH_LIST(struct keep_ended) jobs;
    struct keep_fate *fates;
};

static int add_ended(struct gathering *gathering, const struct slurm_gone *job, struct error *err)
{
    char id[ID_BYTES];

    if (gathering->jobs.count == gathering->jobs.capacity) {
        size_t capacity = gathering->jobs.capacity * 2 + 64;
        struct keep_ended *grown = reallocarray(gathering->jobs.at, capacity, sizeof *grown);

        if (grown == NULL) {
            return error_set(err, ERROR_INTERNAL, "out of memory");
        }
        gathering->jobs.at = grown;
        gathering->jobs.capacity = capacity;
    }
    snprintf(id, sizeof id, "%lld@%lld", (long long)job->job_id, seconds_of(job));
    gathering->jobs.at[gathering->jobs.count++] = (struct keep_ended){
        gathering->hold_count, arena_string(&gathering->round->arena, id)};
    return 0;
}

static int gather_hold(struct gathering *gathering, const struct keep_hold *hold, size_t index,
                       struct keep_gone *gone, struct error *err)
{
    const struct keep_names *names = &gathering->round->gone;

    gone->moved = hold->named_tasks - hold->tasks;
    for (size_t i = find_first(names, hold->ref);
         i < names->count && strcmp(names->at[i].key, hold->ref) == 0; i++) {
        const struct slurm_gone *job = names->at[i].job;

        if (strcmp(names->at[i].project, hold->project) != 0 ||
            strcmp(job->user, hold->user) != 0) {
            gone->moved += job->tasks;
        } else if (job->never_started) {
            gone->never += job->tasks;
        } else if (add_ended(gathering, job, err) != 0) {
            return -1;
        }
    }
    gathering->of[gathering->hold_count] = index;
    gathering->holds[gathering->hold_count++] = hold->number;
    return 0;
}

static int gather_page(struct gathering *gathering, const struct keep_holds *holds,
                       struct keep_gone *gone, struct error *err)
{
    for (size_t i = 0; i < holds->count; i++) {
        const struct keep_hold *hold = &holds->holds[i];

        if (hold->parts - hold->ended_parts > hold->tasks &&
            gather_hold(gathering, hold, i, &gone[i], err) != 0) {
            return -1;
        }
    }
    if (gathering->hold_count == 0) {
        return 0;
    }
    if (store_keep_fates(gathering->round->store, gathering->round->source, gathering->holds,
                         gathering->hold_count, gathering->jobs.at, gathering->jobs.count,
                         gathering->fates, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < gathering->hold_count; i++) {
        gone[gathering->of[i]].unrecorded = gathering->fates[i].unrecorded;
        gone[gathering->of[i]].elsewhere = gathering->fates[i].elsewhere;
        gone[gathering->of[i]].told = gathering->fates[i].told;
    }
    return 0;
}

int keep_gone_find(struct keep_round *round, const struct keep_holds *holds, struct keep_gone *gone,
                   struct error *err)
{
    struct gathering gathering = {
        .round = round,
        .holds = calloc(holds->count + 1, sizeof *gathering.holds),
        .of = calloc(holds->count + 1, sizeof *gathering.of),
        .fates = calloc(holds->count + 1, sizeof *gathering.fates),
    };
    int result = -1;

    memset(gone, 0, holds->count * sizeof *gone);
    if (gathering.holds == NULL || gathering.of == NULL || gathering.fates == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else {
        result = gather_page(&gathering, holds, gone, err);
    }
    free(gathering.holds);
    free(gathering.of);
    free(gathering.fates);
    free(gathering.jobs.at);
    return result;
}

static int64_t between(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

int64_t keep_gone_parts(const struct keep_hold *hold, const struct keep_gone *gone, int64_t *told)
{
    int64_t over = hold->parts - hold->ended_parts - hold->tasks - gone->unrecorded;

    over = over > 0 ? over : 0;
    *told = between(gone->never + gone->moved + gone->elsewhere - gone->told, 0, over);
    return hold->tasks > 0 ? over : *told;
}
