/* tokens_litellm - LiteLLM's spend logs and standard logging payloads.
 *
 * Two shapes of one thing: the spend log keeps `metadata` as JSON inside a string, the payload as
 * an object and the answer beside it.  prompt_tokens includes what came from the cache; how much
 * that was stands in the usage object, wherever that is.  Naive times are UTC.
 */
#include <stdlib.h>
#include <string.h>

#include "importers/tokens.h"

struct litellm_state {
    struct scan_doc metadata; /* of JSON in a string */
};

static int litellm_open(struct importer *importer, struct error *err)
{
    struct litellm_state *state = calloc(1, sizeof *state);

    if (state == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    scan_init(&state->metadata);
    importer->state = state;
    time_reader_init(&importer->times, NULL);
    return 0;
}

static void litellm_close(struct importer *importer)
{
    struct litellm_state *state = importer->state;

    if (state != NULL) {
        scan_release(&state->metadata);
    }
    free(state);
}

/* An object of some document. */
struct place {
    struct scan_doc *doc;
    uint32_t object; /* UINT32_MAX: nowhere */
};

static struct place nowhere(void)
{
    return (struct place){NULL, UINT32_MAX};
}

static struct place inner(struct place outer, const char *key)
{
    uint32_t token;

    if (outer.doc == NULL) {
        return nowhere();
    }
    token = scan_member(outer.doc, outer.object, key);
    if (token == SCAN_NONE || scan_type(outer.doc, token) != SCAN_OBJECT) {
        return nowhere();
    }
    return (struct place){outer.doc, token};
}

static struct scan_text text_at(struct place place, const char *key)
{
    return place.doc == NULL ? (struct scan_text){"", 0} : token_text(place.doc, place.object, key);
}

/* The metadata, be it an object or JSON inside a string. */
static struct place find_metadata(struct importer *importer)
{
    struct litellm_state *state = importer->state;
    struct scan_doc *doc = &importer->items.doc;
    uint32_t token = scan_member(doc, 0, "metadata");
    struct scan_text text;

    if (token == SCAN_NONE || scan_type(doc, token) != SCAN_STRING) {
        return inner((struct place){doc, 0}, "metadata");
    }
    text = scan_text(doc, token);
    if (scan_json_whole(&state->metadata, text.bytes, text.length) != SCAN_OK) {
        return nowhere();
    }
    return (struct place){&state->metadata, 0};
}

/* How much of the prompt came from the cache, or went there: the first usage object that tells. */
static int read_cached(struct place usage, struct token_counts *counts, struct counts_error *what)
{
    struct place details = inner(usage, "prompt_tokens_details");

    if (usage.doc == NULL) {
        return 0;
    }
    if (details.doc != NULL && token_count_member(details.doc, details.object, "cached_tokens",
                                                  &counts->cached, what) != 0) {
        return -1;
    }
    if (!counts->cached.given &&
        token_count_member(usage.doc, usage.object, "cache_read_input_tokens", &counts->cached,
                           what) != 0) {
        return -1;
    }
    return token_count_member(usage.doc, usage.object, "cache_creation_input_tokens",
                              &counts->cache_write, what);
}

static enum counts_status read_counts(struct scan_doc *doc, struct place metadata,
                                      struct token_counts *counts, struct counts_error *what)
{
    struct place root = {doc, 0};
    struct place usage = inner(metadata, "usage_object");

    if (token_count_member(doc, 0, "prompt_tokens", &counts->input, what) != 0 ||
        token_count_member(doc, 0, "completion_tokens", &counts->output, what) != 0) {
        return COUNTS_BAD;
    }
    if (!counts->input.given && !counts->output.given) {
        return COUNTS_NONE;
    }
    if (usage.doc == NULL) {
        usage = inner(inner(root, "response"), "usage");
    }
    if (read_cached(usage, counts, what) != 0 || token_counts_split(counts, what) != 0) {
        return COUNTS_BAD;
    }
    return COUNTS_READ;
}

static int read_times(struct importer *importer, struct token_usage *usage,
                      struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    const struct {
        const char *key;
        struct instant *t;
    } times[] = {{"startTime", &usage->start}, {"endTime", &usage->end}};
    char shown[EXCERPT_BYTES];

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        uint32_t token = scan_member(doc, 0, times[i].key);
        if (token_time(&importer->times, doc, token, times[i].t) != 0) {
            struct scan_text text = scan_text(doc, token);
            item_bad(importer, item, "malformed", "field %s: not a time: '%s'", times[i].key,
                     excerpt(text.bytes, text.length, shown));
            return -1;
        }
    }
    return 0;
}

/* A call that failed and used nothing. */
static bool is_failure(struct scan_doc *doc, const struct token_counts *counts)
{
    struct scan_text status = token_text(doc, 0, "status");

    return status.length == strlen("failure") &&
           memcmp(status.bytes, "failure", status.length) == 0 && counts->input.value == 0 &&
           counts->output.value == 0 && counts->cached.value == 0 && counts->cache_write.value == 0;
}

static void read_names(struct scan_doc *doc, struct place metadata, struct token_usage *usage)
{
    usage->model = token_text(doc, 0, "model");
    usage->project = token_text_or(token_text(doc, 0, "team_id"),
                                   text_at(metadata, "user_api_key_team_id"));
    usage->user = token_text_or(
        token_text_or(token_text(doc, 0, "user"), token_text(doc, 0, "end_user")),
        token_text_or(text_at(metadata, "user_api_key_user_id"),
                      text_at(metadata, "user_api_key_end_user_id")));
    token_attribute(usage, "call_type", token_text(doc, 0, "call_type"));
    token_attribute(usage, "model_group", token_text(doc, 0, "model_group"));
    token_attribute(usage, "provider", token_text(doc, 0, "custom_llm_provider"));
    token_attribute(usage, "team_alias", text_at(metadata, "user_api_key_team_alias"));
}

static int litellm_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct scan_doc *doc = &importer->items.doc;
    struct token_usage usage;
    struct counts_error what;
    struct place metadata;
    bool given;
    int result = item_next_json(importer, item, &given, err);

    if (result != 1 || given) {
        return result;
    }
    if (scan_type(doc, 0) != SCAN_OBJECT) {
        return item_bad(importer, item, "malformed", "a log entry must be an object");
    }
    token_usage_init(&usage);
    usage.id = token_text_or(token_text(doc, 0, "request_id"), token_text(doc, 0, "id"));
    tokens_identify(importer, usage.id);
    metadata = find_metadata(importer);
    switch (read_counts(doc, metadata, &usage.counts, &what)) {
    case COUNTS_BAD:
        return item_bad(importer, item, "malformed", "%s", what.text);
    case COUNTS_NONE:
        return item_skip(item, "no_usage", "the entry counts no tokens");
    case COUNTS_READ:
        break;
    }
    if (is_failure(doc, &usage.counts)) {
        return item_skip(item, "error_body", "the call failed");
    }
    if (read_times(importer, &usage, item) != 0) {
        return 1;
    }
    read_names(doc, metadata, &usage);
    return tokens_normalise(importer, &usage, item);
}

const struct import_format_ops format_litellm = {
    .format = IMPORT_LITELLM,
    .name = "litellm",
    .open = litellm_open,
    .next = litellm_next,
    .close = litellm_close,
};
