/* ingest - see ingest.h. What it is made of: ingest_run (threads), ingest_prepare, ingest_post. */
#include "ledgerd/flow/ingest.h"

#include <string.h>

#include "ledgerd/flow/ingest_holds.h"
#include "ledgerd/flow/ingest_run.h"
#include "ledgerd/store/store_batch.h"

static const char *const fate_texts[] = {
    [INGEST_BOOKED] = "booked",       [INGEST_AMENDED] = "amended",
    [INGEST_DUPLICATE] = "duplicate", [INGEST_QUARANTINED] = "quarantined",
    [INGEST_SKIPPED] = "skipped",
};

const char *ingest_fate_text(enum ingest_fate fate)
{
    return fate_texts[fate];
}

void ingest_counts_add(struct ingest_counts *sum, const struct ingest_counts *counts)
{
    sum->read += counts->read;
    sum->booked += counts->booked;
    sum->amended += counts->amended;
    sum->duplicate += counts->duplicate;
    sum->quarantined += counts->quarantined;
    sum->skipped += counts->skipped;
    sum->points.micro += counts->points.micro;
    sum->last_end = instant_max(sum->last_end, counts->last_end);
}

static int read_input(struct ingest_run *run, void *context, struct error *err)
{
    return run_read(run, context, 0, err);
}

static int ingest_input(struct store *store, struct input *input,
                        const struct ingest_options *options, bool threaded,
                        struct ingest_counts *counts, struct error *err)
{
    struct ingest_run *run = run_create(store, options, threaded, err);
    int result = -1;

    if (run != NULL) {
        run_watch(run, input);
        result = run_work(run, read_input, input, counts, err);
    }
    run_destroy(run);
    return result;
}

int ingest_file(struct store *store, const char *path, const struct ingest_options *options,
                struct ingest_counts *counts, struct error *err)
{
    struct input *input = input_open(path, err);
    int result = -1;

    *counts = (struct ingest_counts){0};
    if (input != NULL) {
        result = ingest_input(store, input, options, true, counts, err);
        if (result < 0 && err->code == ERROR_INPUT) {
            error_prefix(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
        }
    }
    input_close(input);
    return result;
}

int ingest_stream(struct store *store, const char *name, input_read_fn *read, void *from,
                  const struct ingest_options *options, struct ingest_counts *counts,
                  struct error *err)
{
    struct input *input = input_from_reader(name, read, from, err);
    int result = -1;

    *counts = (struct ingest_counts){0};
    if (input != NULL) {
        result = ingest_input(store, input, options, true, counts, err);
        if (result < 0 && err->code == ERROR_INPUT) {
            error_prefix(err, "%s", name);
        }
    }
    input_close(input);
    return result;
}

int ingest_bytes(struct store *store, const char *bytes, size_t length,
                 const struct ingest_options *options, struct ingest_counts *counts,
                 struct error *err)
{
    struct input *input = input_from_memory(bytes, length);
    int result = -1;

    *counts = (struct ingest_counts){0};
    if (input == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    result = ingest_input(store, input, options, false, counts, err);
    input_close(input);
    return result;
}

struct reach {
    const char *source;
    struct instant through;
};

static int note_read(struct store *store, void *context, struct error *err)
{
    const struct reach *reach = context;

    return store_source_read_to(store, reach->source, reach->through, err);
}

int ingest_note_read(struct store *store, const char *source, struct instant through,
                     struct error *err)
{
    struct reach reach = {source, through};

    return store_transact(store, STORE_BOOKING, note_read, &reach, err);
}

struct settling {
    struct usage_record *record;
    struct points points;
    struct batch_settlement *settlement;
};

static int feed_settlement(struct ingest_run *run, void *context, struct error *err)
{
    struct settling *settling = context;

    return run_settle(run, settling->record, settling->points, settling->settlement, err);
}

int ingest_settlement(struct store *store, const struct ingest_options *options,
                      struct usage_record *record, struct points points,
                      struct batch_settlement *settlement, struct error *err)
{
    struct settling settling = {record, points, settlement};
    struct ingest_run *run = run_create(store, options, false, err);
    struct ingest_counts counts = {0};
    int result = -1;

    if (run != NULL) {
        result = run_work(run, feed_settlement, &settling, &counts, err);
    }
    run_destroy(run);
    if (result == 0 && counts.booked != 1) {
        return error_set(err, ERROR_INTERNAL, "the settlement %s is in the book already",
                         record->id);
    }
    return result;
}
