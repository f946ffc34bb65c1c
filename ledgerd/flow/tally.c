/* tally - see tally.h.  Open addressing over an array of rows; nothing is ever removed. */
#include "ledgerd/flow/tally.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TALLY_LEAST = 256 };
#define TALLY_EMPTY UINT32_MAX

void tally_clear(struct tally *tally)
{
    tally->count = 0;
    tally->last = 0;
    if (tally->index != NULL) {
        memset(tally->index, 0xff, tally->index_capacity * sizeof *tally->index);
    }
}

void tally_release(struct tally *tally)
{
    free(tally->rows);
    free(tally->index);
    *tally = (struct tally){0};
}

static size_t slot_of(const struct tally *tally, uint64_t a, uint64_t b)
{
    uint64_t hash = (a ^ (b << 29 | b >> 35)) * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (size_t)(hash ^ hash >> 32) & (tally->index_capacity - 1);
}

static void put(struct tally *tally, size_t row)
{
    size_t slot = slot_of(tally, tally->rows[row].a, tally->rows[row].b);

    while (tally->index[slot] != TALLY_EMPTY) {
        slot = (slot + 1) & (tally->index_capacity - 1);
    }
    tally->index[slot] = (uint32_t)row;
}

static bool grow(struct tally *tally)
{
    size_t capacity = tally->capacity == 0 ? TALLY_LEAST : tally->capacity * 2;
    struct tally_row *rows;
    uint32_t *index;

    if (tally->count < tally->capacity) {
        return true;
    }
    rows = realloc(tally->rows, capacity * sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    tally->rows = rows;
    index = realloc(tally->index, capacity * 2 * sizeof *index);
    if (index == NULL) {
        return false;
    }
    tally->index = index;
    tally->capacity = capacity;
    tally->index_capacity = capacity * 2;
    memset(index, 0xff, tally->index_capacity * sizeof *index);
    for (size_t i = 0; i < tally->count; i++) {
        put(tally, i);
    }
    return true;
}

static bool row_is(const struct tally_row *row, uint64_t a, uint64_t b)
{
    return row->a == a && row->b == b;
}

struct tally_row *tally_row(struct tally *tally, uint64_t a, uint64_t b)
{
    if (tally->count > 0 && row_is(&tally->rows[tally->last], a, b)) {
        return &tally->rows[tally->last];
    }
    if (!grow(tally)) {
        return NULL;
    }
    for (size_t slot = slot_of(tally, a, b); tally->index[slot] != TALLY_EMPTY;
         slot = (slot + 1) & (tally->index_capacity - 1)) {
        if (row_is(&tally->rows[tally->index[slot]], a, b)) {
            tally->last = tally->index[slot];
            return &tally->rows[tally->last];
        }
    }
    tally->last = tally->count++;
    tally->rows[tally->last] = (struct tally_row){.a = a, .b = b};
    put(tally, tally->last);
    return &tally->rows[tally->last];
}
