/* batch - see batch.h. */
#include "ledgerd/flow/batch.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_LEAST = 1024, LIST_LEAST = 64 };

/* Room for one more element, or NULL; every list here is grown by this. */
static void *grow(void *at, size_t count, size_t *capacity, size_t element_bytes)
{
    size_t wanted = *capacity + *capacity / 2 + LIST_LEAST;
    void *grown;

    if (count < *capacity) {
        return at;
    }
    grown = realloc(at, wanted * element_bytes);
    if (grown != NULL) {
        *capacity = wanted;
    }
    return grown;
}

/* Append a zeroed element to a list of the batch; yields its address, or NULL and the batch failed.
 */
#define APPEND(batch, list)                                                                    \
    __extension__({                                                                            \
        void *grown_ = grow((list)->at, (list)->count, &(list)->capacity, sizeof *(list)->at); \
        if (grown_ == NULL) {                                                                  \
            (batch)->failed = true;                                                            \
        } else {                                                                               \
            (list)->at = grown_;                                                               \
            memset(&(list)->at[(list)->count], 0, sizeof *(list)->at);                         \
            (list)->count++;                                                                   \
        }                                                                                      \
        grown_ == NULL ? NULL : &(list)->at[(list)->count - 1];                                \
    })

void batch_clear(struct batch *batch)
{
    arena_clear(&batch->arena);
    batch->items.count = 0;
    batch->sources.count = 0;
    batch->lines.count = 0;
    batch->slices.count = 0;
    batch->effects.count = 0;
    batch->meters.count = 0;
    batch->months.count = 0;
    copy_rows_clear(&batch->identities);
    copy_rows_clear(&batch->usages);
    copy_rows_clear(&batch->charges);
    if (batch->index != NULL) {
        memset(batch->index, 0xff, batch->index_capacity * sizeof *batch->index);
    }
    if (batch->line_index != NULL) {
        memset(batch->line_index, 0xff, batch->line_index_capacity * sizeof *batch->line_index);
    }
    batch->reading = NULL;
    batch->failed = false;
}

void batch_release(struct batch *batch)
{
    arena_release(&batch->arena);
    free(batch->items.at);
    free(batch->sources.at);
    free(batch->lines.at);
    free(batch->slices.at);
    free(batch->effects.at);
    free(batch->meters.at);
    free(batch->months.at);
    copy_rows_release(&batch->identities);
    copy_rows_release(&batch->usages);
    copy_rows_release(&batch->charges);
    free(batch->index);
    free(batch->line_index);
    *batch = (struct batch){0};
}

int batch_prepare(struct batch *batch, size_t item_max)
{
    size_t capacity = INDEX_LEAST;

    while (capacity < item_max * 2) {
        capacity *= 2;
    }
    if (batch->index_capacity < capacity) {
        free(batch->index);
        batch->index = malloc(capacity * sizeof *batch->index);
        batch->index_capacity = batch->index != NULL ? capacity : 0;
    }
    if (batch->index == NULL) {
        return -1;
    }
    batch_clear(batch);
    return 0;
}

bool batch_is_full(const struct batch *batch, const struct batch_limits *limits)
{
    size_t bytes = batch->arena.taken + batch->identities.length + batch->usages.length +
                   batch->charges.length + batch->items.count * sizeof *batch->items.at +
                   batch->effects.count * sizeof *batch->effects.at +
                   batch->slices.count * sizeof *batch->slices.at;

    return batch->items.count >= limits->items || bytes >= limits->bytes ||
           batch->months.count >= BATCH_MONTHS_MAX || batch->sources.count >= BATCH_SOURCES_MAX ||
           batch->meters.count >= BATCH_METERS_MAX;
}

uint32_t batch_source(struct batch *batch, const char *name)
{
    struct batch_source *source;

    for (size_t i = batch->sources.count; i > 0; i--) {
        if (strcmp(batch->sources.at[i - 1].name, name) == 0) {
            return (uint32_t)(i - 1);
        }
    }
    source = APPEND(batch, &batch->sources);
    if (source == NULL) {
        return BATCH_NONE;
    }
    source->name = arena_string(&batch->arena, name);
    return (uint32_t)(batch->sources.count - 1);
}

/* Eight bytes at a time, the length too. */
uint64_t batch_hash(uint64_t value, const char *text)
{
    size_t length = strlen(text);
    uint64_t word;

    for (; length >= sizeof word; length -= sizeof word, text += sizeof word) {
        memcpy(&word, text, sizeof word);
        value = (value ^ word) * UINT64_C(0x9fb21c651e98df25);
        value ^= value >> 32;
    }
    word = length;
    memcpy((char *)&word + 1, text, length);
    value = (value ^ word) * UINT64_C(0x9fb21c651e98df25);
    return value ^ value >> 29;
}

