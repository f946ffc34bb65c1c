/* tokens_mapping - token records read as a mapping file says (mapping.h). */
#include <stdlib.h>
#include <string.h>

#include "importers/mapping.h"
#include "importers/tokens.h"
#include "ledgerd/base/parse.h"

enum { INNER_MAX = 4 }; /* texts of one item that are read as JSON */

struct inner { /* JSON in a text */
    const struct scan_doc *outer;
    uint32_t token;
    bool is_good;
    struct scan_doc doc;
};

struct mapping_state {
    struct mapping *mapping;
    size_t inner_count; /* of the item at hand */
    struct inner inner[INNER_MAX];
};

/* A value in some document; `doc` NULL: it is not given. */
struct value {
    struct scan_doc *doc;
    uint32_t token;
};

static const struct value nothing = {NULL, SCAN_NONE};

/* --- where a value is --------------------------------------------------------------------------
 */

/* The document in a text; each is read once an item. */
static struct value read_inner(struct mapping_state *state, struct value text)
{
    struct scan_text bytes = scan_text(text.doc, text.token);
    struct inner *inner;

    for (size_t i = 0; i < state->inner_count; i++) {
        inner = &state->inner[i];
        if (inner->outer == text.doc && inner->token == text.token) {
            return inner->is_good ? (struct value){&inner->doc, 0} : nothing;
        }
    }
    if (state->inner_count == INNER_MAX) {
        return nothing;
    }
    inner = &state->inner[state->inner_count++];
    inner->outer = text.doc;
    inner->token = text.token;
    inner->is_good = scan_json_whole(&inner->doc, bytes.bytes, bytes.length) == SCAN_OK;
    return inner->is_good ? (struct value){&inner->doc, 0} : nothing;
}

