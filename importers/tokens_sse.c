/* tokens_sse - see tokens_sse.h. A stream is read line by line; only its counts and names are kept.
 */
#include "importers/tokens_sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICES_MAX = 128 }; /* n of a request; choices beyond share the last place */

struct sse {
    struct scan_doc doc; /* of one chunk */
    struct strbuf raw;   /* the stream's text, as far as it is kept */
    struct strbuf names; /* id and model, which outlive their chunk */
    size_t id_length, model_length;
    bool begun;  /* a chunk was seen */
    bool done;   /* [DONE], or another event that ends a stream */
    bool failed; /* a chunk was an error */
    bool has_closing, has_events, has_running, has_timings;
    struct token_counts closing, events, running, timings;
    uint64_t choice_output[CHOICES_MAX];
    struct instant created;
    char trouble[200];   /* why the stream cannot be read; "" if it can */
    uint64_t line;       /* of the input */
    uint64_t first_line; /* of the stream */
};

struct sse *sse_create(void)
{
    struct sse *sse = calloc(1, sizeof *sse);

    if (sse != NULL) {
        scan_init(&sse->doc);
        strbuf_init(&sse->raw);
        strbuf_init(&sse->names);
    }
    return sse;
}

void sse_destroy(struct sse *sse)
{
    if (sse == NULL) {
        return;
    }
    scan_release(&sse->doc);
    strbuf_release(&sse->raw);
    strbuf_release(&sse->names);
    free(sse);
}

static bool starts_with(const char *text, size_t length, const char *word)
{
    return length >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

bool sse_begins(const char *text, size_t length)
{
    static const char *const fields[] = {"data:", "event:", "id:", "retry:", ":"};
    size_t at = starts_with(text, length, "\xef\xbb\xbf") ? 3 : 0;

    while (at < length && memchr(" \t\r\n", text[at], 4) != NULL) {
        at++;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (starts_with(text + at, length - at, fields[i])) {
            return true;
        }
    }
    return false;
}

static void sse_clear(struct sse *sse)
{
    strbuf_clear(&sse->raw);
    strbuf_clear(&sse->names);
    sse->id_length = sse->model_length = 0;
    sse->begun = sse->done = sse->failed = false;
    sse->has_closing = sse->has_events = sse->has_running = sse->has_timings = false;
    sse->closing = sse->events = sse->running = sse->timings = (struct token_counts){0};
    memset(sse->choice_output, 0, sizeof sse->choice_output);
    sse->created = INSTANT_NONE;
    sse->trouble[0] = '\0';
}

static uint64_t prompt_of(const struct token_counts *counts)
{
    return counts->input.value + counts->cached.value + counts->cache_write.value;
}

/* The prompt of two reports of one call: the larger, which is the whole one. */
static void merge_prompt(struct token_counts *into, const struct token_counts *from)
{
    if (prompt_of(from) >= prompt_of(into) && from->input.given) {
        into->input = from->input;
        into->cached = from->cached;
        into->cache_write = from->cache_write;
    }
}

static void merge_largest(struct token_count *into, struct token_count from)
{
    if (from.given && (!into->given || from.value > into->value)) {
        *into = from;
    }
}

static void add_closing(struct sse *sse, const struct token_counts *counts)
{
    sse->has_closing = true;
    merge_prompt(&sse->closing, counts);
    if (counts->output.given) {
        sse->closing.output.given = true;
        sse->closing.output.value += counts->output.value;
    }
}

static void add_event(struct sse *sse, const struct token_counts *counts)
{
    sse->has_events = true;
    merge_prompt(&sse->events, counts);
    merge_largest(&sse->events.output, counts->output);
}

/* A total so far of the choice that this chunk belongs to. */
static void add_running(struct sse *sse, uint32_t choices, const struct token_counts *counts)
{
    struct token_count index = {false, 0};
    struct counts_error ignored;
    uint64_t *output;

    if (token_count_member(&sse->doc, choices + 1, "index", &index, &ignored) != 0 ||
        !index.given || index.value >= CHOICES_MAX) {
        index.value = index.given ? CHOICES_MAX - 1 : 0;
    }
    sse->has_running = true;
    merge_prompt(&sse->running, counts);
    output = &sse->choice_output[index.value];
    if (counts->output.given && counts->output.value > *output) {
        *output = counts->output.value;
    }
    sse->running.output.given = true;
}

static void add_usage(struct sse *sse, uint32_t root, uint32_t usage)
{
    struct scan_doc *doc = &sse->doc;
    struct token_counts counts = {0};
    struct counts_error what;
    uint32_t choices = scan_given(doc, root, "choices");

    switch (token_counts_read(doc, usage, &counts, &what)) {
    case COUNTS_BAD:
        snprintf(sse->trouble, sizeof sse->trouble, "line %llu: %s", (unsigned long long)sse->line,
                 what.text);
        return;
    case COUNTS_NONE:
        return;
    case COUNTS_READ:
        break;
    }
    if (choices == SCAN_NONE || scan_type(doc, choices) != SCAN_ARRAY) {
        if (scan_member(doc, usage, "prompt_tokens") != SCAN_NONE) {
            add_closing(sse, &counts);
        } else {
            add_event(sse, &counts);
        }
    } else if (doc->tokens[choices].next == choices + 1) {
        add_closing(sse, &counts);
    } else {
        add_running(sse, choices, &counts);
    }
}

/* llama-server's count so far: prompt_n were read anew, cache_n from its cache. */
static void add_timings(struct sse *sse, uint32_t timings)
{
    struct counts_error what;
    struct token_counts counts = {0};

    if (token_count_member(&sse->doc, timings, "prompt_n", &counts.input, &what) != 0 ||
        token_count_member(&sse->doc, timings, "cache_n", &counts.cached, &what) != 0 ||
        token_count_member(&sse->doc, timings, "predicted_n", &counts.output, &what) != 0 ||
        !counts.output.given) {
        return;
    }
    sse->has_timings = true;
    merge_prompt(&sse->timings, &counts);
    merge_largest(&sse->timings.output, counts.output);
}

/* Events wrap the answer: {"type":"response.completed","response":{…}}, {"type":"message_start",
 * "message":{…}}. */
static uint32_t find_answer(struct scan_doc *doc)
{
    static const char *const wrappers[] = {"response", "message"};

    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        uint32_t inner = scan_given(doc, 0, wrappers[i]);
        if (inner != SCAN_NONE && scan_type(doc, inner) == SCAN_OBJECT) {
            return inner;
        }
    }
    return 0;
}

