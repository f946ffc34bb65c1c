/* verify_walk - see verify_walk.h. */
#include "ledgerd/flow/verify_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/seal_hash.h"

enum { WINDOWS_STEP = 1024 };

static void note_broken(struct walk *walk, int64_t n, const char *why)
{
    if (walk->broken[0] == '\0') {
        walk->broken_at = n;
        snprintf(walk->broken, sizeof walk->broken, "seal %" PRId64 ": %s", n, why);
    }
}

static bool is_after(struct seal_place a, struct seal_place b)
{
    return a.xid != b.xid ? a.xid > b.xid : a.transfer_id > b.transfer_id;
}

static int check_link(struct walk *walk, struct seal_hasher *hasher, const struct store_seal *seal,
                      struct error *err)
{
    unsigned char head[SEAL_HASH_BYTES];

    if (seal->n != walk->last.n + 1) {
        note_broken(walk, walk->last.n + 1, "it is gone");
    } else if (seal->leaves_length != (size_t)seal->transfers * SEAL_LEAF_BYTES) {
        note_broken(walk, seal->n, "its leaves are not as many as its transfers");
    } else if (seal->total != walk->last.total + seal->transfers) {
        note_broken(walk, seal->n, "its total is not that of the links up to it");
    } else if (seal->transfers > 0 ? !is_after(seal->last, walk->last.last)
                                   : is_after(seal->last, walk->last.last) ||
                                         is_after(walk->last.last, seal->last)) {
        note_broken(walk, seal->n, "it does not end behind the one before it");
    }
    if (seal_hash_head(hasher, walk->last.head, seal, head, err) != 0) {
        return -1;
    }
    if (memcmp(head, seal->head, SEAL_HASH_BYTES) != 0) {
        note_broken(walk, seal->n,
                    "its head does not follow from what it holds and the head "
                    "before it");
    }
    return 0;
}

static void meet_checkpoint(struct walk *walk, const struct store_seal *seal)
{
    const struct checkpoint *since = walk->since;

    if (since == NULL || since->seal != seal->n) {
        return;
    }
    walk->met_checkpoint = true;
    if (memcmp(since->head, seal->head, SEAL_HASH_BYTES) != 0) {
        snprintf(walk->differs, sizeof walk->differs,
                 "seal %" PRId64 ": its head is not the checkpoint's: what was sealed up to it was "
                 "changed",
                 seal->n);
    } else if (since->transfers != seal->total) {
        snprintf(walk->differs, sizeof walk->differs,
                 "seal %" PRId64 ": %" PRId64 " transfers are sealed up to it, %" PRId64
                 " by the checkpoint",
                 seal->n, seal->total, since->transfers);
    }
}

/* Follow the page's links; those of other walks' windows have no leaves to check. */
static int follow_links(struct walk *walk, struct seal_hasher *hasher, const struct seal_page *page,
                        bool is_own, struct error *err)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct store_seal *seal = &page->seals[i];

        if (is_own && check_link(walk, hasher, seal, err) != 0) {
            return -1;
        }
        if (walk->is_leading) {
            meet_checkpoint(walk, seal);
        }
        if (walk->is_leading && seal->closes != NULL) {
            strbuf_add(&walk->closes, seal->closes, seal->closes_length);
        }
        walk->last = *seal;
    }
    return 0;
}

static int read_window(struct walk *walk, struct store *store, struct seal_hasher *hasher,
                       const struct store_seal *before, const struct seal_page *page,
                       struct error *err)
{
    bool is_first = walk->parted[0] == '\0';

    if (window_compare(store, hasher, before, page, &walk->sums, &walk->faults, err) != 0 ||
        entries_check(&walk->sums.entries, store, walk->parted, sizeof walk->parted, err) != 0) {
        return -1;
    }
    if (is_first) {
        walk->parted_at = before->n;
    }
    return 0;
}

static int windows_grow(struct walk_windows *windows, size_t count, struct error *err)
{
    unsigned char *takers = realloc(windows->takers, count);

    if (takers == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    memset(takers + windows->count, 0, count - windows->count);
    windows->takers = takers;
    windows->count = count;
    return 0;
}

/* Take a window unless another walk has it. */
static int take_window(const struct walk *walk, size_t number, bool *is_own, struct error *err)
{
    struct walk_windows *windows = walk->windows;
    int result = 0;

    pthread_mutex_lock(&windows->mutex);
    if (number >= windows->count) {
        result = windows_grow(windows, number + WINDOWS_STEP, err);
    }
    if (result == 0 && windows->takers[number] == 0) {
        windows->takers[number] = walk->number;
    }
    *is_own = result == 0 && windows->takers[number] == walk->number;
    pthread_mutex_unlock(&windows->mutex);
    return result;
}

static int walk_pages(struct walk *walk, struct store *store, struct seal_hasher *hasher,
                      struct seal_page *page, struct error *err)
{
    for (size_t number = 0;; number++) {
        const struct store_seal before = walk->last;
        bool is_own;

        if (take_window(walk, number, &is_own, err) != 0 ||
            (is_own ? store_seal_page : store_seal_page_heads)(
                store, &before, WALK_WINDOW_TRANSFERS, page, err) != 0) {
            return -1;
        }
        if (page->count == 0) {
            return 0;
        }
        if (follow_links(walk, hasher, page, is_own, err) != 0) {
            return -1;
        }
        if (is_own && read_window(walk, store, hasher, &before, page, err) != 0) {
            return -1;
        }
    }
}

static int take_unsealed(void *context, const struct seal_row *row, struct error *err)
{
    struct walk *walk = context;

    walk->unsealed++;
    return window_add_moved(&walk->sums.moved, row, err);
}

static int read_unsealed(struct walk *walk, struct store *store, struct error *err)
{
    char detail[VERIFY_DETAIL_BYTES];

    if (store_seal_rows(store, walk->last.last, SEAL_END, take_unsealed, walk, err) != 0 ||
        store_verify_entries_after(store, walk->last.last, detail, sizeof detail, err) != 0) {
        return -1;
    }
    if (walk->parted[0] == '\0') {
        memcpy(walk->parted, detail, sizeof walk->parted);
        walk->parted_at = walk->last.n;
    }
    return 0;
}

int walk_run(struct walk *walk, struct store *store, struct error *err)
{
    struct seal_hasher *hasher = seal_hasher_create(err);
    struct seal_page page = {0};
    int result = -1;

    walk_release(walk); /* a repeated transaction starts over */
    *walk = (struct walk){.number = walk->number,
                          .is_leading = walk->is_leading,
                          .windows = walk->windows,
                          .since = walk->since};
    strbuf_init(&walk->closes);
    walk->last.last = SEAL_START;
    if (hasher != NULL) {
        result = walk_pages(walk, store, hasher, &page, err);
    }
    if (result == 0 && walk->is_leading) {
        result = read_unsealed(walk, store, err);
    }
    seal_page_release(&page);
    walk->last.leaves = NULL;
    walk->last.closes = NULL;
    seal_hasher_destroy(hasher);
    return result;
}

void walk_release(struct walk *walk)
{
    posting_release(&walk->sums.moved);
    entries_release(&walk->sums.entries);
    strbuf_release(&walk->closes);
}
