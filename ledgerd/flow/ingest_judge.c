/* ingest_judge - see ingest_judge.h. */
#include "ledgerd/flow/ingest_judge.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/flow/record_json.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void judgement_release(struct judgement *judgement)
{
    free(judgement->verdicts.at);
    free(judgement->chains.at);
    free(judgement->chain_of.at);
    free(judgement->remembered.at);
    free(judgement->contents);
    *judgement = (struct judgement){0};
}

struct chain *judgement_chain(struct judgement *judgement, const struct batch_item *item)
{
    uint32_t number = judgement->chain_of.at[item->first];

    return number == BATCH_NONE ? NULL : &judgement->chains.at[number];
}

/* --- which chains need care ---------------------------------------------------------------- */

static bool needs_care(const struct batch_item *item, const struct judge_options *options)
{
    if (item->kind == BATCH_SKIPPED || *item->id == '\0') {
        return false;
    }
    return options->look_up_all || item->is_shared || item->kind != BATCH_FINAL ||
           item->trouble != NULL;
}

static int reserve(struct judgement *judgement, size_t count, struct error *err)
{
    if (judgement->verdicts.capacity < count) {
        free(judgement->verdicts.at);
        free(judgement->chain_of.at);
        judgement->verdicts.at = malloc(count * sizeof *judgement->verdicts.at);
        judgement->chain_of.at = malloc(count * sizeof *judgement->chain_of.at);
        judgement->verdicts.capacity = count;
        if (judgement->verdicts.at == NULL || judgement->chain_of.at == NULL) {
            judgement->verdicts.capacity = 0;
            return no_memory(err);
        }
    }
    judgement->verdicts.count = count;
    judgement->chain_of.count = count;
    if (count > 0) {
        memset(judgement->verdicts.at, 0, count * sizeof *judgement->verdicts.at);
        memset(judgement->chain_of.at, 0xff, count * sizeof *judgement->chain_of.at);
    }
    judgement->chains.count = 0;
    judgement->remembered.count = 0;
    free(judgement->contents);
    judgement->contents = NULL;
    judgement->content_count = 0;
    return 0;
}

