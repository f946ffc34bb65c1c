/* fuzz_import - the body of the importers' fuzz targets: any bytes, read as one format.
 *
 * Beyond not crashing, each item must keep what importer.h promises: records validate and are
 * clean, bad items say why, raw text is bounded; and a record's own text, read again on its own
 * under the same header as quarantine does, gives the same record.
 */
#ifndef TESTS_FUZZ_FUZZ_IMPORT_H
#define TESTS_FUZZ_FUZZ_IMPORT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "importers/importer.h"
#include "ledgerd/base/strbuf.h"

static struct zone fuzz_zone; /* UTC: needs no file */
static char fuzz_content[USAGE_CONTENT_BYTES], fuzz_again[USAGE_CONTENT_BYTES];

static void fuzz_require(int holds)
{
    if (!holds) {
        abort();
    }
}

static void fuzz_check_record(const struct usage_record *record)
{
    struct error err = {0};

    fuzz_require(usage_validate(record, &err) == 0);
    fuzz_require(usage_is_clean(record->id, strlen(record->id), USAGE_ID_BYTES));
    fuzz_require(usage_is_clean(record->project, strlen(record->project), USAGE_NAME_BYTES));
    fuzz_require(usage_is_clean(record->user, strlen(record->user), USAGE_NAME_BYTES));
    fuzz_require(usage_is_clean(record->klass, strlen(record->klass), USAGE_NAME_BYTES));
    fuzz_require(record->meter_count <= USAGE_METERS_MAX);
    for (size_t i = 1; i < record->meter_count; i++) {
        fuzz_require(strcmp(record->meters[i - 1].name, record->meters[i].name) < 0);
    }
    for (size_t i = 1; i < record->attribute_count; i++) {
        fuzz_require(strcmp(record->attributes[i - 1].name, record->attributes[i].name) < 0);
    }
}

/* The record's text alone, under the header, is the same record. */
static void fuzz_check_again(const struct import_item *item, const char *header,
                             const struct import_options *options)
{
    struct strbuf text = STRBUF_INIT;
    struct error err = {0};
    struct import_item again;
    struct input *input;
    struct importer *importer;
    size_t length = usage_content(item->record, fuzz_content);
    char id[USAGE_ID_BYTES + 1];

    strncpy(id, item->record->id, sizeof id);
    strbuf_add_string(&text, header);
    strbuf_add(&text, item->raw, item->raw_length);
    input = input_from_memory(text.data, text.length);
    importer = importer_open(input, options, &err);
    fuzz_require(importer != NULL && importer_next(importer, &again, &err) == 1);
    fuzz_require(again.kind == IMPORT_RECORD && strcmp(again.record->id, id) == 0);
    fuzz_require(usage_content(again.record, fuzz_again) == length &&
                 memcmp(fuzz_content, fuzz_again, length) == 0);
    importer_close(importer);
    input_close(input);
    strbuf_release(&text);
}

static void fuzz_import(enum import_format format, const uint8_t *bytes, size_t length)
{
    struct import_options options = {.format = format,
                                     .source = "fuzz:site",
                                     .cluster = "sdli",
                                     .zone = &fuzz_zone,
                                     .now = {INT64_C(1900000000000000)}};
    struct input *input = input_from_memory((const char *)bytes, length);
    struct error err = {0};
    struct importer *importer = importer_open(input, &options, &err);
    struct import_item item;
    int result = importer == NULL ? -1 : 1;

    while (importer != NULL && (result = importer_next(importer, &item, &err)) == 1) {
        fuzz_require(item.raw_length <= IMPORT_RAW_BYTES);
        if (item.kind == IMPORT_RECORD) {
            fuzz_check_record(item.record);
            if (item.raw_length < IMPORT_RAW_BYTES && strlen(importer_header(importer)) < length) {
                fuzz_check_again(&item, importer_header(importer), &options);
            }
        } else {
            fuzz_require(item.reason[0] != '\0');
            fuzz_require(item.kind != IMPORT_BAD || item.detail[0] != '\0');
        }
    }
    fuzz_require(result == 0 || (err.code != ERROR_NONE && err.text[0] != '\0'));
    importer_close(importer);
    input_close(input);
}

#define FUZZ_IMPORT(format)                                          \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length); \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)  \
    {                                                                \
        fuzz_import(format, bytes, length);                          \
        return 0;                                                    \
    }

#endif
