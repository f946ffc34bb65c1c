/* reconcile_tokens - see reconcile_tokens.h. */
#include "ledgerd/flow/reconcile_tokens.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/document.h"
#include "ledgerd/store/store_reconcile_tokens.h"

#define ALL_CLASSES "*"

enum { CLASSES_MAX = 4096 };

struct counted { /* what the engines counted of one kind of token of a class */
    const char *klass;
    enum engine_kind kind;
    uint64_t tokens;
    uint64_t slack;
    int64_t resets;
};

struct booked { /* what the book has of a class */
    char *klass;
    int64_t input, cached, output;
};

struct comparing {
    const struct reconcile_tokens_options *options;
    const struct catalog *catalog;
    struct instant from, to;
    size_t counted_count;
    struct counted *counted; /* ENGINE_COUNTERS_MAX of them */
    size_t booked_count;
    struct booked *booked; /* CLASSES_MAX of them */
};

/* --- the engines ------------------------------------------------------------------------------ */

static const char *class_of(const struct comparing *work, const struct engine_counter *counter)
{
    const struct reconcile_tokens_options *options = work->options;
    if (counter->model[0] != '\0') {
        return catalog_resolve_class(options->conf, options->source, counter->model);
    }
    return options->klass != NULL ? options->klass : ALL_CLASSES;
}

/* There are no more classes and kinds than counters in all snapshots. */
static struct counted *counted_of(struct comparing *work, const struct engine_counter *counter)
{
    const char *klass = class_of(work, counter);
    for (size_t i = 0; i < work->counted_count; i++) {
        struct counted *known = &work->counted[i];
        if (known->kind == counter->kind && strcmp(known->klass, klass) == 0) {
            return known;
        }
    }
    struct counted *made = &work->counted[work->counted_count++];
    *made = (struct counted){.klass = klass, .kind = counter->kind};
    return made;
}

static const struct engine_counter *series_find(const struct engine_metrics *metrics,
                                                uint64_t series)
{
    for (size_t i = 0; i < metrics->count; i++) {
        if (metrics->counters[i].series == series) {
            return &metrics->counters[i];
        }
    }
    return NULL;
}

/* What a snapshot adds to the one before (NULL: to nothing). */
static void snapshot_add(struct comparing *work, const struct engine_metrics *before,
                         const struct engine_metrics *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct engine_counter *now = &snapshot->counters[i];
        const struct engine_counter *then = before != NULL ? series_find(before, now->series)
                                                           : NULL;
        struct counted *counted = counted_of(work, now);
        bool goes_on = then != NULL && then->value <= now->value;
        counted->tokens += goes_on ? now->value - then->value : now->value;
        counted->slack += goes_on ? now->slack + then->slack : now->slack;
        counted->resets += then != NULL && !goes_on;
    }
    for (size_t i = 0; before != NULL && i < before->count; i++) {
        if (series_find(snapshot, before->counters[i].series) == NULL) {
            counted_of(work, &before->counters[i])->resets++;
        }
    }
}

static void engines_count(struct comparing *work, const struct engine_metrics *snapshots,
                          size_t count)
{
    if (count == 1) {
        snapshot_add(work, NULL, &snapshots[0]);
    }
    for (size_t i = 1; i < count; i++) {
        snapshot_add(work, &snapshots[i - 1], &snapshots[i]);
    }
}

/* --- the book --------------------------------------------------------------------------------- */

/* The class's row; rows come class by class. */
static struct booked *booked_of(struct comparing *work, const char *klass, struct error *err)
{
    size_t count = work->booked_count;
    if (count > 0 && strcmp(work->booked[count - 1].klass, klass) == 0) {
        return &work->booked[count - 1];
    }
    if (count == CLASSES_MAX) {
        error_set(err, ERROR_INPUT, "%s has more than %d classes", work->options->source,
                  CLASSES_MAX);
        return NULL;
    }
    char *copy = strdup(klass);
    if (copy == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    work->booked[count] = (struct booked){.klass = copy};
    work->booked_count++;
    return &work->booked[count];
}

static int booked_take(void *context, const char *klass, const char *meter, int64_t count,
                       struct error *err)
{
    struct booked *booked = booked_of(context, klass, err);
    if (booked == NULL) {
        return -1;
    }
    if (strcmp(meter, "input_tokens") == 0) {
        booked->input = count;
    } else if (strcmp(meter, "cached_input_tokens") == 0) {
        booked->cached = count;
    } else if (strcmp(meter, "output_tokens") == 0) {
        booked->output = count;
    }
    return 0;
}

static int64_t booked_sum(const struct comparing *work, const char *klass, enum engine_kind kind)
{
    int64_t sum = 0;
    for (size_t i = 0; i < work->booked_count; i++) {
        const struct booked *booked = &work->booked[i];
        if (strcmp(klass, ALL_CLASSES) != 0 && strcmp(klass, booked->klass) != 0) {
            continue;
        }
        sum += kind == ENGINE_INPUT || kind == ENGINE_PROMPT ? booked->input : 0;
        sum += kind == ENGINE_CACHED || kind == ENGINE_PROMPT ? booked->cached : 0;
        sum += kind == ENGINE_OUTPUT ? booked->output : 0;
    }
    return sum;
}

static int book_read(struct store *store, void *context, struct error *err)
{
    struct comparing *work = context;
    struct booked_span span = {.source = work->options->source, .from = work->from, .to = work->to};
    span.first = calendar_month_of(&work->catalog->calendar, work->from);
    span.last = calendar_month_of(&work->catalog->calendar, work->to);
    for (; work->booked_count > 0; work->booked_count--) { /* the transaction may run again */
        free(work->booked[work->booked_count - 1].klass);
    }
    return store_booked_tokens(store, &span, booked_take, work, err);
}

/* --- the comparison --------------------------------------------------------------------------- */

static bool is_near(const struct counted *counted, int64_t book, struct decimal tolerance)
{
    __int128 drift = (__int128)book - (__int128)counted->tokens;
    __int128 scale = 1;
    for (unsigned i = 0; i < tolerance.scale; i++) {
        scale *= 10;
    }
    drift = drift < 0 ? -drift : drift;
    return drift * scale <= (__int128)tolerance.mantissa * (__int128)counted->tokens +
                                (__int128)counted->slack * scale;
}

static const char *why_not(const struct comparing *work, const struct counted *counted,
                           int64_t book)
{
    bool is_vllm = false;
    for (size_t i = 0; i < work->counted_count; i++) {
        is_vllm |= work->counted[i].kind == ENGINE_PROMPT &&
                   strcmp(work->counted[i].klass, counted->klass) == 0;
    }
    if (counted->resets > 0) {
        return "the engine was started anew or is gone: it counted at least this much";
    }
    if (is_vllm && counted->kind == ENGINE_CACHED && book == 0) {
        return "vLLM's answers tell cached tokens only with --enable-prompt-tokens-details";
    }
    return book < (int64_t)counted->tokens
               ? "the book has less: answers that were not booked, or are on their way"
               : "the book has more: another engine served too, or this one counts since later";
}

static json_t *counter_document(const struct comparing *work, const struct counted *counted,
                                bool *agrees)
{
    int64_t book = booked_sum(work, counted->klass, counted->kind);
    bool near = is_near(counted, book, work->options->tolerance);
    *agrees &= near;
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:s?}", "class", counted->klass, "kind",
                     engine_kind_text(counted->kind), "engine", (json_int_t)counted->tokens, "book",
                     (json_int_t)book, "drift", (json_int_t)(book - (int64_t)counted->tokens),
                     "resets", (json_int_t)counted->resets, "agrees", near, "why",
                     near ? NULL : why_not(work, counted, book));
}

