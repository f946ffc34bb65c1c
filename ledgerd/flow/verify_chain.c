/* verify_chain - see verify_chain.h. */
#include "ledgerd/flow/verify_chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/flow/checkpoint.h"
#include "ledgerd/flow/seal_hash.h"
#include "ledgerd/flow/verify_book.h"
#include "ledgerd/flow/verify_window.h"
#include "ledgerd/store/store_seal.h"

enum { WINDOW_TRANSFERS = 200000 }; /* 40 bytes of leaf and 17 of index for each, at once */

struct chain {
    const struct checkpoint *since;
    struct seal_hasher *hasher;
    struct seal_page page;
    struct store_seal last; /* of the links read so far */
    bool met_checkpoint;
    char broken[VERIFY_DETAIL_BYTES];  /* first link that does not follow, "" if none */
    char differs[VERIFY_DETAIL_BYTES]; /* from the checkpoint, "" if not */
    struct window_faults faults;
};

static void note_broken(struct chain *chain, int64_t n, const char *why)
{
    if (chain->broken[0] == '\0') {
        snprintf(chain->broken, sizeof chain->broken, "seal %" PRId64 ": %s", n, why);
    }
}

static bool is_after(struct seal_place a, struct seal_place b)
{
    return a.xid != b.xid ? a.xid > b.xid : a.transfer_id > b.transfer_id;
}

static int check_link(struct chain *chain, const struct store_seal *seal, struct error *err)
{
    unsigned char head[SEAL_HASH_BYTES];

    if (seal->n != chain->last.n + 1) {
        note_broken(chain, chain->last.n + 1, "it is gone");
    } else if (seal->leaves_length != (size_t)seal->transfers * SEAL_LEAF_BYTES) {
        note_broken(chain, seal->n, "its leaves are not as many as its transfers");
    } else if (seal->total != chain->last.total + seal->transfers) {
        note_broken(chain, seal->n, "its total is not that of the links up to it");
    } else if (!is_after(seal->last, chain->last.last)) {
        note_broken(chain, seal->n, "it does not end behind the one before it");
    }
    if (seal_hash_head(chain->hasher, chain->last.head, seal, head, err) != 0) {
        return -1;
    }
    if (memcmp(head, seal->head, SEAL_HASH_BYTES) != 0) {
        note_broken(chain, seal->n,
                    "its head does not follow from what it holds and the head "
                    "before it");
    }
    return 0;
}

static void meet_checkpoint(struct chain *chain, const struct store_seal *seal)
{
    const struct checkpoint *since = chain->since;

    if (since == NULL || since->seal != seal->n) {
        return;
    }
    chain->met_checkpoint = true;
    if (memcmp(since->head, seal->head, SEAL_HASH_BYTES) != 0) {
        snprintf(chain->differs, sizeof chain->differs,
                 "seal %" PRId64 ": its head is not the checkpoint's: what was sealed up to it was "
                 "changed",
                 seal->n);
    } else if (since->transfers != seal->total) {
        snprintf(chain->differs, sizeof chain->differs,
                 "seal %" PRId64 ": %" PRId64 " transfers are sealed up to it, %" PRId64
                 " by the checkpoint",
                 seal->n, seal->total, since->transfers);
    }
}

/* One page of links, and the transfers that they seal. */
static int check_page(struct store *store, struct chain *chain, struct error *err)
{
    const struct store_seal before = chain->last;

    for (size_t i = 0; i < chain->page.count; i++) {
        const struct store_seal *seal = &chain->page.seals[i];

        if (check_link(chain, seal, err) != 0) {
            return -1;
        }
        meet_checkpoint(chain, seal);
        chain->last = *seal;
    }
    return window_compare(store, chain->hasher, &before, &chain->page, &chain->faults, err);
}

static int check_pages(struct store *store, struct chain *chain, struct error *err)
{
    for (;;) {
        if (store_seal_page(store, &chain->last, WINDOW_TRANSFERS, &chain->page, err) != 0) {
            return -1;
        }
        if (chain->page.count == 0) {
            return 0;
        }
        if (check_page(store, chain, err) != 0) {
            return -1;
        }
    }
}

static void note_transfers(const struct chain *chain, struct verify_result *result)
{
    const struct window_faults *faults = &chain->faults;
    char promise[VERIFY_DETAIL_BYTES], detail[VERIFY_DETAIL_BYTES] = "";

    snprintf(promise, sizeof promise,
             "%" PRId64 " transfers are as they were sealed, %" PRId64 " are not sealed yet",
             chain->last.total, result->unsealed);
    if (faults->sealed[0] != '\0' || faults->foreign[0] != '\0') {
        snprintf(detail, sizeof detail,
                 "%.300s (%" PRId64 " changed, %" PRId64 " gone, %" PRId64 " added)",
                 faults->sealed[0] != '\0' ? faults->sealed : faults->foreign, faults->changed,
                 faults->missing, faults->added);
    }
    verify_note(result, "transfers_as_sealed", promise, detail);
}

static void note_checkpoint(struct chain *chain, struct verify_result *result)
{
    if (chain->since == NULL) {
        return;
    }
    if (!chain->met_checkpoint && chain->since->seal != 0) {
        snprintf(chain->differs, sizeof chain->differs,
                 "seal %" PRId64 " of the checkpoint is gone: the chain ends at %" PRId64,
                 chain->since->seal, chain->last.n);
    }
    verify_note(result, "checkpoint_matches", "the chain holds what the checkpoint says",
                chain->differs);
}

static int note_outcome(struct store *store, struct chain *chain, struct verify_result *result,
                        struct error *err)
{
    if (store_seal_pending(store, chain->last.last, &result->unsealed, err) != 0) {
        return -1;
    }
    result->seals = chain->last.n;
    result->sealed_through = chain->last.n > 0 ? chain->last.sealed_at : INSTANT_NONE;
    verify_note(result, "seals_are_a_chain", "every seal follows from the one before it",
                chain->broken);
    note_transfers(chain, result);
    note_checkpoint(chain, result);
    return 0;
}

int verify_chain(struct store *store, const struct verify_options *options,
                 struct verify_result *result, struct error *err)
{
    struct chain chain = {.since = options->since, .hasher = seal_hasher_create(err)};
    int status = -1;

    if (chain.hasher == NULL) {
        return -1;
    }
    chain.last.last = SEAL_START;
    if (check_pages(store, &chain, err) == 0) {
        status = note_outcome(store, &chain, result, err);
    }
    seal_page_release(&chain.page);
    seal_hasher_destroy(chain.hasher);
    return status;
}
