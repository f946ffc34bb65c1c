/* workers - run handlers that need the database; see workers.h. */
#include "ledgerd/http/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/http/route.h"
#include "ledgerd/store/store.h"

enum {
    CONNECT_PATIENCE_US = 5 * 1000 * 1000,
    /* For one statement of a report or an import on a busy machine. Once the engine says that the
     * database is away, STORE_ALARM_US. */
    PATIENCE_US = 30 * 1000 * 1000,
    /* Of what a group took, the part that the next one waits for those who came to the last: who
     * was just answered is about to send again. */
    GROUP_LINGER_PART = 8,
    GROUP_LINGER_MAX_US = 20 * 1000,
    GROUP_BYTES_MAX = 16 * 1024 * 1024,
};

struct queue {
    struct request *first;
    struct request *last;
    unsigned count;
};

struct workers {
    const char *conninfo;
    struct engine *engine;
    workers_done *done;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t condition;
    struct queue queue;      /* for any worker */
    struct queue group;      /* of a ROUTE_GROUP: for one worker at a time */
    pthread_cond_t gathered; /* somebody joined the group */
    bool group_taken;        /* by a worker, who answers it */
    bool group_was_last;     /* groups and other requests take turns: neither keeps out the other */
    unsigned group_expected; /* how many may come to the next one */
    int64_t group_linger_us;
    bool stop;
    unsigned thread_count;
    pthread_t threads[]; /* of workers_create's count */
};

/* --- queues ----------------------------------------------------------------------------------- */

static void queue_add(struct queue *queue, struct request *request)
{
    request->next = NULL;
    if (queue->last == NULL) {
        queue->first = request;
    } else {
        queue->last->next = request;
    }
    queue->last = request;
    queue->count++;
}

static struct request *queue_take(struct queue *queue)
{
    struct request *request = queue->first;

    queue->first = request->next;
    queue->count--;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    request->next = NULL;
    return request;
}

static bool has_work(const struct workers *workers)
{
    return workers->queue.first != NULL || (workers->group.first != NULL && !workers->group_taken);
}

/* Wait a little for those who were there the last time. */
static void gather(struct workers *workers)
{
    int64_t until_us = clock_monotonic_us() + workers->group_linger_us;
    const struct timespec until = {.tv_sec = until_us / 1000000,
                                   .tv_nsec = until_us % 1000000 * 1000};

    while (workers->group.count > 0 && workers->group.count < workers->group_expected &&
           !workers->stop &&
           pthread_cond_timedwait(&workers->gathered, &workers->mutex, &until) == 0) {
    }
}

/* The requests of one group, as a list; NULL if they were refused meanwhile. */
static struct request *take_group(struct workers *workers)
{
    struct queue taken = {0};
    size_t bytes = 0;

    workers->group_taken = true;
    gather(workers);
    while (workers->group.first != NULL && taken.count < WORKERS_GROUP_MAX &&
           (taken.count == 0 || bytes + workers->group.first->body.length <= GROUP_BYTES_MAX)) {
        bytes += workers->group.first->body.length;
        queue_add(&taken, queue_take(&workers->group));
    }
    workers->group_taken = taken.first != NULL;
    workers->group_expected = taken.count;
    return taken.first;
}

/* The next request, or group of them; NULL when the workers stop and the queues are empty. */
static struct request *take_work(struct workers *workers)
{
    struct request *request = NULL;

    pthread_mutex_lock(&workers->mutex);
    while (request == NULL) {
        while (!has_work(workers) && !workers->stop) {
            pthread_cond_wait(&workers->condition, &workers->mutex);
        }
        bool has_group = workers->group.first != NULL && !workers->group_taken;

        if (has_group && (workers->queue.first == NULL || !workers->group_was_last)) {
            workers->group_was_last = true;
            request = take_group(workers);
        } else if (workers->queue.first != NULL) {
            workers->group_was_last = false;
            request = queue_take(&workers->queue);
        } else {
            break;
        }
    }
    pthread_mutex_unlock(&workers->mutex);
    return request;
}

