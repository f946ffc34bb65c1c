/* workers - run handlers that need the database; see workers.h. */
#include "ledgerd/http/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/http/route.h"
#include "ledgerd/store/store.h"

enum {
    CONNECT_PATIENCE_US = 5 * 1000 * 1000,
    /* For one statement of a report or an import on a busy machine. Once the engine says that the
     * database is away, STORE_ALARM_US. */
    PATIENCE_US = 30 * 1000 * 1000,
};

struct workers {
    const char *conninfo;
    struct engine *engine;
    workers_done *done;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t condition;
    struct request *first;
    struct request *last;
    unsigned queued;
    bool stop;
    unsigned thread_count;
    pthread_t threads[]; /* of workers_create's count */
};

/* The next request, or NULL when the workers stop and the queue is empty. */
static struct request *take_request(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    while (workers->first == NULL && !workers->stop) {
        pthread_cond_wait(&workers->condition, &workers->mutex);
    }
    struct request *request = workers->first;
    if (request != NULL) {
        workers->first = request->next;
        workers->queued--;
        if (workers->first == NULL) {
            workers->last = NULL;
        }
    }
    pthread_mutex_unlock(&workers->mutex);
    return request;
}

/* A connection that works and is in the route's role: the one at hand, mended, or a new one. */
static int have_store(const struct workers *workers, enum store_role role, struct store **store,
                      struct error *err)
{
    if (*store == NULL) {
        *store = store_open_patient(workers->conninfo, role, CONNECT_PATIENCE_US, err);
        if (*store == NULL) {
            return -1;
        }
        store_set_patience(*store, PATIENCE_US);
        store_set_alarm(*store, engine_away_flag(workers->engine));
    }
    if (store_take_role(*store, role, err) != 0) {
        return -1;
    }
    return store_is_connected(*store) ? 0 : store_reconnect(*store, err);
}

static void refuse_away(struct request *request)
{
    reply_problem(&request->reply, 503, "unavailable",
                  "the database is away: what needs it is refused until it is back");
    reply_header(&request->reply, "x-should-retry", "false");
}

static void answer(struct workers *workers, struct store **store, struct request *request)
{
    struct error err = {0};
    enum store_role role = request->route->place == ROUTE_WRITE ? STORE_DAEMON : STORE_REPORT;

    if (engine_is_away(workers->engine)) {
        refuse_away(request);
        return;
    }
    if (have_store(workers, role, store, &err) != 0) {
        reply_error(&request->reply, &err);
        return;
    }
    request->store = *store;
    request->route->handle(request, &request->reply);
    request->store = NULL;
    if (engine_is_away(workers->engine) && request->reply.status < 500) {
        engine_wake(workers->engine); /* it answered after all */
    }
}

static void *worker_run(void *argument)
{
    struct workers *workers = argument;
    struct store *store = NULL;
    struct request *request;

    while ((request = take_request(workers)) != NULL) {
        answer(workers, &store, request);
        workers->done(request);
    }
    store_close(store);
    return NULL;
}

/* The engine's watch: those who wait for a worker need not wait for the database. */
static void refuse_queued(void *context)
{
    struct workers *workers = context;

    pthread_mutex_lock(&workers->mutex);
    struct request *request = workers->first;
    workers->first = workers->last = NULL;
    workers->queued = 0;
    pthread_mutex_unlock(&workers->mutex);
    while (request != NULL) {
        struct request *next = request->next;
        refuse_away(request);
        workers->done(request);
        request = next;
    }
}

static int start_threads(struct workers *workers, unsigned count, struct error *err)
{
    for (; workers->thread_count < count; workers->thread_count++) {
        int failure = pthread_create(&workers->threads[workers->thread_count], NULL, worker_run,
                                     workers);
        if (failure != 0) {
            return error_set(err, ERROR_INTERNAL, "workers: cannot start a thread: %s",
                             strerror(failure));
        }
    }
    return 0;
}

struct workers *workers_create(const char *conninfo, unsigned count, struct engine *engine,
                               workers_done *done, struct error *err)
{
    struct workers *workers = calloc(1, sizeof(*workers) + count * sizeof(workers->threads[0]));

    if (workers == NULL) {
        error_set(err, ERROR_INTERNAL, "workers: out of memory");
        return NULL;
    }
    workers->conninfo = conninfo;
    workers->engine = engine;
    workers->done = done;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->condition, NULL);
    if (engine_add_watch(engine, refuse_queued, workers, err) != 0 ||
        start_threads(workers, count, err) != 0) {
        workers_destroy(workers);
        return NULL;
    }
    return workers;
}

static void append(struct workers *workers, struct request *request)
{
    request->next = NULL;
    if (workers->last == NULL) {
        workers->first = request;
    } else {
        workers->last->next = request;
    }
    workers->last = request;
    workers->queued++;
    pthread_cond_signal(&workers->condition);
}

void workers_submit(struct workers *workers, struct request *request)
{
    bool taken = false;

    pthread_mutex_lock(&workers->mutex);
    bool away = engine_is_away(workers->engine);
    if (!away && !workers->stop && workers->queued < WORKERS_QUEUE_MAX) {
        append(workers, request);
        taken = true;
    }
    pthread_mutex_unlock(&workers->mutex);
    if (taken) {
        return;
    }
    if (away) {
        refuse_away(request);
    } else {
        reply_problem(&request->reply, 503, "busy", "too many requests wait for the database");
        reply_header(&request->reply, "x-should-retry", "false");
    }
    workers->done(request);
}

void workers_stop(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    pthread_mutex_lock(&workers->mutex);
    workers->stop = true;
    pthread_cond_broadcast(&workers->condition);
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->thread_count; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    workers->thread_count = 0;
}

void workers_destroy(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    engine_remove_watch(workers->engine, workers);
    workers_stop(workers);
    pthread_cond_destroy(&workers->condition);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}
