/* slurm_puller - see slurm_puller.h. */
#include "importers/slurm_puller.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "importers/slurm_pull.h"
#include "ledgerd/base/civil.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/base/log.h"
#include "ledgerd/store/store_pull.h"

enum {
    CONNECT_PATIENCE_US = 5 * 1000 * 1000,
    PATIENCE_US = 60 * 1000 * 1000,       /* with the database, for one statement or lock */
    PAUSE_MAX_US = 10 * 60 * 1000 * 1000, /* after failures; or the interval, if it is longer */
    BUSY_PAUSE_US = 1000 * 1000,          /* while somebody else reads */
    ASK_PAUSE_US = 1000 * 1000,           /* between looks whether somebody asks */
    NUMBER_BYTES = 24,
};

struct puller {
    struct slurm_pullers *all;
    const struct conf_source *source;
    struct slurm_pull *pull;
    struct store *store; /* the thread's own; NULL until the database could be opened */
    struct pull_figures figures;
    int64_t failed_in_a_row;
    pthread_t thread;
    bool has_thread;
};

struct slurm_pullers {
    const struct conf *conf;
    char *conninfo;
    struct pull_board *board;
    pthread_mutex_t mutex; /* for the sleep alone */
    pthread_cond_t condition;
    atomic_bool stop; /* the stores' alarm, and the children's */
    size_t count;
    struct puller *pullers;
};

/* --- what is said ------------------------------------------------------------------------------
 */

static const char *number_text(uint64_t number, char text[NUMBER_BYTES])
{
    snprintf(text, NUMBER_BYTES, "%" PRIu64, number);
    return text;
}

/* A backlog is worked off: how far. */
static void say_step(void *context, struct instant through, struct instant to,
                     const struct ingest_counts *counts)
{
    const struct conf_source *source = context;
    char read[NUMBER_BYTES], at[CIVIL_TEXT_BYTES], end[CIVIL_TEXT_BYTES];

    log_event(LOG_LEVEL_INFO, "pull-backlog", "source", source->name, "through",
              civil_format_utc(through.us / INSTANT_SECOND_US, at), "of",
              civil_format_utc(to.us / INSTANT_SECOND_US, end), "records",
              number_text(counts->read, read), NULL);
}

/* Said once when it begins to fail, and once when it is well again. */
static void say_outcome(struct puller *puller, int status, const struct slurm_pull_result *result,
                        const struct error *err)
{
    char count[NUMBER_BYTES];

    if (status != 0 && puller->failed_in_a_row == 0) {
        log_event(LOG_LEVEL_WARNING, "pull-failing", "source", puller->source->name, "why",
                  err->text, NULL);
    }
    if (status == 0 && puller->failed_in_a_row > 0) {
        log_event(LOG_LEVEL_INFO, "pull-well", "source", puller->source->name, "failed_rounds",
                  number_text((uint64_t)puller->failed_in_a_row, count), NULL);
    }
    if (result->unread_jobs > 0 && puller->figures.unread_jobs == 0) {
        log_event(LOG_LEVEL_WARNING, "pull-unread-jobs", "source", puller->source->name, "jobs",
                  number_text(result->unread_jobs, count), "first", result->unread_why, NULL);
    }
}

/* --- a round -----------------------------------------------------------------------------------
 */

static void add_figures(struct puller *puller, int status, const struct slurm_pull_result *result)
{
    struct pull_figures *figures = &puller->figures;
    const struct slurm_keep_figures *kept = &result->kept;

    figures->rounds++;
    figures->failures += status != 0;
    figures->round_us = result->elapsed_us;
    figures->pending_jobs = result->pending_jobs;
    figures->running_jobs = result->running_jobs;
    figures->unread_jobs = result->unread_jobs;
    figures->booked += result->counts.booked;
    figures->amended += result->counts.amended;
    figures->duplicate += result->counts.duplicate;
    figures->quarantined += result->counts.quarantined;
    figures->skipped += result->counts.skipped;
    figures->holds_confirmed += kept->confirmed;
    figures->holds_released += kept->released + kept->cancelled_parts;
    figures->holds_started += kept->started;
    figures->holds_refused += kept->start_refused;
    figures->commands += kept->held_jobs + kept->let_go + kept->requeued;
    figures->commands_failed += kept->failed;
    figures->unheld_jobs = kept->unheld_jobs;
    figures->unheld = kept->unheld;
    pull_board_tell(puller->all->board, figures);
}

