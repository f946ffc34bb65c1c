/* ingest_run - see ingest_run.h. */
#include "ledgerd/flow/ingest_run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/ingest_post.h"
#include "ledgerd/flow/ingest_prepare.h"

enum {
    RUN_BATCHES = 2, /* one is filled while the other one is posted: memory stays bounded */
    RUN_PROGRESS_US = 500 * 1000, /* at most twice a second */
};

struct ingest_run {
    struct store *store;
    const struct ingest_options *options;
    const struct catalog *catalog;
    struct catalog *loaded; /* NULL if the options brought one */
    struct prepare *prepare;
    struct poster *poster;
    struct ingest_counts *counts;
    size_t batch_records;
    bool is_threaded;
    int64_t started_us;
    int64_t told_us;

    struct batch batches[RUN_BATCHES];
    struct batch *filling; /* by the preparing half; NULL between batches */
    uint64_t records;      /* fed so far, by the preparing half */
    const struct input *input;

    /* Shared by the two threads, under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct batch *empty[RUN_BATCHES];
    size_t empty_count;
    struct batch *full[RUN_BATCHES]; /* first is next */
    size_t full_count;
    bool is_done;    /* nothing more will be full */
    bool is_stopped; /* posting failed: the other half must end */
    struct ingest_progress progress;
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

static int load_catalog(struct ingest_run *run, struct error *err)
{
    run->catalog = run->options->catalog;
    if (run->catalog == NULL) {
        run->loaded = catalog_load(run->store, err);
        run->catalog = run->loaded;
    }
    return run->catalog != NULL ? 0 : -1;
}

struct ingest_run *run_create(struct store *store, const struct ingest_options *options,
                              bool threaded, struct error *err)
{
    struct ingest_run *run = calloc(1, sizeof *run);

    if (run == NULL) {
        no_memory(err);
        return NULL;
    }
    run->store = store;
    run->options = options;
    run->is_threaded = threaded;
    run->started_us = clock_monotonic_us();
    run->told_us = run->started_us;
    run->batch_records = options->batch_records != 0 ? options->batch_records
                                                     : INGEST_BATCH_RECORDS;
    if (run->batch_records > INGEST_BATCH_RECORDS_MAX) {
        run->batch_records = INGEST_BATCH_RECORDS_MAX;
    }
    pthread_mutex_init(&run->mutex, NULL);
    pthread_cond_init(&run->changed, NULL);
    if (load_catalog(run, err) == 0) {
        run->prepare = prepare_create(options, run->catalog, err);
    }
    if (run->prepare != NULL) {
        run->poster = poster_create(store, options, run->catalog, err);
    }
    if (run->poster == NULL) {
        run_destroy(run);
        return NULL;
    }
    for (size_t i = 0; i < RUN_BATCHES; i++) {
        run->empty[run->empty_count++] = &run->batches[i];
    }
    return run;
}

void run_destroy(struct ingest_run *run)
{
    if (run == NULL) {
        return;
    }
    poster_destroy(run->poster);
    prepare_destroy(run->prepare);
    catalog_destroy(run->loaded);
    for (size_t i = 0; i < RUN_BATCHES; i++) {
        batch_release(&run->batches[i]);
    }
    pthread_cond_destroy(&run->changed);
    pthread_mutex_destroy(&run->mutex);
    free(run);
}

const struct zone *run_zone(const struct ingest_run *run)
{
    return &run->catalog->zone;
}

/* --- the preparing half -------------------------------------------------------------------- */

/* Ends a feed whose poster has failed; the poster's error is the one that is told. */
static int stopped(struct error *err)
{
    return error_set(err, ERROR_UNAVAILABLE, "the import was stopped");
}

static int take_empty(struct ingest_run *run, struct error *err)
{
    int result = 0;

    pthread_mutex_lock(&run->mutex);
    while (run->empty_count == 0 && !run->is_stopped) {
        pthread_cond_wait(&run->changed, &run->mutex);
    }
    if (run->is_stopped) {
        result = stopped(err);
    } else {
        run->filling = run->empty[--run->empty_count];
    }
    pthread_mutex_unlock(&run->mutex);
    if (result == 0 && batch_prepare(run->filling, run->batch_records) != 0) {
        result = no_memory(err);
    }
    return result;
}

static void tell_progress(struct ingest_run *run, const struct ingest_progress *progress)
{
    int64_t now_us = clock_monotonic_us();

    if (run->options->progress != NULL && now_us - run->told_us >= RUN_PROGRESS_US) {
        struct ingest_progress told = *progress;

        told.elapsed_us = now_us - run->started_us;
        run->told_us = now_us;
        run->options->progress(run->options->context, &told);
    }
}

static void measure(const struct ingest_run *run, struct ingest_progress *progress)
{
    *progress = (struct ingest_progress){.records = run->records};
    if (run->input != NULL) {
        progress->bytes = input_bytes_read(run->input);
        progress->size_bytes = input_size(run->input);
    }
}

/* Hand the batch over: to the posting thread, or post it here. */
static int give_full(struct ingest_run *run, struct error *err)
{
    struct batch *batch = run->filling;
    struct ingest_progress progress;
    int result = 0;

    run->filling = NULL;
    if (!run->is_threaded) {
        run->empty[run->empty_count++] = batch;
        result = poster_post(run->poster, batch, run->counts, err);
        measure(run, &progress);
        tell_progress(run, &progress);
        return result;
    }
    pthread_mutex_lock(&run->mutex);
    run->full[run->full_count++] = batch;
    measure(run, &run->progress);
    if (run->is_stopped) {
        result = stopped(err);
    }
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->mutex);
    return result;
}

