/* hold - make a group of holds in one transaction; see hold.h. */
#include "ledgerd/flow/hold.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/hold_info.h"
#include "ledgerd/flow/hold_name.h"
#include "ledgerd/flow/hold_placing.h"
#include "ledgerd/flow/share_totals.h"

enum { PLACE_ATTEMPTS_MAX = 20 }; /* at a group that others' commits keep getting in the way of */

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void hold_outcome_release(struct hold_outcome *outcome)
{
    strbuf_release(&outcome->decision);
    strbuf_release(&outcome->detail);
    strbuf_release(&outcome->job);
}

/* --- an attempt begins and ends --------------------------------------------------------------- */

static void clear_outcome(struct hold_outcome *outcome)
{
    *outcome = (struct hold_outcome){.fate = HOLD_REFUSED};
    strbuf_init(&outcome->decision);
    strbuf_init(&outcome->detail);
    strbuf_init(&outcome->job);
}

static void placing_clear(struct placing *placing)
{
    for (size_t i = 0; i < placing->place_count; i++) {
        free(placing->places[i].name);
        free(placing->places[i].limit_grown);
        store_limit_sums_release(&placing->places[i].sums);
    }
    store_hold_look_release(&placing->look);
    free(placing->shares);
    placing->shares = NULL;
    placing->share_count = placing->place_count = 0;
    placing->hold_count = placing->refusal_count = 0;
    placing->is_again = false;
    for (size_t i = 0; i < placing->count; i++) {
        struct asked *asked = &placing->asked[i];

        asked->is_known = false;
        asked->place = NULL;
        asked->klass = NULL;
    }
}

static void placing_restart(struct placing *placing)
{
    placing_clear(placing);
    placing_clear_outcomes(placing);
}

/* --- projects --------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static struct place *find_place(struct placing *placing, const char *name)
{
    struct place wanted = {.name = (char *)name};

    return bsearch(&wanted, placing->places, placing->place_count, sizeof wanted, compare_places);
}

int placing_add_places(struct placing *placing, struct error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < placing->count; i++) {
        const struct catalog_project *project = placing_project(placing, &placing->asked[i]);

        if (project != NULL) {
            struct place *place = &placing->places[placing->place_count];

            *place = (struct place){.name = strdup(project->id)};
            if (place->name == NULL) {
                return no_memory(err);
            }
            placing->place_count++;
        }
    }
    qsort(placing->places, placing->place_count, sizeof placing->places[0], compare_places);
    for (size_t i = 0; i < placing->place_count; i++) {
        if (kept > 0 && strcmp(placing->places[kept - 1].name, placing->places[i].name) == 0) {
            free(placing->places[i].name);
        } else {
            placing->places[kept++] = placing->places[i];
        }
    }
    placing->place_count = kept;
    return 0;
}

const struct catalog *placing_newest_catalog(const struct placing *placing)
{
    const struct catalog *given = placing->knowledge.catalog;
    const struct catalog *own = placing->desk->catalog;

    return own == NULL || (given != NULL && given->version >= own->version) ? given : own;
}

/* A catalog to know what to lock by; whether it is new enough is seen after that. */
static int choose_catalog(struct placing *placing, struct store *store, struct error *err)
{
    placing->catalog = placing_newest_catalog(placing);
    if (placing->catalog == NULL) {
        placing->catalog = desk_catalog(placing->desk, store, NULL, -1, err);
    }
    return placing->catalog != NULL ? 0 : -1;
}

static size_t gather_keys(const struct placing *placing, unsigned char (*keys)[STORE_HASH_BYTES])
{
    size_t count = 0;

    for (size_t i = 0; i < placing->count; i++) {
        if (*placing->asked[i].request->key != '\0') {
            memcpy(keys[count++], placing->asked[i].key, STORE_HASH_BYTES);
        }
    }
    return count;
}

/* Lock the projects' positions and look at what belongs to them, and whose keys are known: with the
 * positions locked, so that who sends the same request at the same time has either committed or
 * waits. */
