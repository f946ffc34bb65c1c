/* expirer - see expirer.h. */
#include "ledgerd/flow/expirer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/log.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/hold_end.h"

enum {
    CONNECT_PATIENCE_US = 5 * 1000 * 1000,
    PATIENCE_US = 30 * 1000 * 1000, /* with the database, for one statement or lock */
};

enum { SWEEP_HOLDS_MAX = 1000 }; /* in one transaction */

struct expirer {
    char *conninfo;
    struct store *store; /* the thread's own; NULL until the database could be opened */
    bool is_failing;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards stop, for the sleep alone */
    pthread_cond_t condition;
    atomic_bool stop; /* the store's alarm as well */
};

/* Note every hold whose deadline has passed, some at a time. */
static int sweep_holds(struct store *store, struct error *err)
{
    size_t swept = 0;
    int result;

    do {
        result = hold_sweep(store, clock_now(), SWEEP_HOLDS_MAX, &swept, err);
    } while (result == 0 && swept == SWEEP_HOLDS_MAX);
    return result;
}

static int post_due(struct expirer *expirer, struct error *err)
{
    if (expirer->store == NULL) {
        expirer->store = store_open_patient(expirer->conninfo, STORE_DAEMON, CONNECT_PATIENCE_US,
                                            err);
        if (expirer->store == NULL) {
            return -1;
        }
        store_set_patience(expirer->store, PATIENCE_US);
        store_set_alarm(expirer->store, &expirer->stop);
    }
    if (!store_is_connected(expirer->store) && store_reconnect(expirer->store, err) != 0) {
        return -1;
    }
    return expire_due(expirer->store, clock_now(), err) != 0 ? -1
                                                             : sweep_holds(expirer->store, err);
}

/* Said once when it begins to fail and once when it is well again. */
static void note_outcome(struct expirer *expirer, int result, const struct error *err)
{
    if (result != 0 && !expirer->is_failing) {
        log_event(LOG_LEVEL_WARNING, "expiry-failing", "why", err->text, NULL);
    }
    if (result == 0 && expirer->is_failing) {
        log_event(LOG_LEVEL_INFO, "expiry-well", NULL);
    }
    expirer->is_failing = result != 0;
}

/* Sleep until the next look; false when it is to stop. */
static bool pause_and_go_on(struct expirer *expirer)
{
    int64_t wake_us = clock_monotonic_us() + EXPIRER_PAUSE_MS * 1000;
    struct timespec until = {.tv_sec = wake_us / 1000000, .tv_nsec = wake_us % 1000000 * 1000};

    pthread_mutex_lock(&expirer->mutex);
    while (!expirer->stop &&
           pthread_cond_timedwait(&expirer->condition, &expirer->mutex, &until) != ETIMEDOUT) {
    }
    bool go_on = !expirer->stop;
    pthread_mutex_unlock(&expirer->mutex);
    return go_on;
}

static void *expirer_run(void *argument)
{
    struct expirer *expirer = argument;

    do {
        struct error err = {0};
        note_outcome(expirer, post_due(expirer, &err), &err);
    } while (pause_and_go_on(expirer));
    return NULL;
}

static void expirer_free(struct expirer *expirer)
{
    store_close(expirer->store);
    free(expirer->conninfo);
    free(expirer);
}

struct expirer *expirer_start(const char *conninfo, struct error *err)
{
    struct expirer *expirer = calloc(1, sizeof *expirer);
    pthread_condattr_t attributes;

    if (expirer == NULL || (expirer->conninfo = strdup(conninfo)) == NULL) {
        free(expirer);
        error_set(err, ERROR_INTERNAL, "expirer: out of memory");
        return NULL;
    }
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&expirer->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&expirer->mutex, NULL);
    int failure = pthread_create(&expirer->thread, NULL, expirer_run, expirer);
    if (failure != 0) {
        error_set(err, ERROR_INTERNAL, "expirer: cannot start a thread: %s", strerror(failure));
        expirer_free(expirer);
        return NULL;
    }
    return expirer;
}

void expirer_stop(struct expirer *expirer)
{
    if (expirer == NULL) {
        return;
    }
    pthread_mutex_lock(&expirer->mutex);
    expirer->stop = true;
    pthread_cond_signal(&expirer->condition);
    pthread_mutex_unlock(&expirer->mutex);
    pthread_join(expirer->thread, NULL);
    expirer_free(expirer);
}
