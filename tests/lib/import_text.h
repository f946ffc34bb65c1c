/* import_text - what an importer gives, as short text that tables can hold.
 *
 *     R 4711@100 p=hp u=alice c=gpu 100..200 o=completed e=90 r=60 m:cpu=1,gpu=2
 *     B malformed 4711@100
 *     S step
 *     ! document cut off at byte 12
 *
 * One item a line; times in seconds since 1970; what has its default is not shown.
 */
#ifndef TESTS_LIB_IMPORT_TEXT_H
#define TESTS_LIB_IMPORT_TEXT_H

#include <stdio.h>
#include <string.h>

#include "importers/importer.h"
#include "ledgerd/base/strbuf.h"

static struct zone import_zone; /* UTC */

static struct import_options import_plain_options(enum import_format format)
{
    return (struct import_options){.format = format,
                                   .source = "test:site",
                                   .zone = &import_zone,
                                   .now = instant_from_seconds(2000000000)};
}

static void import_put_time(struct strbuf *out, struct instant t)
{
    strbuf_printf(out, "%lld", (long long)(t.us / INSTANT_SECOND_US));
    if (t.us % INSTANT_SECOND_US != 0) {
        strbuf_printf(out, ".%06lld", (long long)(t.us % INSTANT_SECOND_US));
    }
}

static void import_put(struct strbuf *out, const char *name, const char *value)
{
    if (value[0] != '\0') {
        strbuf_printf(out, " %s=%s", name, value);
    }
}

static void import_put_decimal(struct strbuf *out, const char *name, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];

    strbuf_printf(out, "%s=%s", name, decimal_format(value, text));
}

static void import_put_record(struct strbuf *out, const struct usage_record *record,
                              bool attributes)
{
    strbuf_printf(out, "R %s", record->id);
    if (strcmp(record->source, "test:site") != 0) {
        import_put(out, "s", record->source);
    }
    import_put(out, "p", record->project);
    import_put(out, "u", record->user);
    import_put(out, "c", record->klass);
    strbuf_add_char(out, ' ');
    import_put_time(out, record->start);
    strbuf_add_string(out, "..");
    import_put_time(out, record->end);
    strbuf_add_string(out, record->state == USAGE_RUNNING ? " running" : "");
    import_put(out, "o", record->outcome);
    if (record->has_elapsed) {
        import_put_decimal(out, " e", record->elapsed_seconds);
    }
    if (!decimal_is_zero(record->requested_seconds)) {
        import_put_decimal(out, " r", record->requested_seconds);
    }
    import_put(out, "q", record->qos);
    import_put(out, "h", record->hold);
    import_put(out, "b", record->basis == USAGE_REPORTED ? "" : usage_basis_text(record->basis));
    for (size_t i = 0; i < record->meter_count; i++) {
        strbuf_add_string(out, i == 0 ? " m:" : ",");
        import_put_decimal(out, record->meters[i].name, record->meters[i].quantity);
    }
    for (size_t i = 0; attributes && i < record->attribute_count; i++) {
        strbuf_printf(out, "%s%s=%s", i == 0 ? " a:" : ",", record->attributes[i].name,
                      record->attributes[i].value);
    }
}

static void import_put_item(struct strbuf *out, const struct import_item *item, bool attributes)
{
    if (out->length > 0) {
        strbuf_add_char(out, '\n');
    }
    if (item->kind == IMPORT_RECORD) {
        import_put_record(out, item->record, attributes);
    } else {
        strbuf_printf(out, "%c %s", item->kind == IMPORT_BAD ? 'B' : 'S', item->reason);
        if (item->record != NULL) {
            strbuf_printf(out, " %s", item->record->id);
        }
    }
}

/* Read all of `bytes`; the text is valid until the next call. */
static const char *import_text_of(const struct import_options *options, const char *bytes,
                                  size_t length, bool attributes)
{
    static struct strbuf out = STRBUF_INIT;
    struct error err = {0};
    struct input *input = input_from_memory(bytes, length);
    struct importer *importer = importer_open(input, options, &err);
    struct import_item item;
    int result = importer != NULL ? 1 : -1;

    strbuf_clear(&out);
    while (importer != NULL && (result = importer_next(importer, &item, &err)) == 1) {
        import_put_item(&out, &item, attributes);
    }
    if (result == -1) {
        strbuf_printf(&out, "%s! %s", out.length > 0 ? "\n" : "", err.text);
    }
    importer_close(importer);
    input_close(input);
    return out.data;
}

#endif