static int open_places(struct placing *placing, struct store *store, struct error *err)
{
    unsigned char keys[HOLD_GROUP_MAX][STORE_HASH_BYTES];
    struct locked_position positions[HOLD_GROUP_MAX];
    const char *names[HOLD_GROUP_MAX];

    if (choose_catalog(placing, store, err) != 0) {
        return -1;
    }
    placing_complete(placing);
    if (placing_add_places(placing, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < placing->place_count; i++) {
        names[i] = placing->places[i].name;
    }
    const struct hold_opening opening = {
        .count = placing->place_count,
        .projects = names,
        .key_count = gather_keys(placing, keys),
        .keys = (const unsigned char(*)[STORE_HASH_BYTES])keys,
        .now = placing->now,
    };
    if (store_hold_open(store, &opening, positions, &placing->look, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < placing->place_count; i++) {
        if (!positions[i].is_known) {
            return error_set(err, ERROR_INTERNAL, "project %s has no position in the book",
                             names[i]);
        }
        placing->places[i].position = positions[i];
    }
    return 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

static int answer_known(struct asked *asked, const struct hold_row *row, struct instant now,
                        struct error *err)
{
    struct hold_outcome *outcome = asked->outcome;
    bool is_same = memcmp(row->request, asked->body, sizeof asked->body) == 0;

    asked->is_known = true;
    outcome->fate = is_same ? HOLD_REPEATED : HOLD_KEY_DIFFERS;
    hold_info_fill(row, now, &outcome->hold);
    if (is_same) {
        strbuf_add_string(&outcome->decision, row->decision);
    }
    return outcome->decision.failed ? no_memory(err) : 0;
}

static int match_known(struct placing *placing, struct error *err)
{
    const struct hold_rows *rows = &placing->look.known;

    for (size_t i = 0; i < placing->count; i++) {
        struct asked *asked = &placing->asked[i];

        for (size_t r = 0; *asked->request->key != '\0' && r < rows->count; r++) {
            if (memcmp(rows->rows[r].key_hash, asked->key, sizeof asked->key) == 0 &&
                answer_known(asked, &rows->rows[r], placing->now, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* --- what belongs to the positions ------------------------------------------------------------ */

static bool has_draws(const struct placing *placing, const struct place *place)
{
    const struct desk_project *kept = desk_project_of(placing->desk, place->name);

    return kept != NULL && kept->version == place->position.version;
}

static int keep_draws(struct placing *placing, const char *const *undrawn, size_t count,
                      const struct look_rows *draws, struct error *err)
{
    size_t row = 0;

    for (size_t i = 0; i < count; i++) {
        size_t first = row;

        while (row < draws->count && strcmp(draws->rows[row].project, undrawn[i]) == 0) {
            row++;
        }
        if (desk_keep_draws(placing->desk, undrawn[i],
                            find_place(placing, undrawn[i])->position.version, &draws->rows[first],
                            row - first, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static void take_draws(struct placing *placing)
{
    for (size_t i = 0; i < placing->place_count; i++) {
        struct place *place = &placing->places[i];
        const struct desk_project *kept = desk_project_of(placing->desk, place->name);

        place->draw_count = kept->count;
        place->draws = kept->draws;
    }
    for (size_t i = 0; i < placing->look.lapsed.count; i++) {
        struct place *place = find_place(placing, placing->look.lapsed.rows[i].project);

        place->lapsed.micro +=
            placing->look.lapsed.rows[i].points.micro; /* within the position's sum */
    }
}

/* Find the requests' projects by a catalog that is new enough, among those that are locked. */
static int take_catalog(struct placing *placing, struct store *store, struct error *err)
{
    placing->catalog = desk_catalog(placing->desk, store, placing->knowledge.catalog,
                                    placing->look.catalog_version, err);
    if (placing->catalog == NULL) {
        return -1;
    }
    placing_complete(placing);
    for (size_t i = 0; i < placing->count; i++) {
        struct asked *asked = &placing->asked[i];
        const struct catalog_project *project = asked->is_known ? NULL
                                                                : placing_project(placing, asked);

        if (project == NULL) {
            continue;
        }
        asked->place = find_place(placing, project->id);
        if (asked->place == NULL) {
            placing->is_again = true;
            return error_set(err, ERROR_UNAVAILABLE, "what project %s means has changed: try again",
                             project->id);
        }
        asked->place->project = project;
    }
    return 0;
}

/* Draws that the desk does not have in the position's version are read. */
static int find_draws(struct placing *placing, struct store *store, struct error *err)
{
    const char *undrawn[HOLD_GROUP_MAX];
    struct look_rows draws = {0};
    size_t count = 0;
    int result = 0;

    for (size_t i = 0; i < placing->place_count; i++) {
        if (!has_draws(placing, &placing->places[i])) {
            undrawn[count++] = placing->places[i].name;
        }
    }
    if (count > 0) {
        result = store_hold_draws(store, undrawn, count, &draws, err) != 0
                     ? -1
                     : keep_draws(placing, undrawn, count, &draws, err);
        store_look_rows_release(&draws);
    }
    if (result == 0) {
        take_draws(placing);
    }
    return result;
}

static int read_limits(struct placing *placing, struct store *store, struct error *err)
{
    for (size_t i = 0; i < placing->place_count; i++) {
        struct place *place = &placing->places[i];

        if (place->project == NULL || place->project->limit_count == 0) {
            continue;
        }
        place->limit_grown = calloc(place->project->limit_count, sizeof *place->limit_grown);
        if (place->limit_grown == NULL) {
            return no_memory(err);
        }
        if (limit_read_sums(store, placing->catalog, place->name, placing->now, &place->sums,
                            err) != 0) {
            return -1;
        }
    }
    return 0;
}

int placing_take_shares(struct placing *placing, struct store *store, struct error *err)
{
    const struct hold_knowledge *known = &placing->knowledge;

    if (placing->place_count == 0) {
        return 0;
    }
    if (known->shares == NULL) {
        return share_totals_read(store, placing->catalog, placing->now, &placing->shares,
                                 &placing->share_count, err);
    }
    placing->shares = calloc(known->share_count + 1, sizeof *placing->shares);
    if (placing->shares == NULL) {
        return no_memory(err);
    }
    if (known->share_count > 0) {
        memcpy(placing->shares, known->shares, known->share_count * sizeof *placing->shares);
    }
    placing->share_count = known->share_count;
    return 0;
}

/* --- decide and write ------------------------------------------------------------------------- */

static int decide_all(struct placing *placing, struct store *store, struct error *err)
{
    if (desk_take_numbers(placing->desk, store, placing->count, &placing->next_number, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < placing->count; i++) {
        if (!placing->asked[i].is_known && placing_decide(placing, &placing->asked[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int gather_limits(const struct placing *placing, struct limit_move **moves, size_t *count,
                         struct error *err)
{
    size_t room = 1;

    for (size_t i = 0; i < placing->place_count; i++) {
        const struct place *place = &placing->places[i];

        room += place->limit_grown != NULL ? place->project->limit_count : 0;
    }
    *count = 0;
    *moves = calloc(room, sizeof **moves);
    if (*moves == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < placing->place_count; i++) {
        const struct place *place = &placing->places[i];

        for (size_t l = 0; place->limit_grown != NULL && l < place->project->limit_count; l++) {
            if (!points_is_zero(place->limit_grown[l])) {
                (*moves)[(*count)++] = (struct limit_move){place->project->limits[l].number,
                                                           place->limit_grown[l]};
            }
        }
    }
    return 0;
}

static int write_group(struct placing *placing, struct store *store, struct error *err)
{
    const char *projects[HOLD_GROUP_MAX];
    int64_t held_micro[HOLD_GROUP_MAX];
    struct limit_move *limits;
    struct hold_writing group = {.now = placing->now,
                                 .hold_count = placing->hold_count,
                                 .holds = placing->holds,
                                 .projects = projects,
                                 .held_micro = held_micro,
                                 .refusal_count = placing->refusal_count,
                                 .refusals = placing->refusals};
    int result;

    if (placing->hold_count + placing->refusal_count == 0) {
        return 0;
    }
    for (size_t i = 0; i < placing->place_count; i++) {
        if (!points_is_zero(placing->places[i].grown)) {
            projects[group.project_count] = placing->places[i].name;
            held_micro[group.project_count++] = placing->places[i].grown.micro;
        }
    }
    if (gather_limits(placing, &limits, &group.limit_count, err) != 0) {
        return -1;
    }
    group.limits = limits;
    result = store_hold_write(store, &group, &placing->desk->transaction, &placing->is_again, err);
    free(limits);
    return result;
}

static int place_group(struct store *store, void *context, struct error *err)
{
    struct placing *placing = context;

    placing_restart(placing);
    placing->desk->transaction = 0;
    return open_places(placing, store, err) != 0 || match_known(placing, err) != 0 ||
                   find_draws(placing, store, err) != 0 || take_catalog(placing, store, err) != 0 ||
                   read_limits(placing, store, err) != 0 ||
                   placing_take_shares(placing, store, err) != 0 ||
                   placing_read_waiting(placing, store, err) != 0 ||
                   decide_all(placing, store, err) != 0
               ? -1
               : write_group(placing, store, err);
}

/* --- the whole -------------------------------------------------------------------------------- */

struct placing *placing_create(struct hold_desk *desk, const struct hold_knowledge *knowledge,
                               size_t count, struct instant now)
{
    struct room {
        struct asked asked;
        struct place place;
        struct new_hold hold;
        struct new_refusal refusal;
    };
    struct placing *placing = calloc(1, sizeof *placing + count * sizeof(struct room));

    if (placing == NULL) {
        return NULL;
    }
    placing->desk = desk;
    placing->now = now;
    if (knowledge != NULL) {
        placing->knowledge = *knowledge;
    }
    placing->asked = (struct asked *)(void *)(placing + 1);
    placing->places = (struct place *)(void *)(placing->asked + count);
    placing->holds = (struct new_hold *)(void *)(placing->places + count);
    placing->refusals = (struct new_refusal *)(void *)(placing->holds + count);
    return placing;
}

void placing_destroy(struct placing *placing)
{
    if (placing == NULL) {
        return;
    }
    placing_clear(placing);
    for (size_t i = 0; i < placing->count; i++) {
        asked_slurm_end(&placing->asked[i]);
    }
    free(placing);
}

void placing_clear_outcomes(struct placing *placing)
{
    for (size_t i = 0; i < placing->count; i++) {
        hold_outcome_release(placing->asked[i].outcome);
        clear_outcome(placing->asked[i].outcome);
    }
}

int placing_begin(struct placing *placing, struct store *store, const struct hold_request *requests,
                  size_t count, struct hold_outcome *outcomes, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct asked *asked = &placing->asked[placing->count++];

        asked->request = &requests[i];
        asked->outcome = &outcomes[i];
        clear_outcome(&outcomes[i]);
        if (asked_slurm_begin(asked, store, err) != 0 ||
            desk_hash_request(placing->desk, &requests[i], asked->body, err) != 0 ||
            hold_key_hash(placing->desk->hasher, asked->request->key, asked->key, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What has been committed is what the next request may find. */
static void remember_places(struct placing *placing)
{
    for (size_t i = 0; i < placing->place_count; i++) {
        const struct place *place = &placing->places[i];

        desk_keep_position(placing->desk, place->name, &place->position, place->grown,
                           points_is_zero(place->lapsed));
    }
}

static int place_until_done(struct placing *placing, struct store *store, struct error *err)
{
    int result = -1;

    for (int attempt = 0; result != 0 && attempt < PLACE_ATTEMPTS_MAX; attempt++) {
        result = store_transact(store, STORE_UNLOCKED, place_group, placing, err);
        if (result != 0 && !placing->is_again) {
            break;
        }
    }
    if (result == 0) {
        remember_places(placing);
    }
    return result;
}

static int place_all(struct placing *placing, struct store *store, struct error *err)
{
    bool is_sent = false;
    bool is_done = false;

    if (placing_send_alone(placing, store, &is_sent, err) != 0 ||
        (is_sent && placing_take_alone(placing, store, &is_done, err) != 0)) {
        return -1;
    }
    return is_done ? 0 : place_until_done(placing, store, err);
}

int hold_place(struct store *store, struct hold_desk *desk, const struct hold_knowledge *knowledge,
               const struct hold_request *requests, size_t count, struct instant now,
               struct hold_outcome *outcomes, struct error *err)
{
    struct placing *placing;
    int result;

    if (count > HOLD_GROUP_MAX) {
        return error_set(err, ERROR_ARGUMENT, "a group has at most %d holds", HOLD_GROUP_MAX);
    }
    placing = placing_create(desk, knowledge, count, now);
    if (placing == NULL) {
        return no_memory(err);
    }
    desk_begin_group(desk);
    result = placing_begin(placing, store, requests, count, outcomes, err);
    if (result == 0) {
        result = place_all(placing, store, err);
    }
    if (result != 0) {
        placing_clear_outcomes(placing);
    }
    placing_destroy(placing);
    return result;
}
