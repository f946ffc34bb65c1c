/* verify_window - see verify_window.h. */
#include "ledgerd/flow/verify_window.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum leaf_state { LEAF_WAITS, LEAF_MATCHES, LEAF_DIFFERS };

struct row_words { /* a transfer as a fault names it */
    struct seal_place place;
    char text[160];
};

struct window {
    struct seal_hasher *hasher;
    const struct seal_page *page;
    size_t count;
    const unsigned char **leaves;
    unsigned char *states; /* enum leaf_state of each */
    uint32_t *slots;       /* by hash of the transfer's number: index of its leaf + 1, 0 if free */
    size_t slot_mask;
    size_t next; /* leaf after the one found last: rows mostly come in its order */
    size_t first_differing;
    struct row_words differing; /* of the leaf first_differing */
    struct row_words added;
    struct window_faults counts;
    struct window_sums *sums;
};

static void window_release(struct window *window)
{
    free(window->leaves);
    free(window->states);
    free(window->slots);
}

static size_t slot_of(const struct window *window, int64_t transfer_id)
{
    return (size_t)(((uint64_t)transfer_id * UINT64_C(0x9e3779b97f4a7c15)) >> 24) &
           window->slot_mask;
}

static size_t leaf_count(const struct seal_page *page)
{
    size_t count = 0;

    for (size_t i = 0; i < page->count; i++) {
        count += page->seals[i].leaves_length / SEAL_LEAF_BYTES;
    }
    return count;
}

