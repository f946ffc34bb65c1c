/* posting - see posting.h.
 *
 * Lines stand in a plain array in order of appearance; beside it an index of slots, each 0 (empty)
 * or a line's number plus one, probed from the key's hash onwards.  At least half of the slots stay
 * empty.
 */
#include "ledgerd/core/posting.h"

#include <stdlib.h>
#include <string.h>

enum { POSTING_FIRST_LINES = 64 };

void posting_release(struct posting *posting)
{
    free(posting->lines);
    free(posting->index);
    *posting = (struct posting){0};
}

void posting_clear(struct posting *posting)
{
    posting->count = 0;
    posting->last = 0;
    if (posting->index != NULL) {
        memset(posting->index, 0, posting->index_capacity * sizeof posting->index[0]);
    }
}

static bool keys_are_equal(const struct posting_key *a, const struct posting_key *b)
{
    return a->debit_account == b->debit_account && a->credit_account == b->credit_account &&
           a->month.number == b->month.number && a->kind == b->kind && a->source == b->source &&
           a->is_back == b->is_back;
}

/* Multiply and fold each field in; the keys are our own numbers, no attacker chooses them. */
static uint64_t key_hash(const struct posting_key *key)
{
    const uint64_t fields[] = {(uint32_t)key->debit_account, (uint32_t)key->credit_account,
                               (uint32_t)key->month.number,  (uint32_t)key->kind,
                               (uint32_t)key->source,        key->is_back};
    uint64_t hash = 0;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        hash = (hash ^ fields[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

/* The slot that holds the key's line, or the empty one where it belongs. */
static uint32_t *slot_find(const struct posting *posting, const struct posting_key *key)
{
    size_t mask = posting->index_capacity - 1;
    size_t at = key_hash(key) & mask;

    while (posting->index[at] != 0 &&
           !keys_are_equal(&posting->lines[posting->index[at] - 1].key, key)) {
        at = (at + 1) & mask;
    }
    return &posting->index[at];
}

/* Room for one more line; doubles both arrays and fills the index anew. */
static int posting_grow(struct posting *posting)
{
    size_t capacity = posting->capacity > 0 ? posting->capacity * 2 : POSTING_FIRST_LINES;
    struct posting_line *lines;
    uint32_t *index;

    if (posting->count < posting->capacity) {
        return 0;
    }
    if (capacity > UINT32_MAX / 2) {
        return -1;
    }
    lines = realloc(posting->lines, capacity * sizeof *lines);
    if (lines == NULL) {
        return -1;
    }
    posting->lines = lines;
    index = calloc(capacity * 2, sizeof *index);
    if (index == NULL) {
        return -1;
    }
    free(posting->index);
    posting->index = index;
    posting->index_capacity = capacity * 2;
    posting->capacity = capacity;
    for (size_t i = 0; i < posting->count; i++) {
        *slot_find(posting, &lines[i].key) = (uint32_t)i + 1;
    }
    return 0;
}

/* The key's line, a new one if it has none; NULL if out of memory. */
static struct posting_line *line_of(struct posting *posting, const struct posting_key *key)
{
    uint32_t *slot;

    if (posting->last < posting->count && keys_are_equal(&posting->lines[posting->last].key, key)) {
        return &posting->lines[posting->last];
    }
    if (posting_grow(posting) != 0) {
        return NULL;
    }
    slot = slot_find(posting, key);
    if (*slot == 0) {
        posting->lines[posting->count] = (struct posting_line){.key = *key, .sum = POINTS_ZERO};
        *slot = (uint32_t)++posting->count;
    }
    posting->last = *slot - 1;
    return &posting->lines[posting->last];
}

ptrdiff_t posting_add(struct posting *posting, const struct posting_key *key, struct points points)
{
    struct posting_line *line = line_of(posting, key);

    if (line == NULL || points_add(line->sum, points, &line->sum) != POINTS_OK) {
        return -1;
    }
    line->charges++;
    return line - posting->lines;
}

const char *transfer_kind_text(enum transfer_kind kind)
{
    static const char *const texts[] = {
        [TRANSFER_MINT] = "mint",     [TRANSFER_GRANT] = "grant",   [TRANSFER_REVOKE] = "revoke",
        [TRANSFER_LEND] = "lend",     [TRANSFER_CHARGE] = "charge", [TRANSFER_REFUND] = "refund",
        [TRANSFER_EXPIRE] = "expire", [TRANSFER_MOVE] = "move",
    };

    return texts[kind];
}
