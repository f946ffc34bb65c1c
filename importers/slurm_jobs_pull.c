/* slurm_jobs_pull - see slurm_jobs_pull.h. */
#include "importers/slurm_jobs_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/json_items.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/core/usage.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* Room for one more; the new array, or NULL. */
static void *grow(void *rows, size_t count, size_t *capacity, size_t size)
{
    size_t more = *capacity == 0 ? 256 : *capacity * 2;
    void *grown;

    if (count < *capacity) {
        return rows;
    }
    grown = reallocarray(rows, more, size);
    if (grown != NULL) {
        *capacity = more;
    }
    return grown;
}

/* --- jobs --------------------------------------------------------------------------------------
 */

void slurm_jobs_clear(struct slurm_jobs *jobs)
{
    jobs->count = jobs->gone_count = 0;
    jobs->pending = jobs->running = jobs->unread = 0;
    jobs->why[0] = '\0';
    arena_clear(&jobs->texts);
}

void slurm_jobs_release(struct slurm_jobs *jobs)
{
    free(jobs->rows);
    free(jobs->gone);
    arena_release(&jobs->texts);
    *jobs = (struct slurm_jobs){0};
}

/* A copy of a name, cleaned: what a database takes. */
static const char *keep(struct slurm_jobs *jobs, struct scan_text text, size_t limit)
{
    struct usage_arena room;

    room.used = 0;
    return arena_string(&jobs->texts, usage_keep(&room, text.bytes, text.length, limit));
}

static const char *state_text(enum slurm_live_state state)
{
    static const char *const texts[] = {
        [LIVE_GONE] = "",           [LIVE_PENDING] = "pending",
        [LIVE_RUNNING] = "running", [LIVE_SUSPENDED] = "suspended",
        [LIVE_ENDING] = "ending",
    };

    return texts[state];
}

