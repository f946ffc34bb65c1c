/* ingest_held - see ingest_held.h. */
#include "ledgerd/flow/ingest_held.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES_MAX = 64 * 1024, /* a longer header is not kept, and its texts can't be retried */
    /* of texts in one statement, which are copied twice on their way */
    PUT_BYTES = 4 * 1024 * 1024,
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void held_release(struct held *held)
{
    free(held->items.at);
    *held = (struct held){0};
}

/* The text as it is kept: with the header that reading it again needs. */
static int compose_raw(struct quarantine_entry *entry, const struct batch_raw *raw,
                       struct arena *arena, struct error *err)
{
    size_t header_length = strlen(raw->reading->header);
    char *text;

    entry->is_whole = raw->is_whole && header_length <= HEADER_BYTES_MAX;
    if (header_length > HEADER_BYTES_MAX) {
        header_length = 0;
    }
    if (header_length == 0) {
        entry->raw = (char *)raw->text;
        entry->raw_length = raw->length;
        return 0;
    }
    text = arena_take(arena, header_length + raw->length + 1);
    if (text == NULL) {
        return no_memory(err);
    }
    memcpy(text, raw->reading->header, header_length);
    memcpy(text + header_length, raw->text, raw->length);
    entry->raw = text;
    entry->raw_length = header_length + raw->length;
    return 0;
}

static int make_entry(struct held_item *to, const struct judgement *judgement,
                      struct ingest_hasher *hasher, struct instant now, struct error *err)
{
    struct batch *batch = judgement->batch;
    const struct batch_item *item = &batch->items.at[to->item];
    const struct batch_trouble *trouble = judgement->verdicts.at[to->item].trouble;
    struct quarantine_entry *entry = &to->entry;

    *entry = (struct quarantine_entry){
        .source = (char *)batch->sources.at[item->source].name,
        .id = (char *)item->id,
        .format = (char *)item->raw->reading->format,
        .options = (char *)item->raw->reading->options,
        .reason = (char *)trouble->reason,
        .detail = (char *)trouble->detail,
        .has_month = item->has_month,
        .first_month = item->first_month,
        .month = item->month,
        .state = QUARANTINE_OPEN,
        .since = now,
        .ended_at = INSTANT_NONE,
    };
    if (compose_raw(entry, item->raw, &batch->arena, err) != 0) {
        return -1;
    }
    return ingest_hash_text(hasher, item->raw->reading->header, item->raw->text, item->raw->length,
                            entry->raw_hash, err);
}

