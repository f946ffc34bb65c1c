/* hold_input - see hold_input.h. */
#include "ledgerd/http/hold_input.h"

#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/http/ask_input.h"
#include "ledgerd/http/check_input.h"

json_t *hold_input_body(const struct request *request, bool may_be_empty, struct error *err)
{
    json_error_t where;
    json_t *body;

    if (request->body.length > HOLD_BODY_MAX_BYTES) {
        error_set(err, ERROR_INPUT, "the body is longer than the %d bytes that it may have here",
                  HOLD_BODY_MAX_BYTES);
        return NULL;
    }
    if (request->body.length == 0 && may_be_empty) {
        return json_object();
    }
    body = json_loadb(request->body.data, request->body.length, JSON_REJECT_DUPLICATES, &where);
    if (body == NULL) {
        error_set(err, ERROR_INPUT, "the body is no JSON document: line %d: %s", where.line,
                  where.text);
        return NULL;
    }
    if (!json_is_object(body)) {
        json_decref(body);
        error_set(err, ERROR_INPUT, "the body must be a JSON object");
        return NULL;
    }
    return body;
}

const char *hold_input_key(const struct request *request)
{
    const char *key = request_header(request, "Idempotency-Key");

    return key != NULL ? key : "";
}

static int read_ttl(json_t *value, int64_t *ttl_us, struct error *err)
{
    const char *text = json_string_value(value);

    if (text == NULL || parse_duration(text, strlen(text), ttl_us) != 0) {
        return error_set(err, ERROR_ARGUMENT, "ttl: must be a duration such as \"15m\"");
    }
    return 0;
}

static int read_parts(json_t *value, struct hold_request *hold, struct error *err)
{
    if (!json_is_integer(value)) {
        return error_set(err, ERROR_ARGUMENT, "parts: must be an integer");
    }
    hold->parts = hold->check.ask.parts = json_integer_value(value);
    return 0;
}

static int read_ref(json_t *value, struct hold_request *hold, struct error *err)
{
    json_t *kind = json_object_get(value, "kind");
    json_t *id = json_object_get(value, "id");

    if (!json_is_string(kind) || !json_is_string(id)) {
        return error_set(err, ERROR_ARGUMENT,
                         "ref: must be an object with the strings kind and id");
    }
    hold->ref_kind = json_string_value(kind);
    hold->ref_id = json_string_value(id);
    return 0;
}

/* What is said of a Slurm job, which other holds ignore. */
static int take_ask(struct hold_request *hold, bool is_ask, const char *name, json_t *value,
                    bool *known, struct error *err)
{
    *known = false;
    if (!is_ask) {
        return strcmp(name, "uid") == 0
                   ? error_set(err, ERROR_ARGUMENT, "uid: means nothing without a cluster")
                   : 0;
    }
    return ask_input_member(name, value, &hold->check.ask, known, err);
}

static int take_member(struct hold_request *hold, bool is_ask, const char *name, json_t *value,
                       struct error *err)
{
    bool known;

    if (json_is_null(value)) {
        return 0;
    }
    if (strcmp(name, "ttl") == 0) {
        return read_ttl(value, &hold->ttl_us, err);
    }
    if (strcmp(name, "parts") == 0) {
        return read_parts(value, hold, err);
    }
    if (strcmp(name, "ref") == 0) {
        return read_ref(value, hold, err);
    }
    if (take_ask(hold, is_ask, name, value, &known, err) != 0) {
        return -1;
    }
    if (known) {
        return 0;
    }
    return check_input_member(name, value, &hold->check, &known, err);
}

int hold_input_question(const struct request *request, json_t *body, struct usage_record *shape,
                        struct hold_request *hold, struct error *err)
{
    json_t *cluster = json_object_get(body, "cluster");
    bool is_ask = cluster != NULL && !json_is_null(cluster);
    const char *name;
    json_t *value;

    *hold = (struct hold_request){.key = hold_input_key(request),
                                  .parts = 1,
                                  .ttl_us = HOLD_TTL_DEFAULT_US,
                                  .ref_kind = "",
                                  .ref_id = ""};
    check_request_init(&hold->check, shape);
    if (hold->key[0] == '\0' && request_header(request, "Idempotency-Key") != NULL) {
        return error_set(err, ERROR_ARGUMENT, "Idempotency-Key: is empty");
    }
    json_object_foreach(body, name, value)
    {
        if (take_member(hold, is_ask, name, value, err) != 0) {
            return -1;
        }
    }
    if (is_ask && !check_asks_slurm(&hold->check)) {
        return error_set(err, ERROR_ARGUMENT, "cluster: is empty");
    }
    return hold_request_validate(hold, err);
}

int hold_input_settlement(json_t *body, struct points *points, bool *is_final, struct error *err)
{
    json_t *final = json_object_get(body, "final");

    if (final != NULL && !json_is_boolean(final)) {
        return error_set(err, ERROR_ARGUMENT, "final: must be true or false");
    }
    *is_final = final == NULL || json_is_true(final);
    if (json_object_get(body, "points") == NULL) {
        return error_set(err, ERROR_ARGUMENT, "points is missing");
    }
    return check_input_points(json_object_get(body, "points"), points, err);
}

int hold_input_ttl(json_t *body, int64_t *ttl_us, struct error *err)
{
    json_t *ttl = json_object_get(body, "ttl");

    *ttl_us = HOLD_TTL_DEFAULT_US;
    if (ttl == NULL) {
        return error_set(err, ERROR_ARGUMENT, "ttl is missing");
    }
    return read_ttl(ttl, ttl_us, err);
}