static int window_allocate(struct window *window, struct error *err)
{
    size_t slots = 64;

    while (slots < window->count * 2) {
        slots *= 2;
    }
    window->slot_mask = slots - 1;
    window->leaves = calloc(window->count + 1, sizeof *window->leaves);
    window->states = calloc(window->count + 1, 1);
    window->slots = calloc(slots, sizeof *window->slots);
    if (window->leaves == NULL || window->states == NULL || window->slots == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

static void window_add(struct window *window, size_t i, const unsigned char *leaf)
{
    size_t slot = slot_of(window, seal_leaf_transfer(leaf));

    window->leaves[i] = leaf;
    while (window->slots[slot] != 0) {
        slot = (slot + 1) & window->slot_mask;
    }
    window->slots[slot] = (uint32_t)i + 1;
}

static int window_fill(struct window *window, struct error *err)
{
    size_t i = 0;

    window->count = leaf_count(window->page);
    window->first_differing = window->count;
    if (window_allocate(window, err) != 0) {
        return -1;
    }
    for (size_t s = 0; s < window->page->count; s++) {
        const struct store_seal *seal = &window->page->seals[s];
        size_t leaves = seal->leaves_length / SEAL_LEAF_BYTES;

        for (size_t n = 0; n < leaves; n++) {
            window_add(window, i++, seal->leaves + n * SEAL_LEAF_BYTES);
        }
    }
    return 0;
}

/* The waiting leaf of a transfer, or count. */
static size_t window_find(const struct window *window, int64_t transfer_id)
{
    size_t slot;

    if (window->next < window->count && window->states[window->next] == LEAF_WAITS &&
        seal_leaf_transfer(window->leaves[window->next]) == transfer_id) {
        return window->next;
    }
    for (slot = slot_of(window, transfer_id); window->slots[slot] != 0;
         slot = (slot + 1) & window->slot_mask) {
        size_t i = window->slots[slot] - 1;

        if (window->states[i] == LEAF_WAITS &&
            seal_leaf_transfer(window->leaves[i]) == transfer_id) {
            return i;
        }
    }
    return window->count;
}

static void put_words(const struct seal_row *row, struct row_words *words)
{
    char month[MONTH_TEXT_BYTES], points[POINTS_TEXT_BYTES];

    words->place = row->place;
    snprintf(words->text, sizeof words->text,
             "transfer %" PRId64 " (%s, account %" PRId32 " to %" PRId32 ", %s points)",
             row->place.transfer_id, month_format(row->month, month), row->debit_account,
             row->credit_account, points_format(row->amount, points));
}

static bool is_before(struct seal_place a, struct seal_place b)
{
    return a.xid != b.xid ? a.xid < b.xid : a.transfer_id < b.transfer_id;
}

/* False for a word that is no kind; the constraint on the column is gone then. */
static bool kind_of(const struct seal_row *row, enum transfer_kind *kind)
{
    for (int k = TRANSFER_MINT; k <= TRANSFER_MOVE; k++) {
        const char *text = transfer_kind_text((enum transfer_kind)k);

        if (strlen(text) == row->kind_length && memcmp(text, row->kind, row->kind_length) == 0) {
            *kind = (enum transfer_kind)k;
            return true;
        }
    }
    return false;
}

int window_add_moved(struct posting *moved, const struct seal_row *row, struct error *err)
{
    struct posting_key key = {
        .debit_account = row->debit_account,
        .credit_account = row->credit_account,
        .month = row->month,
        .source = row->source_no,
    };

    if (!kind_of(row, &key.kind)) {
        return error_set(err, ERROR_VERIFY, "transfer %" PRId64 " is of no kind that there is",
                         row->place.transfer_id);
    }
    if (posting_add(moved, &key, row->amount) < 0) {
        return error_set(err, ERROR_INTERNAL, "what transfer %" PRId64 " moved cannot be added",
                         row->place.transfer_id);
    }
    return 0;
}

static int take_row(void *context, const struct seal_row *row, struct error *err)
{
    struct window *window = context;
    unsigned char leaf[SEAL_LEAF_BYTES];
    size_t i = window_find(window, row->place.transfer_id);

    if (window_add_moved(&window->sums->moved, row, err) != 0 ||
        entries_add(&window->sums->entries, row, err) != 0) {
        return -1;
    }
    if (i == window->count) {
        if (window->counts.added++ == 0 || is_before(row->place, window->added.place)) {
            put_words(row, &window->added);
        }
        return 0;
    }
    window->next = i + 1;
    if (seal_hash_row(window->hasher, row, leaf, err) != 0) {
        return -1;
    }
    if (memcmp(leaf, window->leaves[i], SEAL_LEAF_BYTES) == 0) {
        window->states[i] = LEAF_MATCHES;
        return 0;
    }
    window->states[i] = LEAF_DIFFERS;
    window->counts.changed++;
    if (i < window->first_differing) {
        window->first_differing = i;
        put_words(row, &window->differing);
    }
    return 0;
}

static int64_t seal_of_leaf(const struct seal_page *page, size_t leaf)
{
    for (size_t s = 0; s < page->count; s++) {
        size_t leaves = page->seals[s].leaves_length / SEAL_LEAF_BYTES;

        if (leaf < leaves) {
            return page->seals[s].n;
        }
        leaf -= leaves;
    }
    return 0;
}

static int64_t seal_of_place(const struct seal_page *page, struct seal_place place)
{
    for (size_t s = 0; s < page->count; s++) {
        if (!is_before(page->seals[s].last, place)) {
            return page->seals[s].n;
        }
    }
    return 0;
}

static void describe_sealed(const struct window *window, size_t leaf, char *out)
{
    int64_t n = seal_of_leaf(window->page, leaf);

    if (window->states[leaf] == LEAF_WAITS) {
        snprintf(out, VERIFY_DETAIL_BYTES, "transfer %" PRId64 " of seal %" PRId64 " is gone",
                 seal_leaf_transfer(window->leaves[leaf]), n);
    } else {
        snprintf(out, VERIFY_DETAIL_BYTES, "%s was changed since it was sealed (seal %" PRId64 ")",
                 window->differing.text, n);
    }
}

static void window_judge(struct window *window, int64_t before, struct window_faults *faults)
{
    size_t first = window->count;

    for (size_t i = window->count; i-- > 0;) {
        if (window->states[i] != LEAF_MATCHES) {
            first = i;
            window->counts.missing += window->states[i] == LEAF_WAITS;
        }
    }
    if (first < window->count && faults->sealed[0] == '\0') {
        describe_sealed(window, first, faults->sealed);
        faults->sealed_at = before;
    }
    if (window->counts.added > 0 && faults->foreign[0] == '\0') {
        faults->foreign_at = before;
        snprintf(faults->foreign, VERIFY_DETAIL_BYTES,
                 "%s was added behind seal %" PRId64 ", which does not hold it", window->added.text,
                 seal_of_place(window->page, window->added.place));
    }
    faults->changed += window->counts.changed;
    faults->missing += window->counts.missing;
    faults->added += window->counts.added;
}

int window_compare(struct store *store, struct seal_hasher *hasher, const struct store_seal *before,
                   const struct seal_page *page, struct window_sums *sums,
                   struct window_faults *faults, struct error *err)
{
    struct window window = {.hasher = hasher, .page = page, .sums = sums};
    int result = -1;

    if (window_fill(&window, err) == 0 &&
        store_seal_rows(store, before->last, page->seals[page->count - 1].last, take_row, &window,
                        err) == 0) {
        window_judge(&window, before->n, faults);
        result = 0;
    }
    window_release(&window);
    return result;
}
