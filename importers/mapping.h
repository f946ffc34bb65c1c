/* mapping - where the fields of token records stand, as a mapping file says.
 *
 *      {"mapping":"litellm",                         its name
 *       "id":["request_id","id"],                    the first of these places that is given counts
 *       "model":[…], "project":[…], "user":[…],
 *       "start":[…], "end":[…], "duration":[{"at":"duration","form":"milliseconds"}],
 *       "counts":{"input":[…],"cached":[…],"cache_write":[…],"output":[…],
 *                 "more_input":[…],"more_output":[…]},    added to them
 *       "input_includes":["cached","cache_write"],   these are taken out of the input
 *       "attributes":{"provider":[…]},
 *       "skip":[{"at":"status","is":"failure","without_counts":true,"reason":"error_body"}],
 *       "blank":["-"],                               texts that stand for nothing
 *       "zone":"UTC",                                of naive times; else the site's
 *       "constants":{"project":"…","user":"…","model":"…"}}    where none is given
 *
 * A place is a path of members, "response/usage/prompt_tokens" (~1 is a slash, ~0 a tilde).  On its
 * way, a text is read as JSON, and in a list of {"key":…,"value":…} the entry of that key is meant.
 * A time's form is any (RFC 3339, naive, or seconds since 1970; the default), seconds, milliseconds
 * or nanoseconds since 1970; a duration's is seconds, milliseconds (the default) or nanoseconds.
 */
#ifndef IMPORTERS_MAPPING_H
#define IMPORTERS_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"

enum {
    MAPPING_FILE_BYTES = 64 * 1024,
    MAPPING_PLACES_MAX = 8, /* of one field */
    MAPPING_STEPS_MAX = 8,  /* of one path */
    MAPPING_BLANKS_MAX = 8,
    MAPPING_SKIPS_MAX = 8,
    MAPPING_ATTRIBUTES_MAX = 8,
};

enum mapping_form { MAPPING_ANY, MAPPING_SECONDS, MAPPING_MILLISECONDS, MAPPING_NANOSECONDS };

struct mapping_place {
    size_t step_count;
    char *steps[MAPPING_STEPS_MAX]; /* members' names */
    enum mapping_form form;
};

struct mapping_field { /* no places: it is never given */
    size_t count;
    struct mapping_place places[MAPPING_PLACES_MAX];
};

struct mapping_skip {
    struct mapping_place at;
    char *is;
    bool without_counts; /* only if nothing was used */
    char *reason;        /* error_body, no_usage */
};

struct mapping {
    char *name;
    struct mapping_field id, model, project, user, start, end, duration;
    struct mapping_field input, cached, cache_write, output, more_input, more_output;
    bool input_includes_cached, input_includes_cache_write;
    size_t attribute_count;
    struct {
        char *name;
        struct mapping_field field;
    } attributes[MAPPING_ATTRIBUTES_MAX];
    size_t skip_count;
    struct mapping_skip skips[MAPPING_SKIPS_MAX];
    size_t blank_count;
    char *blanks[MAPPING_BLANKS_MAX];
    bool is_utc;
    char *constant_model, *constant_project, *constant_user; /* NULL if not given */
};

/* Read a mapping's text; `name` stands for it in errors. ERROR_INPUT names the place. NULL on
 * error. */
struct mapping *mapping_read(const char *name, const char *text, size_t length, struct error *err);

/* The same from a file. */
struct mapping *mapping_load(const char *path, struct error *err);

/* The mapping of this name that the program brings along. */
struct mapping *mapping_built_in(const char *name, struct error *err);

void mapping_destroy(struct mapping *mapping); /* accepts NULL */

#endif
