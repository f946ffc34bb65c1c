/* hold_desk - see hold_desk.h. */
#include "ledgerd/flow/hold_desk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROJECT_CAPACITY_FIRST = 256,
    PROJECT_COUNT_MAX = 64 * 1024, /* kept from group to group */
    CATALOG_ATTEMPTS_MAX = 5,      /* at reading it while nobody changes it */
};

struct hold_desk *hold_desk_create(const struct conf *conf, struct error *err)
{
    struct hold_desk *desk = calloc(1, sizeof *desk);

    if (desk == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    desk->conf = conf;
    desk->project_limit = PROJECT_COUNT_MAX;
    desk->hasher = ingest_hasher_create(err);
    if (desk->hasher == NULL) {
        hold_desk_destroy(desk);
        return NULL;
    }
    return desk;
}

static void forget_projects(struct hold_desk *desk)
{
    for (size_t i = 0; i < desk->project_capacity; i++) {
        free(desk->projects[i].name);
        free(desk->projects[i].draws);
    }
    free(desk->projects);
    desk->projects = NULL;
    desk->project_capacity = 0;
    desk->project_count = 0;
}

void desk_begin_group(struct hold_desk *desk)
{
    if (desk->project_count >= desk->project_limit) {
        forget_projects(desk);
    }
}

void hold_desk_destroy(struct hold_desk *desk)
{
    if (desk != NULL) {
        forget_projects(desk);
        catalog_destroy(desk->catalog);
        ingest_hasher_destroy(desk->hasher);
        free(desk);
    }
}

int64_t hold_desk_transaction(const struct hold_desk *desk)
{
    return desk->transaction;
}

int desk_take_numbers(struct hold_desk *desk, struct store *store, size_t count, int64_t *first,
                      struct error *err)
{
    if ((size_t)(desk->end_number - desk->next_number) < count) {
        int64_t block;

        if (store_hold_block(store, &block, err) != 0) {
            return -1;
        }
        desk->next_number = block;
        desk->end_number = block + STORE_HOLD_BLOCK;
    }
    *first = desk->next_number;
    desk->next_number += (int64_t)count;
    return 0;
}

/* --- projects --------------------------------------------------------------------------------- */

static size_t hash_project(const char *project)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (const char *at = project; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    }
    return (size_t)(hash ^ (hash >> 32));
}

/* Where the project is, or where it would go. */
static struct desk_project *find_place(struct desk_project *projects, size_t capacity,
                                       const char *name)
{
    size_t i = hash_project(name) & (capacity - 1);

    while (projects[i].name != NULL && strcmp(projects[i].name, name) != 0) {
        i = (i + 1) & (capacity - 1);
    }
    return &projects[i];
}

struct desk_project *desk_project_of(const struct hold_desk *desk, const char *project)
{
    struct desk_project *place;

    if (desk->project_capacity == 0) {
        return NULL;
    }
    place = find_place(desk->projects, desk->project_capacity, project);
    return place->name != NULL ? place : NULL;
}

static int make_room(struct hold_desk *desk)
{
    size_t capacity;
    struct desk_project *projects;

    if (desk->project_count * 2 < desk->project_capacity) {
        return 0;
    }
    capacity = desk->project_capacity > 0 ? desk->project_capacity * 2 : PROJECT_CAPACITY_FIRST;
    projects = calloc(capacity, sizeof *projects);
    if (projects == NULL) {
        return -1;
    }
    for (size_t i = 0; i < desk->project_capacity; i++) {
        if (desk->projects[i].name != NULL) {
            *find_place(projects, capacity, desk->projects[i].name) = desk->projects[i];
        }
    }
    free(desk->projects);
    desk->projects = projects;
    desk->project_capacity = capacity;
    return 0;
}

int desk_keep_draws(struct hold_desk *desk, const char *project, int64_t version,
                    const struct look_row *rows, size_t count, struct error *err)
{
    struct balance_draw *draws = calloc(count + 1, sizeof *draws);
    struct desk_project *place;

    if (draws == NULL || make_room(desk) != 0) {
        free(draws);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        draws[i] = (struct balance_draw){.since = rows[i].since, .points = rows[i].points};
    }
    place = find_place(desk->projects, desk->project_capacity, project);
    if (place->name == NULL) {
        place->name = strdup(project);
        if (place->name == NULL) {
            free(draws);
            return error_set(err, ERROR_INTERNAL, "out of memory");
        }
        desk->project_count++;
    }
    free(place->draws);
    place->version = version;
    place->count = count;
    place->draws = draws;
    return 0;
}

void desk_keep_position(struct hold_desk *desk, const char *project,
                        const struct locked_position *found, struct points grown, bool is_plain)
{
    struct desk_project *place = desk_project_of(desk, project);
    const struct locked_position *kept = &place->position;
    bool is_as_kept = !kept->is_known || (kept->version == found->version &&
                                          points_compare(kept->held, found->held) == 0);

    place->is_steady = is_plain && is_as_kept;
    place->position = *found;
    place->position.held.micro += grown.micro; /* no more than was available: it fits */
}

