/* verify_chain - see verify_chain.h. */
#include "ledgerd/flow/verify_chain.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledgerd/flow/verify_book.h"
#include "ledgerd/flow/verify_walk.h"

enum {
    READERS_MAX = 4, /* connections, of a server that has other things to do */
    WALKS_MAX = READERS_MAX + 1,
    /* A window each, at least: a book below that is read by the caller's own connection. */
    READER_TRANSFERS = WALK_WINDOW_TRANSFERS,
};

struct reader {
    struct walk *walk;
    const struct store *like; /* the caller's */
    const char *snapshot;
    pthread_t thread;
    bool has_thread;
    int result;
    struct error error;
};

struct verify_chain {
    struct store *store; /* the caller's */
    char snapshot[STORE_SNAPSHOT_BYTES];
    struct walk_windows windows;
    size_t walk_count;
    struct walk walks[WALKS_MAX]; /* the leading one is the caller's, the others the readers' */
    struct reader readers[READERS_MAX];
    struct verify_moved moved;
};

static int read_windows(struct store *store, void *context, struct error *err)
{
    struct reader *reader = context;

    if (store_snapshot_take(store, reader->snapshot, err) != 0) {
        return -1;
    }
    return walk_run(reader->walk, store, err);
}

/* A reader that cannot have a connection takes no window. */
static void *reader_run(void *argument)
{
    struct reader *reader = argument;
    struct error ignored;
    struct store *store = store_open_like(reader->like, &ignored);

    if (store != NULL) {
        reader->result = store_transact(store, STORE_UNLOCKED, read_windows, reader,
                                        &reader->error);
    }
    store_close(store);
    return NULL;
}

/* Nor does one that cannot have a thread. */
static void reader_start(struct verify_chain *chain, size_t i)
{
    struct reader *reader = &chain->readers[i];

    *reader = (struct reader){
        .walk = &chain->walks[i + 1], .like = chain->store, .snapshot = chain->snapshot};
    reader->has_thread = pthread_create(&reader->thread, NULL, reader_run, reader) == 0;
}

/* A core is left to the caller's connection, where there is more than one. */
static size_t reader_count(int64_t transfers)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = cores > READERS_MAX ? READERS_MAX : cores < 2 ? 1 : (size_t)cores - 1;
    int64_t windows = transfers / READER_TRANSFERS;

    return windows < (int64_t)count ? (size_t)(windows > 0 ? windows : 0) : count;
}

struct verify_chain *verify_chain_start(struct store *store, const struct verify_options *options,
                                        struct error *err)
{
    struct verify_chain *chain = calloc(1, sizeof *chain);
    struct store_seal last;