static int feed_item(struct ingest_run *run, const struct import_item *item, struct error *err)
{
    if (run->filling == NULL && take_empty(run, err) != 0) {
        return -1;
    }
    if (prepare_item(run->prepare, item, run->filling, err) != 0) {
        return -1;
    }
    run->records++;
    return batch_is_full(run->filling, run->batch_records) ? give_full(run, err) : 0;
}

int run_feed(struct ingest_run *run, struct importer *importer, const struct batch_reading *reading,
             struct error *err)
{
    struct import_item item;
    int more;

    prepare_reading(run->prepare, reading);
    while ((more = importer_next(importer, &item, err)) > 0) {
        if (feed_item(run, &item, err) != 0) {
            return -1;
        }
    }
    return more;
}

void run_watch(struct ingest_run *run, const struct input *input)
{
    run->input = input;
}

/* --- the work and the posting half ----------------------------------------------------------- */

struct preparing {
    struct ingest_run *run;
    run_work_fn *work;
    void *context;
    int result;
    struct error error;
};

/* Do the work, then hand over what is left: what was read before an error is good. */
static void prepare_all(struct preparing *preparing)
{
    struct ingest_run *run = preparing->run;
    struct error rest = {0};

    preparing->result = preparing->work(run, preparing->context, &preparing->error);
    if (run->filling != NULL && give_full(run, &rest) != 0 &&
        (preparing->result == 0 || !run->is_threaded)) {
        preparing->result = -1;
        preparing->error = rest;
    }
}

static void *prepare_thread(void *context)
{
    struct preparing *preparing = context;
    struct ingest_run *run = preparing->run;

    prepare_all(preparing);
    pthread_mutex_lock(&run->mutex);
    run->is_done = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->mutex);
    return NULL;
}

/* The next full batch, or NULL when there will be none. */
static struct batch *take_full(struct ingest_run *run, struct ingest_progress *progress)
{
    struct batch *batch = NULL;

    pthread_mutex_lock(&run->mutex);
    while (run->full_count == 0 && !run->is_done) {
        pthread_cond_wait(&run->changed, &run->mutex);
    }
    if (run->full_count > 0) {
        batch = run->full[0];
        run->full_count--;
        memmove(run->full, run->full + 1, run->full_count * sizeof *run->full);
    }
    *progress = run->progress;
    pthread_mutex_unlock(&run->mutex);
    return batch;
}

static void give_empty(struct ingest_run *run, struct batch *batch, bool failed)
{
    pthread_mutex_lock(&run->mutex);
    run->empty[run->empty_count++] = batch;
    run->is_stopped = run->is_stopped || failed;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->mutex);
}

static int post_all(struct ingest_run *run, struct error *err)
{
    struct ingest_progress progress;
    struct batch *batch;
    int result = 0;

    while ((batch = take_full(run, &progress)) != NULL) {
        if (result == 0) {
            result = poster_post(run->poster, batch, run->counts, err);
            tell_progress(run, &progress);
        }
        give_empty(run, batch, result != 0);
    }
    return result;
}

static int work_in_two(struct ingest_run *run, struct preparing *preparing, struct error *err)
{
    pthread_t thread;
    int result;

    if (pthread_create(&thread, NULL, prepare_thread, preparing) != 0) {
        return error_set(err, ERROR_INTERNAL, "no thread can be started");
    }
    result = post_all(run, err);
    pthread_join(thread, NULL);
    if (result == 0 && preparing->result != 0) {
        *err = preparing->error;
        result = -1;
    }
    return result;
}

int run_work(struct ingest_run *run, run_work_fn *work, void *context, struct ingest_counts *counts,
             struct error *err)
{
    struct preparing preparing = {.run = run, .work = work, .context = context};
    int result;

    run->counts = counts;
    if (run->is_threaded) {
        result = work_in_two(run, &preparing, err);
    } else {
        prepare_all(&preparing);
        result = preparing.result;
        if (result != 0) {
            *err = preparing.error;
        }
    }
    counts->elapsed_us = clock_monotonic_us() - run->started_us;
    return result;
}
