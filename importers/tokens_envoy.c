/* tokens_envoy - access log lines of Envoy AI Gateway, as JSON.
 *
 * The names are those of the gateway's documentation; what a call does not have is null, "-" or
 * absent.  Cached tokens are inside the input, as OpenTelemetry counts them.
 */
#include <string.h>

#include "importers/tokens.h"
#include "ledgerd/base/parse.h"

/* The gateway prints "-" for what is not there. */
static bool is_blank(struct scan_doc *doc, const char *key)
{
    struct scan_text text = token_text(doc, 0, key);

    return text.length == 1 && text.bytes[0] == '-';
}

static int count_member(struct scan_doc *doc, const char *const *keys, size_t count,
                        struct token_count *found, struct counts_error *what)
{
    found->given = false;
    for (size_t i = 0; i < count && !found->given; i++) {
        if (!is_blank(doc, keys[i]) && token_count_member(doc, 0, keys[i], found, what) != 0) {
            return -1;
        }
    }
    return 0;
}

static enum counts_status read_counts(struct scan_doc *doc, struct token_counts *counts,
                                      struct counts_error *what)
{
    static const char *const input[] = {"gen_ai.usage.input_tokens"};
    static const char *const output[] = {"gen_ai.usage.output_tokens"};
    static const char *const cached[] = {"gen_ai.usage.cached_input_tokens",
                                         "gen_ai.usage.cache_read.input_tokens",
                                         "gen_ai.usage.cache_read_input_tokens"};

    if (count_member(doc, input, 1, &counts->input, what) != 0 ||
        count_member(doc, output, 1, &counts->output, what) != 0 ||
        count_member(doc, cached, sizeof cached / sizeof *cached, &counts->cached, what) != 0) {
        return COUNTS_BAD;
    }
    if (!counts->input.given && !counts->output.given) {
        return COUNTS_NONE;
    }
    return token_counts_split(counts, what) != 0 ? COUNTS_BAD : COUNTS_READ;
}

/* start_time and duration (milliseconds); 0, or -1 with the item given as bad. */
static int read_interval(struct importer *importer, struct token_usage *usage,
                         struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    struct scan_text start = token_text(doc, 0, "start_time");
    struct token_count duration_ms = {0};
    struct counts_error what;
    char shown[EXCERPT_BYTES];

    if (token_time(&importer->times, doc, scan_member(doc, 0, "start_time"), &usage->start) != 0) {
        item_bad(importer, item, "malformed", "field start_time: not a time: '%s'",
                 excerpt(start.bytes, start.length, shown));
        return -1;
    }
    if (!is_blank(doc, "duration") &&
        token_count_member(doc, 0, "duration", &duration_ms, &what) != 0) {
        item_bad(importer, item, "malformed", "%s", what.text);
        return -1;
    }
    if (instant_is_set(usage->start) && duration_ms.given) {
        usage->end.us = usage->start.us + (int64_t)duration_ms.value * (INSTANT_SECOND_US / 1000);
    }
    return 0;
}

static struct scan_text text_member(struct scan_doc *doc, const char *key)
{
    return is_blank(doc, key) ? (struct scan_text){"", 0} : token_text(doc, 0, key);
}

static int envoy_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct scan_doc *doc = &importer->items.doc;
    struct token_usage usage;
    struct counts_error what;
    bool given;
    int result = item_next_json(importer, item, &given, err);

    if (result != 1 || given) {
        return result;
    }
    if (scan_type(doc, 0) != SCAN_OBJECT) {
        return item_bad(importer, item, "malformed", "a log line must be an object");
    }
    token_usage_init(&usage);
    usage.id = text_member(doc, "x-request-id");
    tokens_identify(importer, usage.id);
    switch (read_counts(doc, &usage.counts, &what)) {
    case COUNTS_BAD:
        return item_bad(importer, item, "malformed", "%s", what.text);
    case COUNTS_NONE:
        return item_skip(item, "no_usage", "the call used no tokens");
    case COUNTS_READ:
        break;
    }
    if (read_interval(importer, &usage, item) != 0) {
        return 1;
    }
    usage.model = token_text_or(text_member(doc, "gen_ai.response.model"),
                                text_member(doc, "gen_ai.request.model"));
    usage.project = text_member(doc, "x-ledger-project");
    usage.user = text_member(doc, "x-ledger-user");
    token_attribute(&usage, "path", text_member(doc, "x-envoy-origin-path"));
    token_attribute(&usage, "provider", text_member(doc, "gen_ai.provider.name"));
    token_attribute(&usage, "requested_model", text_member(doc, "gen_ai.request.model"));
    return tokens_normalise(importer, &usage, item);
}

const struct import_format_ops format_envoy = {
    .format = IMPORT_ENVOY,
    .name = "envoy",
    .next = envoy_next,
};