    if (chain == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    chain->store = store;
    if (store_seal_last(store, &last, err) != 0 ||
        store_snapshot_export(store, chain->snapshot, err) != 0) {
        free(chain);
        return NULL;
    }
    pthread_mutex_init(&chain->windows.mutex, NULL);
    chain->walk_count = 1 + reader_count(last.total);
    for (size_t i = 0; i < chain->walk_count; i++) {
        chain->walks[i] = (struct walk){.number = (unsigned char)(i + 1),
                                        .is_leading = i == 0,
                                        .windows = &chain->windows,
                                        .since = options->since};
    }
    for (size_t i = 0; i + 1 < chain->walk_count; i++) {
        reader_start(chain, i);
    }
    return chain;
}

static void reader_join(struct reader *reader)
{
    if (reader->has_thread) {
        pthread_join(reader->thread, NULL);
        reader->has_thread = false;
    }
}

static void moved_release(struct verify_moved *moved)
{
    free(moved->debit_accounts);
    free(moved->credit_accounts);
    free(moved->months);
    free(moved->kinds);
    free(moved->sources);
    free(moved->amounts);
    free(moved->transfers);
}

void verify_chain_destroy(struct verify_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    for (size_t i = 0; i < READERS_MAX; i++) {
        reader_join(&chain->readers[i]);
    }
    for (size_t i = 0; i < chain->walk_count; i++) {
        walk_release(&chain->walks[i]);
    }
    free(chain->windows.takers);
    pthread_mutex_destroy(&chain->windows.mutex);
    moved_release(&chain->moved);
    free(chain);
}

static int finish_reading(struct verify_chain *chain, struct error *err)
{
    int result = walk_run(&chain->walks[0], chain->store, err);

    for (size_t i = 0; i < READERS_MAX; i++) {
        struct reader *reader = &chain->readers[i];

        reader_join(reader);
        if (result == 0 && reader->result != 0) {
            *err = reader->error;
            result = -1;
        }
    }
    return result;
}

static void moved_add(struct verify_moved *moved, const struct posting_line *line)
{
    size_t i = moved->count++;

    moved->debit_accounts[i] = line->key.debit_account;
    moved->credit_accounts[i] = line->key.credit_account;
    moved->months[i] = line->key.month;
    moved->kinds[i] = transfer_kind_text(line->key.kind);
    moved->sources[i] = line->key.source;
    moved->amounts[i] = line->sum.micro;
    moved->transfers[i] = line->charges;
}

static int gather_moved(struct verify_chain *chain, struct verify_result *result, struct error *err)
{
    struct verify_moved *moved = &chain->moved;
    size_t count = 1;

    for (size_t i = 0; i < chain->walk_count; i++) {
        count += chain->walks[i].sums.moved.count;
    }
    moved->debit_accounts = calloc(count, sizeof *moved->debit_accounts);
    moved->credit_accounts = calloc(count, sizeof *moved->credit_accounts);
    moved->months = calloc(count, sizeof *moved->months);
    moved->kinds = calloc(count, sizeof *moved->kinds);
    moved->sources = calloc(count, sizeof *moved->sources);
    moved->amounts = calloc(count, sizeof *moved->amounts);
    moved->transfers = calloc(count, sizeof *moved->transfers);
    if (moved->debit_accounts == NULL || moved->credit_accounts == NULL || moved->months == NULL ||
        moved->kinds == NULL || moved->sources == NULL || moved->amounts == NULL ||
        moved->transfers == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < chain->walk_count; i++) {
        const struct posting *posting = &chain->walks[i].sums.moved;

        for (size_t n = 0; n < posting->count; n++) {
            moved_add(moved, &posting->lines[n]);
            result->transfers += posting->lines[n].charges;
        }
    }
    return 0;
}

/* The first fault is that of the first window, whoever read it. */
static void gather_faults(const struct verify_chain *chain, struct window_faults *all)
{
    *all = chain->walks[0].faults;
    for (size_t i = 1; i < chain->walk_count; i++) {
        const struct window_faults *faults = &chain->walks[i].faults;

        all->changed += faults->changed;
        all->missing += faults->missing;
        all->added += faults->added;
        if (faults->sealed[0] != '\0' &&
            (all->sealed[0] == '\0' || faults->sealed_at < all->sealed_at)) {
            memcpy(all->sealed, faults->sealed, sizeof all->sealed);
            all->sealed_at = faults->sealed_at;
        }
        if (faults->foreign[0] != '\0' &&
            (all->foreign[0] == '\0' || faults->foreign_at < all->foreign_at)) {
            memcpy(all->foreign, faults->foreign, sizeof all->foreign);
            all->foreign_at = faults->foreign_at;
        }
    }
}

static void note_transfers(const struct verify_chain *chain, struct verify_result *result)
{
    struct window_faults faults;
    char promise[VERIFY_DETAIL_BYTES], detail[VERIFY_DETAIL_BYTES] = "";

    gather_faults(chain, &faults);
    snprintf(promise, sizeof promise,
             "%" PRId64 " transfers are as they were sealed, %" PRId64 " are not sealed yet",
             chain->walks[0].last.total, result->unsealed);
    if (faults.sealed[0] != '\0' || faults.foreign[0] != '\0') {
        snprintf(detail, sizeof detail,
                 "%.300s (%" PRId64 " changed, %" PRId64 " gone, %" PRId64 " added)",
                 faults.sealed[0] != '\0' ? faults.sealed : faults.foreign, faults.changed,
                 faults.missing, faults.added);
    }
    verify_note(result, "transfers_as_sealed", promise, detail);
}

static void note_links(const struct verify_chain *chain, struct verify_result *result)
{
    const struct walk *first = &chain->walks[0];

    for (size_t i = 1; i < chain->walk_count; i++) {
        const struct walk *walk = &chain->walks[i];

        if (walk->broken[0] != '\0' &&
            (first->broken[0] == '\0' || walk->broken_at < first->broken_at)) {
            first = walk;
        }
    }
    verify_note(result, "seals_are_a_chain", "every seal follows from the one before it",
                first->broken);
}

static void note_entries(const struct verify_chain *chain, struct verify_result *result)
{
    const struct walk *first = &chain->walks[0];

    for (size_t i = 1; i < chain->walk_count; i++) {
        const struct walk *walk = &chain->walks[i];

        if (walk->parted[0] != '\0' &&
            (first->parted[0] == '\0' || walk->parted_at < first->parted_at)) {
            first = walk;
        }
    }
    verify_note(result, "transfers_have_their_entry",
                "every transfer was booked together with its entry", first->parted);
}

static void note_checkpoint(struct walk *walk, struct verify_result *result)
{
    if (walk->since == NULL) {
        return;
    }
    if (!walk->met_checkpoint && walk->since->seal != 0) {
        snprintf(walk->differs, sizeof walk->differs,
                 "seal %" PRId64 " of the checkpoint is gone: the chain ends at %" PRId64,
                 walk->since->seal, walk->last.n);
    }
    verify_note(result, "checkpoint_matches", "the chain holds what the checkpoint says",
                walk->differs);
}

int verify_chain_finish(struct verify_chain *chain, struct verify_result *result,
                        struct verify_moved *moved, struct error *err)
{
    struct walk *first = &chain->walks[0];

    if (finish_reading(chain, err) != 0 || gather_moved(chain, result, err) != 0) {
        return -1;
    }
    *moved = chain->moved;
    result->unsealed = first->unsealed;
    result->seals = first->last.n;
    result->sealed_through = first->last.n > 0 ? first->last.sealed_at : INSTANT_NONE;
    note_links(chain, result);
    note_transfers(chain, result);
    note_entries(chain, result);
    note_checkpoint(first, result);
    return verify_sealed_months(chain->store, &first->closes, result, err);
}
