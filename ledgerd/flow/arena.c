/* arena - see arena.h. */
#include "ledgerd/flow/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = alignof(max_align_t) };

void arena_clear(struct arena *arena)
{
    for (size_t i = 0; i < arena->big_count; i++) {
        free(arena->big[i]);
    }
    arena->big_count = 0;
    arena->current = 0;
    arena->used = 0;
    arena->taken = 0;
    arena->failed = false;
}

void arena_release(struct arena *arena)
{
    arena_clear(arena);
    for (size_t i = 0; i < arena->chunk_count; i++) {
        free(arena->chunks[i]);
    }
    free(arena->chunks);
    free(arena->big);
    *arena = (struct arena){0};
}

/* Room for one more pointer. */
static bool grow_list(char ***list, size_t count, size_t *capacity)
{
    size_t wanted = *capacity * 2 + 16;
    char **grown;

    if (count < *capacity) {
        return true;
    }
    grown = realloc(*list, wanted * sizeof **list);
    if (grown == NULL) {
        return false;
    }
    *list = grown;
    *capacity = wanted;
    return true;
}

static char *take_big(struct arena *arena, size_t length)
{
    char *piece;

    if (!grow_list(&arena->big, arena->big_count, &arena->big_capacity) ||
        (piece = malloc(length)) == NULL) {
        arena->failed = true;
        return NULL;
    }
    arena->big[arena->big_count++] = piece;
    return piece;
}

static bool next_chunk(struct arena *arena)
{
    size_t next = arena->chunk_count == 0 ? 0 : arena->current + 1;

    if (next == arena->chunk_count) {
        char *chunk;

        if (!grow_list(&arena->chunks, arena->chunk_count, &arena->chunk_capacity) ||
            (chunk = malloc(ARENA_CHUNK_BYTES)) == NULL) {
            arena->failed = true;
            return false;
        }
        arena->chunks[arena->chunk_count++] = chunk;
    }
    arena->current = next;
    arena->used = 0;
    return true;
}

static char *take(struct arena *arena, size_t length)
{
    char *piece;

    arena->taken += length;
    if (length > ARENA_CHUNK_BYTES / 4) {
        return take_big(arena, length);
    }
    if ((arena->chunk_count == 0 || ARENA_CHUNK_BYTES - arena->used < length) &&
        !next_chunk(arena)) {
        return NULL;
    }
    piece = arena->chunks[arena->current] + arena->used;
    arena->used += length;
    return piece;
}

void *arena_take(struct arena *arena, size_t length)
{
    size_t odd = arena->used % ARENA_ALIGN;

    if (odd != 0) {
        arena->used += ARENA_ALIGN - odd;
    }
    if (arena->used > ARENA_CHUNK_BYTES) {
        arena->used = ARENA_CHUNK_BYTES;
    }
    return take(arena, length);
}

const char *arena_copy(struct arena *arena, const char *bytes, size_t length)
{
    char *copy = take(arena, length + 1);

    if (copy == NULL) {
        return "";
    }
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

const char *arena_string(struct arena *arena, const char *string)
{
    return *string == '\0' ? "" : arena_copy(arena, string, strlen(string));
}