static int add_job(struct slurm_jobs *jobs, const struct slurm_live_job *job, struct error *err)
{
    struct slurm_job_row *rows;

    if (jobs->count == SLURM_JOBS_MAX) {
        return error_set(err, ERROR_INPUT, "more than %d live jobs", SLURM_JOBS_MAX);
    }
    rows = grow(jobs->rows, jobs->count, &jobs->capacity, sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    jobs->rows = rows;
    rows[jobs->count++] = (struct slurm_job_row){
        .job_id = job->job_id,
        .submitted = job->submitted,
        .array_job_id = job->array_job_id,
        .array_task = job->array_task,
        .tasks = job->tasks,
        .at_once = job->at_once,
        .het_job_id = job->het_job_id,
        .uid = job->uid,
        .user = keep(jobs, job->user, USAGE_NAME_BYTES),
        .account = keep(jobs, job->account, USAGE_NAME_BYTES),
        .partition = keep(jobs, job->partition, USAGE_NAME_BYTES),
        .qos = keep(jobs, job->qos, USAGE_NAME_BYTES),
        .state = state_text(job->state),
        .is_held = job->is_held,
        .start = job->start,
        .limit_seconds = job->limit_seconds,
        .meters = arena_string(&jobs->texts, job->meters),
        .hold_key = keep(jobs, job->hold_key, USAGE_ID_BYTES),
        .start_key = "",
    };
    if (job->state == LIVE_PENDING) {
        jobs->pending += (uint64_t)job->tasks;
    } else {
        jobs->running++;
    }
    return jobs->texts.failed ? no_memory(err) : 0;
}

static int add_gone(struct slurm_jobs *jobs, const struct slurm_gone *gone, struct error *err)
{
    struct slurm_gone *rows;

    if (jobs->gone_count == SLURM_JOBS_MAX) {
        return error_set(err, ERROR_INPUT, "more than %d jobs that have ended", SLURM_JOBS_MAX);
    }
    rows = grow(jobs->gone, jobs->gone_count, &jobs->gone_capacity, sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    jobs->gone = rows;
    rows[jobs->gone_count++] = *gone;
    return jobs->texts.failed ? no_memory(err) : 0;
}

int slurm_jobs_add_gone(struct slurm_jobs *jobs, const struct slurm_gone *gone, struct error *err)
{
    struct slurm_gone copy = *gone;

    copy.hold_key = arena_string(&jobs->texts, gone->hold_key);
    copy.user = arena_string(&jobs->texts, gone->user);
    copy.account = arena_string(&jobs->texts, gone->account);
    return add_gone(jobs, &copy, err);
}

static int take_gone(struct slurm_jobs *jobs, const struct slurm_live_job *job, struct error *err)
{
    const struct slurm_gone gone = {
        .job_id = job->job_id,
        .submitted = job->submitted,
        .array_job_id = job->array_job_id,
        .tasks = job->tasks,
        .never_started = job->never_started,
        .hold_key = keep(jobs, job->hold_key, USAGE_ID_BYTES),
        .user = keep(jobs, job->user, USAGE_NAME_BYTES),
        .account = keep(jobs, job->account, USAGE_NAME_BYTES),
    };

    return add_gone(jobs, &gone, err);
}

static int take_item(struct slurm_jobs *jobs, const char *cluster, struct json_items *items,
                     const struct json_item *item, struct error *err)
{
    struct slurm_live_job job;
    char why[LIVE_WHY_BYTES] = "a job that is no JSON";

    if (item->status == JSON_ITEM_OK && slurm_live_read(&items->doc, cluster, &job, why) == 0) {
        if (job.state != LIVE_GONE) {
            return add_job(jobs, &job, err);
        }
        return instant_is_set(job.submitted) ? take_gone(jobs, &job, err) : 0;
    }
    if (jobs->unread++ == 0) {
        snprintf(jobs->why, sizeof jobs->why, "%s", why);
    }
    return 0;
}

int slurm_jobs_read(struct slurm_jobs *jobs, const char *cluster, const char *name,
                    input_read_fn *read, void *from, struct error *err)
{
    struct input *input = input_from_reader(name, read, from, err);
    struct json_items items;
    struct json_item item;
    int more = -1;

    if (input == NULL) {
        return -1;
    }
    json_items_init(&items, input, true);
    while ((more = json_items_next(&items, &item, err)) > 0) {
        if (take_item(jobs, cluster, &items, &item, err) != 0) {
            more = -1;
            break;
        }
    }
    if (more == 0 && !items.begun) {
        more = error_set(err, ERROR_INPUT, "an empty answer");
    }
    if (more != 0 && err->code == ERROR_INPUT) {
        error_prefix(err, "%s", name);
    }
    json_items_release(&items);
    input_close(input);
    return more;
}

/* --- keys of holds -----------------------------------------------------------------------------
 */

void slurm_hold_keys_clear(struct slurm_hold_keys *keys)
{
    keys->count = 0;
    arena_clear(&keys->texts);
}

void slurm_hold_keys_release(struct slurm_hold_keys *keys)
{
    free(keys->keys);
    arena_release(&keys->texts);
    *keys = (struct slurm_hold_keys){0};
}

int slurm_hold_keys_add(struct slurm_hold_keys *keys, const struct slurm_job_row *job,
                        struct error *err)
{
    const char *key = job->start_key[0] != '\0' ? job->start_key : job->hold_key;
    struct slurm_hold_key *grown;

    if (key[0] == '\0') {
        return 0;
    }
    grown = grow(keys->keys, keys->count, &keys->capacity, sizeof *grown);
    if (grown == NULL) {
        return no_memory(err);
    }
    keys->keys = grown;
    grown[keys->count] = (struct slurm_hold_key){job->job_id, job->submitted.us / INSTANT_SECOND_US,
                                                 keys->count, arena_string(&keys->texts, key)};
    keys->count++;
    return keys->texts.failed ? no_memory(err) : 0;
}

static int compare_jobs(const void *a, const void *b)
{
    const struct slurm_hold_key *x = a, *y = b;

    if (x->job_id != y->job_id) {
        return x->job_id < y->job_id ? -1 : 1;
    }
    return (x->submitted > y->submitted) - (x->submitted < y->submitted);
}

static int compare_keys(const void *a, const void *b)
{
    const struct slurm_hold_key *x = a, *y = b;
    int order = compare_jobs(a, b);

    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

void slurm_hold_keys_sort(struct slurm_hold_keys *keys)
{
    size_t kept = 0;

    if (keys->count > 1) {
        qsort(keys->keys, keys->count, sizeof *keys->keys, compare_keys);
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (kept == 0 || compare_jobs(&keys->keys[kept - 1], &keys->keys[i]) != 0) {
            keys->keys[kept++] = keys->keys[i];
        }
    }
    keys->count = kept;
}

const char *slurm_hold_keys_find(const struct slurm_hold_keys *keys, const char *record_id)
{
    const char *at = strchr(record_id, '@');
    struct slurm_hold_key wanted = {0};
    const struct slurm_hold_key *found = NULL;
    uint64_t job_id, submitted;

    if (at != NULL && keys->count > 0 &&
        parse_u64(record_id, (size_t)(at - record_id), INT64_MAX, &job_id) == 0 &&
        parse_u64(at + 1, strlen(at + 1), INT64_MAX, &submitted) == 0) {
        wanted.job_id = (int64_t)job_id;
        wanted.submitted = (int64_t)submitted;
        found = bsearch(&wanted, keys->keys, keys->count, sizeof wanted, compare_jobs);
    }
    return found != NULL ? found->key : NULL;
}
