/* ingest_options - see ingest_options.h. */
#include "ledgerd/flow/ingest_options.h"

#include <jansson.h>

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

int ingest_import_options(const struct ingest_options *options, const struct zone *zone,
                          struct import_options *import, struct error *err)
{
    enum import_format format;
    const char *mapping;

    if (import_format_parse(options->format, &format, &mapping) != 0) {
        return error_set(err, ERROR_ARGUMENT, "unknown format '%s'", options->format);
    }
    *import = (struct import_options){
        .format = format,
        .mapping = mapping,
        .source = or_empty(options->source),
        .cluster = options->cluster,
        .project = or_empty(options->project),
        .user = or_empty(options->user),
        .zone = zone,
        .now = options->now,
        .runs_to_now = options->runs_to_now,
        .by_line = options->by_line,
        .unstarted = options->unstarted,
        .context = options->context,
    };
    return 0;
}

static void add_member(struct strbuf *out, const char *name, const char *value)
{
    if (value != NULL && *value != '\0') {
        strbuf_add_string(out, out->data[out->length - 1] == '{' ? "\"" : ",\"");
        strbuf_add_string(out, name);
        strbuf_add_string(out, "\":");
        strbuf_add_json_string(out, value);
    }
}

void ingest_options_write(const struct ingest_options *options, struct strbuf *out)
{
    strbuf_add_char(out, '{');
    add_member(out, "source", options->source);
    add_member(out, "cluster", options->cluster);
    add_member(out, "project", options->project);
    add_member(out, "user", options->user);
    strbuf_add_char(out, '}');
}

int ingest_options_read(const char *text, struct ingest_options *options, void **kept,
                        struct error *err)
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(err, ERROR_INTERNAL,
                         "the options of a quarantined text are no JSON object");
    }
    options->source = json_string_value(json_object_get(object, "source"));
    options->cluster = json_string_value(json_object_get(object, "cluster"));
    options->project = json_string_value(json_object_get(object, "project"));
    options->user = json_string_value(json_object_get(object, "user"));
    *kept = object;
    return 0;
}

void ingest_options_free(void *kept)
{
    json_decref(kept);
}
