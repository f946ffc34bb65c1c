/* tokens_openai - bodies that model servers answer with: one a line, one document, or an event
 * stream.
 *
 * Chat, completions, responses, embeddings and transcriptions of OpenAI, and what other providers
 * answer in their own shapes; how each counts is token_counts.c's to know.  Who called is not in a
 * body: project and user are those that the import was given.
 */
#include <string.h>

#include "importers/tokens.h"
#include "importers/tokens_sse.h"

enum { PEEK_BYTES = 4096 }; /* what may stand before the first event */

static int openai_open(struct importer *importer, struct error *err)
{
    size_t length;
    const char *window;

    if (importer->options.by_line) {
        return 0;
    }
    if (input_want(importer->input, PEEK_BYTES, err) == INPUT_FAILED) {
        return -1;
    }
    window = input_window(importer->input, &length);
    if (!sse_begins(window, length)) {
        return 0;
    }
    importer->state = sse_create();
    return importer->state != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

static void openai_close(struct importer *importer)
{
    sse_destroy(importer->state);
}

static uint32_t object_member(struct scan_doc *doc, uint32_t object, const char *key)
{
    uint32_t token = scan_given(doc, object, key);

    return token != SCAN_NONE && scan_type(doc, token) == SCAN_OBJECT ? token : SCAN_NONE;
}

/* The body itself: bare, or as "body" or "response" / "body" of a log or batch line. */
static uint32_t find_body(struct scan_doc *doc)
{
    uint32_t response, body;

    if (scan_given(doc, 0, "usage") != SCAN_NONE) {
        return 0;
    }
    body = object_member(doc, 0, "body");
    if (body == SCAN_NONE && (response = object_member(doc, 0, "response")) != SCAN_NONE) {
        body = object_member(doc, response, "body");
    }
    return body; /* SCAN_NONE is the root */
}

static uint32_t find_usage(struct scan_doc *doc, uint32_t body)
{
    uint32_t usage = scan_given(doc, body, "usage");

    return usage != SCAN_NONE ? usage : scan_given(doc, body, "usageMetadata");
}

/* When the answer was made; 0, or -1 with the item given as bad. */
static int read_created(struct importer *importer, uint32_t body, struct token_usage *usage,
                        struct import_item *item)
{
    static const char *const names[] = {"created", "created_at", "createTime"};
    struct scan_doc *doc = &importer->items.doc;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t token = scan_given(doc, body, names[i]);
        if (token != SCAN_NONE && token_time(&importer->times, doc, token, &usage->start) != 0) {
            item_bad(importer, item, "malformed", "field %s is not a time", names[i]);
            return -1;
        }
        if (token != SCAN_NONE) {
            return 0;
        }
    }
    return 0;
}

static int give_body(struct importer *importer, uint32_t body, struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    uint32_t counts = find_usage(doc, body);
    struct token_usage usage;
    struct counts_error what;

    if (counts == SCAN_NONE) {
        return scan_given(doc, body, "error") != SCAN_NONE
                   ? item_skip(item, "error_body", "the answer is an error")
                   : item_skip(item, "no_usage", "the answer does not tell its usage");
    }
    token_usage_init(&usage);
    usage.id = token_text_or(token_text(doc, body, "id"), token_text(doc, body, "responseId"));
    usage.model = token_text_or(token_text(doc, body, "model"),
                                token_text(doc, body, "modelVersion"));
    usage.model = token_text_or(usage.model, token_text(doc, 0, "model"));
    tokens_identify(importer, usage.id);
    switch (token_counts_read(doc, counts, &usage.counts, &what)) {
    case COUNTS_BAD:
        return item_bad(importer, item, "malformed", "%s", what.text);
    case COUNTS_NONE:
        return item_bad(importer, item, "malformed", "the usage has no count that we know");
    case COUNTS_READ:
        break;
    }
    if (read_created(importer, body, &usage, item) != 0) {
        return 1;
    }
    return tokens_normalise(importer, &usage, item);
}

static int openai_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct scan_doc *doc = &importer->items.doc;
    bool given;
    int result;

    if (importer->state != NULL) {
        return sse_next(importer->state, importer, item, err);
    }
    result = item_next_json(importer, item, &given, err);
    if (result != 1 || given) {
        return result;
    }
    if (scan_type(doc, 0) != SCAN_OBJECT) {
        return item_bad(importer, item, "malformed", "an answer must be an object");
    }
    return give_body(importer, find_body(doc), item);
}

const struct import_format_ops format_openai = {
    .format = IMPORT_OPENAI,
    .name = "openai",
    .open = openai_open,
    .next = openai_next,
    .close = openai_close,
};
