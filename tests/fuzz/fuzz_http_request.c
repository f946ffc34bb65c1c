/* Paths, query arguments and check bodies of any bytes: the first line is a path, the lines up to
 * the first that begins with a brace are raw names and values in turn, the rest is a JSON body. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/http/check_input.h"
#include "ledgerd/http/route.h"

static char *line_end(char *at)
{
    char *end = strchr(at, '\n');

    if (end == NULL) {
        return at + strlen(at);
    }
    *end = '\0';
    return end + 1;
}

static void require_sound(const struct check_request *check, int result)
{
    if (result == 0 && !check_asks_slurm(check) &&
        (check->project[0] == '\0' || check->has_points == check->has_shape)) {
        abort();
    }
    if (result == 0 && check_asks_slurm(check) &&
        ((check->ask.uid < 0 && check->user[0] == '\0') || check->ask.parts < 0 ||
         check->ask.nodes > SLURM_COUNT_MAX || (check->has_points && check->has_shape))) {
        abort();
    }
    for (size_t i = 1; i < check->shape->meter_count; i++) {
        if (strcmp(check->shape->meters[i - 1].name, check->shape->meters[i].name) >= 0) {
            abort();
        }
    }
}

/* Whatever came over the wire: what handlers see is text, and names are there once. */
static void require_text(const struct request *request)
{
    for (size_t i = 0; i < request->part_count; i++) {
        if (!parse_is_utf8(request->parts[i], strlen(request->parts[i]))) {
            abort();
        }
    }
    for (size_t i = 0; i < request->argument_count; i++) {
        const struct request_argument *argument = &request->arguments[i];
        if (!parse_is_utf8(argument->name, strlen(argument->name)) ||
            !parse_is_utf8(argument->value, strlen(argument->value)) ||
            request_argument(request, argument->name) != argument->value) {
            abort();
        }
    }
}

static void try_methods(const struct request *request)
{
    char methods[8]; /* too short for all: what fits is a text */

    route_methods(request, methods, sizeof(methods));
    if (memchr(methods, '\0', sizeof(methods)) == NULL) {
        abort();
    }
}

static void try_query(struct request *request)
{
    struct usage_record shape;
    struct check_request check;
    struct error err = {0};

    check_request_init(&check, &shape);
    require_sound(&check, check_input_from_query(request, &check, &err));
}

static void try_body(const char *body)
{
    json_t *document = json_loads(body, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    struct usage_record shape;
    struct check_request check;
    struct error err = {0};

    check_request_init(&check, &shape);
    if (document != NULL) {
        require_sound(&check, check_input_from_json(document, &check, &err));
    }
    json_decref(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct request *request = request_create(NULL, NULL);
    bool path_known;

    memcpy(text, data, size);
    text[size] = '\0';
    char *at = line_end(text);
    if (request_set_path(request, text) == 0) {
        route_find("GET", request, &path_known);
        try_methods(request);
    }
    while (*at != '\0' && *at != '{') {
        char *name = at;
        char *value = line_end(name);
        at = line_end(value);
        if (request_add_argument(request, name, value) != 0) {
            break;
        }
    }
    require_text(request);
    try_query(request);
    try_body(at);
    request_destroy(request);
    free(text);
    return 0;
}