static int add_chain(struct judgement *judgement, uint32_t first, struct error *err)
{
    if (judgement->chains.count == judgement->chains.capacity) {
        size_t capacity = judgement->chains.capacity * 2 + 256;
        struct chain *grown = realloc(judgement->chains.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        judgement->chains.at = grown;
        judgement->chains.capacity = capacity;
    }
    judgement->chain_of.at[first] = (uint32_t)judgement->chains.count;
    judgement->chains.at[judgement->chains.count++] = (struct chain){
        .first = first,
        .final = BATCH_NONE,
        .running = BATCH_NONE,
        .good = BATCH_NONE,
        .seen = INSTANT_NONE,
        .end = INSTANT_NONE,
    };
    return 0;
}

static int find_chains(struct judgement *judgement, const struct judge_options *options,
                       struct error *err)
{
    const struct batch *batch = judgement->batch;

    for (size_t i = 0; i < batch->items.count; i++) {
        const struct batch_item *item = &batch->items.at[i];

        if (needs_care(item, options) && judgement->chain_of.at[item->first] == BATCH_NONE &&
            add_chain(judgement, item->first, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- what the book holds ------------------------------------------------------------------- */

static int look_up_identities(struct judgement *judgement, struct store *store, struct error *err)
{
    const struct batch *batch = judgement->batch;
    size_t count = judgement->chains.count;
    struct lookup_key *keys = calloc(count + 1, sizeof *keys);
    struct lookup_identity *found = calloc(count + 1, sizeof *found);
    struct known_accrual *accruals = calloc(count + 1, sizeof *accruals);
    bool any = false;
    int result = -1;

    if (keys == NULL || found == NULL || accruals == NULL) {
        no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const struct batch_item *item = &batch->items.at[judgement->chains.at[i].first];

        keys[i] = (struct lookup_key){batch->sources.at[item->source].number, item->id};
    }
    if (store_lookup_identities(store, keys, count, found, err) != 0 ||
        store_accruals_any(store, &any, err) != 0 ||
        (any && store_accruals_known(store, keys, count, accruals, err) != 0)) {
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        judgement->chains.at[i].booked = found[i];
        judgement->chains.at[i].accrual = accruals[i];
        memcpy(judgement->chains.at[i].content, found[i].content, sizeof found[i].content);
    }
    result = 0;
done:
    free(keys);
    free(found);
    free(accruals);
    return result;
}

/* The booked version itself is wanted where an item might be another version, or a later sighting,
 * and where it may be one of running work that a close has booked. */
static void mark_wanted_versions(struct judgement *judgement)
{
    const struct batch *batch = judgement->batch;

    for (size_t i = 0; i < batch->items.count; i++) {
        const struct batch_item *item = &batch->items.at[i];
        struct chain *chain = judgement_chain(judgement, item);

        if (chain == NULL || !chain->booked.found) {
            continue;
        }
        if (item->kind != BATCH_FINAL || item->has_seen ||
            memcmp(item->content, chain->booked.content, sizeof item->content) != 0) {
            chain->wants_version = true;
        }
    }
}

struct version_reading {
    struct judgement *judgement;
    const struct judge_options *options;
    const uint32_t *chains; /* of the wanted versions */
    struct strbuf text;
};

bool judge_is_amendable(const char *source)
{
    return strncmp(source, "slurm:", 6) == 0;
}

int64_t judge_elapsed_us(const struct usage_record *record)
{
    unsigned __int128 us = record->elapsed_seconds.mantissa * INSTANT_SECOND_US;

    if (!record->has_elapsed) {
        return record->end.us - record->start.us;
    }
    for (unsigned scale = record->elapsed_seconds.scale; scale > 0; scale--) {
        us /= 10;
    }
    return us > INT64_MAX ? INT64_MAX : (int64_t)us;
}

static int take_version(void *context, size_t i, const struct stored_record *stored,
                        struct error *err)
{
    struct version_reading *reading = context;
    struct judgement *judgement = reading->judgement;
    struct chain *chain = &judgement->chains.at[reading->chains[i]];
    const struct lookup_content *again = lookup_content_find(
        judgement->contents, judgement->content_count, chain->booked.record_no,
        chain->booked.content);

    chain->seen = stored->record.seen;
    if (again != NULL) {
        chain->seen = instant_max(chain->seen, again->seen);
    }
    chain->is_running = stored->is_running;
    chain->end = stored->record.end;
    chain->elapsed_us = judge_elapsed_us(&stored->record);
    chain->earliest = stored->record.start;
    chain->latest = stored->record.end;
    if (instant_is_set(stored->record.submitted)) {
        chain->earliest = instant_min(chain->earliest, stored->record.submitted);
        chain->latest = instant_max(chain->latest, stored->record.submitted);
    }
    if (!judge_is_amendable(stored->record.source)) {
        strbuf_clear(&reading->text);
        record_json_write(&stored->record, reading->options->zone, &reading->text);
        chain->shown = arena_copy(&judgement->batch->arena, reading->text.data,
                                  reading->text.length);
        if (reading->text.failed) {
            return no_memory(err);
        }
    }
    return 0;
}

static int look_up_versions(struct judgement *judgement, struct store *store,
                            const struct judge_options *options, struct error *err)
{
    size_t count = judgement->chains.count;
    struct lookup_version *wanted = calloc(count + 1, sizeof *wanted);
    int64_t *record_nos = calloc(count + 1, sizeof *record_nos);
    uint32_t *chains = calloc(count + 1, sizeof *chains);
    struct version_reading reading = {judgement, options, chains, STRBUF_INIT};
    size_t wanted_count = 0;
    int result = -1;

    if (wanted == NULL || record_nos == NULL || chains == NULL) {
        no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const struct chain *chain = &judgement->chains.at[i];

        if (chain->wants_version) {
            chains[wanted_count] = (uint32_t)i;
            record_nos[wanted_count] = chain->booked.record_no;
            wanted[wanted_count++] = (struct lookup_version){
                chain->booked.record_no, chain->booked.month, chain->booked.version};
        }
    }
    if (store_lookup_contents(store, record_nos, wanted_count, &judgement->contents,
                              &judgement->content_count, err) == 0) {
        result = store_lookup_records(store, wanted, wanted_count, take_version, &reading, err);
    }
done:
    strbuf_release(&reading.text);
    free(wanted);
    free(record_nos);
    free(chains);
    return result;
}

/* --- judging --------------------------------------------------------------------------------- */

static int remember(struct judgement *judgement, const struct chain *chain,
                    const unsigned char content[16], struct instant seen, struct error *err)
{
    struct judged_content *added;

    if (judgement->remembered.count == judgement->remembered.capacity) {
        size_t capacity = judgement->remembered.capacity * 2 + 64;
        struct judged_content *grown = realloc(judgement->remembered.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        judgement->remembered.at = grown;
        judgement->remembered.capacity = capacity;
    }
    added = &judgement->remembered.at[judgement->remembered.count++];
    added->chain = (uint32_t)(chain - judgement->chains.at);
    added->seen = seen;
    memcpy(added->content, content, sizeof added->content);
    return 0;
}

/* True if a final version is booked or read; running work that a close has booked waits for one. */
static bool has_final(const struct chain *chain)
{
    return (chain->booked.found && !chain->is_running) || chain->final != BATCH_NONE;
}

/* True if the identity has had this content before: in the book, or in an item read earlier. */
static bool was_had(const struct judgement *judgement, const struct chain *chain,
                    const struct batch_item *item)
{
    const struct batch *batch = judgement->batch;

    if (chain->booked.found &&
        (memcmp(chain->booked.content, item->content, sizeof item->content) == 0 ||
         lookup_content_find(judgement->contents, judgement->content_count, chain->booked.record_no,
                             item->content) != NULL)) {
        return true;
    }
    for (uint32_t i = item->previous; i != BATCH_NONE; i = batch->items.at[i].previous) {
        const struct batch_item *earlier = &batch->items.at[i];

        if (earlier->kind == BATCH_FINAL && earlier->trouble == NULL &&
            memcmp(earlier->content, item->content, sizeof item->content) == 0) {
            return true;
        }
    }
    return false;
}

/* True if the item is the later version than the chain's current one. */
static bool is_later(const struct batch_item *item, const struct chain *chain)
{
    int order = instant_compare(item->seen, chain->seen);

    if (order == 0) {
        order = instant_compare(item->end, chain->end);
    }
    if (order == 0) {
        order = (item->elapsed_us > chain->elapsed_us) - (item->elapsed_us < chain->elapsed_us);
    }
    if (order == 0) {
        order = memcmp(item->content, chain->content, sizeof item->content);
    }
    return order > 0;
}

static void make_current(struct judgement *judgement, struct chain *chain,
                         const struct batch_item *item)
{
    chain->final = (uint32_t)(item - judgement->batch->items.at);
    chain->good = chain->final;
    chain->seen = item->seen;
    chain->end = item->end;
    chain->elapsed_us = item->elapsed_us;
    memcpy(chain->content, item->content, sizeof chain->content);
}

static void quarantine(struct verdict *verdict, const struct batch_trouble *trouble)
{
    verdict->fate = INGEST_QUARANTINED;
    verdict->trouble = trouble;
}

/* Another content under an id whose source does not amend: told with what is booked. */
static int judge_conflict(struct judgement *judgement, const struct chain *chain,
                          const struct batch_item *item, struct verdict *verdict, struct error *err)
{
    struct arena *arena = &judgement->batch->arena;
    struct batch_trouble *trouble = arena_take(arena, sizeof *trouble);
    char booked[INGEST_HASH_TEXT_BYTES];
    char now[INGEST_HASH_TEXT_BYTES];
    struct strbuf text = STRBUF_INIT;

    strbuf_printf(&text, "other content under the same id: booked %s, now %s",
                  ingest_hash_format(chain->content, booked),
                  ingest_hash_format(item->content, now));
    if (chain->final == BATCH_NONE && chain->shown != NULL) {
        strbuf_add_string(&text, "; the booked record: ");
        strbuf_add_string(&text, chain->shown);
    }
    if (trouble == NULL || text.failed) {
        strbuf_release(&text);
        return no_memory(err);
    }
    trouble->reason = "conflict";
    trouble->detail = arena_copy(arena, text.data, text.length);
    strbuf_release(&text);
    quarantine(verdict, trouble);
    return 0;
}

/* Same content as the current version: only a later sighting of its own is worth remembering. */
static int judge_same(struct judgement *judgement, struct chain *chain,
                      const struct batch_item *item, struct verdict *verdict, struct error *err)
{
    verdict->fate = INGEST_DUPLICATE;
    if (!item->has_seen || instant_compare(item->seen, chain->seen) <= 0) {
        return 0;
    }
    chain->seen = item->seen;
    return remember(judgement, chain, item->content, item->seen, err);
}

static int judge_other(struct judgement *judgement, struct chain *chain,
                       const struct batch_item *item, struct verdict *verdict, struct error *err)
{
    const char *source = judgement->batch->sources.at[item->source].name;

    if (!judge_is_amendable(source)) {
        return judge_conflict(judgement, chain, item, verdict, err);
    }
    if ((!item->has_seen && was_had(judgement, chain, item)) || !is_later(item, chain)) {
        verdict->fate = INGEST_DUPLICATE;
        return item->trouble != NULL ? 0
                                     : remember(judgement, chain, item->content,
                                                item->has_seen ? item->seen : INSTANT_NONE, err);
    }
    if (item->trouble != NULL) {
        quarantine(verdict, item->trouble);
        return 0;
    }
    if (remember(judgement, chain, chain->content, INSTANT_NONE, err) != 0) {
        return -1;
    }
    verdict->fate = INGEST_AMENDED;
    make_current(judgement, chain, item);
    return 0;
}

static int judge_final(struct judgement *judgement, struct chain *chain,
                       const struct batch_item *item, struct verdict *verdict, struct error *err)
{
    if (has_final(chain)) {
        return memcmp(item->content, chain->content, sizeof item->content) == 0
                   ? judge_same(judgement, chain, item, verdict, err)
                   : judge_other(judgement, chain, item, verdict, err);
    }
    if (item->trouble != NULL) {
        quarantine(verdict, item->trouble);
        return 0;
    }
    verdict->fate = INGEST_BOOKED;
    make_current(judgement, chain, item);
    return 0;
}

/* The accrual so far against a sighting: negative if the sighting is the later one. */
static int compare_accrual(const struct judgement *judgement, const struct chain *chain,
                           const struct batch_item *item)
{
    const struct batch_item *running = chain->running == BATCH_NONE
                                           ? NULL
                                           : &judgement->batch->items.at[chain->running];
    struct instant end = running != NULL ? running->end : chain->accrual.end;
    const unsigned char *content = running != NULL ? running->content : chain->accrual.content;
    int order = instant_compare(end, item->end);

    return order != 0 ? order : memcmp(content, item->content, sizeof item->content);
}

static void judge_running(struct judgement *judgement, struct chain *chain,
                          const struct batch_item *item, struct verdict *verdict)
{
    bool is_known = chain->running != BATCH_NONE || chain->accrual.found;

    if (has_final(chain) || (is_known && compare_accrual(judgement, chain, item) >= 0)) {
        verdict->fate = INGEST_DUPLICATE;
    } else if (item->trouble != NULL) {
        quarantine(verdict, item->trouble);
    } else {
        verdict->fate = is_known ? INGEST_AMENDED : INGEST_BOOKED;
        chain->running = (uint32_t)(item - judgement->batch->items.at);
        chain->good = chain->running;
    }
}

/* Running work whose month closes is as it was seen last: the accrual's own record. */
static void judge_closing(struct chain *chain, const struct batch_item *item,
                          struct judgement *judgement, struct verdict *verdict)
{
    if (has_final(chain)) {
        verdict->fate = INGEST_DUPLICATE;
        return;
    }
    verdict->fate = INGEST_BOOKED;
    make_current(judgement, chain, item);
    chain->running = chain->final;
}

/* A text that cannot be read loses against a version that was seen as late or later. */
static void judge_bad(const struct chain *chain, const struct batch_item *item,
                      const struct judge_options *options, struct verdict *verdict)
{
    if (chain != NULL && has_final(chain) && instant_compare(chain->seen, options->now) >= 0) {
        verdict->fate = INGEST_DUPLICATE;
    } else {
        quarantine(verdict, item->trouble);
    }
}

static int judge_item(struct judgement *judgement, const struct batch_item *item,
                      const struct judge_options *options, struct verdict *verdict,
                      struct error *err)
{
    struct chain *chain = judgement_chain(judgement, item);

    switch (item->kind) {
    case BATCH_SKIPPED:
        verdict->fate = INGEST_SKIPPED;
        return 0;
    case BATCH_BAD:
        judge_bad(chain, item, options, verdict);
        return 0;
    case BATCH_CLOSING:
        judge_closing(chain, item, judgement, verdict);
        return 0;
    case BATCH_RUNNING:
        judge_running(judgement, chain, item, verdict);
        return 0;
    case BATCH_FINAL:
        break;
    }
    if (chain != NULL) {
        return judge_final(judgement, chain, item, verdict, err);
    }
    verdict->fate = INGEST_BOOKED;
    return 0;
}

int judge_batch(struct judgement *judgement, struct store *store, struct batch *batch,
                const struct judge_options *options, struct error *err)
{
    judgement->batch = batch;
    if (reserve(judgement, batch->items.count, err) != 0 ||
        find_chains(judgement, options, err) != 0) {
        return -1;
    }
    if (judgement->chains.count > 0) {
        if (look_up_identities(judgement, store, err) != 0) {
            return -1;
        }
        mark_wanted_versions(judgement);
        if (look_up_versions(judgement, store, options, err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < batch->items.count; i++) {
        if (judge_item(judgement, &batch->items.at[i], options, &judgement->verdicts.at[i], err) !=
            0) {
            return -1;
        }
    }
    return 0;
}
