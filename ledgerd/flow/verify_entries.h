/* verify_entries - what transfers say of the entries that they name, gathered while they are read.
 * Internal to verify_walk.
 */
#ifndef LEDGERD_FLOW_VERIFY_ENTRIES_H
#define LEDGERD_FLOW_VERIFY_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_seal.h"
#include "ledgerd/store/store_verify_entry.h"

enum { ENTRIES_RECENT = 1024 }; /* a power of two; beyond them an entry may be gathered again */

struct entries { /* a zeroed one is empty */
    struct verify_entries said;
    size_t capacity;
    uint32_t recent[ENTRIES_RECENT]; /* by entry: index of what was said of it last, + 1 */
};

void entries_release(struct entries *entries);

/* Note what a transfer says, unless the same was said before. */
int entries_add(struct entries *entries, const struct seal_row *row, struct error *err);

/* Compare all with the book and forget them, keeping memory. detail[size] is left alone unless it
 * is "" and a transfer differs: then it gets the first. */
int entries_check(struct entries *entries, struct store *store, char *detail, size_t size,
                  struct error *err);

#endif