static void keep_names(struct sse *sse, struct scan_text id, struct scan_text model)
{
    if (sse->id_length == 0 && sse->model_length == 0 && (id.length > 0 || model.length > 0)) {
        strbuf_add(&sse->names, id.bytes, id.length);
        strbuf_add(&sse->names, model.bytes, model.length);
        sse->id_length = id.length;
        sse->model_length = model.length;
    }
}

/* True if the chunk belongs to another answer than the chunks before. */
static bool is_other_stream(const struct sse *sse, struct scan_text id)
{
    return sse->begun && id.length > 0 && sse->id_length > 0 &&
           (id.length != sse->id_length || memcmp(id.bytes, sse->names.data, id.length) != 0);
}

/* One chunk, already scanned. False if it begins another stream. */
static bool add_chunk(struct sse *sse, struct importer *importer)
{
    struct scan_doc *doc = &sse->doc;
    uint32_t root, usage, timings, created;
    struct scan_text id;

    if (scan_type(doc, 0) != SCAN_OBJECT) {
        return true;
    }
    root = find_answer(doc);
    id = token_text(doc, root, "id");
    if (is_other_stream(sse, id)) {
        return false;
    }
    sse->begun = true;
    keep_names(sse, id, token_text(doc, root, "model"));
    created = scan_given(doc, root, "created");
    if (created == SCAN_NONE) {
        created = scan_given(doc, root, "created_at");
    }
    if (!instant_is_set(sse->created)) {
        token_time(&importer->times, doc, created, &sse->created);
    }
    usage = scan_given(doc, root, "usage");
    if (usage != SCAN_NONE && scan_type(doc, usage) == SCAN_OBJECT) {
        add_usage(sse, root, usage);
    }
    timings = scan_given(doc, root, "timings");
    if (timings != SCAN_NONE && scan_type(doc, timings) == SCAN_OBJECT) {
        add_timings(sse, timings);
    }
    sse->failed |= scan_given(doc, root, "error") != SCAN_NONE;
    return true;
}

/* Keep the text of a line that counts, for quarantine: cut where there is no more room. */
static void keep_raw(struct sse *sse, const char *line, size_t length)
{
    size_t room = IMPORT_RAW_BYTES - sse->raw.length;

    strbuf_add(&sse->raw, line, length < room ? length : room);
    if (length < room) {
        strbuf_add_char(&sse->raw, '\n');
    }
}