static bool text_is(struct scan_text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

static struct value member(struct value object, const char *key)
{
    uint32_t token = scan_member(object.doc, object.token, key);

    return token == SCAN_NONE ? nothing : (struct value){object.doc, token};
}

/* In a list of {"key":…,"value":…}, the value of this key. */
static struct value entry(struct value list, const char *key)
{
    const struct scan_token *tokens = list.doc->tokens;

    for (uint32_t at = list.token + 1; at < tokens[list.token].next; at = tokens[at].next) {
        if (text_is(token_text(list.doc, at, "key"), key)) {
            return member((struct value){list.doc, at}, "value");
        }
    }
    return nothing;
}

static struct value step(struct mapping_state *state, struct value from, const char *name)
{
    if (scan_type(from.doc, from.token) == SCAN_STRING) {
        from = read_inner(state, from);
    }
    if (from.doc == NULL) {
        return nothing;
    }
    switch (scan_type(from.doc, from.token)) {
    case SCAN_OBJECT:
        return member(from, name);
    case SCAN_ARRAY:
        return entry(from, name);
    default:
        return nothing;
    }
}

/* OTLP's {"intValue":"5"} stands for its one member. */
static struct value unwrap(struct value value)
{
    static const char suffix[] = "Value";
    struct scan_text key;

    if (value.doc == NULL || scan_type(value.doc, value.token) != SCAN_OBJECT ||
        value.doc->tokens[value.token].next <= value.token + 2) {
        return value;
    }
    key = scan_text(value.doc, value.token + 1);
    if (key.length <= strlen(suffix) ||
        memcmp(key.bytes + key.length - strlen(suffix), suffix, strlen(suffix)) != 0) {
        return value;
    }
    return (struct value){value.doc, value.token + 2};
}

static bool is_blank(const struct mapping *mapping, struct value value)
{
    struct scan_text text = scan_text(value.doc, value.token);

    if (text.length == 0) {
        return true;
    }
    for (size_t i = 0; i < mapping->blank_count; i++) {
        if (text_is(text, mapping->blanks[i])) {
            return true;
        }
    }
    return false;
}

/* What stands at the place, unless it is null, empty or blank. */
static struct value find(struct importer *importer, const struct mapping_place *place)
{
    struct mapping_state *state = importer->state;
    struct value value = {&importer->items.doc, 0};

    for (size_t i = 0; value.doc != NULL && i < place->step_count; i++) {
        value = step(state, value, place->steps[i]);
    }
    value = unwrap(value);
    if (value.doc == NULL || scan_type(value.doc, value.token) == SCAN_NULL ||
        (scan_type(value.doc, value.token) == SCAN_STRING && is_blank(state->mapping, value))) {
        return nothing;
    }
    return value;
}

/* The first of the field's places that is given; *place is that one. */
static struct value find_first(struct importer *importer, const struct mapping_field *field,
                               const struct mapping_place **place)
{
    for (size_t i = 0; i < field->count; i++) {
        struct value value = find(importer, &field->places[i]);

        if (value.doc != NULL) {
            *place = &field->places[i];
            return value;
        }
    }
    return nothing;
}

static const char *last_step(const struct mapping_place *place)
{
    return place->steps[place->step_count - 1];
}

/* --- fields ------------------------------------------------------------------------------------
 */

/* A text, or a whole number as one; else the constant. */
static struct scan_text find_text(struct importer *importer, const struct mapping_field *field,
                                  const char *constant)
{
    for (size_t i = 0; i < field->count; i++) {
        struct value value = find(importer, &field->places[i]);

        if (value.doc != NULL && (scan_type(value.doc, value.token) == SCAN_STRING ||
                                  scan_type(value.doc, value.token) == SCAN_INTEGER)) {
            return scan_text(value.doc, value.token);
        }
    }
    return constant != NULL ? (struct scan_text){constant, strlen(constant)}
                            : (struct scan_text){"", 0};
}

static int find_count(struct importer *importer, const struct mapping_field *field,
                      struct token_count *count, struct counts_error *what)
{
    const struct mapping_place *place;
    struct value value = find_first(importer, field, &place);

    count->given = false;
    return value.doc == NULL
               ? 0
               : token_count_read(value.doc, value.token, last_step(place), count, what);
}

/* A count is below 10^12, so two of them add up. */
static int add_count(struct importer *importer, const struct mapping_field *field,
                     struct token_count *count, struct counts_error *what)
{
    struct token_count more;

    if (find_count(importer, field, &more, what) != 0) {
        return -1;
    }
    if (more.given) {
        count->value = (count->given ? count->value : 0) + more.value;
        count->given = true;
    }
    return 0;
}

/* Take out of the input what it includes. */
static int split_counts(const struct mapping *mapping, struct token_counts *counts,
                        struct counts_error *what)
{
    struct token_counts inside = {.input = counts->input};

    if (mapping->input_includes_cached) {
        inside.cached = counts->cached;
    }
    if (mapping->input_includes_cache_write) {
        inside.cache_write = counts->cache_write;
    }
    if (token_counts_split(&inside, what) != 0) {
        return -1;
    }
    counts->input = inside.input;
    return 0;
}

static enum counts_status read_counts(struct importer *importer, struct token_counts *counts,
                                      struct counts_error *what)
{
    const struct mapping *mapping = ((struct mapping_state *)importer->state)->mapping;

    if (find_count(importer, &mapping->input, &counts->input, what) != 0 ||
        find_count(importer, &mapping->output, &counts->output, what) != 0) {
        return COUNTS_BAD;
    }
    if (!counts->input.given && !counts->output.given) {
        return COUNTS_NONE;
    }
    if (find_count(importer, &mapping->cached, &counts->cached, what) != 0 ||
        find_count(importer, &mapping->cache_write, &counts->cache_write, what) != 0 ||
        split_counts(mapping, counts, what) != 0 ||
        add_count(importer, &mapping->more_input, &counts->input, what) != 0 ||
        add_count(importer, &mapping->more_output, &counts->output, what) != 0) {
        return COUNTS_BAD;
    }
    return COUNTS_READ;
}

/* A number of milliseconds since 1970. */
static int epoch_millis(struct scan_text digits, struct instant *t)
{
    uint64_t ms;

    if (parse_u64(digits.bytes, digits.length, (uint64_t)INSTANT_LIMIT_US / 1000, &ms) != 0) {
        return -1;
    }
    t->us = (int64_t)ms * (INSTANT_SECOND_US / 1000);
    return 0;
}

static int read_time(struct importer *importer, struct value value, enum mapping_form form,
                     struct instant *t)
{
    struct scan_text text = scan_text(value.doc, value.token);

    switch (form) {
    case MAPPING_SECONDS:
        return time_epoch(text.bytes, text.length, t);
    case MAPPING_MILLISECONDS:
        return epoch_millis(text, t);
    case MAPPING_NANOSECONDS:
        return time_epoch_nanos(text.bytes, text.length, t);
    case MAPPING_ANY:
        break;
    }
    return token_time(&importer->times, value.doc, value.token, t);
}

/* 0, or -1 with the item given as bad. */
static int find_time(struct importer *importer, const struct mapping_field *field,
                     struct instant *t, struct import_item *item)
{
    const struct mapping_place *place;
    struct value value = find_first(importer, field, &place);
    struct scan_text text;
    char shown[EXCERPT_BYTES];

    if (value.doc == NULL || read_time(importer, value, place->form, t) == 0) {
        return 0;
    }
    text = scan_text(value.doc, value.token);
    item_bad(importer, item, "malformed", "field %s: not a time: '%s'", last_step(place),
             excerpt(text.bytes, text.length, shown));
    return -1;
}

/* How long the call took, where that is told in the place of its end. */
static int find_duration(struct importer *importer, const struct mapping_field *field,
                         struct token_usage *usage, struct import_item *item)
{
    const struct mapping_place *place;
    struct value value = find_first(importer, field, &place);
    struct token_count ticks;
    struct counts_error what;
    int64_t us;

    if (value.doc == NULL) {
        return 0;
    }
    if (token_count_read(value.doc, value.token, last_step(place), &ticks, &what) != 0) {
        item_bad(importer, item, "malformed", "%s", what.text);
        return -1;
    }
    us = place->form == MAPPING_NANOSECONDS ? (int64_t)(ticks.value / 1000)
         : place->form == MAPPING_SECONDS   ? (int64_t)ticks.value * INSTANT_SECOND_US
                                            : (int64_t)ticks.value * (INSTANT_SECOND_US / 1000);
    if (instant_is_set(usage->start) && !instant_is_set(usage->end)) {
        usage->end.us = usage->start.us + us;
    }
    return 0;
}

static bool is_unused(const struct token_counts *counts)
{
    return counts->input.value == 0 && counts->output.value == 0 && counts->cached.value == 0 &&
           counts->cache_write.value == 0;
}

/* The rule by which the item is no usage, NULL if there is none. */
static const struct mapping_skip *find_skip(struct importer *importer,
                                            const struct token_counts *counts)
{
    const struct mapping *mapping = ((struct mapping_state *)importer->state)->mapping;

    for (size_t i = 0; i < mapping->skip_count; i++) {
        const struct mapping_skip *skip = &mapping->skips[i];
        struct value value = find(importer, &skip->at);

        if (value.doc != NULL && text_is(scan_text(value.doc, value.token), skip->is) &&
            (!skip->without_counts || is_unused(counts))) {
            return skip;
        }
    }
    return NULL;
}

static void read_names(struct importer *importer, struct token_usage *usage)
{
    const struct mapping *mapping = ((struct mapping_state *)importer->state)->mapping;

    usage->model = find_text(importer, &mapping->model, mapping->constant_model);
    usage->project = find_text(importer, &mapping->project, mapping->constant_project);
    usage->user = find_text(importer, &mapping->user, mapping->constant_user);
    for (size_t i = 0; i < mapping->attribute_count; i++) {
        token_attribute(usage, mapping->attributes[i].name,
                        find_text(importer, &mapping->attributes[i].field, NULL));
    }
}

/* --- items -------------------------------------------------------------------------------------
 */

static int give_object(struct importer *importer, struct import_item *item)
{
    const struct mapping *mapping = ((struct mapping_state *)importer->state)->mapping;
    const struct mapping_skip *skip;
    struct token_usage usage;
    struct counts_error what;

    token_usage_init(&usage);
    usage.id = find_text(importer, &mapping->id, NULL);
    tokens_identify(importer, usage.id);
    switch (read_counts(importer, &usage.counts, &what)) {
    case COUNTS_BAD:
        return item_bad(importer, item, "malformed", "%s", what.text);
    case COUNTS_NONE:
        return item_skip(item, "no_usage", "the record counts no tokens");
    case COUNTS_READ:
        break;
    }
    skip = find_skip(importer, &usage.counts);
    if (skip != NULL) {
        return item_skip(item, skip->reason, "%s is '%s'", last_step(&skip->at), skip->is);
    }
    if (find_time(importer, &mapping->start, &usage.start, item) != 0 ||
        find_time(importer, &mapping->end, &usage.end, item) != 0 ||
        find_duration(importer, &mapping->duration, &usage, item) != 0) {
        return 1;
    }
    read_names(importer, &usage);
    return tokens_normalise(importer, &usage, item);
}

static int mapping_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct mapping_state *state = importer->state;
    bool given;
    int result = item_next_json(importer, item, &given, err);

    if (result != 1 || given) {
        return result;
    }
    state->inner_count = 0;
    if (scan_type(&importer->items.doc, 0) != SCAN_OBJECT) {
        return item_bad(importer, item, "malformed", "a record must be an object");
    }
    return give_object(importer, item);
}