static int open_store(struct puller *puller, struct error *err)
{
    if (puller->store == NULL) {
        puller->store = store_open_patient(puller->all->conninfo, STORE_DAEMON, CONNECT_PATIENCE_US,
                                           err);
        if (puller->store == NULL) {
            return -1;
        }
        store_set_patience(puller->store, PATIENCE_US);
        store_set_alarm(puller->store, &puller->all->stop);
        return slurm_keep_await(puller->store, puller->source->name, clock_now(), err);
    }
    return store_is_connected(puller->store) ? 0 : store_reconnect(puller->store, err);
}

/* How long ago another process has read the cluster well; -1 if none has, or not lately. */
static int64_t read_lately_us(struct puller *puller)
{
    struct store_pull standing;
    struct error ignored;
    int64_t ago_us;
    bool found;

    if (store_pull_read(puller->store, puller->source->name, &standing, &found, &ignored) != 0 ||
        !found || !instant_is_set(standing.last_good)) {
        return -1;
    }
    ago_us = clock_now().us - standing.last_good.us;
    if (ago_us < 0 && ago_us > -puller->source->interval_us) {
        ago_us = 0; /* by a clock that goes before ours */
    }
    return ago_us >= 0 && ago_us < puller->source->interval_us ? ago_us : -1;
}

static int64_t pause_after_failure_us(const struct puller *puller)
{
    int64_t pause_us = puller->source->interval_us;
    int64_t most_us = pause_us > PAUSE_MAX_US ? pause_us : PAUSE_MAX_US;

    for (int64_t i = 1; i < puller->failed_in_a_row && pause_us < most_us; i++) {
        pause_us *= 2;
    }
    return pause_us < most_us ? pause_us : most_us;
}

/* One round, if it is time for one or somebody has asked; how long to wait before the next. */
static int64_t make_round(struct puller *puller, bool is_asked)
{
    struct slurm_pull_result result = {.read_through = INSTANT_NONE};
    int64_t began_us = clock_monotonic_us(), took_us;
    struct error err = {0};
    int status = open_store(puller, &err);

    if (status == 0) {
        int64_t ago_us = read_lately_us(puller);

        if (ago_us >= 0 && puller->failed_in_a_row == 0 && !is_asked) {
            return puller->source->interval_us - ago_us;
        }
        status = slurm_pull_round(puller->pull, puller->store, &result, &err);
    }
    if (result.is_busy) {
        return BUSY_PAUSE_US;
    }
    if (atomic_load(&puller->all->stop)) {
        return 0;
    }
    say_outcome(puller, status, &result, &err);
    add_figures(puller, status, &result);
    if (status != 0) {
        puller->failed_in_a_row++;
        return pause_after_failure_us(puller);
    }
    puller->failed_in_a_row = 0;
    took_us = clock_monotonic_us() - began_us;
    return took_us < puller->source->interval_us ? puller->source->interval_us - took_us : 0;
}

/* --- the threads -------------------------------------------------------------------------------
 */

/* Sleep until the monotonic clock says so; false when it is to stop. */
static bool sleep_until(struct slurm_pullers *all, int64_t wake_us)
{
    struct timespec until = {.tv_sec = wake_us / 1000000, .tv_nsec = wake_us % 1000000 * 1000};

    pthread_mutex_lock(&all->mutex);
    while (!all->stop &&
           pthread_cond_timedwait(&all->condition, &all->mutex, &until) != ETIMEDOUT) {
    }
    bool go_on = !all->stop;
    pthread_mutex_unlock(&all->mutex);
    return go_on;
}