/* Spread the high bits into the low ones that pick a slot. */
static uint64_t hash_finish(uint64_t value)
{
    value ^= value >> 32;
    value *= UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 29;
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_line(uint32_t source, const char *project, const char *klass)
{
    return hash_finish(batch_hash(batch_hash(HASH_START ^ source, project), klass));
}

static bool line_is(const struct batch_line *line, uint32_t source, const char *project,
                    const char *klass)
{
    return line->source == source && strcmp(line->project, project) == 0 &&
           strcmp(line->klass, klass) == 0;
}

static void index_line(struct batch *batch, uint32_t number)
{
    const struct batch_line *line = &batch->lines.at[number];
    size_t mask = batch->line_index_capacity - 1;
    size_t slot = hash_line(line->source, line->project, line->klass) & mask;

    while (batch->line_index[slot] != BATCH_NONE) {
        slot = (slot + 1) & mask;
    }
    batch->line_index[slot] = number;
}

static bool grow_line_index(struct batch *batch)
{
    size_t capacity = batch->line_index_capacity == 0 ? INDEX_LEAST
                                                      : batch->line_index_capacity * 2;
    uint32_t *grown;

    if (batch->lines.count * 2 < batch->line_index_capacity) {
        return true;
    }
    grown = realloc(batch->line_index, capacity * sizeof *grown);
    if (grown == NULL) {
        batch->failed = true;
        return false;
    }
    memset(grown, 0xff, capacity * sizeof *grown);
    batch->line_index = grown;
    batch->line_index_capacity = capacity;
    for (uint32_t i = 0; i < batch->lines.count; i++) {
        index_line(batch, i);
    }
    return true;
}

uint32_t batch_line(struct batch *batch, uint32_t source, const char *project, const char *klass)
{
    struct batch_line *line;
    size_t mask;
    size_t slot;

    if (!grow_line_index(batch)) {
        return BATCH_NONE;
    }
    mask = batch->line_index_capacity - 1;
    slot = hash_line(source, project, klass) & mask;
    for (; batch->line_index[slot] != BATCH_NONE; slot = (slot + 1) & mask) {
        if (line_is(&batch->lines.at[batch->line_index[slot]], source, project, klass)) {
            return batch->line_index[slot];
        }
    }
    line = APPEND(batch, &batch->lines);
    if (line == NULL) {
        return BATCH_NONE;
    }
    line->source = source;
    line->project = arena_string(&batch->arena, project);
    line->klass = arena_string(&batch->arena, klass);
    batch->line_index[slot] = (uint32_t)(batch->lines.count - 1);
    return batch->line_index[slot];
}

uint32_t batch_meter(struct batch *batch, const char *name)
{
    const char **meter;

    for (size_t i = 0; i < batch->meters.count; i++) {
        if (strcmp(batch->meters.at[i], name) == 0) {
            return (uint32_t)i;
        }
    }
    meter = APPEND(batch, &batch->meters);
    if (meter == NULL) {
        return BATCH_NONE;
    }
    *meter = arena_string(&batch->arena, name);
    return (uint32_t)(batch->meters.count - 1);
}

void batch_month(struct batch *batch, struct month month)
{
    struct month *added;

    for (size_t i = batch->months.count; i > 0; i--) {
        if (batch->months.at[i - 1].number == month.number) {
            return;
        }
    }
    added = APPEND(batch, &batch->months);
    if (added != NULL) {
        *added = month;
    }
}

struct batch_item *batch_item(struct batch *batch)
{
    struct batch_item *item = APPEND(batch, &batch->items);

    if (item != NULL) {
        item->line = BATCH_NONE;
        item->source = BATCH_NONE;
        item->previous = BATCH_NONE;
        item->first = (uint32_t)(batch->items.count - 1);
        item->id = "";
        item->user = "";
        item->start = INSTANT_NONE;
        item->end = INSTANT_NONE;
        item->seen = INSTANT_NONE;
    }
    return item;
}

struct batch_slice *batch_slice(struct batch *batch)
{
    return APPEND(batch, &batch->slices);
}

struct batch_effect *batch_effect(struct batch *batch)
{
    return APPEND(batch, &batch->effects);
}

static bool same_chain(const struct batch_item *a, const struct batch_item *b)
{
    if (a->source != b->source || strcmp(a->id, b->id) != 0) {
        return false;
    }
    return *a->id != '\0' || memcmp(a->raw->hash, b->raw->hash, sizeof a->raw->hash) == 0;
}

static uint64_t hash_item(const struct batch_item *item)
{
    uint64_t hash;

    if (*item->id != '\0') {
        return hash_finish(batch_hash(HASH_START ^ item->source, item->id));
    }
    memcpy(&hash, item->raw->hash, sizeof hash);
    return hash_finish(hash ^ item->source);
}

void batch_chain(struct batch *batch)
{
    uint32_t number = (uint32_t)(batch->items.count - 1);
    struct batch_item *item = &batch->items.at[number];
    uint64_t hash = hash_item(item);
    uint32_t mark = (uint32_t)(hash >> 32);
    size_t mask = batch->index_capacity - 1;
    size_t slot = hash & mask;

    for (; batch->index[slot].item != BATCH_NONE; slot = (slot + 1) & mask) {
        struct batch_item *other = &batch->items.at[batch->index[slot].item];

        if (batch->index[slot].hash == mark && same_chain(other, item)) {
            item->previous = batch->index[slot].item;
            item->first = other->first;
            item->is_shared = true;
            other->is_shared = true;
            break;
        }
    }
    batch->index[slot] = (struct batch_slot){number, mark};
}
