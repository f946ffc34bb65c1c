/* mapping - see mapping.h: reading a mapping file, strictly. */
#include "importers/mapping.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/mapping_embed.h"

struct reader {
    const char *name;
    struct error *err;
};

/* "NAME: PLACE: what is wrong". Returns -1. */
__attribute__((format(printf, 3, 4))) static int wrong(const struct reader *reader,
                                                       const char *place, const char *format, ...)
{
    char text[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(reader->err, ERROR_INPUT, "%s: %.80s: %s", reader->name, place, text);
}

static int keep(const struct reader *reader, const char *place, const json_t *value, char **to)
{
    if (!json_is_string(value) || json_string_length(value) == 0) {
        return wrong(reader, place, "a text that is not empty belongs here");
    }
    free(*to);
    *to = strdup(json_string_value(value));
    return *to != NULL ? 0 : error_set(reader->err, ERROR_INTERNAL, "out of memory");
}

/* --- places ------------------------------------------------------------------------------------
 */

/* A step with ~1 and ~0 put back. */
static char *unescape(const char *text, size_t length)
{
    char *step = malloc(length + 1);
    size_t used = 0;

    for (size_t i = 0; step != NULL && i < length; i++) {
        if (text[i] == '~' && i + 1 < length && (text[i + 1] == '1' || text[i + 1] == '0')) {
            step[used++] = text[++i] == '1' ? '/' : '~';
        } else {
            step[used++] = text[i];
        }
    }
    if (step != NULL) {
        step[used] = '\0';
    }
    return step;
}

static int read_path(const struct reader *reader, const char *name, const char *path,
                     struct mapping_place *place)
{
    for (;;) {
        size_t length = strcspn(path, "/");

        if (length == 0) {
            return wrong(reader, name, "a path is members' names with slashes between them");
        }
        if (place->step_count == MAPPING_STEPS_MAX) {
            return wrong(reader, name, "a path has at most %d members", MAPPING_STEPS_MAX);
        }
        place->steps[place->step_count] = unescape(path, length);
        if (place->steps[place->step_count] == NULL) {
            return error_set(reader->err, ERROR_INTERNAL, "out of memory");
        }
        place->step_count++;
        if (path[length] == '\0') {
            return 0;
        }
        path += length + 1;
    }
}

static int read_form(const struct reader *reader, const char *name, const json_t *value,
                     struct mapping_place *place)
{
    static const char *const forms[] = {[MAPPING_ANY] = "any",
                                        [MAPPING_SECONDS] = "seconds",
                                        [MAPPING_MILLISECONDS] = "milliseconds",
                                        [MAPPING_NANOSECONDS] = "nanoseconds"};
    const char *text = json_string_value(value);

    for (size_t i = 0; text != NULL && i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(forms[i], text) == 0) {
            place->form = (enum mapping_form)i;
            return 0;
        }
    }
    return wrong(reader, name, "a form is any, seconds, milliseconds or nanoseconds");
}

/* "a/b", or {"at":"a/b","form":…}. */
static int read_place(const struct reader *reader, const char *name, const json_t *value,
                      struct mapping_place *place)
{
    const json_t *at = json_is_object(value) ? json_object_get(value, "at") : value;
    const json_t *form = json_object_get(value, "form");

    if (!json_is_string(at) ||
        (json_is_object(value) && json_object_size(value) != (form != NULL ? 2U : 1U))) {
        return wrong(reader, name, "a place is \"a/b\" or {\"at\":\"a/b\",\"form\":…}");
    }
    if (form != NULL && read_form(reader, name, form, place) != 0) {
        return -1;
    }
    return read_path(reader, name, json_string_value(at), place);
}

