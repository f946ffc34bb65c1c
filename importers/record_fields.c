/* record_fields - see record_fields.h. */
#include "importers/record_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum record_kind kind;
} fields[FIELD_COUNT] = {
    [FIELD_SOURCE] = {"source", RECORD_TEXT},
    [FIELD_ID] = {"id", RECORD_TEXT},
    [FIELD_PROJECT] = {"project", RECORD_TEXT},
    [FIELD_USER] = {"user", RECORD_TEXT},
    [FIELD_CLASS] = {"class", RECORD_TEXT},
    [FIELD_START] = {"start", RECORD_TIME},
    [FIELD_END] = {"end", RECORD_TIME},
    [FIELD_CREATED] = {"created", RECORD_TIME},
    [FIELD_STATE] = {"state", RECORD_TEXT},
    [FIELD_OUTCOME] = {"outcome", RECORD_TEXT},
    [FIELD_ELAPSED_SECONDS] = {"elapsed_seconds", RECORD_DECIMAL},
    [FIELD_REQUESTED_SECONDS] = {"requested_seconds", RECORD_DECIMAL},
    [FIELD_SUBMITTED] = {"submitted", RECORD_TIME},
    [FIELD_QOS] = {"qos", RECORD_TEXT},
    [FIELD_HOLD] = {"hold", RECORD_TEXT},
    [FIELD_BASIS] = {"basis", RECORD_TEXT},
    [FIELD_SEEN] = {"seen", RECORD_TIME},
    [FIELD_METERS] = {"meters", RECORD_OBJECT},
    [FIELD_ATTRIBUTES] = {"attributes", RECORD_OBJECT},
};

void record_draft_init(struct record_draft *draft, struct importer *importer)
{
    draft->importer = importer;
    draft->created = INSTANT_NONE;
    draft->seen = 0;
    draft->reason[0] = '\0';
    draft->problem[0] = '\0';
}

enum record_field record_field_find(const char *name, size_t length)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].name[0] == name[0] && strlen(fields[i].name) == length &&
            memcmp(fields[i].name, name, length) == 0) {
            return (enum record_field)i;
        }
    }
    return FIELD_UNKNOWN;
}

const char *record_field_text(enum record_field field)
{
    return fields[field].name;
}

enum record_kind record_field_kind(enum record_field field)
{
    return fields[field].kind;
}

int record_fail(struct record_draft *draft, const char *reason, const char *format, ...)
{
    va_list arguments;

    if (draft->reason[0] == '\0') {
        snprintf(draft->reason, sizeof draft->reason, "%s", reason);
        va_start(arguments, format);
        vsnprintf(draft->problem, sizeof draft->problem, format, arguments);
        va_end(arguments);
    }
    return -1;
}

/* "field end: not a time: 'x'". */
static int misfit(struct record_draft *draft, enum record_field field, const char *wanted,
                  struct scan_text text)
{
    char shown[EXCERPT_BYTES];

    return record_fail(draft, "malformed", "field %s: not %s: '%s'", fields[field].name, wanted,
                       excerpt(text.bytes, text.length, shown));
}

static int set_text(struct record_draft *draft, enum record_field field, struct scan_text text)
{
    struct importer *importer = draft->importer;
    struct usage_record *record = &importer->record;
    size_t limit = field == FIELD_SOURCE ? USAGE_SOURCE_BYTES
                   : field == FIELD_ID   ? USAGE_ID_BYTES
                                         : USAGE_NAME_BYTES;
    const char **place = field == FIELD_SOURCE    ? &record->source
                         : field == FIELD_ID      ? &record->id
                         : field == FIELD_PROJECT ? &record->project
                         : field == FIELD_USER    ? &record->user
                         : field == FIELD_CLASS   ? &record->klass
                         : field == FIELD_OUTCOME ? &record->outcome
                         : field == FIELD_QOS     ? &record->qos
                                                  : &record->hold;

    if (!usage_is_clean(text.bytes, text.length, limit)) {
        return record_fail(draft, field == FIELD_ID ? "no_identity" : "malformed",
                           "field %s: longer than %zu bytes, not UTF-8, or with control characters",
                           fields[field].name, limit);
    }
    *place = usage_keep(&importer->arena, text.bytes, text.length, limit);
    return 0;
}

static int set_time(struct record_draft *draft, enum record_field field, struct scan_text text)
{
    struct usage_record *record = &draft->importer->record;
    struct instant *place = field == FIELD_START       ? &record->start
                            : field == FIELD_END       ? &record->end
                            : field == FIELD_SUBMITTED ? &record->submitted
                            : field == FIELD_SEEN      ? &record->seen
                                                       : &draft->created;

    if (time_any(&draft->importer->times, text.bytes, text.length, place) != 0) {
        return misfit(draft, field, "a time", text);
    }
    return 0;
}

static int set_decimal(struct record_draft *draft, enum record_field field, struct scan_text text)
{
    struct usage_record *record = &draft->importer->record;
    bool elapsed = field == FIELD_ELAPSED_SECONDS;

    if (decimal_parse(text.bytes, text.length,
                      elapsed ? &record->elapsed_seconds : &record->requested_seconds) != 0) {
        return misfit(draft, field, "a decimal", text);
    }
    record->has_elapsed |= elapsed;
    return 0;
}

