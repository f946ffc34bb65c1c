/* tokens_otel - OpenTelemetry spans of model calls.
 *
 * Spans come alone, one a line, or many in an OTLP document (resourceSpans / scopeSpans / spans);
 * their attributes as OTLP's list of {"key","value":{"intValue":…}}, as a plain object, or as
 * members of the span itself.  Three generations of names are read: gen_ai.usage.input_tokens, the
 * older prompt_tokens, and OpenInference's llm.token_count.*.  Cached tokens are inside the input,
 * reasoning inside the output.
 */
#include <stdlib.h>
#include <string.h>

#include "importers/tokens.h"

struct otel_state {
    struct scan_doc answer;         /* of the model's answer, kept as JSON in a string */
    bool in_document;               /* spans of the document at hand are still to be given */
    uint32_t resource, scope, span; /* the next one to give; SCAN_NONE: the first of its list */
    uint64_t line;
};

static int otel_open(struct importer *importer, struct error *err)
{
    struct otel_state *state = calloc(1, sizeof *state);

    if (state == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    scan_init(&state->answer);
    importer->state = state;
    return 0;
}

static void otel_close(struct importer *importer)
{
    struct otel_state *state = importer->state;

    if (state != NULL) {
        scan_release(&state->answer);
    }
    free(state);
}

static bool text_is(struct scan_text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

/* What an attribute's value holds: {"intValue":"5"} gives the token of "5". */
static uint32_t unwrap(struct scan_doc *doc, uint32_t value)
{
    if (value != SCAN_NONE && scan_type(doc, value) == SCAN_OBJECT &&
        doc->tokens[value].next > value + 2) {
        return value + 2; /* its first member's value */
    }
    return value;
}

/* The value of a span's attribute `name`, SCAN_NONE if it has none. */
static uint32_t attribute(struct scan_doc *doc, uint32_t span, const char *name)
{
    uint32_t list = scan_member(doc, span, "attributes");

    if (list == SCAN_NONE) {
        return scan_given(doc, span, name);
    }
    if (scan_type(doc, list) == SCAN_OBJECT) {
        return unwrap(doc, scan_given(doc, list, name));
    }
    if (scan_type(doc, list) != SCAN_ARRAY) {
        return SCAN_NONE;
    }
    for (uint32_t entry = list + 1; entry < doc->tokens[list].next;
         entry = doc->tokens[entry].next) {
        if (text_is(token_text(doc, entry, "key"), name)) {
            return unwrap(doc, scan_given(doc, entry, "value"));
        }
    }
    return SCAN_NONE;
}

static struct scan_text attribute_text(struct scan_doc *doc, uint32_t span,
                                       const char *const *names)
{
    for (; *names != NULL; names++) {
        uint32_t token = attribute(doc, span, *names);
        if (token != SCAN_NONE && scan_type(doc, token) == SCAN_STRING &&
            doc->tokens[token].length > 0) {
            return scan_text(doc, token);
        }
    }
    return (struct scan_text){"", 0};
}

static int attribute_count(struct scan_doc *doc, uint32_t span, const char *const *names,
                           struct token_count *count, struct counts_error *what)
{
    count->given = false;
    for (; *names != NULL && !count->given; names++) {
        uint32_t token = attribute(doc, span, *names);
        if (token != SCAN_NONE && token_count_read(doc, token, *names, count, what) != 0) {
            return -1;
        }
    }
    return 0;
}

static enum counts_status read_counts(struct scan_doc *doc, uint32_t span,
                                      struct token_counts *counts, struct counts_error *what)
{
    static const char *const input[] = {"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens",
                                        "llm.token_count.prompt", NULL};
    static const char *const output[] = {"gen_ai.usage.output_tokens",
                                         "gen_ai.usage.completion_tokens",
                                         "llm.token_count.completion", NULL};
    static const char *const cached[] = {
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_input_tokens", "llm.token_count.prompt_details.cache_read", NULL};
    static const char *const written[] = {"gen_ai.usage.cache_creation.input_tokens",
                                          "gen_ai.usage.cache_creation_input_tokens",
                                          "llm.token_count.prompt_details.cache_write", NULL};

    if (attribute_count(doc, span, input, &counts->input, what) != 0 ||
        attribute_count(doc, span, output, &counts->output, what) != 0 ||
        attribute_count(doc, span, cached, &counts->cached, what) != 0 ||
        attribute_count(doc, span, written, &counts->cache_write, what) != 0) {
        return COUNTS_BAD;
    }
    if (!counts->input.given && !counts->output.given) {
        return COUNTS_NONE;
    }
    return token_counts_split(counts, what) != 0 ? COUNTS_BAD : COUNTS_READ;
}

/* A time in nanoseconds, or as text under its other name. */
static int read_time(struct importer *importer, uint32_t span, const char *nanos, const char *text,
                     struct instant *t)
{
    struct scan_doc *doc = &importer->items.doc;
    uint32_t token = scan_given(doc, span, nanos);
    struct scan_text digits;

    if (token != SCAN_NONE) {
        digits = scan_text(doc, token);
        return time_epoch_nanos(digits.bytes, digits.length, t);
    }
    return token_time(&importer->times, doc, scan_given(doc, span, text), t);
}

/* OpenInference keeps the answer's own JSON: its id and time, where the span has none. */
static void read_answer(struct importer *importer, uint32_t span, struct token_usage *usage)
{
    static const char *const names[] = {"output.value", NULL};
    struct otel_state *state = importer->state;
    struct scan_text text = attribute_text(&importer->items.doc, span, names);

    if (text.length == 0 || scan_json_whole(&state->answer, text.bytes, text.length) != SCAN_OK ||
        scan_type(&state->answer, 0) != SCAN_OBJECT) {
        return;
    }
    usage->id = token_text_or(usage->id, token_text(&state->answer, 0, "id"));
    if (!instant_is_set(usage->start) && !instant_is_set(usage->end)) {
        token_time(&importer->times, &state->answer, scan_given(&state->answer, 0, "created"),
                   &usage->start);
    }
}

/* The response's id, else the answer's, else the span's own. */
static void read_identity(struct importer *importer, uint32_t span, struct token_usage *usage)
{
    static const char *const names[] = {"gen_ai.response.id", NULL};
    struct scan_doc *doc = &importer->items.doc;
    uint32_t context = scan_given(doc, span, "context");

    usage->id = attribute_text(doc, span, names);
    read_answer(importer, span, usage);
    usage->id = token_text_or(usage->id, token_text(doc, span, "spanId"));
    usage->id = token_text_or(usage->id, token_text(doc, span, "span_id"));
    if (context != SCAN_NONE) {
        usage->id = token_text_or(usage->id, token_text(doc, context, "span_id"));
    }
    tokens_identify(importer, usage->id);
}

static void read_names(struct scan_doc *doc, uint32_t span, struct token_usage *usage)
{
    static const char *const model[] = {"gen_ai.response.model", "gen_ai.request.model",
                                        "llm.model_name", NULL};
    static const char *const requested[] = {"gen_ai.request.model", NULL};
    static const char *const project[] = {"ledger.project", NULL};
    static const char *const user[] = {"ledger.user", "user.id", "enduser.id", NULL};

    usage->model = attribute_text(doc, span, model);
    usage->project = attribute_text(doc, span, project);
    usage->user = attribute_text(doc, span, user);
    token_attribute(usage, "requested_model", attribute_text(doc, span, requested));
    token_attribute(usage, "span", token_text(doc, span, "name"));
}

static int give_span(struct importer *importer, uint32_t span, struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    struct token_usage usage;
    struct counts_error what;
    enum counts_status status;

    if (scan_type(doc, span) != SCAN_OBJECT) {
        return item_bad(importer, item, "malformed", "a span must be an object");
    }
    token_usage_init(&usage);
    status = read_counts(doc, span, &usage.counts, &what);
    if (status == COUNTS_NONE) {
        return item_skip(item, "no_usage", "the span counts no tokens");
    }
    if (read_time(importer, span, "startTimeUnixNano", "start_time", &usage.start) != 0 ||
        read_time(importer, span, "endTimeUnixNano", "end_time", &usage.end) != 0) {
        return item_bad(importer, item, "malformed", "the span's start or end is not a time");
    }
    read_identity(importer, span, &usage);
    if (status == COUNTS_BAD) {
        return item_bad(importer, item, "malformed", "%s", what.text);
    }
    read_names(doc, span, &usage);
    return tokens_normalise(importer, &usage, item);
}

/* The list `key` of `object`, SCAN_NONE if there is none. */
static uint32_t list_of(struct scan_doc *doc, uint32_t object, const char *key, const char *old_key)
{
    uint32_t list = scan_member(doc, object, key);

    if (list == SCAN_NONE && old_key != NULL) {
        list = scan_member(doc, object, old_key);
    }
    return list != SCAN_NONE && scan_type(doc, list) == SCAN_ARRAY ? list : SCAN_NONE;
}

/* The element behind `at` (the first if SCAN_NONE), SCAN_NONE at the end. */
static uint32_t element_after(const struct scan_doc *doc, uint32_t list, uint32_t at)
{
    uint32_t next = at == SCAN_NONE ? list + 1 : doc->tokens[at].next;

    return list != SCAN_NONE && next < doc->tokens[list].next ? next : SCAN_NONE;
}

/* Move to the next span of the document; false at its end. */
static bool next_span(struct scan_doc *doc, struct otel_state *state)
{
    uint32_t resources = list_of(doc, 0, "resourceSpans", "resource_spans");

    for (;;) {
        if (state->scope != SCAN_NONE) {
            state->span = element_after(doc, list_of(doc, state->scope, "spans", NULL),
                                        state->span);
            if (state->span != SCAN_NONE) {
                return true;
            }
        }
        if (state->resource != SCAN_NONE) {
            uint32_t scopes = list_of(doc, state->resource, "scopeSpans", "scope_spans");
            state->scope = element_after(doc, scopes, state->scope);
            if (state->scope != SCAN_NONE) {
                continue;
            }
        }
        state->resource = element_after(doc, resources, state->resource);
        if (state->resource == SCAN_NONE) {
            return false;
        }
    }
}

static int otel_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct otel_state *state = importer->state;
    struct scan_doc *doc = &importer->items.doc;

    for (;;) {
        bool given;
        int result;

        if (state->in_document && next_span(doc, state)) {
            const struct scan_token *span = &doc->tokens[state->span];
            item_begin(importer, item, doc->text + span->start, span->length, ++state->line);
            return give_span(importer, state->span, item);
        }
        state->in_document = false;
        result = item_next_json(importer, item, &given, err);
        if (result != 1) {
            return result;
        }
        state->in_document = !given &&
                             (list_of(doc, 0, "resourceSpans", "resource_spans") != SCAN_NONE);
        if (!state->in_document) {
            item->line = ++state->line;
            return given ? 1 : give_span(importer, 0, item);
        }
        state->resource = state->scope = state->span = SCAN_NONE;
    }
}

const struct import_format_ops format_otel = {
    .format = IMPORT_OTEL,
    .name = "otel",
    .open = otel_open,
    .next = otel_next,
    .close = otel_close,
};