/* --- catalog ---------------------------------------------------------------------------------- */

/* Statements of this transaction see what others commit meanwhile: a catalog counts as read when
 * its version is still the book's afterwards. */
static int read_catalog(struct hold_desk *desk, struct store *store, struct error *err)
{
    for (int attempt = 0; attempt < CATALOG_ATTEMPTS_MAX; attempt++) {
        struct catalog *catalog = catalog_load(store, err);
        int64_t version, rating_version;

        if (catalog == NULL || catalog_versions(store, &version, &rating_version, err) != 0) {
            catalog_destroy(catalog);
            return -1;
        }
        if (catalog->version == version) {
            catalog_destroy(desk->catalog);
            desk->catalog = catalog;
            return 0;
        }
        catalog_destroy(catalog);
    }
    return error_set(err, ERROR_UNAVAILABLE,
                     "the catalog changes faster than it can be read: try again later");
}

const struct catalog *desk_catalog(struct hold_desk *desk, struct store *store,
                                   const struct catalog *given, int64_t version, struct error *err)
{
    if (given != NULL && given->version == version) {
        return given;
    }
    if ((desk->catalog == NULL || desk->catalog->version != version) &&
        read_catalog(desk, store, err) != 0) {
        return NULL;
    }
    return desk->catalog;
}

/* --- requests --------------------------------------------------------------------------------- */

/* With its length before it, so that no two requests run together into the same text. */
static void add_field(struct strbuf *out, const char *text)
{
    strbuf_printf(out, "%zu:%s,", strlen(text), text);
}

static int add_shape(struct hold_desk *desk, const struct check_request *check, struct strbuf *out,
                     struct error *err)
{
    struct usage_record shape = *check->shape;
    unsigned char hash[INGEST_HASH_BYTES];
    char text[INGEST_HASH_TEXT_BYTES];
    char seconds[DECIMAL_TEXT_BYTES];

    shape.start = shape.end = (struct instant){0}; /* what pricing fills in is no part of it */
    shape.state = USAGE_FINAL;
    shape.basis = USAGE_REPORTED;
    shape.has_elapsed = false;
    shape.requested_seconds = DECIMAL_ZERO;
    shape.submitted = INSTANT_NONE;
    if (ingest_hash_content(desk->hasher, &shape, hash, err) != 0) {
        return -1;
    }
    add_field(out, shape.source);
    add_field(out, decimal_format(check->seconds, seconds));
    add_field(out, ingest_hash_format(hash, text));
    return 0;
}

/* As it was said, whatever it is completed to. */
static void add_ask(const struct check_request *check, struct strbuf *out)
{
    const struct slurm_ask *ask = &check->ask;
    const bool flags[] = {ask->has_seconds,    ask->is_unlimited, ask->is_exclusive,
                          ask->is_mem_default, ask->is_mem_whole, ask->is_mem_per_cpu};

    strbuf_add_string(out, "slurm 1\n");
    add_field(out, ask->cluster);
    add_field(out, ask->account);
    add_field(out, ask->partition);
    add_field(out, ask->modifies);
    strbuf_printf(out, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",", ask->uid, ask->nodes,
                  ask->parts, ask->at_once);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        strbuf_add_char(out, flags[i] ? '1' : '0');
    }
}

/* What holds that nobody confirms do not have. */
static void add_source(const struct hold_request *request, struct strbuf *out)
{
    if ((request->source != NULL && *request->source != '\0') || request->at_once != 0) {
        add_field(out, request->source != NULL ? request->source : "");
        strbuf_printf(out, "%" PRId64 ",", request->at_once);
    }
}

int desk_hash_request(struct hold_desk *desk, const struct hold_request *request,
                      unsigned char hash[INGEST_HASH_BYTES], struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int result = 0;

    if (check_asks_slurm(&request->check)) {
        add_ask(&request->check, &text);
    }
    strbuf_add_string(&text, "hold 1\n");
    add_field(&text, request->check.project);
    add_field(&text, request->check.user);
    add_field(&text, request->ref_kind);
    add_field(&text, request->ref_id);
    strbuf_printf(&text, "%" PRId64 ",%" PRId64 ",", request->parts, request->ttl_us);
    add_source(request, &text);
    if (request->check.has_points) {
        strbuf_printf(&text, "points %" PRId64, request->check.points.micro);
    } else {
        result = add_shape(desk, &request->check, &text, err);
    }
    if (result == 0 && text.failed) {
        result = error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (result == 0) {
        result = ingest_hash_text(desk->hasher, text.data, "", 0, hash, err);
    }
    strbuf_release(&text);
    return result;
}