static int collect(struct held *held, const struct judgement *judgement,
                   struct ingest_hasher *hasher, struct instant now, struct error *err)
{
    held->items.count = 0;
    for (size_t i = 0; i < judgement->verdicts.count; i++) {
        struct held_item *added;

        if (judgement->verdicts.at[i].fate != INGEST_QUARANTINED) {
            continue;
        }
        if (held->items.count == held->items.capacity) {
            size_t capacity = held->items.capacity * 2 + 64;
            struct held_item *grown = realloc(held->items.at, capacity * sizeof *grown);

            if (grown == NULL) {
                return no_memory(err);
            }
            held->items.at = grown;
            held->items.capacity = capacity;
        }
        added = &held->items.at[held->items.count++];
        added->item = (uint32_t)i;
        added->is_put = false;
        if (make_entry(added, judgement, hasher, now, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What the entry of this item's chain is by now: the book's, or that of an item read before it. */
static void settle_item(struct held *held, size_t i, struct judgement *judgement, uint32_t *last_of,
                        const struct quarantine_known *known)
{
    struct held_item *now = &held->items.at[i];
    struct batch_item *item = &judgement->batch->items.at[now->item];
    struct chain *chain = *item->id != '\0' ? judgement_chain(judgement, item) : NULL;
    uint32_t *last = &last_of[item->first];
    bool is_mended = chain != NULL && chain->good != BATCH_NONE && chain->good > now->item;
    bool is_same = known->found && known->same_raw;
    bool is_open = known->found && known->state == QUARANTINE_OPEN;
    bool is_changed = !is_same || !known->same_reason;

    if (*last != BATCH_NONE) { /* an entry of this batch stands where the book's stood */
        struct held_item *before = &held->items.at[*last];

        is_same = memcmp(before->entry.raw_hash, now->entry.raw_hash, sizeof now->entry.raw_hash) ==
                  0;
        is_open = true;
        is_changed = !is_same;
        if (is_changed) {
            before->is_put = false;
        }
    }
    if (is_same && !is_open) {
        judgement->verdicts.at[now->item].fate = INGEST_DUPLICATE;
        return;
    }
    if (is_changed && !is_mended) {
        now->is_put = true;
        *last = (uint32_t)i;
    }
}

int held_settle(struct held *held, struct judgement *judgement, struct store *store,
                struct ingest_hasher *hasher, struct instant now, struct error *err)
{
    const struct quarantine_entry **entries = NULL;
    struct quarantine_known *known = NULL;
    uint32_t *last_of = NULL;
    int result = -1;

    if (collect(held, judgement, hasher, now, err) != 0) {
        return -1;
    }
    if (held->items.count == 0) {
        return 0;
    }
    entries = calloc(held->items.count, sizeof *entries);
    known = calloc(held->items.count, sizeof *known);
    last_of = malloc(judgement->verdicts.count * sizeof *last_of);
    if (entries == NULL || known == NULL || last_of == NULL) {
        no_memory(err);
        goto done;
    }
    memset(last_of, 0xff, judgement->verdicts.count * sizeof *last_of);
    for (size_t i = 0; i < held->items.count; i++) {
        entries[i] = &held->items.at[i].entry;
    }
    if (store_quarantine_known(store, entries, held->items.count, known, err) != 0) {
        goto done;
    }
    for (size_t i = 0; i < held->items.count; i++) {
        settle_item(held, i, judgement, last_of, &known[i]);
    }
    result = 0;
done:
    free(entries);
    free(known);
    free(last_of);
    return result;
}

static bool was_good(struct judgement *judgement, const struct batch_item *item, uint32_t number)
{
    const struct chain *chain = judgement_chain(judgement, item);

    return chain != NULL ? chain->good == number
                         : judgement->verdicts.at[number].fate == INGEST_BOOKED;
}

static int resolve(struct judgement *judgement, struct store *store, struct instant now,
                   struct error *err)
{
    const struct batch *batch = judgement->batch;
    const char **sources;
    const char **ids;
    size_t count = 0;
    bool any;
    int result;

    if (store_quarantine_any_open(store, &any, err) != 0) {
        return -1;
    }
    if (!any) {
        return 0;
    }
    sources = calloc(batch->items.count + 1, sizeof *sources);
    ids = calloc(batch->items.count + 1, sizeof *ids);
    if (sources == NULL || ids == NULL) {
        free(sources);
        free(ids);
        return no_memory(err);
    }
    for (size_t i = 0; i < batch->items.count; i++) {
        const struct batch_item *item = &batch->items.at[i];

        if (item->kind != BATCH_SKIPPED && was_good(judgement, item, (uint32_t)i)) {
            sources[count] = batch->sources.at[item->source].name;
            ids[count++] = item->id;
        }
    }
    result = store_quarantine_resolve(store, sources, ids, count, now, err);
    free(sources);
    free(ids);
    return result;
}

/* Write the entries that are to be put, some at a time. */
static int put(const struct held *held, const struct quarantine_entry **some, struct store *store,
               struct error *err)
{
    size_t count = 0;
    size_t bytes = 0;

    for (size_t i = 0; i < held->items.count; i++) {
        const struct held_item *item = &held->items.at[i];

        if (!item->is_put) {
            continue;
        }
        some[count++] = &item->entry;
        bytes += item->entry.raw_length;
        if (bytes >= PUT_BYTES) {
            if (store_quarantine_put(store, some, count, err) != 0) {
                return -1;
            }
            count = 0;
            bytes = 0;
        }
    }
    return store_quarantine_put(store, some, count, err);
}

int held_write(const struct held *held, struct judgement *judgement, struct store *store,
               struct instant now, struct error *err)
{
    const struct quarantine_entry **some;
    int result;

    if (resolve(judgement, store, now, err) != 0) {
        return -1;
    }
    some = calloc(held->items.count + 1, sizeof *some);
    if (some == NULL) {
        return no_memory(err);
    }
    result = put(held, some, store, err);
    free(some);
    return result;
}
