/* workers - run handlers that need the database; see workers.h. */
#include "ledgerd/http/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/http/route.h"
#include "ledgerd/store/store.h"

struct workers {
    const char *conninfo;
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

/* A connection that works: the one at hand, mended, or a new one. */
static int have_store(const char *conninfo, enum store_role role, struct store **store,
                      struct error *err)
{
    if (*store == NULL) {
        *store = store_open(conninfo, role, err);
        return *store == NULL ? -1 : 0;
    }
    return store_is_connected(*store) ? 0 : store_reconnect(*store, err);
}

static void *worker_run(void *argument)
{
    struct workers *workers = argument;
    struct store *reader = NULL;
    struct store *writer = NULL;
    struct request *request;

    while ((request = take_request(workers)) != NULL) {
        struct error err = {0};
        bool writes = request->route->place == ROUTE_WRITE;
        struct store **store = writes ? &writer : &reader;

        if (have_store(workers->conninfo, writes ? STORE_DAEMON : STORE_REPORT, store, &err) == 0) {
            request->store = *store;
            request->route->handle(request, &request->reply);
            request->store = NULL;
        } else {
            reply_error(&request->reply, &err);
        }
        workers->done(request);
    }
    store_close(writer);
    store_close(reader);
    return NULL;
}

struct workers *workers_create(const char *conninfo, unsigned count, workers_done *done,
                               struct error *err)
{
    struct workers *workers = calloc(1, sizeof(*workers) + count * sizeof(workers->threads[0]));

    if (workers == NULL) {
        error_set(err, ERROR_INTERNAL, "workers: out of memory");
        return NULL;
    }
    workers->conninfo = conninfo;
    workers->done = done;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->condition, NULL);
    for (; workers->thread_count < count; workers->thread_count++) {
        int failure = pthread_create(&workers->threads[workers->thread_count], NULL, worker_run,
                                     workers);
        if (failure != 0) {
            error_set(err, ERROR_INTERNAL, "workers: cannot start a thread: %s", strerror(failure));
            workers_destroy(workers);
            return NULL;
        }
    }
    return workers;
}

bool workers_submit(struct workers *workers, struct request *request)
{
    pthread_mutex_lock(&workers->mutex);
    bool taken = !workers->stop && workers->queued < WORKERS_QUEUE_MAX;
    if (taken) {
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
    pthread_mutex_unlock(&workers->mutex);
    return taken;
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
    workers_stop(workers);
    pthread_cond_destroy(&workers->condition);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}