static int mapping_open(struct importer *importer, struct error *err)
{
    struct mapping_state *state = calloc(1, sizeof *state);

    if (state == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    importer->state = state;
    for (size_t i = 0; i < INNER_MAX; i++) {
        scan_init(&state->inner[i].doc);
    }
    state->mapping = importer->options.format == IMPORT_MAPPING
                         ? mapping_load(importer->options.mapping, err)
                         : mapping_built_in(importer->ops->name, err);
    if (state->mapping == NULL) {
        return -1;
    }
    if (state->mapping->is_utc) {
        time_reader_init(&importer->times, NULL);
    }
    return 0;
}

static void mapping_close(struct importer *importer)
{
    struct mapping_state *state = importer->state;

    for (size_t i = 0; state != NULL && i < INNER_MAX; i++) {
        scan_release(&state->inner[i].doc);
    }
    if (state != NULL) {
        mapping_destroy(state->mapping);
    }
    free(state);
}

const struct import_format_ops format_mapping = {
    .format = IMPORT_MAPPING,
    .name = "mapping",
    .open = mapping_open,
    .next = mapping_next,
    .close = mapping_close,
};

const struct import_format_ops format_litellm = {
    .format = IMPORT_LITELLM,
    .name = "litellm",
    .open = mapping_open,
    .next = mapping_next,
    .close = mapping_close,
};

const struct import_format_ops format_envoy = {
    .format = IMPORT_ENVOY,
    .name = "envoy",
    .open = mapping_open,
    .next = mapping_next,
    .close = mapping_close,
};