/* Sleep for so long, or until somebody asks; while rounds fail nobody can hurry them. */
static bool pause_and_go_on(struct puller *puller, int64_t pause_us, bool *is_asked)
{
    int64_t end_us = clock_monotonic_us() + pause_us, now_us;
    bool go_on = true;

    *is_asked = false;
    while (go_on && !*is_asked && (now_us = clock_monotonic_us()) < end_us) {
        go_on = sleep_until(puller->all,
                            end_us - now_us < ASK_PAUSE_US ? end_us : now_us + ASK_PAUSE_US);
        *is_asked = puller->failed_in_a_row == 0 &&
                    pull_board_is_asked(puller->all->board, puller->source->name);
    }
    return go_on && !atomic_load(&puller->all->stop);
}

static void *puller_run(void *argument)
{
    struct puller *puller = argument;
    bool is_asked = false;

    while (pause_and_go_on(puller, make_round(puller, is_asked), &is_asked)) {
    }
    return NULL;
}

static int start_one(struct slurm_pullers *all, const struct conf_source *source, struct error *err)
{
    struct puller *puller = &all->pullers[all->count];
    const struct slurm_pull_options options = {
        .conf = all->conf,
        .source = source,
        .board = all->board,
        .stop = &all->stop,
        .step = say_step,
        .context = (void *)source,
    };
    int failure;

    puller->all = all;
    puller->source = source;
    snprintf(puller->figures.source, sizeof puller->figures.source, "%s", source->name);
    puller->pull = slurm_pull_create(&options, err);
    if (puller->pull == NULL) {
        return -1;
    }
    all->count++;
    failure = pthread_create(&puller->thread, NULL, puller_run, puller);
    puller->has_thread = failure == 0;
    return failure == 0 ? 0
                        : error_set(err, ERROR_INTERNAL, "puller: cannot start a thread: %s",
                                    strerror(failure));
}

static struct slurm_pullers *create(const struct conf *conf, const char *conninfo,
                                    struct pull_board *board)
{
    struct slurm_pullers *all = calloc(1, sizeof *all);
    pthread_condattr_t attributes;

    if (all == NULL || (all->conninfo = strdup(conninfo)) == NULL ||
        (all->pullers = calloc(conf->source_count + 1, sizeof *all->pullers)) == NULL) {
        if (all != NULL) {
            free(all->conninfo);
        }
        free(all);
        return NULL;
    }
    all->conf = conf;
    all->board = board;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&all->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&all->mutex, NULL);
    return all;
}

struct slurm_pullers *slurm_pullers_start(const struct conf *conf, const char *conninfo,
                                          struct pull_board *board, struct error *err)
{
    struct slurm_pullers *all = create(conf, conninfo, board);

    if (all == NULL) {
        error_set(err, ERROR_INTERNAL, "puller: out of memory");
        return NULL;
    }
    for (size_t i = 0; i < conf->source_count; i++) {
        if (conf->sources[i].mode != CONF_PULL_NONE &&
            start_one(all, &conf->sources[i], err) != 0) {
            slurm_pullers_stop(all);
            return NULL;
        }
    }
    return all;
}

void slurm_pullers_stop(struct slurm_pullers *all)
{
    if (all == NULL) {
        return;
    }
    pthread_mutex_lock(&all->mutex);
    all->stop = true;
    pthread_cond_broadcast(&all->condition);
    pthread_mutex_unlock(&all->mutex);
    for (size_t i = 0; i < all->count; i++) {
        struct puller *puller = &all->pullers[i];

        if (puller->has_thread) {
            pthread_join(puller->thread, NULL);
        }
        slurm_pull_destroy(puller->pull);
        store_close(puller->store);
    }
    pthread_cond_destroy(&all->condition);
    pthread_mutex_destroy(&all->mutex);
    free(all->pullers);
    free(all->conninfo);
    free(all);
}
