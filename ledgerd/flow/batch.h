/* batch - some tens of thousands of items, read and rated, waiting to be posted together.
 *
 * Filled by the thread that reads, emptied by the thread that posts, never touched by both at once.
 * Nothing in it came from the database but the catalog's names: whether an item is new, an
 * amendment or a duplicate is found out when it is posted.
 *
 * Items that share an identity (or, without one, their text) form a chain, so that they can be
 * judged as if they had been read one after another:
 *
 *      item 17 (first) <- item 230 <- item 4711        previous: towards the first
 */
#ifndef LEDGERD_FLOW_BATCH_H
#define LEDGERD_FLOW_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/core/calendar.h"
#include "ledgerd/flow/arena.h"
#include "ledgerd/flow/batch_item.h"
#include "ledgerd/store/store_copy.h"

enum {
    /* A batch is full at so many different names, too: they are searched one by one. */
    BATCH_MONTHS_MAX = 1024,
    BATCH_SOURCES_MAX = 1024,
    BATCH_METERS_MAX = 1024,
};

#define BATCH_LIST(type) \
    struct {             \
        size_t count;    \
        size_t capacity; \
        type *at;        \
    }

struct batch_slot {
    uint32_t item; /* BATCH_NONE: empty */
    uint32_t hash;
};

struct batch { /* a zeroed one is empty */
    struct arena arena;
    BATCH_LIST(struct batch_item) items;
    BATCH_LIST(struct batch_source) sources;
    BATCH_LIST(struct batch_line) lines;
    BATCH_LIST(struct batch_slice) slices;
    BATCH_LIST(struct batch_effect) effects;
    BATCH_LIST(const char *) meters;
    BATCH_LIST(struct month) months; /* in which it has rows, each once */
    struct copy_rows identities;
    struct copy_rows usages;
    struct copy_rows charges;
    struct batch_slot *index; /* open addressing over items by chain: the latest item of each */
    size_t index_capacity;
    uint32_t *line_index; /* open addressing over lines */
    size_t line_index_capacity;
    const struct batch_reading *reading; /* of the last item kept with its text */
    bool failed;                         /* out of memory */
};

void batch_clear(struct batch *batch); /* keeps memory */
void batch_release(struct batch *batch);

/* Reserve the index for so many items.  0, or -1 out of memory. */
int batch_prepare(struct batch *batch, size_t item_max);

/* Full: so many items, so many bytes, or too many different names. */
struct batch_limits {
    size_t items;
    size_t bytes;
};
bool batch_is_full(const struct batch *batch, const struct batch_limits *limits);

/* Each finds or adds; BATCH_NONE (failed) when there is no memory. */
uint32_t batch_source(struct batch *batch, const char *name);
uint32_t batch_line(struct batch *batch, uint32_t source, const char *project, const char *klass);
uint32_t batch_meter(struct batch *batch, const char *name);
void batch_month(struct batch *batch, struct month month);

/* Append; valid until the next one is appended.  NULL (failed) when there is no memory. */
struct batch_item *batch_item(struct batch *batch);
struct batch_slice *batch_slice(struct batch *batch);
struct batch_effect *batch_effect(struct batch *batch);

/* Mix a string into a hash value; for tables in memory only. */
uint64_t batch_hash(uint64_t value, const char *text);

/* Put the last item into the chain of its identity: (source, id), or its text's hash if it has no
 * id. */
void batch_chain(struct batch *batch);

#endif
