/* tokens_normalise - a call of a model as a usage record, see tokens.h. */
#include <string.h>

#include "importers/tokens.h"

void token_usage_init(struct token_usage *usage)
{
    memset(usage, 0, sizeof *usage);
    usage->id = usage->model = usage->project = usage->user = (struct scan_text){"", 0};
    usage->start = usage->end = INSTANT_NONE;
    usage->basis = USAGE_REPORTED;
}

void token_attribute(struct token_usage *usage, const char *name, struct scan_text value)
{
    if (value.length > 0 && usage->attribute_count < TOKEN_ATTRIBUTES_MAX) {
        usage->attributes[usage->attribute_count].name = name;
        usage->attributes[usage->attribute_count++].value = value;
    }
}

static const char *keep_name(struct importer *importer, struct scan_text text,
                             const char *otherwise)
{
    if (text.length == 0) {
        return otherwise != NULL ? otherwise : "";
    }
    return usage_keep(&importer->arena, text.bytes, text.length, USAGE_NAME_BYTES);
}

bool tokens_identify(struct importer *importer, struct scan_text id)
{
    struct usage_record *record = &importer->record;

    if (id.length == 0 || !usage_is_clean(id.bytes, id.length, USAGE_ID_BYTES)) {
        return false;
    }
    if (record->id[0] == '\0') {
        record->source = importer->options.source != NULL ? importer->options.source : "";
        record->id = usage_keep(&importer->arena, id.bytes, id.length, USAGE_ID_BYTES);
    }
    return true;
}

/* 0, or -1 with the item given as bad. */
static int check_identity(struct importer *importer, const struct token_usage *usage,
                          struct import_item *item)
{
    if (tokens_identify(importer, usage->id)) {
        return 0;
    }
    if (usage->id.length == 0) {
        item_bad(importer, item, "no_identity", "the record has no id");
    } else {
        item_bad(importer, item, "no_identity",
                 "the id is longer than %d bytes or has characters that an id may not have",
                 USAGE_ID_BYTES);
    }
    return -1;
}

static int set_interval(struct importer *importer, const struct token_usage *usage,
                        struct import_item *item)
{
    struct usage_record *record = &importer->record;

    record->start = instant_is_set(usage->start) ? usage->start : usage->end;
    record->end = instant_is_set(usage->end) ? usage->end : usage->start;
    if (!instant_is_set(record->start)) {
        item_bad(importer, item, "no_time", "the record says nothing of when it was");
        return -1;
    }
    return 0;
}

static void add_count(struct usage_record *record, const char *name, struct token_count count)
{
    struct decimal quantity;

    if (count.given && decimal_from_u64(count.value, &quantity) == 0) {
        usage_add_meter(record, name, quantity);
    }
}

static void set_meters(struct usage_record *record, const struct token_counts *counts)
{
    if (counts->has_audio) {
        usage_add_meter(record, "audio_seconds", counts->audio_seconds);
    }
    if (counts->cache_write.value > 0) {
        add_count(record, "cache_write_input_tokens", counts->cache_write);
    }
    if (counts->cached.value > 0) {
        add_count(record, "cached_input_tokens", counts->cached);
    }
    add_count(record, "input_tokens", counts->input);
    add_count(record, "output_tokens", counts->output);
}

int tokens_normalise(struct importer *importer, const struct token_usage *usage,
                     struct import_item *item)
{
    struct usage_record *record = &importer->record;

    if (check_identity(importer, usage, item) != 0 || set_interval(importer, usage, item) != 0) {
        return 1;
    }
    record->project = keep_name(importer, usage->project, importer->options.project);
    record->user = keep_name(importer, usage->user, importer->options.user);
    record->klass = keep_name(importer, usage->model, NULL);
    record->basis = usage->basis;
    set_meters(record, &usage->counts);
    for (size_t i = 0; i < usage->attribute_count; i++) {
        struct scan_text value = usage->attributes[i].value;
        usage_add_attribute(
            record, usage->attributes[i].name,
            usage_keep(&importer->arena, value.bytes, value.length, USAGE_ATTRIBUTE_BYTES));
    }
    return item_give(importer, item);
}
