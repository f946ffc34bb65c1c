/* sealer - see sealer.h. */
#include "ledgerd/flow/sealer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/log.h"
#include "ledgerd/flow/seal.h"
#include "ledgerd/store/store.h"

enum {
    SEAL_EVERY_US = 250 * 1000, /* so that a commit is sealed within a second */
    SEAL_RETRY_US = 1000 * 1000,
    CONNECT_PATIENCE_US = 5 * 1000 * 1000,
    PATIENCE_US = 30 * 1000 * 1000, /* with the database, for one statement of one link */
};

struct sealer {
    char *conninfo;
    struct store *store; /* the thread's own; NULL until the database could be opened */
    bool away;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; /* guards stop */
    pthread_cond_t condition;
    atomic_bool stop; /* the store's alarm as well */
};

/* False when the sealer is to end. */
static bool sealer_sleep(struct sealer *sealer, int64_t pause_us)
{
    int64_t wake_us = clock_monotonic_us() + pause_us;
    struct timespec until = {.tv_sec = wake_us / 1000000, .tv_nsec = wake_us % 1000000 * 1000};

    pthread_mutex_lock(&sealer->mutex);
    while (!sealer->stop) {
        if (pthread_cond_timedwait(&sealer->condition, &sealer->mutex, &until) == ETIMEDOUT) {
            break;
        }
    }
    bool go_on = !sealer->stop;
    pthread_mutex_unlock(&sealer->mutex);
    return go_on;
}

static void note_outcome(struct sealer *sealer, int result, const struct error *err)
{
    if (result != 0 && !sealer->away) {
        log_event(LOG_LEVEL_WARNING, "sealer-away", "why", err->text, NULL);
    }
    if (result == 0 && sealer->away) {
        log_event(LOG_LEVEL_INFO, "sealer-back", NULL);
    }
    sealer->away = result != 0;
}

static int seal_committed(struct sealer *sealer, struct error *err)
{
    if (sealer->store == NULL) {
        sealer->store = store_open_patient(sealer->conninfo, STORE_DAEMON, CONNECT_PATIENCE_US,
                                           err);
        if (sealer->store == NULL) {
            return -1;
        }
        store_set_patience(sealer->store, PATIENCE_US);
        store_set_alarm(sealer->store, &sealer->stop);
    }
    if (!store_is_connected(sealer->store) && store_reconnect(sealer->store, err) != 0) {
        return -1;
    }
    return seal_book(sealer->store, false, NULL, err);
}

static void *sealer_run(void *argument)
{
    struct sealer *sealer = argument;

    while (sealer_sleep(sealer, sealer->away ? SEAL_RETRY_US : SEAL_EVERY_US)) {
        struct error err = {0};
        int result = seal_committed(sealer, &err);

        note_outcome(sealer, result, &err);
    }
    return NULL;
}

static int start_thread(struct sealer *sealer, struct error *err)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sealer->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&sealer->mutex, NULL);
    int failure = pthread_create(&sealer->thread, NULL, sealer_run, sealer);
    if (failure != 0) {
        return error_set(err, ERROR_INTERNAL, "sealer: cannot start a thread: %s",
                         strerror(failure));
    }
    sealer->has_thread = true;
    return 0;
}

struct sealer *sealer_start(const char *conninfo, struct error *err)
{
    struct sealer *sealer = calloc(1, sizeof *sealer);

    if (sealer == NULL || (sealer->conninfo = strdup(conninfo)) == NULL) {
        error_set(err, ERROR_INTERNAL, "sealer: out of memory");
        free(sealer);
        return NULL;
    }
    if (start_thread(sealer, err) != 0) {
        sealer_stop(sealer);
        return NULL;
    }
    return sealer;
}

void sealer_stop(struct sealer *sealer)
{
    if (sealer == NULL) {
        return;
    }
    if (sealer->has_thread) {
        pthread_mutex_lock(&sealer->mutex);
        sealer->stop = true;
        pthread_cond_signal(&sealer->condition);
        pthread_mutex_unlock(&sealer->mutex);
        pthread_join(sealer->thread, NULL);
    }
    store_close(sealer->store);
    free(sealer->conninfo);
    free(sealer);
}
