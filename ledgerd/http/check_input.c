/* check_input - read a check's question; see check_input.h. */
#include "ledgerd/http/check_input.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/http/ask_input.h"

static int read_points(const char *text, struct points *points, struct error *err)
{
    enum points_result result = points_parse(text, strlen(text), points);

    if (result != POINTS_OK) {
        return error_set(err, ERROR_ARGUMENT, "points: '%.40s' is %s", text,
                         points_result_text(result));
    }
    return 0;
}

static int read_quantity(const char *name, const char *text, struct decimal *value,
                         struct error *err)
{
    if (decimal_parse(text, strlen(text), value) != 0) {
        return error_set(err, ERROR_ARGUMENT, "%.60s: '%.40s' is not a decimal number", name, text);
    }
    return 0;
}

static int add_meter(struct check_request *check, const char *name, const char *text,
                     struct error *err)
{
    struct decimal quantity;

    check->has_shape = true;
    if (read_quantity(name, text, &quantity, err) != 0) {
        return -1;
    }
    if (name[0] == '\0' || usage_add_meter(check->shape, name, quantity) != 0) {
        return error_set(err, ERROR_ARGUMENT, "meter '%.60s': named twice, or too many meters",
                         name);
    }
    return 0;
}

static int add_attribute(struct check_request *check, const char *name, const char *text,
                         struct error *err)
{
    check->has_shape = true;
    if (name[0] == '\0' || usage_add_attribute(check->shape, name, text) != 0) {
        return error_set(err, ERROR_ARGUMENT, "attribute '%.60s': named twice, or too many", name);
    }
    return 0;
}

/* The member of the shape that is a plain string of this name, or NULL. */
static const char **shape_field(struct check_request *check, const char *name)
{
    return strcmp(name, "source") == 0  ? &check->shape->source
           : strcmp(name, "class") == 0 ? &check->shape->klass
           : strcmp(name, "qos") == 0   ? &check->shape->qos
                                        : NULL;
}

/* One named text value, as both forms have them. */
static int take_text(struct check_request *check, const char *name, const char *value,
                     struct error *err)
{
    const char **field = shape_field(check, name);

    if (field != NULL) {
        check->has_shape = true;
        *field = value;
        return 0;
    }
    if (strcmp(name, "project") == 0) {
        check->project = value;
        return 0;
    }
    if (strcmp(name, "user") == 0) {
        check->user = value;
        return 0;
    }
    if (strcmp(name, "points") == 0) {
        check->has_points = true;
        return read_points(value, &check->points, err);
    }
    if (strcmp(name, "seconds") == 0) {
        check->has_shape = true;
        check->ask.has_seconds = true;
        return read_quantity(name, value, &check->seconds, err);
    }
    return error_set(err, ERROR_ARGUMENT, "%.60s: not an argument of a check", name);
}

/* What is said of a Slurm job means nothing without its cluster. */
static int require_cluster(const struct check_request *check, bool says_job, struct error *err)
{
    return says_job && !check_asks_slurm(check)
               ? error_set(
                     err, ERROR_ARGUMENT,
                     "cluster is missing: only there do uid, account, partition, modifies, nodes, "
                     "parts, "
                     "at_once, exclusive, mem_default, mem_per_cpu, mem_whole and unlimited mean "
                     "something")
               : 0;
}

/* A check reads no job from the book. */
static int refuse_modifies(const struct check_request *check, struct error *err)
{
    return check->ask.modifies[0] != '\0'
               ? error_set(err, ERROR_ARGUMENT, "modifies: only a hold can be asked for that")
               : 0;
}

static int finish(const struct check_request *check, bool says_job, struct error *err)
{
    return require_cluster(check, says_job, err) != 0 || refuse_modifies(check, err) != 0
               ? -1
               : check_request_validate(check, err);
}