static json_t *elsewhere_document(const struct comparing *work)
{
    json_t *list = json_array();
    for (size_t b = 0; b < work->booked_count; b++) {
        bool is_named = false;
        for (size_t c = 0; c < work->counted_count; c++) {
            is_named |= strcmp(work->counted[c].klass, ALL_CLASSES) == 0 ||
                        strcmp(work->counted[c].klass, work->booked[b].klass) == 0;
        }
        if (!is_named) {
            json_array_append_new(list, json_string(work->booked[b].klass));
        }
    }
    return list;
}

static int by_class_and_kind(const void *left, const void *right)
{
    const struct counted *a = left, *b = right;
    int order = strcmp(a->klass, b->klass);
    return order != 0 ? order : (a->kind > b->kind) - (a->kind < b->kind);
}

static json_t *comparison_document(struct comparing *work)
{
    const struct zone *zone = &work->catalog->zone;
    char tolerance[DECIMAL_TEXT_BYTES];
    json_t *counters = json_array();
    bool agrees = true;
    qsort(work->counted, work->counted_count, sizeof *work->counted, by_class_and_kind);
    for (size_t i = 0; i < work->counted_count; i++) {
        json_array_append_new(counters, counter_document(work, &work->counted[i], &agrees));
    }
    return json_pack("{s:s, s:o, s:o, s:s, s:b, s:o, s:o}", "source", work->options->source, "from",
                     document_instant(zone, work->from), "to", document_instant(zone, work->to),
                     "tolerance", decimal_format(work->options->tolerance, tolerance), "agrees",
                     agrees, "counters", counters, "elsewhere", elsewhere_document(work));
}

static int times_find(struct comparing *work, const struct engine_metrics *snapshots, size_t count,
                      struct error *err)
{
    const struct reconcile_tokens_options *options = work->options;
    const struct engine_metrics *first = &snapshots[0], *last = &snapshots[count - 1];
    work->from = instant_is_set(options->from) ? options->from
                 : count > 1                   ? first->taken
                                               : first->started;
    work->to = instant_is_set(options->to)   ? options->to
               : instant_is_set(last->taken) ? last->taken
                                             : options->now;
    if (!instant_is_set(work->from) && count > 1) {
        return error_set(err, ERROR_ARGUMENT,
                         "--from: the first snapshot does not say when it was taken");
    }
    if (!instant_is_set(work->from)) {
        work->from = (struct instant){0};
    }
    return instant_compare(work->from, work->to) < 0
               ? 0
               : error_set(err, ERROR_ARGUMENT, "--from: the time begins behind its end");
}

json_t *reconcile_tokens(struct store *store, const struct catalog *catalog,
                         const struct reconcile_tokens_options *options,
                         const struct engine_metrics *snapshots, size_t count, struct error *err)
{
    struct comparing work = {.options = options, .catalog = catalog};
    json_t *document = NULL;

    work.counted = calloc(count * ENGINE_COUNTERS_MAX, sizeof *work.counted);
    work.booked = calloc(CLASSES_MAX, sizeof *work.booked);
    if (work.counted == NULL || work.booked == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else if (times_find(&work, snapshots, count, err) == 0) {
        engines_count(&work, snapshots, count);
        if (store_transact(store, STORE_UNLOCKED, book_read, &work, err) == 0) {
            document = comparison_document(&work);
        }
    }
    for (size_t i = 0; i < work.booked_count; i++) {
        free(work.booked[i].klass);
    }
    free(work.booked);
    free(work.counted);
    return document;
}