static int read_field(const struct reader *reader, const char *name, const json_t *list,
                      struct mapping_field *field)
{
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return wrong(reader, name, "a list of places belongs here");
    }
    if (json_array_size(list) > MAPPING_PLACES_MAX) {
        return wrong(reader, name, "at most %d places", MAPPING_PLACES_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        field->count = i + 1;
        if (read_place(reader, name, json_array_get(list, i), &field->places[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- members -----------------------------------------------------------------------------------
 */

static int read_counts(const struct reader *reader, json_t *object, struct mapping *mapping)
{
    const struct {
        const char *name;
        struct mapping_field *field;
    } fields[] = {{"input", &mapping->input},
                  {"cached", &mapping->cached},
                  {"cache_write", &mapping->cache_write},
                  {"output", &mapping->output},
                  {"more_input", &mapping->more_input},
                  {"more_output", &mapping->more_output}};
    const char *key;
    json_t *value;

    if (!json_is_object(object)) {
        return wrong(reader, "counts", "an object belongs here");
    }
    json_object_foreach(object, key, value)
    {
        size_t i = 0;

        while (i < sizeof fields / sizeof *fields && strcmp(fields[i].name, key) != 0) {
            i++;
        }
        if (i == sizeof fields / sizeof *fields) {
            return wrong(reader, "counts", "there is no count '%.60s'", key);
        }
        if (read_field(reader, fields[i].name, value, fields[i].field) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_includes(const struct reader *reader, json_t *list, struct mapping *mapping)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text != NULL && strcmp(text, "cached") == 0) {
            mapping->input_includes_cached = true;
        } else if (text != NULL && strcmp(text, "cache_write") == 0) {
            mapping->input_includes_cache_write = true;
        } else {
            return wrong(reader, "input_includes", "a list of cached and cache_write belongs here");
        }
    }
    return json_is_array(list) ? 0 : wrong(reader, "input_includes", "a list belongs here");
}

static int read_attributes(const struct reader *reader, json_t *object, struct mapping *mapping)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object) || json_object_size(object) > MAPPING_ATTRIBUTES_MAX) {
        return wrong(reader, "attributes", "an object of at most %d members belongs here",
                     MAPPING_ATTRIBUTES_MAX);
    }
    json_object_foreach(object, key, value)
    {
        size_t i = mapping->attribute_count++;

        mapping->attributes[i].name = strdup(key);
        if (mapping->attributes[i].name == NULL) {
            return error_set(reader->err, ERROR_INTERNAL, "out of memory");
        }
        if (read_field(reader, key, value, &mapping->attributes[i].field) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_skip(const struct reader *reader, const json_t *value, struct mapping_skip *skip)
{
    const json_t *without = json_object_get(value, "without_counts");
    const json_t *reason = json_object_get(value, "reason");

    if (!json_is_object(value) || json_object_size(value) != (without != NULL ? 4U : 3U) ||
        (without != NULL && !json_is_boolean(without)) ||
        !json_is_string(json_object_get(value, "at"))) {
        return wrong(reader, "skip",
                     "{\"at\":…,\"is\":…,\"reason\":…} belongs here, with "
                     "\"without_counts\":true if only then");
    }
    skip->without_counts = json_is_true(without);
    if (keep(reader, "skip", reason, &skip->reason) != 0 ||
        keep(reader, "skip", json_object_get(value, "is"), &skip->is) != 0 ||
        read_path(reader, "skip", json_string_value(json_object_get(value, "at")), &skip->at) !=
            0) {
        return -1;
    }
    if (strcmp(skip->reason, "error_body") != 0 && strcmp(skip->reason, "no_usage") != 0) {
        return wrong(reader, "skip", "a reason is error_body or no_usage");
    }
    return 0;
}

static int read_skips(const struct reader *reader, json_t *list, struct mapping *mapping)
{
    if (!json_is_array(list) || json_array_size(list) > MAPPING_SKIPS_MAX) {
        return wrong(reader, "skip", "a list of at most %d belongs here", MAPPING_SKIPS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        mapping->skip_count = i + 1;
        if (read_skip(reader, json_array_get(list, i), &mapping->skips[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_blanks(const struct reader *reader, json_t *list, struct mapping *mapping)
{
    if (!json_is_array(list) || json_array_size(list) > MAPPING_BLANKS_MAX) {
        return wrong(reader, "blank", "a list of at most %d texts belongs here",
                     MAPPING_BLANKS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        mapping->blank_count = i + 1;
        if (keep(reader, "blank", json_array_get(list, i), &mapping->blanks[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_constants(const struct reader *reader, json_t *object, struct mapping *mapping)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object)) {
        return wrong(reader, "constants", "an object belongs here");
    }
    json_object_foreach(object, key, value)
    {
        char **to = strcmp(key, "project") == 0 ? &mapping->constant_project
                    : strcmp(key, "user") == 0  ? &mapping->constant_user
                    : strcmp(key, "model") == 0 ? &mapping->constant_model
                                                : NULL;

        if (to == NULL) {
            return wrong(reader, "constants", "only project, user and model can be constant");
        }
        if (keep(reader, key, value, to) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_zone(const struct reader *reader, json_t *value, struct mapping *mapping)
{
    const char *text = json_string_value(value);

    mapping->is_utc = text != NULL && strcmp(text, "UTC") == 0;
    return mapping->is_utc || (text != NULL && strcmp(text, "site") == 0)
               ? 0
               : wrong(reader, "zone", "UTC or site belongs here");
}

static int read_name(const struct reader *reader, json_t *value, struct mapping *mapping)
{
    return keep(reader, "mapping", value, &mapping->name);
}

static int read_remark(const struct reader *reader, json_t *value, struct mapping *mapping)
{
    (void)mapping;
    return json_is_string(value) ? 0 : wrong(reader, "says", "a text belongs here");
}

static int read_member(const struct reader *reader, const char *key, json_t *value,
                       struct mapping *mapping)
{
    const struct {
        const char *name;
        struct mapping_field *field;
    } fields[] = {{"id", &mapping->id},
                  {"model", &mapping->model},
                  {"project", &mapping->project},
                  {"user", &mapping->user},
                  {"start", &mapping->start},
                  {"end", &mapping->end},
                  {"duration", &mapping->duration}};
    static const struct {
        const char *name;
        int (*read)(const struct reader *reader, json_t *value, struct mapping *mapping);
    } others[] = {{"mapping", read_name},
                  {"says", read_remark},
                  {"counts", read_counts},
                  {"input_includes", read_includes},
                  {"attributes", read_attributes},
                  {"skip", read_skips},
                  {"blank", read_blanks},
                  {"constants", read_constants},
                  {"zone", read_zone}};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(fields[i].name, key) == 0) {
            return read_field(reader, key, value, fields[i].field);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(others[i].name, key) == 0) {
            return others[i].read(reader, value, mapping);
        }
    }
    return wrong(reader, key, "a mapping has no such member");
}

/* --- whole files -------------------------------------------------------------------------------
 */

static int read_members(const struct reader *reader, json_t *document, struct mapping *mapping)
{
    const char *key;
    json_t *value;

    if (!json_is_object(document)) {
        return wrong(reader, "mapping", "the file must hold an object");
    }
    json_object_foreach(document, key, value)
    {
        if (read_member(reader, key, value, mapping) != 0) {
            return -1;
        }
    }
    if (mapping->name == NULL) {
        return wrong(reader, "mapping", "the mapping has no name");
    }
    if (mapping->id.count == 0) {
        return wrong(reader, "id", "records without an identity cannot be booked once");
    }
    if (mapping->start.count == 0 && mapping->end.count == 0) {
        return wrong(reader, "start", "neither start nor end says when a record was");
    }
    if (mapping->input.count == 0 && mapping->output.count == 0) {
        return wrong(reader, "counts", "neither input nor output is counted");
    }
    return 0;
}

struct mapping *mapping_read(const char *name, const char *text, size_t length, struct error *err)
{
    const struct reader reader = {name, err};
    struct mapping *mapping = calloc(1, sizeof *mapping);
    json_error_t where;
    json_t *document;
    int result;

    if (mapping == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (document == NULL) {
        result = error_set(err, ERROR_INPUT, "%s: line %d: %s", name, where.line, where.text);
    } else {
        result = read_members(&reader, document, mapping);
    }
    json_decref(document);
    if (result != 0) {
        mapping_destroy(mapping);
        return NULL;
    }
    return mapping;
}

struct mapping *mapping_load(const char *path, struct error *err)
{
    char text[MAPPING_FILE_BYTES];
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, sizeof text, file) : 0;
    bool failed = file == NULL || ferror(file) != 0;
    int number = errno;

    if (file != NULL) {
        fclose(file);
    }
    if (failed) {
        error_set(err, ERROR_INPUT, "%s: the mapping cannot be read: %s", path, strerror(number));
        return NULL;
    }
    if (length == sizeof text) {
        error_set(err, ERROR_INPUT, "%s: a mapping has less than %d bytes", path,
                  MAPPING_FILE_BYTES);
        return NULL;
    }
    return mapping_read(path, text, length, err);
}

struct mapping *mapping_built_in(const char *name, struct error *err)
{
    for (size_t i = 0; i < mapping_texts_count; i++) {
        if (strcmp(mapping_texts[i].name, name) == 0) {
            return mapping_read(name, mapping_texts[i].text, strlen(mapping_texts[i].text), err);
        }
    }
    error_set(err, ERROR_INTERNAL, "there is no mapping '%s'", name);
    return NULL;
}

static void release_place(struct mapping_place *place)
{
    for (size_t i = 0; i < place->step_count; i++) {
        free(place->steps[i]);
    }
}

static void release_field(struct mapping_field *field)
{
    for (size_t i = 0; i < field->count; i++) {
        release_place(&field->places[i]);
    }
}

void mapping_destroy(struct mapping *mapping)
{
    if (mapping == NULL) {
        return;
    }
    struct mapping_field *const fields[] = {
        &mapping->id,         &mapping->model,       &mapping->project,  &mapping->user,
        &mapping->start,      &mapping->end,         &mapping->duration, &mapping->input,
        &mapping->cached,     &mapping->cache_write, &mapping->output,   &mapping->more_input,
        &mapping->more_output};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        release_field(fields[i]);
    }
    for (size_t i = 0; i < mapping->attribute_count; i++) {
        free(mapping->attributes[i].name);
        release_field(&mapping->attributes[i].field);
    }
    for (size_t i = 0; i < mapping->skip_count; i++) {
        release_place(&mapping->skips[i].at);
        free(mapping->skips[i].is);
        free(mapping->skips[i].reason);
    }
    for (size_t i = 0; i < mapping->blank_count; i++) {
        free(mapping->blanks[i]);
    }
    free(mapping->constant_model);
    free(mapping->constant_project);
    free(mapping->constant_user);
    free(mapping->name);
    free(mapping);
}
