/* token_counts - the usage objects of all providers, see tokens.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "importers/tokens.h"
#include "ledgerd/base/parse.h"

/* A decimal holds less than 10^12. */
#define COUNT_MAX UINT64_C(999999999999)

static enum counts_status bad(struct counts_error *what, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum counts_status bad(struct counts_error *what, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what->text, sizeof what->text, format, arguments);
    va_end(arguments);
    return COUNTS_BAD;
}

int token_count_read(struct scan_doc *doc, uint32_t token, const char *key,
                     struct token_count *count, struct counts_error *what)
{
    struct scan_text text = scan_text(doc, token);
    char shown[EXCERPT_BYTES];

    if ((scan_type(doc, token) != SCAN_INTEGER && scan_type(doc, token) != SCAN_STRING) ||
        parse_u64(text.bytes, text.length, COUNT_MAX, &count->value) != 0) {
        return bad(what, "field %s: not a count: '%s'", key,
                   excerpt(text.bytes, text.length, shown));
    }
    count->given = true;
    return 0;
}

int token_count_member(struct scan_doc *doc, uint32_t object, const char *key,
                       struct token_count *count, struct counts_error *what)
{
    uint32_t token = scan_given(doc, object, key);

    count->given = false;
    return token == SCAN_NONE ? 0 : token_count_read(doc, token, key, count, what);
}

int token_counts_split(struct token_counts *counts, struct counts_error *what)
{
    uint64_t inside = (counts->cached.given ? counts->cached.value : 0) +
                      (counts->cache_write.given ? counts->cache_write.value : 0);

    if (inside == 0) {
        return 0;
    }
    if (!counts->input.given || inside > counts->input.value) {
        return bad(what, "%llu tokens from or to the cache among %llu of the prompt",
                   (unsigned long long)inside,
                   counts->input.given ? (unsigned long long)counts->input.value : 0);
    }
    counts->input.value -= inside;
    return 0;
}

/* One shape of usage object: where its counts stand. */
struct shape {
    const char *input, *output; /* either makes it this shape */
    const char *details;        /* an object that holds … */
    const char
        *inside[3]; /* … cached counts that the input includes (or beside it, if no details) */
    const char *beside, *written; /* counts that the input leaves out */
    const char *more_output;      /* outside of `output` */
    const char *more_input;
};

static const struct shape shapes[] = {
    /* chat, completions, embeddings; DeepSeek and Mistral have names of their own for cached tokens
     */
    {.input = "prompt_tokens",
     .output = "completion_tokens",
     .details = "prompt_tokens_details",
     .inside = {"cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens"}},
    /* responses; Anthropic, whose cache counts are beside the input */
    {.input = "input_tokens",
     .output = "output_tokens",
     .details = "input_tokens_details",
     .inside = {"cached_tokens"},
     .beside = "cache_read_input_tokens",
     .written = "cache_creation_input_tokens"},
    /* Google: thoughts and the prompts of tools are apart */
    {.input = "promptTokenCount",
     .output = "candidatesTokenCount",
     .inside = {"cachedContentTokenCount"},
     .more_output = "thoughtsTokenCount",
     .more_input = "toolUsePromptTokenCount"},
    /* Bedrock */
    {.input = "inputTokens",
     .output = "outputTokens",
     .beside = "cacheReadInputTokens",
     .written = "cacheWriteInputTokens"},
};

static int add_member(struct scan_doc *doc, uint32_t usage, const char *key,
                      struct token_count *count, struct counts_error *what)
{
    struct token_count more;

    if (key == NULL) {
        return 0;
    }
    if (token_count_member(doc, usage, key, &more, what) != 0) {
        return -1;
    }
    if (more.given) {
        count->value = (count->given ? count->value : 0) + more.value;
        count->given = true;
    }
    return 0;
}

/* Cached tokens that the input includes: in the details, or beside under one of the names. */
static int read_inside(struct scan_doc *doc, uint32_t usage, const struct shape *shape,
                       struct token_count *cached, struct counts_error *what)
{
    uint32_t details = shape->details != NULL ? scan_given(doc, usage, shape->details) : SCAN_NONE;

