/* ingest_run - see ingest_run.h. */
#include "ledgerd/flow/ingest_run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/batch_belt.h"
#include "ledgerd/flow/ingest_options.h"
#include "ledgerd/flow/ingest_post.h"
#include "ledgerd/flow/ingest_prepare.h"
#include "ledgerd/flow/ingest_turns.h"

enum {
    RUN_PROGRESS_US = 500 * 1000, /* at most twice a second */
    /* The first batch is small: it soon tells whether the rest must be looked up. */
    RUN_FIRST_RECORDS = 4096,
    /* Bytes of a batch: the larger, the fewer times its sums are written; where identities are
     * looked up, what they are compared with needs room, too. */
    RUN_BATCH_BYTES = 48 * 1024 * 1024,
    RUN_LOOKING_UP_BYTES = 24 * 1024 * 1024,
};

struct ingest_run {
    struct store *store;
    const struct ingest_options *options;
    const struct catalog *catalog;
    struct catalog *loaded; /* NULL if the options brought a fresh one */
    struct prepare *prepare;
    struct poster *poster;
    struct ingest_counts *counts;
    struct ingest_turns turns;
    struct batch_belt belt;
    size_t batch_records;
    struct batch_limits limits; /* of the batch that is being filled */
    bool is_threaded;
    int64_t started_us;
    int64_t told_us;       /* when progress was told last; the caller's thread alone tells it */
    struct batch *filling; /* by the preparing half; NULL between batches */
    uint64_t filled;
    uint64_t tickets; /* handed out where there are no threads */
    const struct input *input;
    _Atomic uint64_t records; /* fed so far */
    _Atomic uint64_t bytes;   /* read so far */
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* The caller's catalog if it is the book's own by now, else one of our own: a project that was
 * added a moment ago must be known. */
static int load_catalog(struct ingest_run *run, struct error *err)
{
    const struct catalog *given = run->options->catalog;
    int64_t version;
    int64_t rating_version;

    if (given != NULL) {
        if (catalog_versions(run->store, &version, &rating_version, err) != 0) {
            return -1;
        }
        if (version == given->version) {
            run->catalog = given;
            return 0;
        }
    }
    run->loaded = catalog_load(run->store, err);
    run->catalog = run->loaded;
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
    turns_init(&run->turns);
    belt_init(&run->belt);
    if (!threaded && !options->expects_new) { /* little, often sent twice: cheaper than to fail */
        turns_look_up(&run->turns);
    }
    if (load_catalog(run, err) == 0) {
        run->prepare = prepare_create(options, run->catalog, err);
    }
    if (run->prepare != NULL) {
        run->poster = poster_create(store, options, run->catalog, &run->turns, err);
    }
    if (run->poster == NULL) {
        run_destroy(run);
        return NULL;
    }
    return run;
}

void run_destroy(struct ingest_run *run)
{
    if (run != NULL) {
        poster_destroy(run->poster);
        prepare_destroy(run->prepare);
        catalog_destroy(run->loaded);
        belt_release(&run->belt);
        turns_release(&run->turns);
        free(run);
    }
}

const struct zone *run_zone(const struct ingest_run *run)
{
    return &run->catalog->zone;
}

void run_watch(struct ingest_run *run, const struct input *input)
{
    run->input = input;
}

/* --- the preparing half -------------------------------------------------------------------- */

/* Ends a feed whose poster has failed; the poster's error is the one that is told. */
static int stopped(struct error *err)
{
    return error_set(err, ERROR_UNAVAILABLE, "the import was stopped");
}

static void tell_progress(struct ingest_run *run)
{
    int64_t now_us = clock_monotonic_us();
    struct ingest_progress progress = {
        .records = atomic_load(&run->records),
        .bytes = atomic_load(&run->bytes),
        .size_bytes = run->input != NULL ? input_size(run->input) : 0,
        .elapsed_us = now_us - run->started_us,
    };

    if (run->options->progress != NULL && now_us - run->told_us >= RUN_PROGRESS_US) {
        run->told_us = now_us;
        run->options->progress(run->options->context, &progress);
    }
}

/* Hand the batch over to the posting threads, or post it here. */
static int give_full(struct ingest_run *run, struct error *err)
{
    struct batch *batch = run->filling;
    int result;

    run->filling = NULL;
    if (run->input != NULL) {
        atomic_store(&run->bytes, input_bytes_read(run->input));
    }
    if (run->is_threaded) {
        belt_give_full(&run->belt, batch);
        return 0;
    }
    result = poster_post(run->poster, batch, run->tickets++, run->counts, err);
    belt_give_empty(&run->belt, batch);
    tell_progress(run);
    return result;
}

static int take_empty(struct ingest_run *run, struct error *err)
{
    run->filling = belt_take_empty(&run->belt);
    if (run->filling == NULL) {
        return stopped(err);
    }
    run->limits.items = run->batch_records;
    run->limits.bytes = turns_is_looking_up(&run->turns) ? RUN_LOOKING_UP_BYTES : RUN_BATCH_BYTES;
    if (run->filled++ == 0 && run->is_threaded && run->limits.items > RUN_FIRST_RECORDS) {
        run->limits.items = RUN_FIRST_RECORDS;
    }
    return batch_prepare(run->filling, run->batch_records) != 0 ? no_memory(err) : 0;
}

static int feed_item(struct ingest_run *run, const struct import_item *item, struct error *err)
{
    if (run->filling == NULL && take_empty(run, err) != 0) {
        return -1;
    }
    if (prepare_item(run->prepare, item, run->filling, err) != 0) {
        return -1;
    }
    atomic_store_explicit(&run->records,
                          atomic_load_explicit(&run->records, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return batch_is_full(run->filling, &run->limits) ? give_full(run, err) : 0;
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

int run_read(struct ingest_run *run, struct input *input, uint32_t body, struct error *err)
{
    struct import_options options;
    struct batch_reading how = {.format = run->options->format, .body = body};
    struct strbuf text = STRBUF_INIT;
    struct importer *importer = NULL;
    int result = -1;

    if (ingest_import_options(run->options, run_zone(run), &options, err) == 0) {
        importer = importer_open(input, &options, err);
    }
    if (importer != NULL) {
        ingest_options_write(run->options, &text);
        how.options = text.data;
        how.header = importer_header(importer);
        result = run_feed(run, importer, &how, err);
    }
    strbuf_release(&text);
    importer_close(importer);
    return result;
}

int run_settle(struct ingest_run *run, struct usage_record *record, struct points points,
               struct batch_settlement *settlement, struct error *err)
{
    if (run->filling == NULL && take_empty(run, err) != 0) {
        return -1;
    }
    return prepare_settlement(run->prepare, record, points, settlement, run->filling, err);
}

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
    if (run->filling != NULL && give_full(run, &rest) != 0) {
        preparing->result = -1;
        preparing->error = rest;
    }
}

static void *prepare_thread(void *context)
{
    struct preparing *preparing = context;

    prepare_all(preparing);
    belt_end(&preparing->run->belt);
    return NULL;
}

/* --- the posting half ----------------------------------------------------------------------------
 */

static int post_next(struct ingest_run *run, struct poster *poster, struct batch *batch,
                     uint64_t ticket, struct error *err)
{
    int result = poster_post(poster, batch, ticket, run->counts, err);

    if (result != 0) {
        belt_stop(&run->belt);
        turns_stop(&run->turns);
    }
    belt_give_empty(&run->belt, batch);
    return result;
}

struct helper {
    struct ingest_run *run;
    int result;
    struct error error;
};

/* A second poster with a connection of its own.  It leaves the first batch to the caller's thread,
 * so that a small input opens no second connection; if it can get none, the caller's posts alone.
 */
static void *help(void *context)
{
    struct helper *helper = context;
    struct ingest_run *run = helper->run;
    struct store *store = NULL;
    struct poster *poster = NULL;
    struct batch *batch;
    struct error ignored;
    uint64_t ticket;

    if (belt_wait_full(&run->belt, 1)) {
        store = store_open_like(run->store, &ignored);
    }
    if (store != NULL) {
        poster = poster_create(store, run->options, run->catalog, &run->turns, &ignored);
    }
    while (poster != NULL && helper->result == 0 &&
           (batch = belt_take_full(&run->belt, 1, &ticket)) != NULL) {
        helper->result = post_next(run, poster, batch, ticket, &helper->error);
    }
    poster_destroy(poster);
    store_close(store);
    return NULL;
}

static int post_all(struct ingest_run *run, struct error *err)
{
    struct batch *batch;
    uint64_t ticket;
    int result = 0;

    while (result == 0 && (batch = belt_take_full(&run->belt, 0, &ticket)) != NULL) {
        result = post_next(run, run->poster, batch, ticket, err);
        tell_progress(run);
    }
    return result;
}

/* A failure that only says that another one stopped the import gives way to it. */
static bool is_cause(int result, const struct error *err)
{
    return result != 0 && strcmp(err->reason, TURNS_STOPPED) != 0;
}

static int work_in_threads(struct ingest_run *run, struct preparing *preparing, struct error *err)
{
    struct helper helper = {.run = run};
    struct error posting = {0};
    pthread_t preparer;
    pthread_t second;
    bool has_second;
    int result;

    if (pthread_create(&preparer, NULL, prepare_thread, preparing) != 0) {
        return error_set(err, ERROR_INTERNAL, "no thread can be started");
    }
    has_second = pthread_create(&second, NULL, help, &helper) == 0;
    result = post_all(run, &posting);
    pthread_join(preparer, NULL);
    if (has_second) {
        pthread_join(second, NULL);
    }
    if (is_cause(result, &posting)) {
        *err = posting;
    } else if (is_cause(helper.result, &helper.error)) {
        *err = helper.error;
    } else if (preparing->result != 0) {
        *err = preparing->error;
    } else {
        return 0;
    }
    return -1;
}

int run_work(struct ingest_run *run, run_work_fn *work, void *context, struct ingest_counts *counts,
             struct error *err)
{
    struct preparing preparing = {.run = run, .work = work, .context = context};
    int result;

    run->counts = counts;
    if (run->is_threaded) {
        result = work_in_threads(run, &preparing, err);
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
