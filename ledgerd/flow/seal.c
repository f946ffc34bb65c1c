/* seal - see seal.h. */
#include "ledgerd/flow/seal.h"

#include <inttypes.h>
#include <time.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/seal_hash.h"
#include "ledgerd/store/store_seal.h"

enum {
    /* A link's leaves are held in memory by whoever makes or verifies it: 40 bytes for each. */
    SEAL_TRANSFERS_MAX = 50000,
    PATIENCE_US = 3 * 1000 * 1000, /* longer than a booking takes, shorter than a person's */
    PATIENCE_STEP_US = 5 * 1000,
};

struct sealing {
    bool wait;
    bool locked;
    struct seal_hasher *hasher;
    struct store_seal before;
    struct store_seal link;
    struct strbuf leaves;
    struct strbuf closes;
};

static int add_leaf(void *context, const struct seal_row *row, struct error *err)
{
    struct sealing *sealing = context;
    char *leaf = strbuf_reserve(&sealing->leaves, SEAL_LEAF_BYTES);

    if (leaf == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    sealing->leaves.length += SEAL_LEAF_BYTES;
    sealing->link.last = row->place;
    sealing->link.transfers++;
    return seal_hash_row(sealing->hasher, row, (unsigned char *)leaf, err);
}

/* Transactions are numbered by the server: a dump that is restored into another one may meet
 * smaller numbers there, and its new transfers would stand before sealed ones. */
static int check_numbering(struct store *store, const struct store_seal *last, struct error *err)
{
    uint64_t horizon, next;

    if (store_seal_horizon(store, &horizon, &next, err) != 0) {
        return -1;
    }
    if (last->n > 0 && horizon <= last->last.xid) {
        return error_set(err, ERROR_UNAVAILABLE,
                         "this server counts its transactions from %" PRIu64 ", below %" PRIu64
                         ", the last one sealed: the book was restored from a "
                         "dump; raise the server's count with pg_resetwal --epoch",
                         horizon, last->last.xid);
    }
    return 0;
}

/* The closes that no link seals yet: few, and with what they closed behind them. */
static int take_closes(struct store *store, struct sealing *sealing, struct error *err)
{
    int64_t last;

    if (store_seal_closed(store, &last, err) != 0 ||
        store_seal_closes(store, last, &sealing->closes, err) != 0) {
        return -1;
    }
    if (sealing->closes.length > 0) {
        sealing->link.closes = (const unsigned char *)sealing->closes.data;
        sealing->link.closes_length = sealing->closes.length;
    }
    return 0;
}

static int link_next(struct store *store, struct sealing *sealing, struct error *err)
{
    struct store_seal *link = &sealing->link;

    if (store_seal_last(store, &sealing->before, err) != 0 ||
        check_numbering(store, &sealing->before, err) != 0 ||
        store_seal_next_rows(store, sealing->before.last, SEAL_TRANSFERS_MAX, add_leaf, sealing,
                             err) != 0) {
        return -1;
    }
    if (take_closes(store, sealing, err) != 0) {
        return -1;
    }
    if (link->transfers == 0 && link->closes == NULL) {
        return 0;
    }
    if (link->transfers == 0) {
        link->last = sealing->before.last;
    }
    link->n = sealing->before.n + 1;
    link->total = sealing->before.total + link->transfers;
    link->sealed_at = clock_now();
    link->leaves = (const unsigned char *)sealing->leaves.data;
    link->leaves_length = sealing->leaves.length;
    if (seal_hash_head(sealing->hasher, sealing->before.head, link, link->head, err) != 0) {
        return -1;
    }
    return store_seal_insert(store, link, err);
}

static int seal_once(struct store *store, void *context, struct error *err)
{
    struct sealing *sealing = context;

    sealing->link = (struct store_seal){0};
    strbuf_clear(&sealing->leaves);
    strbuf_clear(&sealing->closes);
    if (store_seal_lock(store, sealing->wait, &sealing->locked, err) != 0) {
        return -1;
    }
    return sealing->locked ? link_next(store, sealing, err) : 0;
}

static int seal_ready(struct store *store, struct sealing *sealing, int64_t *total,
                      struct error *err)
{
    do {
        if (store_transact(store, STORE_UNLOCKED, seal_once, sealing, err) != 0) {
            return -1;
        }
        *total += sealing->link.transfers;
    } while (sealing->link.transfers == SEAL_TRANSFERS_MAX);
    return 0;
}

/* Wait until the transactions that are open now have ended, up to a limit. */
static int let_others_end(struct store *store, struct error *err)
{
    const struct timespec pause = {.tv_nsec = PATIENCE_STEP_US * 1000};
    int64_t until_us = clock_monotonic_us() + PATIENCE_US;
    uint64_t oldest, target, next;

    if (store_seal_horizon(store, &oldest, &target, err) != 0) {
        return -1;
    }
    while (oldest < target && clock_monotonic_us() < until_us) {
        nanosleep(&pause, NULL);
        if (store_seal_horizon(store, &oldest, &next, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int seal_book(struct store *store, bool wait, int64_t *sealed, struct error *err)
{
    struct sealing sealing = {.wait = wait};
    int64_t total = 0;
    int result = -1;

    sealing.hasher = seal_hasher_create(err);
    if (sealing.hasher == NULL) {
        return -1;
    }
    strbuf_init(&sealing.leaves);
    strbuf_init(&sealing.closes);
    if (!wait || let_others_end(store, err) == 0) {
        result = seal_ready(store, &sealing, &total, err);
    }
    strbuf_release(&sealing.leaves);
    strbuf_release(&sealing.closes);
    seal_hasher_destroy(sealing.hasher);
    if (result == 0 && sealed != NULL) {
        *sealed = total;
    }
    return result;
}