int record_set(struct record_draft *draft, enum record_field field, struct scan_text text)
{
    struct usage_record *record = &draft->importer->record;
    uint32_t bit = UINT32_C(1) << field;

    if ((draft->seen & bit) != 0) {
        return record_fail(draft, "malformed", "field %s is given twice", fields[field].name);
    }
    draft->seen |= bit;
    if (field == FIELD_STATE) {
        return usage_state_parse(text.bytes, text.length, &record->state) == 0
                   ? 0
                   : misfit(draft, field, "running or final", text);
    }
    if (field == FIELD_BASIS) {
        return usage_basis_parse(text.bytes, text.length, &record->basis) == 0
                   ? 0
                   : misfit(draft, field, "reported, partial or estimated", text);
    }
    switch (fields[field].kind) {
    case RECORD_TIME:
        return set_time(draft, field, text);
    case RECORD_DECIMAL:
        return set_decimal(draft, field, text);
    case RECORD_TEXT:
        return set_text(draft, field, text);
    case RECORD_OBJECT:
        break;
    }
    return misfit(draft, field, "a field of its own", text);
}

/* Meters that nearly all records have: no copy of the name. */
static const char *standard_meter(struct scan_text name)
{
    static const char *const standard[] = {
        "input_tokens", "output_tokens", "cached_input_tokens", "gpu", "cpu", "mem_gib", "node"};

    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
        if (strlen(standard[i]) == name.length &&
            memcmp(standard[i], name.bytes, name.length) == 0) {
            return standard[i];
        }
    }
    return NULL;
}

int record_set_meter(struct record_draft *draft, struct scan_text name, struct scan_text quantity)
{
    struct importer *importer = draft->importer;
    const char *kept = standard_meter(name);
    struct decimal value;
    char shown[EXCERPT_BYTES], text[EXCERPT_BYTES];

    if (kept == NULL) {
        if (name.length == 0 || !usage_is_clean(name.bytes, name.length, METER_NAME_BYTES)) {
            return record_fail(draft, "malformed",
                               "a meter's name is empty, too long or not clean");
        }
        kept = usage_keep(&importer->arena, name.bytes, name.length, METER_NAME_BYTES);
    }
    if (decimal_parse(quantity.bytes, quantity.length, &value) != 0) {
        return record_fail(draft, "malformed", "meter %s: not a decimal: '%s'",
                           excerpt(name.bytes, name.length, text),
                           excerpt(quantity.bytes, quantity.length, shown));
    }
    if (usage_add_meter(&importer->record, kept, value) != 0) {
        return record_fail(draft, "malformed", "meter %s is given twice, or one of more than %d",
                           excerpt(name.bytes, name.length, text), USAGE_METERS_MAX);
    }
    return 0;
}

int record_set_attribute(struct record_draft *draft, struct scan_text name, struct scan_text value)
{
    struct importer *importer = draft->importer;
    char text[EXCERPT_BYTES];
    const char *kept;

    if (name.length == 0 || !usage_is_clean(name.bytes, name.length, USAGE_NAME_BYTES)) {
        return record_fail(draft, "malformed",
                           "an attribute's name is empty, too long or not clean");
    }
    kept = usage_keep(&importer->arena, name.bytes, name.length, USAGE_NAME_BYTES);
    if (usage_add_attribute(
            &importer->record, kept,
            usage_keep(&importer->arena, value.bytes, value.length, USAGE_ATTRIBUTE_BYTES)) != 0) {
        return record_fail(draft, "malformed",
                           "attribute %s is given twice, or one of more than %d",
                           excerpt(name.bytes, name.length, text), USAGE_ATTRIBUTES_MAX);
    }
    return 0;
}

/* The interval of a record that gives one end, or only when it was created. */
static int finish_interval(struct record_draft *draft)
{
    struct usage_record *record = &draft->importer->record;

    if (instant_is_set(draft->created)) {
        if (!instant_is_set(record->start) && !instant_is_set(record->end)) {
            record->start = record->end = draft->created;
        }
    }
    if (!instant_is_set(record->start) && !instant_is_set(record->end)) {
        return record_fail(draft, "no_time", "the record says nothing of when it was");
    }
    if (!instant_is_set(record->start) || !instant_is_set(record->end)) {
        return record_fail(draft, "bad_interval", "the record has no %s",
                           instant_is_set(record->start) ? "end" : "start");
    }
    return 0;
}

int record_finish(struct record_draft *draft, struct import_item *item)
{
    struct importer *importer = draft->importer;
    struct usage_record *record = &importer->record;
    const struct import_options *options = &importer->options;

    if (record->source[0] == '\0' && options->source != NULL) {
        record->source = options->source;
    }
    if (record->project[0] == '\0' && options->project != NULL) {
        record->project = options->project;
    }
    if (record->user[0] == '\0' && options->user != NULL) {
        record->user = options->user;
    }
    if (draft->reason[0] == '\0' && (record->id[0] == '\0' || record->source[0] == '\0')) {
        record_fail(draft, "no_identity", "the record has no %s",
                    record->id[0] == '\0' ? "id" : "source");
    }
    if (draft->reason[0] != '\0' || finish_interval(draft) != 0) {
        return item_bad(importer, item, draft->reason, "%s", draft->problem);
    }
    return item_give(importer, item);
}