/* A group is answered: the next one may be taken. */
static void group_done(struct workers *workers, int64_t took_us)
{
    pthread_mutex_lock(&workers->mutex);
    workers->group_taken = false;
    workers->group_expected += workers->group.count;
    workers->group_linger_us = took_us / GROUP_LINGER_PART;
    if (workers->group_linger_us > GROUP_LINGER_MAX_US) {
        workers->group_linger_us = GROUP_LINGER_MAX_US;
    }
    bool more = workers->group.first != NULL;
    pthread_mutex_unlock(&workers->mutex);
    if (more) {
        pthread_cond_signal(&workers->condition);
    }
}

/* --- answering -------------------------------------------------------------------------------- */

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

static void answer(struct workers *workers, struct store **store, struct request *first)
{
    struct error err = {0};
    enum store_role role = first->route->place == ROUTE_READ || first->route->place == ROUTE_EITHER
                               ? STORE_REPORT
                               : STORE_DAEMON;
    bool is_away = engine_is_away(workers->engine);

    if (is_away || have_store(workers, role, store, &err) != 0) {
        for (struct request *request = first; request != NULL; request = request->next) {
            if (is_away) {
                refuse_away(request);
            } else {
                reply_error(&request->reply, &err);
            }
        }
        return;
    }
    first->store = *store;
    first->route->handle(first, &first->reply);
    first->store = NULL;
    if (engine_is_away(workers->engine) && first->reply.status < 500) {
        engine_wake(workers->engine); /* it answered after all */
    }
}

static void finish(struct workers *workers, struct request *first)
{
    while (first != NULL) {
        struct request *next = first->next;
        workers->done(first);
        first = next;
    }
}

static void *worker_run(void *argument)
{
    struct workers *workers = argument;
    struct store *store = NULL;
    struct request *request;

    while ((request = take_work(workers)) != NULL) {
        bool is_group = request->route->place == ROUTE_GROUP;
        int64_t began_us = clock_monotonic_us();

        answer(workers, &store, request);
        finish(workers, request);
        if (is_group) {
            group_done(workers, clock_monotonic_us() - began_us);
        }
    }
    store_close(store);
    return NULL;
}

/* The engine's watch: those who wait for a worker need not wait for the database. */
static void refuse_queued(void *context)
{
    struct workers *workers = context;

    pthread_mutex_lock(&workers->mutex);
    struct request *waiting[] = {workers->queue.first, workers->group.first};
    workers->queue = workers->group = (struct queue){0};
    pthread_cond_broadcast(&workers->gathered);
    pthread_mutex_unlock(&workers->mutex);
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        for (struct request *request = waiting[i]; request != NULL; request = request->next) {
            refuse_away(request);
        }
        finish(workers, waiting[i]);
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
    pthread_condattr_t attributes;

    if (workers == NULL) {
        error_set(err, ERROR_INTERNAL, "workers: out of memory");
        return NULL;
    }
    workers->conninfo = conninfo;
    workers->engine = engine;
    workers->done = done;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->condition, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&workers->gathered, &attributes);
    pthread_condattr_destroy(&attributes);
    if (engine_add_watch(engine, refuse_queued, workers, err) != 0 ||
        start_threads(workers, count, err) != 0) {
        workers_destroy(workers);
        return NULL;
    }
    return workers;
}

static void append(struct workers *workers, struct request *request)
{
    if (request->route->place != ROUTE_GROUP) {
        queue_add(&workers->queue, request);
        pthread_cond_signal(&workers->condition);
        return;
    }
    queue_add(&workers->group, request);
    pthread_cond_signal(workers->group_taken ? &workers->gathered : &workers->condition);
}

void workers_submit(struct workers *workers, struct request *request)
{
    bool taken = false;

    pthread_mutex_lock(&workers->mutex);
    bool away = engine_is_away(workers->engine);
    if (!away && !workers->stop &&
        workers->queue.count + workers->group.count < WORKERS_QUEUE_MAX) {
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
    pthread_cond_broadcast(&workers->gathered);
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
    pthread_cond_destroy(&workers->gathered);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}
