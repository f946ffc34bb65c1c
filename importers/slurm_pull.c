/* slurm_pull - see slurm_pull.h. */
#include "importers/slurm_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/slurm_jobs_pull.h"
#include "importers/slurm_rest_pull.h"
#include "importers/slurm_sacct_pull.h"
#include "importers/slurm_site_pull.h"
#include "ledgerd/base/child.h"
#include "ledgerd/base/civil.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store_pull.h"

#define SITE_PAUSE_US (INT64_C(600) * 1000 * 1000)  /* between looks at users and partitions */
#define WIDE_PAUSE_US (INT64_C(3600) * 1000 * 1000) /* between looks as far back as `lag` */

/* A backlog is read in steps, each noted, so that a restart goes on.  Accounting looks through all
 * of its jobs for each step, and holds those of one in memory (1.5 KiB each in sacct): so steps
 * take as many jobs as are bearable, not as much time. */
#define STEP_FIRST_US (INT64_C(86400) * 1000 * 1000)
#define STEP_LEAST_US (INT64_C(600) * 1000 * 1000)
#define STEP_MOST_US (INT64_C(32) * 86400 * 1000 * 1000)
enum { STEP_ROWS = 250000 };

struct slurm_pull {
    struct slurm_pull_options options;
    const char *cluster; /* of the source's name */
    char *scontrol;
    struct slurm_source *source;
    struct hold_desk *desk;
    struct catalog *catalog; /* of the last round; NULL: none yet */
    struct slurm_jobs jobs;
    struct slurm_hold_keys keys;
    int64_t site_read_us; /* by the monotonic clock; 0: never, or it failed */
    int64_t wide_read_us;
};

/* What one round knows. */
struct round {
    struct slurm_pull *pull;
    struct store *store;
    struct slurm_pull_result *result;
    struct store_pull standing; /* before the round */
    struct instant last_end;    /* of the latest work known to accounting; INSTANT_NONE: none is */
    struct instant began;       /* live jobs were asked for */
    struct instant now;         /* for running work: a whole second */
    bool has_live, has_ended;
    int status;
    struct error error; /* the first */
};

static const char *source_name(const struct slurm_pull *pull)
{
    return pull->options.source->name;
}

/* --- life --------------------------------------------------------------------------------------
 */

static struct slurm_source *open_source(const struct slurm_pull *pull, struct error *err)
{
    const struct slurm_source_options options = {pull->cluster, pull->options.source,
                                                 pull->options.stop};

    switch (pull->options.source->mode) {
    case CONF_PULL_SACCT:
        return slurm_sacct_open(&options, err);
    case CONF_PULL_SLURMRESTD:
        return slurm_rest_open(&options, err);
    default:
        break;
    }
    error_set(err, ERROR_ARGUMENT, "[slurm %s] names no mode: it is not pulled", pull->cluster);
    return NULL;
}

struct slurm_pull *slurm_pull_create(const struct slurm_pull_options *options, struct error *err)
{
    struct slurm_pull *pull = calloc(1, sizeof *pull);