    for (size_t i = 0; i < 3 && shape->inside[i] != NULL; i++) {
        if (!cached->given && details != SCAN_NONE &&
            token_count_member(doc, details, shape->inside[i], cached, what) != 0) {
            return -1;
        }
        if (!cached->given && token_count_member(doc, usage, shape->inside[i], cached, what) != 0) {
            return -1;
        }
    }
    return 0;
}

static enum counts_status read_shape(struct scan_doc *doc, uint32_t usage,
                                     const struct shape *shape, struct token_counts *counts,
                                     struct counts_error *what)
{
    struct token_counts read = {0};

    if (token_count_member(doc, usage, shape->input, &read.input, what) != 0 ||
        token_count_member(doc, usage, shape->output, &read.output, what) != 0) {
        return COUNTS_BAD;
    }
    if (!read.input.given && !read.output.given) {
        return COUNTS_NONE;
    }
    if ((shape->beside != NULL &&
         token_count_member(doc, usage, shape->beside, &read.cached, what) != 0) ||
        (shape->written != NULL &&
         token_count_member(doc, usage, shape->written, &read.cache_write, what) != 0)) {
        return COUNTS_BAD;
    }
    if (!read.cached.given && !read.cache_write.given &&
        (read_inside(doc, usage, shape, &read.cached, what) != 0 ||
         token_counts_split(&read, what) != 0)) {
        return COUNTS_BAD;
    }
    if (add_member(doc, usage, shape->more_output, &read.output, what) != 0 ||
        add_member(doc, usage, shape->more_input, &read.input, what) != 0) {
        return COUNTS_BAD;
    }
    *counts = read;
    return COUNTS_READ;
}

/* {"type":"duration","seconds":7}: a transcription is measured by the length of the recording. */
static enum counts_status read_duration(struct scan_doc *doc, uint32_t usage,
                                        struct token_counts *counts, struct counts_error *what)
{
    uint32_t seconds = scan_given(doc, usage, "seconds");
    struct scan_text text = token_text(doc, usage, "type");
    struct token_counts read = {.has_audio = true};
    char shown[EXCERPT_BYTES];

    if (text.length != strlen("duration") || memcmp(text.bytes, "duration", text.length) != 0) {
        return COUNTS_NONE;
    }
    text = seconds != SCAN_NONE ? scan_text(doc, seconds) : (struct scan_text){"", 0};
    if (decimal_parse(text.bytes, text.length, &read.audio_seconds) != 0) {
        return bad(what, "field seconds: not a number of seconds: '%s'",
                   excerpt(text.bytes, text.length, shown));
    }
    *counts = read;
    return COUNTS_READ;
}

enum counts_status token_counts_read(struct scan_doc *doc, uint32_t usage,
                                     struct token_counts *counts, struct counts_error *what)
{
    static const char *const nested[] = {"tokens", "billed_units"}; /* Cohere */
    enum counts_status status = read_duration(doc, usage, counts, what);

    for (size_t i = 0; status == COUNTS_NONE && i < sizeof shapes / sizeof *shapes; i++) {
        status = read_shape(doc, usage, &shapes[i], counts, what);
    }
    for (size_t i = 0; status == COUNTS_NONE && i < sizeof nested / sizeof *nested; i++) {
        uint32_t inner = scan_given(doc, usage, nested[i]);
        if (inner != SCAN_NONE) {
            status = read_shape(doc, inner, &shapes[1], counts, what);
        }
    }
    return status;
}

struct scan_text token_text(struct scan_doc *doc, uint32_t object, const char *key)
{
    uint32_t token = scan_member(doc, object, key);

    if (token == SCAN_NONE || scan_type(doc, token) != SCAN_STRING) {
        return (struct scan_text){"", 0};
    }
    return scan_text(doc, token);
}

struct scan_text token_text_or(struct scan_text a, struct scan_text b)
{
    return a.length > 0 ? a : b;
}

int token_time(struct time_reader *times, struct scan_doc *doc, uint32_t token, struct instant *t)
{
    struct scan_text text;

    if (token == SCAN_NONE || scan_type(doc, token) == SCAN_NULL) {
        return 0;
    }
    text = scan_text(doc, token);
    switch (scan_type(doc, token)) {
    case SCAN_INTEGER:
    case SCAN_REAL:
        return time_epoch(text.bytes, text.length, t);
    case SCAN_STRING:
        return text.length == 0 ? 0 : time_any(times, text.bytes, text.length, t);
    default:
        return -1;
    }
}
