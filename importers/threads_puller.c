/* threads_puller - see threads_puller.h. */
#include "importers/threads_puller.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "importers/kind_puller.h"
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
    struct pullers *all;
    const struct conf_source *source;
    const struct puller_kind *kind;
    struct puller_options options;
    void *pull;
    struct store *store; /* the thread's own; NULL until the database could be opened */
    struct pull_figures figures;
    int64_t failed_in_a_row;
    pthread_t thread;
    bool has_thread;
};

struct pullers {
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

/* Said once when it begins to fail, and once when it is well again. */
static void say_outcome(const struct puller *puller, int status, const struct error *err)
{
    char count[NUMBER_BYTES];

    if (status != 0 && puller->failed_in_a_row == 0) {
        log_event(LOG_LEVEL_WARNING, "pull-failing", "source", puller->source->name, "why",
                  err->text, NULL);
    }
    if (status == 0 && puller->failed_in_a_row > 0) {
        snprintf(count, sizeof count, "%" PRId64, puller->failed_in_a_row);
        log_event(LOG_LEVEL_INFO, "pull-well", "source", puller->source->name, "failed_rounds",
                  count, NULL);
    }
}

/* --- a round -----------------------------------------------------------------------------------
 */

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
        return puller->kind->begin == NULL
                   ? 0
                   : puller->kind->begin(puller->store, puller->source->name, err);
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
    struct pull_figures *figures = &puller->figures;
    int64_t began_us = clock_monotonic_us(), took_us;
    struct error err = {0};
    bool is_busy = false;
    int status = open_store(puller, &err);

    if (status == 0) {
        int64_t ago_us = read_lately_us(puller);

        if (ago_us >= 0 && puller->failed_in_a_row == 0 && !is_asked) {
            return puller->source->interval_us - ago_us;
        }
        status = puller->kind->round(puller->pull, puller->store, &is_busy, figures, &err);
    }
    if (is_busy) {
        return BUSY_PAUSE_US;
    }
    if (atomic_load(&puller->all->stop)) {
        return 0;
    }
    took_us = clock_monotonic_us() - began_us;
    say_outcome(puller, status, &err);
    figures->rounds++;
    figures->failures += status != 0;
    figures->round_us = took_us;
    pull_board_tell(puller->all->board, figures);
    if (status != 0) {
        puller->failed_in_a_row++;
        return pause_after_failure_us(puller);
    }
    puller->failed_in_a_row = 0;
    return took_us < puller->source->interval_us ? puller->source->interval_us - took_us : 0;
}

/* --- the threads -------------------------------------------------------------------------------
 */

/* Sleep until the monotonic clock says so; false when it is to stop. */
static bool sleep_until(struct pullers *all, int64_t wake_us)
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

static int start_one(struct pullers *all, const struct conf_source *source, struct error *err)
{
    struct puller *puller = &all->pullers[all->count];
    int failure;

    puller->all = all;
    puller->source = source;
    snprintf(puller->figures.source, sizeof puller->figures.source, "%s", source->name);
    puller->kind = source->mode == CONF_PULL_FILE || source->mode == CONF_PULL_HTTP
                       ? &tokens_puller_kind
                       : &slurm_puller_kind;
    puller->options = (struct puller_options){all->conf, source, all->board, &all->stop};
    puller->pull = puller->kind->create(&puller->options, err);
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

static struct pullers *create(const struct conf *conf, const char *conninfo,
                              struct pull_board *board)
{
    struct pullers *all = calloc(1, sizeof *all);
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

struct pullers *pullers_start(const struct conf *conf, const char *conninfo,
                              struct pull_board *board, struct error *err)
{
    struct pullers *all = create(conf, conninfo, board);

    if (all == NULL) {
        error_set(err, ERROR_INTERNAL, "puller: out of memory");
        return NULL;
    }
    for (size_t i = 0; i < conf->source_count; i++) {
        if (conf->sources[i].mode != CONF_PULL_NONE &&
            start_one(all, &conf->sources[i], err) != 0) {
            pullers_stop(all);
            return NULL;
        }
    }
    return all;
}

void pullers_stop(struct pullers *all)
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
        puller->kind->destroy(puller->pull);
        store_close(puller->store);
    }
    pthread_cond_destroy(&all->condition);
    pthread_mutex_destroy(&all->mutex);
    free(all->pullers);
    free(all->conninfo);
    free(all);
}
