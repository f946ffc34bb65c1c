/* import_driver - prints what an importer gives, one JSON document an item.
 *
 *     import_driver FORMAT FILE|- [name=value...]      source= cluster= project= user= zone=
 * now=SECONDS
 *
 * An item is {"kind","line","reason","detail","raw"} and for records its fields, names as in the
 * contract; raw is hexadecimal, because it may be any bytes. The last document is
 * {"end":0|-1,"error":text,"header":text}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/importer.h"
#include "ledgerd/base/strbuf.h"

static struct zone zone;

static void put(struct strbuf *out, const char *name, const char *value)
{
    strbuf_printf(out, ",\"%s\":", name);
    strbuf_add_json_string(out, value);
}

static void put_time(struct strbuf *out, const char *name, struct instant t)
{
    char text[INSTANT_TEXT_BYTES];

    put(out, name, instant_is_set(t) ? zone_format(&zone, t, text) : NULL);
}

static void put_decimal(struct strbuf *out, const char *name, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];

    strbuf_add_json_string(out, name);
    strbuf_printf(out, ":\"%s\"", decimal_format(value, text));
}

static void put_lists(struct strbuf *out, const struct usage_record *record)
{
    strbuf_add_string(out, ",\"meters\":{");
    for (size_t i = 0; i < record->meter_count; i++) {
        strbuf_add_string(out, i > 0 ? "," : "");
        put_decimal(out, record->meters[i].name, record->meters[i].quantity);
    }
    strbuf_add_string(out, "},\"attributes\":{");
    for (size_t i = 0; i < record->attribute_count; i++) {
        strbuf_add_string(out, i > 0 ? "," : "");
        strbuf_add_json_string(out, record->attributes[i].name);
        strbuf_add_char(out, ':');
        strbuf_add_json_string(out, record->attributes[i].value);
    }
    strbuf_add_char(out, '}');
}

static void put_record(struct strbuf *out, const struct usage_record *record)
{
    put(out, "project", record->project);
    put(out, "user", record->user);
    put(out, "class", record->klass);
    put_time(out, "start", record->start);
    put_time(out, "end", record->end);
    put(out, "state", usage_state_text(record->state));
    put(out, "outcome", record->outcome);
    if (record->has_elapsed) {
        strbuf_add_char(out, ',');
        put_decimal(out, "elapsed_seconds", record->elapsed_seconds);
    }
    strbuf_add_char(out, ',');
    put_decimal(out, "requested_seconds", record->requested_seconds);
    put_time(out, "submitted", record->submitted);
    put(out, "qos", record->qos);
    put(out, "hold", record->hold);
    put(out, "basis", usage_basis_text(record->basis));
    put_time(out, "seen", record->seen);
    put_lists(out, record);
}

static void print_item(struct strbuf *out, const struct import_item *item)
{
    static const char *const kinds[] = {"record", "bad", "skipped"};

    strbuf_clear(out);
    strbuf_printf(out, "{\"kind\":\"%s\",\"line\":%llu", kinds[item->kind],
                  (unsigned long long)item->line);
    put(out, "reason", item->reason);
    put(out, "detail", item->detail);
    if (item->record != NULL) {
        put(out, "source", item->record->source);
        put(out, "id", item->record->id);
    }
    if (item->kind == IMPORT_RECORD && item->record != NULL) {
        put_record(out, item->record);
    }
    strbuf_add_string(out, ",\"raw\":\"");
    for (size_t i = 0; i < item->raw_length; i++) {
        strbuf_printf(out, "%02x", (unsigned char)item->raw[i]);
    }
    strbuf_add_string(out, "\"}\n");
    fwrite(out->data, 1, out->length, stdout);
}

static int read_option(struct import_options *options, const char *argument)
{
    const char *value = strchr(argument, '=');
    size_t length = value != NULL ? (size_t)(value++ - argument) : 0;
    struct error err;

    if (length == 6 && memcmp(argument, "source", 6) == 0) {
        options->source = value;
    } else if (length == 7 && memcmp(argument, "cluster", 7) == 0) {
        options->cluster = value;
    } else if (length == 7 && memcmp(argument, "project", 7) == 0) {
        options->project = value;
    } else if (length == 4 && memcmp(argument, "user", 4) == 0) {
        options->user = value;
    } else if (length == 3 && memcmp(argument, "now", 3) == 0) {
        options->now = instant_from_seconds(strtoll(value, NULL, 10));
    } else if (length == 4 && memcmp(argument, "zone", 4) == 0) {
        return zone_load(value, &zone, &err);
    } else {
        return -1;
    }
    return 0;
}

static void print_all(const char *path, const struct import_options *options)
{
    struct error err = {0};
    struct strbuf out = STRBUF_INIT;
    struct import_item item;
    struct input *input = input_open(path, &err);
    struct importer *importer = input != NULL ? importer_open(input, options, &err) : NULL;
    int result = importer != NULL ? 1 : -1;

    while (importer != NULL && (result = importer_next(importer, &item, &err)) == 1) {
        print_item(&out, &item);
    }
    strbuf_clear(&out);
    strbuf_printf(&out, "{\"end\":%d", result);
    put(&out, "error", err.text);
    put(&out, "header", importer != NULL ? importer_header(importer) : "");
    printf("%s}\n", out.data);
    importer_close(importer);
    input_close(input);
    strbuf_release(&out);
}

int main(int argc, char **argv)
{
    struct import_options options = {
        .source = "test:site", .zone = &zone, .now = instant_from_seconds(1814500000)};

    if (argc < 3 || import_format_parse(argv[1], &options.format, &options.mapping) != 0) {
        fprintf(stderr, "usage: import_driver FORMAT FILE|- [name=value...]\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        if (read_option(&options, argv[i]) != 0) {
            fprintf(stderr, "import_driver: %s: no such option\n", argv[i]);
            return 2;
        }
    }
    print_all(argv[2], &options);
    return 0;
}