/* One line of the stream. False if it begins another stream, and is not part of this one. */
static bool add_line(struct sse *sse, struct importer *importer, const char *line, size_t length,
                     bool last)
{
    static const char data[] = "data:";
    const char *json = line + strlen(data), *end = line + length;

    if (!starts_with(line, length, data)) {
        return true;
    }
    while (json < end && (*json == ' ' || *json == '\t')) {
        json++;
    }
    if (json == end) {
        return true;
    }
    if (starts_with(json, (size_t)(end - json), "[DONE]")) {
        sse->done = sse->begun; /* or the end of nothing */
    } else if (scan_json_whole(&sse->doc, json, (size_t)(end - json)) == SCAN_OK) {
        if (!add_chunk(sse, importer)) {
            return false;
        }
    } else if (last) { /* cut off: the stream was aborted here */
        sse->begun = true;
        return true;
    } else {
        sse->begun = true;
        snprintf(sse->trouble, sizeof sse->trouble, "line %llu: not JSON: %s",
                 (unsigned long long)sse->line, sse->doc.error);
    }
    keep_raw(sse, line, length);
    return true;
}

/* The counts that hold, and whether they are all that was used. False if there are none. */
static bool choose_counts(struct sse *sse, struct token_usage *usage)
{
    bool partial = !sse->done;

    if (sse->has_closing) {
        usage->counts = sse->closing;
        partial = false;
    } else if (sse->has_events) {
        usage->counts = sse->events;
        partial = false;
    } else if (sse->has_running) {
        for (size_t i = 0; i < CHOICES_MAX; i++) {
            sse->running.output.value += sse->choice_output[i];
        }
        usage->counts = sse->running;
    } else if (sse->has_timings) {
        usage->counts = sse->timings;
    } else {
        return false;
    }
    usage->basis = partial ? USAGE_PARTIAL : USAGE_REPORTED;
    return true;
}

/* The stream that was read as an item. */
static int give_stream(struct sse *sse, struct importer *importer, struct import_item *item)
{
    struct token_usage usage;

    item_begin(importer, item, sse->raw.data, sse->raw.length, sse->first_line);
    token_usage_init(&usage);
    usage.id = (struct scan_text){sse->names.data, sse->id_length};
    usage.model = (struct scan_text){sse->names.data + sse->id_length, sse->model_length};
    usage.start = sse->created;
    tokens_identify(importer, usage.id);
    if (sse->trouble[0] != '\0') {
        return item_bad(importer, item, "malformed", "%s", sse->trouble);
    }
    if (!choose_counts(sse, &usage)) {
        return sse->failed ? item_skip(item, "error_body", "the stream is an error")
                           : item_skip(item, "no_usage", "the stream does not tell its usage");
    }
    return tokens_normalise(importer, &usage, item);
}

/* A line of any length. OK, END, FAILED; a line that is too long is passed over and makes trouble.
 */
static enum input_status next_line(struct sse *sse, struct importer *importer, size_t *end,
                                   struct error *err)
{
    enum input_status status = input_line(importer->input, 0, end, err);

    if (status == INPUT_OK && sse->line == 0) { /* a byte order mark before anything else */
        size_t length;
        const char *window = input_window(importer->input, &length);
        size_t mark = starts_with(window, *end, "\xef\xbb\xbf") ? 3 : 0;
        input_consume(importer->input, mark);
        *end -= mark;
    }
    if (status != INPUT_FULL) {
        return status;
    }
    sse->begun = true;
    snprintf(sse->trouble, sizeof sse->trouble, "line %llu: longer than %d bytes",
             (unsigned long long)sse->line + 1, IMPORT_ITEM_BYTES);
    if (input_skip_line(importer->input, err) == INPUT_FAILED) {
        return INPUT_FAILED;
    }
    sse->line++;
    return INPUT_FULL;
}

int sse_next(struct sse *sse, struct importer *importer, struct import_item *item,
             struct error *err)
{
    sse_clear(sse);
    sse->first_line = sse->line + 1;
    while (!(sse->done && sse->begun)) {
        size_t end, length;
        const char *window;
        enum input_status status = next_line(sse, importer, &end, err);

        if (status == INPUT_FAILED) {
            return -1;
        }
        if (status == INPUT_END) {
            break;
        }
        if (status == INPUT_FULL) {
            continue;
        }
        window = input_window(importer->input, &length);
        sse->line++;
        if (!add_line(sse, importer, window, end > 0 && window[end - 1] == '\r' ? end - 1 : end,
                      end == length)) {
            sse->line--;
            break;
        }
        input_consume(importer->input, end < length ? end + 1 : end);
    }
    if (sse->raw.failed || sse->names.failed) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return sse->begun ? give_stream(sse, importer, item) : 0;
}
