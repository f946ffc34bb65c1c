/* importer - see importer.h: the table of formats, and what is the same for all of them. */
#include "importers/importer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/format.h"

static const struct import_format_ops *const formats[] = {
    &format_sacct, &format_slurm_json, &format_ledger, &format_openai,  &format_litellm,
    &format_envoy, &format_otel,       &format_csv,    &format_mapping,
};

enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

static const struct import_format_ops *format_find(enum import_format format)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (formats[i]->format == format) {
            return formats[i];
        }
    }
    return NULL;
}

int import_format_parse(const char *text, enum import_format *format, const char **mapping)
{
    static const char prefix[] = "mapping:";

    *mapping = NULL;
    if (strncmp(text, prefix, strlen(prefix)) == 0 && text[strlen(prefix)] != '\0') {
        *format = IMPORT_MAPPING;
        *mapping = text + strlen(prefix);
        return 0;
    }
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        const char *alias = formats[i]->alias;
        if (formats[i]->format == IMPORT_MAPPING) {
            continue;
        }
        if (strcmp(formats[i]->name, text) == 0 || (alias != NULL && strcmp(alias, text) == 0)) {
            *format = formats[i]->format;
            return 0;
        }
    }
    return -1;
}

const char *import_format_text(enum import_format format)
{
    return format_find(format)->name;
}

/* An input of no bytes is bad where a header or a document must be. */
static int check_empty(struct importer *importer, struct error *err)
{
    enum input_status status = input_want(importer->input, 1, err);

    if (status == INPUT_FAILED) {
        return -1;
    }
    if (status == INPUT_END && importer->ops->empty_is_bad) {
        return error_set(err, ERROR_INPUT, "the input is empty where a %s is expected",
                         importer->ops->format == IMPORT_SLURM_JSON ? "document" : "header line");
    }
    return 0;
}

struct importer *importer_open(struct input *input, const struct import_options *options,
                               struct error *err)
{
    struct importer *importer = calloc(1, sizeof *importer);

    if (importer == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    importer->ops = format_find(options->format);
    importer->options = *options;
    importer->input = input;
    strbuf_init(&importer->header);
    time_reader_init(&importer->times, options->zone);
    json_items_init(&importer->items, input, options->format == IMPORT_SLURM_JSON);
    importer->items.by_line = options->by_line;
    usage_clear(&importer->record, &importer->arena);
    if (check_empty(importer, err) != 0 ||
        (importer->ops->open != NULL && importer->ops->open(importer, err) != 0)) {
        importer_close(importer);
        return NULL;
    }
    return importer;
}

void importer_close(struct importer *importer)
{
    if (importer == NULL) {
        return;
    }
    if (importer->ops->close != NULL) {
        importer->ops->close(importer);
    }
    json_items_release(&importer->items);
    strbuf_release(&importer->header);
    free(importer);
}

int importer_next(struct importer *importer, struct import_item *item, struct error *err)
{
    int result;

    if (importer->finished) {
        return 0;
    }
    result = importer->ops->next(importer, item, err);
    importer->finished = result != 1;
    return result;
}

const char *importer_header(const struct importer *importer)
{
    return importer->header.data;
}

void item_begin(struct importer *importer, struct import_item *item, const char *raw, size_t length,
                uint64_t line)
{
    usage_clear(&importer->record, &importer->arena);
    item->kind = IMPORT_RECORD;
    item->record = NULL;
    item->raw = raw;
    item->raw_length = length < IMPORT_RAW_BYTES ? length : IMPORT_RAW_BYTES;
    item->reason[0] = '\0';
    item->detail[0] = '\0';
    item->line = line;
}

/* "line 12: …", or "element 12: …" where lines mean nothing. */
__attribute__((format(printf, 3, 0))) static void set_detail(struct import_item *item,
                                                             const char *unit, const char *format,
                                                             va_list arguments)
{
    int used = snprintf(item->detail, sizeof item->detail, "%s %llu: ", unit,
                        (unsigned long long)item->line);

    vsnprintf(item->detail + used, sizeof item->detail - (size_t)used, format, arguments);
}

static const char *unit_of(const struct importer *importer)
{
    bool text = importer->options.format == IMPORT_SACCT || importer->options.format == IMPORT_CSV;

    return text ? "line" : "item";
}

int item_bad(struct importer *importer, struct import_item *item, const char *reason,
             const char *format, ...)
{
    va_list arguments;

    item->kind = IMPORT_BAD;
    item->record = importer->record.id[0] != '\0' ? &importer->record : NULL;
    snprintf(item->reason, sizeof item->reason, "%s", reason);
    va_start(arguments, format);
    set_detail(item, unit_of(importer), format, arguments);
    va_end(arguments);
    return 1;
}

int item_skip(struct import_item *item, const char *reason, const char *format, ...)
{
    va_list arguments;

    item->kind = IMPORT_SKIPPED;
    item->record = NULL;
    snprintf(item->reason, sizeof item->reason, "%s", reason);
    va_start(arguments, format);
    vsnprintf(item->detail, sizeof item->detail, format, arguments);
    va_end(arguments);
    return 1;
}

int item_give(struct importer *importer, struct import_item *item)
{
    struct error err = {0};

    if (usage_validate(&importer->record, &err) != 0) {
        return item_bad(importer, item, err.reason, "%s", err.text);
    }
    item->kind = IMPORT_RECORD;
    item->record = &importer->record;
    return 1;
}

int item_next_json(struct importer *importer, struct import_item *item, bool *given,
                   struct error *err)
{
    struct json_item json;
    int result = json_items_next(&importer->items, &json, err);

    *given = false;
    if (result != 1) {
        return result;
    }
    item_begin(importer, item, json.text, json.length, json.number);
    if (json.status == JSON_ITEM_TOO_LONG) {
        *given = true;
        return item_bad(importer, item, "line_too_long", "longer than %d bytes", IMPORT_ITEM_BYTES);
    }
    if (json.status == JSON_ITEM_BAD) {
        *given = true;
        return item_bad(importer, item, "malformed", "not JSON at its byte %zu: %s", json.error_at,
                        json.error);
    }
    return 1;
}

const char *excerpt(const char *bytes, size_t length, char out[EXCERPT_BYTES])
{
    size_t shown = length < EXCERPT_BYTES - 4 ? length : EXCERPT_BYTES - 4;

    for (size_t i = 0; i < shown; i++) {
        out[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '?';
    }
    memcpy(out + shown, shown < length ? "..." : "", shown < length ? 4 : 1);
    return out;
}
