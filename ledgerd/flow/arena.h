/* arena - strings that live as long as a batch: taken one by one, given back all at once.
 *
 * Memory comes in chunks that are kept for the next batch; what was taken never moves.
 */
#ifndef LEDGERD_FLOW_ARENA_H
#define LEDGERD_FLOW_ARENA_H

#include <stdbool.h>
#include <stddef.h>

enum { ARENA_CHUNK_BYTES = 1024 * 1024 };

struct arena { /* a zeroed one is empty */
    size_t chunk_count;
    size_t chunk_capacity;
    char **chunks;
    size_t current;   /* chunk that is being filled */
    size_t used;      /* bytes of it */
    size_t taken;     /* bytes in all since the last clear */
    size_t big_count; /* pieces larger than a chunk, freed by clear */
    size_t big_capacity;
    char **big;
    bool failed; /* out of memory: what was taken since then is NULL or "" */
};

void arena_clear(struct arena *arena); /* keeps the chunks */
void arena_release(struct arena *arena);

/* Memory for any type; NULL (failed) if there is none. */
void *arena_take(struct arena *arena, size_t length);

/* A NUL-terminated copy; "" if there is no memory (failed). */
const char *arena_copy(struct arena *arena, const char *bytes, size_t length);
const char *arena_string(struct arena *arena, const char *string);

#endif
