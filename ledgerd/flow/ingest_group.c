/* ingest_group - see ingest_group.h. */
#include "ledgerd/flow/ingest_group.h"

#include "ledgerd/flow/ingest_run.h"

struct group {
    struct store *store;
    struct ingest_body *bodies;
    size_t count;
    const struct ingest_options *options; /* as asked for */
};

static void count_item(struct ingest_counts *counts, const struct ingest_item *item)
{
    uint64_t *const by_fate[] = {
        [INGEST_BOOKED] = &counts->booked,       [INGEST_AMENDED] = &counts->amended,
        [INGEST_DUPLICATE] = &counts->duplicate, [INGEST_QUARANTINED] = &counts->quarantined,
        [INGEST_SKIPPED] = &counts->skipped,
    };

    (*by_fate[item->fate])++;
    counts->read += item->fate != INGEST_SKIPPED;
    if (points_add(counts->points, item->points, &counts->points) != POINTS_OK) {
        counts->points.micro = INT64_MAX; /* a sum beyond the range is cut, not wrapped */
    }
}

static void tell_item(void *context, const struct ingest_item *item)
{
    const struct group *group = context;
    struct ingest_body *body = &group->bodies[item->body];

    if (body->known > 0) { /* committed and told before the group broke up */
        body->known--;
        return;
    }
    body->told++;
    count_item(&body->counts, item);
    if (group->options->item != NULL) {
        group->options->item(body->context, item);
    }
}

/* A body whose rest cannot be read takes no other with it. */
static int read_body(struct ingest_run *run, const struct group *group, size_t i, struct error *err)
{
    struct ingest_body *body = &group->bodies[i];
    struct input *input = input_from_memory(body->bytes, body->length);
    int result;

    if (input == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    result = run_read(run, input, (uint32_t)i, err);
    input_close(input);
    if (result != 0 && err->code == ERROR_INPUT) {
        body->err = *err;
        *err = (struct error){0};
        return 0;
    }
    return result;
}

static int read_bodies(struct ingest_run *run, void *context, struct error *err)
{
    const struct group *group = context;

    for (size_t i = 0; i < group->count; i++) {
        if (read_body(run, group, i, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* All of them in one run; goes on where an earlier one ended. */
static int book_together(struct group *group, struct error *err)
{
    struct ingest_options options = *group->options;
    struct ingest_counts sum = {0};
    struct ingest_run *run;
    int result = -1;

    options.item = tell_item;
    options.context = group;
    for (size_t i = 0; i < group->count; i++) {
        group->bodies[i].err = (struct error){0};
        group->bodies[i].known = group->bodies[i].told;
    }
    run = run_create(group->store, &options, false, err);
    if (run != NULL) {
        result = run_work(run, read_bodies, group, &sum, err);
    }
    for (size_t i = 0; i < group->count; i++) {
        group->bodies[i].counts.elapsed_us += sum.elapsed_us;
    }
    run_destroy(run);
    return result;
}

static void fail_bodies(struct ingest_body *bodies, size_t count, const struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        bodies[i].err = *err;
    }
}

void ingest_group(struct store *store, struct ingest_body *bodies, size_t count,
                  const struct ingest_options *options)
{
    struct group all = {store, bodies, count, options};
    struct error err = {0};

    for (size_t i = 0; i < count; i++) {
        bodies[i].counts = (struct ingest_counts){0};
        bodies[i].told = 0;
    }
    if (book_together(&all, &err) == 0) {
        return;
    }
    if (err.code == ERROR_UNAVAILABLE || count == 1) {
        fail_bodies(bodies, count, &err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct group one = {store, &bodies[i], 1, options};

        err = (struct error){0};
        if (book_together(&one, &err) == 0) {
            continue;
        }
        if (err.code == ERROR_UNAVAILABLE) {
            fail_bodies(&bodies[i], count - i, &err);
            return;
        }
        bodies[i].err = err;
    }
}