static int take_argument(struct check_request *check, const char *name, const char *value,
                         bool *says_job, struct error *err)
{
    bool known;

    if (strncmp(name, "meter.", 6) == 0) {
        return add_meter(check, name + 6, value, err);
    }
    if (strncmp(name, "attributes.", 11) == 0) {
        return add_attribute(check, name + 11, value, err);
    }
    if (ask_input_argument(name, value, &check->ask, &known, err) != 0) {
        return -1;
    }
    *says_job = *says_job || known;
    return known ? 0 : take_text(check, name, value, err);
}

int check_input_from_query(const struct request *request, struct check_request *check,
                           struct error *err)
{
    bool says_job = false;

    for (size_t i = 0; i < request->argument_count; i++) {
        if (take_argument(check, request->arguments[i].name, request->arguments[i].value, &says_job,
                          err) != 0) {
            return -1;
        }
    }
    return finish(check, says_job, err);
}

/* The text of a quantity: a decimal string, or a JSON integer, whose digits are written to
 * `digits`. */
static const char *quantity_text(const json_t *value, char digits[24])
{
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return NULL;
    }
    snprintf(digits, 24, "%lld", (long long)json_integer_value(value));
    return digits;
}

static int take_meters(struct check_request *check, json_t *meters, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(meters, name, value)
    {
        char digits[24];
        const char *text = quantity_text(value, digits);
        if (text == NULL) {
            return error_set(err, ERROR_ARGUMENT,
                             "meters.%.60s: must be a decimal string or an integer, not negative",
                             name);
        }
        if (add_meter(check, name, text, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int take_attributes(struct check_request *check, json_t *attributes, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(attributes, name, value)
    {
        if (!json_is_string(value)) {
            return error_set(err, ERROR_ARGUMENT, "attributes.%.60s: must be a string", name);
        }
        if (add_attribute(check, name, json_string_value(value), err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int take_member(struct check_request *check, const char *name, json_t *value,
                       struct error *err)
{
    bool is_quantity = strcmp(name, "seconds") == 0 || strcmp(name, "points") == 0;
    char digits[24];
    const char *text = is_quantity ? quantity_text(value, digits) : json_string_value(value);

    if (strcmp(name, "meters") == 0 && json_is_object(value)) {
        check->has_shape = true;
        return take_meters(check, value, err);
    }
    if (strcmp(name, "attributes") == 0 && json_is_object(value)) {
        return take_attributes(check, value, err);
    }
    if (text == NULL) {
        return error_set(err, ERROR_ARGUMENT, "%.60s: must be a %s", name,
                         is_quantity ? "decimal string or an integer, not negative" : "string");
    }
    return take_text(check, name, text, err);
}

int check_input_points(const json_t *value, struct points *points, struct error *err)
{
    char digits[24];
    const char *text = quantity_text(value, digits);

    if (text == NULL) {
        return error_set(err, ERROR_ARGUMENT,
                         "points: must be a decimal string or an integer, not negative");
    }
    return read_points(text, points, err);
}

int check_input_member(const char *name, json_t *value, struct check_request *check, bool *known,
                       struct error *err)
{
    static const char *const names[] = {"project", "user",    "points", "source",    "class",
                                        "qos",     "seconds", "meters", "attributes"};

    *known = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !*known; i++) {
        *known = strcmp(name, names[i]) == 0;
    }
    return *known ? take_member(check, name, value, err) : 0;
}

int check_input_from_json(json_t *object, struct check_request *check, struct error *err)
{
    const char *name;
    json_t *value;
    bool says_job = false;

    if (!json_is_object(object)) {
        return error_set(err, ERROR_ARGUMENT, "a check must be a JSON object");
    }
    json_object_foreach(object, name, value)
    {
        bool known;

        if (ask_input_member(name, value, &check->ask, &known, err) != 0 ||
            (!known && take_member(check, name, value, err) != 0)) {
            return -1;
        }
        says_job = says_job || known;
    }
    return finish(check, says_job, err);
}
