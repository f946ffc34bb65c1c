/* tally - sums by key, in memory: what a batch adds to each row of a roll-up.
 *
 * A key is two 64-bit numbers, the sums are exact 128-bit integers.  Rows keep the order of their
 * first appearance.
 */
#ifndef LEDGERD_FLOW_TALLY_H
#define LEDGERD_FLOW_TALLY_H

#include <stddef.h>
#include <stdint.h>

enum { TALLY_SUMS = 3 };

struct tally_row {
    uint64_t a;
    uint64_t b;
    __int128 sums[TALLY_SUMS];
};

struct tally { /* a zeroed one is empty */
    size_t count;
    size_t capacity;
    struct tally_row *rows;
    size_t last; /* row found last: the next key is often the same */
    uint32_t *index;
    size_t index_capacity;
};

void tally_clear(struct tally *tally); /* keeps memory */
void tally_release(struct tally *tally);

/* The row of a key, added with zero sums if it is new; valid until the next call.  NULL out of
 * memory. */
struct tally_row *tally_row(struct tally *tally, uint64_t a, uint64_t b);

#endif