    if (pull == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    pull->options = *options;
    pull->cluster = options->source->name + strlen("slurm:");
    pull->scontrol = child_sibling(options->source->command, "scontrol");
    pull->source = open_source(pull, err);
    if (pull->source != NULL) {
        pull->desk = hold_desk_create(options->conf, err);
    }
    if (pull->desk == NULL || pull->scontrol == NULL) {
        slurm_pull_destroy(pull);
        return NULL;
    }
    return pull;
}

void slurm_pull_destroy(struct slurm_pull *pull)
{
    if (pull == NULL) {
        return;
    }
    if (pull->source != NULL) {
        pull->source->ops->close(pull->source);
    }
    hold_desk_destroy(pull->desk);
    catalog_destroy(pull->catalog);
    slurm_jobs_release(&pull->jobs);
    slurm_hold_keys_release(&pull->keys);
    free(pull->scontrol);
    free(pull);
}

/* --- parts of a round --------------------------------------------------------------------------
 */

/* Keep the first error. Returns whether there was none. */
static bool note(struct round *round, int status, const struct error *err)
{
    if (status != 0 && round->status == 0) {
        round->status = status;
        round->error = *err;
    }
    return status == 0;
}

static bool is_due(int64_t read_us, int64_t pause_us)
{
    return read_us == 0 || clock_monotonic_us() - read_us >= pause_us;
}

static void read_site(struct round *round)
{
    struct slurm_pull *pull = round->pull;
    struct slurm_site_list list = {0};
    struct error err = {0};
    bool is_asked = pull->options.board != NULL &&
                    pull_board_take_asked(pull->options.board, source_name(pull));
    int status;

    if (!is_asked && !is_due(pull->site_read_us, SITE_PAUSE_US)) {
        return;
    }
    pull->site_read_us = 0;
    status = pull->source->ops->site(pull->source, &list, &err);
    if (status == 0) {
        status = store_slurm_site_write(round->store, pull->cluster, &list.site,
                                        &round->result->is_site_changed, &err);
    }
    slurm_site_list_release(&list);
    if (note(round, status, &err)) {
        pull->site_read_us = clock_monotonic_us();
        round->result->has_read_site = true;
    }
}

static int feed_live(void *context, const char *format, const char *name, input_read_fn *read,
                     void *from, struct error *err)
{
    struct slurm_pull *pull = context;

    (void)format;
    return slurm_jobs_read(&pull->jobs, pull->cluster, name, read, from, err);
}

static int remember_key(void *context, const struct slurm_job_row *job, struct error *err)
{
    return slurm_hold_keys_add(context, job, err);
}

/* What is remembered of jobs that have gone since the last round, before it is forgotten; then the
 * live ones. */
static int gather_keys(struct round *round, struct error *err)
{
    struct slurm_pull *pull = round->pull;

    slurm_hold_keys_clear(&pull->keys);
    if (store_slurm_jobs_read(round->store, pull->cluster, remember_key, &pull->keys, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < pull->jobs.count; i++) {
        if (slurm_hold_keys_add(&pull->keys, &pull->jobs.rows[i], err) != 0) {
            return -1;
        }
    }
    slurm_hold_keys_sort(&pull->keys);
    return 0;
}

static void read_live(struct round *round)
{
    struct slurm_pull *pull = round->pull;
    struct error err = {0};
    int status;

    round->began = clock_now();
    slurm_jobs_clear(&pull->jobs);
    status = pull->source->ops->live(pull->source, feed_live, pull, &err);
    if (note(round, status, &err)) {
        round->has_live = true;
        round->result->pending_jobs = pull->jobs.pending;
        round->result->running_jobs = pull->jobs.running;
        round->result->unread_jobs = pull->jobs.unread;
        snprintf(round->result->unread_why, sizeof round->result->unread_why, "%s", pull->jobs.why);
    } else {
        slurm_jobs_clear(&pull->jobs);
    }
    status = gather_keys(round, &err);
    note(round, status, &err);
}

static const char *hold_of(void *context, const char *record_id)
{
    return slurm_hold_keys_find(&((struct slurm_pull *)context)->keys, record_id);
}

/* What accounting says of jobs that never started, beside what slurmctld remembers of them. What
 * there is no memory for is not known: less is given back. */
static void add_unstarted(void *context, const struct import_unstarted *job)
{
    struct slurm_pull *pull = context;
    const struct slurm_gone gone = {
        .job_id = job->job_id,
        .submitted = job->submitted,
        .tasks = job->tasks,
        .never_started = true,
        .hold_key = job->hold,
        .user = job->user,
        .account = job->account,
    };
    struct error ignored;

    slurm_jobs_add_gone(&pull->jobs, &gone, &ignored);
}

struct feeding {
    struct round *round;
    bool is_running;
};

static int feed_ingest(void *context, const char *format, const char *name, input_read_fn *read,
                       void *from, struct error *err)
{
    const struct feeding *feeding = context;
    struct round *round = feeding->round;
    struct slurm_pull *pull = round->pull;
    struct ingest_counts counts;
    const struct ingest_options options = {
        .format = format,
        .source = source_name(pull),
        .cluster = pull->cluster,
        .conf = pull->options.conf,
        .catalog = pull->catalog,
        .now = feeding->is_running ? round->now : clock_now(),
        .hold_of = hold_of,
        .unstarted = add_unstarted,
        .context = pull,
        .runs_to_now = feeding->is_running,
    };
    int result = ingest_stream(round->store, name, read, from, &options, &counts, err);

    ingest_counts_add(&round->result->counts, &counts);
    return result;
}

static struct instant earlier_by(struct instant at, int64_t us)
{
    return (struct instant){at.us > us ? at.us - us : 0};
}

/* Where this round begins to read ended jobs; *is_wide: as far back as `lag`. */
static struct instant first_instant(const struct round *round, struct instant now, bool *is_wide)
{
    const struct conf_source *source = round->pull->options.source;
    struct instant wide = earlier_by(now, source->lag_us);
    struct instant from;

    *is_wide = false;
    if (!instant_is_set(round->standing.read_through)) {
        return instant_is_set(source->since) ? source->since : wide;
    }
    from = earlier_by(round->standing.read_through, source->overlap_us);
    if (is_due(round->pull->wide_read_us, WIDE_PAUSE_US)) {
        *is_wide = true;
        from = instant_min(from, wide);
    }
    return from;
}

/* Slurm's accounting has been seen to answer with no rows and no error while its database failed.
 * So an answer that has not one row is believed only if it could not have one: each look reaches
 * back to the end of the latest work that is known, which must be in it. */
static int check_answer(const struct round *round, struct instant to, uint64_t rows,
                        struct error *err)
{
    char known[CIVIL_TEXT_BYTES];

    if (rows > 0 || !instant_is_set(round->last_end) || instant_compare(round->last_end, to) > 0) {
        return 0;
    }
    return error_set(err, ERROR_UNAVAILABLE,
                     "Slurm's accounting tells no job that ended, but one ended at %sZ: it did not "
                     "really answer (if old jobs were purged from it, set `since` behind that)",
                     civil_format_utc(round->last_end.us / INSTANT_SECOND_US, known));
}

static uint64_t rows_read(const struct round *round)
{
    return round->result->counts.read + round->result->counts.skipped;
}

/* Ended jobs of [from, to], and the note that they are read: from then on a restart goes on. While
 * no work at all is known nothing is noted: the next look begins where this one did. */
static int read_step(struct round *round, struct instant from, struct instant to, struct error *err)
{
    struct slurm_pull *pull = round->pull;
    struct ingest_counts *counts = &round->result->counts;
    struct feeding feeding = {round, false};
    uint64_t before = rows_read(round);

    if (instant_is_set(round->last_end)) {
        from = instant_min(from, round->last_end);
    }
    if (pull->source->ops->ended(pull->source, from, to, feed_ingest, &feeding, err) != 0 ||
        check_answer(round, to, rows_read(round) - before, err) != 0) {
        return -1;
    }
    if (counts->last_end.us > 0) {
        round->last_end = instant_max(round->last_end, counts->last_end);
    }
    if (!instant_is_set(round->last_end)) {
        return 0;
    }
    if (ingest_note_read(round->store, source_name(pull), to, err) != 0 ||
        store_pull_reach(round->store, source_name(pull), to, round->last_end, err) != 0) {
        return -1;
    }
    round->result->read_through = to;
    return 0;
}

/* The next step's length, by what this one brought; at most twice as long. */
static int64_t next_step_us(int64_t step_us, uint64_t rows)
{
    step_us = rows <= STEP_ROWS / 2 ? step_us * 2 : step_us / (int64_t)rows * STEP_ROWS;
    if (step_us > STEP_MOST_US) {
        return STEP_MOST_US;
    }
    return step_us < STEP_LEAST_US ? STEP_LEAST_US : step_us;
}

/* All steps from there to now. */
static int read_steps(struct round *round, struct instant from, struct instant to,
                      struct error *err)
{
    const struct slurm_pull_options *options = &round->pull->options;
    int64_t step_us = STEP_FIRST_US;
    struct instant until = from;

    do {
        uint64_t before = rows_read(round);

        until = instant_min((struct instant){until.us + step_us}, to);
        if (read_step(round, from, until, err) != 0) {
            return -1;
        }
        if (options->step != NULL && instant_compare(until, to) < 0) {
            options->step(options->context, until, to, &round->result->counts);
        }
        step_us = next_step_us(step_us, rows_read(round) - before);
        if (instant_is_set(round->last_end)) {
            from = until;
        }
    } while (instant_compare(until, to) < 0);
    return 0;
}

static void read_ended(struct round *round)
{
    struct slurm_pull *pull = round->pull;
    struct instant since = pull->options.source->since, to = clock_now(), from;
    struct error err = {0};
    bool is_wide;
    int status = catalog_refresh(&pull->catalog, round->store, &err);

    round->last_end = round->standing.last_end;
    if (instant_is_set(since) && instant_compare(since, round->last_end) > 0) {
        round->last_end = INSTANT_NONE; /* what ended before is none of ours */
    }
    from = instant_min(first_instant(round, to, &is_wide), to);
    if (status == 0) {
        status = read_steps(round, from, to, &err);
    }
    round->has_ended = note(round, status, &err);
    if (round->has_ended && is_wide) {
        pull->wide_read_us = clock_monotonic_us();
    }
}

static void read_running(struct round *round)
{
    struct slurm_pull *pull = round->pull;
    struct feeding feeding = {round, true};
    struct error err = {0};

    if (!round->has_ended) {
        return; /* the same daemon would answer */
    }
    round->now.us = clock_now().us / INSTANT_SECOND_US * INSTANT_SECOND_US;
    note(round, pull->source->ops->running(pull->source, feed_ingest, &feeding, &err), &err);
}

/* Write down the live jobs.  A job is gone only if the whole list was understood and accounting was
 * asked for what has ended. */
static int write_jobs(struct round *round, bool is_whole, struct error *err)
{
    struct slurm_pull *pull = round->pull;
    struct instant now = clock_now();

    return is_whole ? store_slurm_jobs_write(round->store, pull->cluster, pull->jobs.rows,
                                             pull->jobs.count, now, err)
                    : store_slurm_jobs_update(round->store, pull->cluster, pull->jobs.rows,
                                              pull->jobs.count, now, err);
}

static void keep_holds(struct round *round)
{
    struct slurm_pull *pull = round->pull;
    bool is_whole = round->has_ended && pull->jobs.unread == 0;
    const struct slurm_keep_options options = {
        .cluster = pull->cluster,
        .conf = pull->options.conf,
        .round_began = round->began,
        .now = clock_now(),
        .ended_was_read = is_whole,
        .gone = pull->jobs.gone,
        .gone_count = pull->jobs.gone_count,
        .interval_us = pull->options.source->interval_us,
        .scontrol = pull->scontrol,
        .stop = pull->options.stop,
    };
    struct error err = {0};
    int status = 0;

    if (!round->has_live) {
        return;
    }
    if (round->status == 0) {
        status = slurm_keep_begin(round->store, source_name(pull), options.now, options.interval_us,
                                  &err);
    }
    if (status == 0) {
        status = write_jobs(round, is_whole, &err);
    }
    if (status == 0) {
        status = slurm_keep(round->store, pull->desk, &options, &round->result->kept, &err);
    }
    note(round, status, &err);
}

/* --- the round ---------------------------------------------------------------------------------
 */

static void make_round(struct round *round)
{
    struct error err = {0};
    bool found;
    int status = store_pull_read(round->store, source_name(round->pull), &round->standing, &found,
                                 &err);

    if (status == 0 && !instant_is_set(round->standing.fresh_until)) {
        status = slurm_keep_await(round->store, source_name(round->pull), clock_now(), &err);
    }
    if (!note(round, status, &err)) {
        return;
    }
    read_site(round);
    read_live(round);
    read_ended(round);
    read_running(round);
    keep_holds(round);
}

static bool is_stopped(const struct slurm_pull *pull)
{
    return pull->options.stop != NULL && atomic_load(pull->options.stop);
}

static void note_outcome(struct round *round)
{
    const char *source = source_name(round->pull);
    struct error err = {0};

    if (round->status == 0) {
        note(round, store_pull_good(round->store, source, clock_now(), &err), &err);
    } else if (store_is_connected(round->store) && !is_stopped(round->pull)) {
        store_pull_failed(round->store, source, clock_now(), round->error.text, &err);
    }
}

int slurm_pull_round(struct slurm_pull *pull, struct store *store, struct slurm_pull_result *result,
                     struct error *err)
{
    struct round round = {.pull = pull, .store = store, .result = result};
    int64_t began_us = clock_monotonic_us();
    bool locked;

    *result = (struct slurm_pull_result){.read_through = INSTANT_NONE};
    if ((!store_is_connected(store) && store_reconnect(store, err) != 0) ||
        store_pull_lock(store, source_name(pull), &locked, err) != 0) {
        return -1;
    }
    result->is_busy = !locked;
    if (!locked) {
        return 0;
    }
    make_round(&round);
    note_outcome(&round);
    store_pull_unlock(store, source_name(pull));
    result->elapsed_us = result->counts.elapsed_us = clock_monotonic_us() - began_us;
    if (round.status != 0) {
        *err = round.error;
    }
    return round.status;
}
