/* hold_alone - a hold that comes alone, in one statement; see hold_alone.h and hold_placing.h.
 *
 * Most holds come one at a time and find their project as this process left it. Such a one is
 * decided by what the desk remembers, and made by a statement that does so only if that still
 * stands (store_hold_alone.h). Whatever else there may be - a refusal, a known key, somebody else's
 * hold or charge, limits, a deadline that has passed - is for a group's transaction, which looks
 * under a lock. So the memory is a guess: a wrong one costs a trip, not a point.
 */
#include "ledgerd/flow/hold_alone.h"

#include <stdlib.h>

#include "ledgerd/flow/hold_placing.h"
#include "ledgerd/store/store_hold_alone.h"

/* Nothing about it has to be read first. */
static bool is_plain(const struct placing *placing)
{
    const struct hold_desk *desk = placing->desk;

    return placing->count == 1 && placing->knowledge.shares != NULL &&
           placing_newest_catalog(placing) != NULL && desk->next_number < desk->end_number &&
           !placing_needs_waiting(placing, &placing->asked[0]);
}

/* What the desk remembers of the request's project, if it has stood still lately. */
static struct desk_project *recall_project(const struct placing *placing)
{
    const struct catalog_project *project = placing_project(placing, &placing->asked[0]);
    struct desk_project *kept;

    if (project == NULL || project->limit_count > 0) {
        return NULL;
    }
    kept = desk_project_of(placing->desk, project->id);
    return kept != NULL && kept->is_steady && kept->position.version == kept->version ? kept : NULL;
}

static int decide_by_memory(struct placing *placing, struct store *store,
                            const struct desk_project *kept, struct error *err)
{
    struct place *place = &placing->places[0];
    struct asked *asked = &placing->asked[0];

    if (placing_add_places(placing, err) != 0 || placing_take_shares(placing, store, err) != 0 ||
        desk_take_numbers(placing->desk, store, 1, &placing->next_number, err) != 0) {
        return -1;
    }
    place->project = placing_project(placing, asked);
    place->position = kept->position;
    place->draw_count = kept->count;
    place->draws = kept->draws;
    asked->place = place;
    return placing_decide(placing, asked, err);
}

static int send_alone(struct placing *placing, struct store *store, struct desk_project *kept,
                      bool *is_sent, struct error *err)
{
    const struct lone_hold lone = {.hold = &placing->holds[0],
                                   .position = &kept->position,
                                   .catalog_version = placing->catalog->version,
                                   .now = placing->now};

    kept->is_steady = false;
    placing->lone = kept;
    return store_hold_alone_send(store, &lone, is_sent, err);
}

int placing_send_alone(struct placing *placing, struct store *store, bool *is_sent,
                       struct error *err)
{
    struct desk_project *kept;

    *is_sent = false;
    if (!is_plain(placing)) {
        return 0;
    }
    placing->catalog = placing_newest_catalog(placing);
    placing_complete(placing);
    kept = recall_project(placing);
    if (kept == NULL) {
        return 0;
    }
    if (decide_by_memory(placing, store, kept, err) != 0) {
        return -1;
    }
    return placing->hold_count == 1 ? send_alone(placing, store, kept, is_sent, err) : 0;
}

int placing_take_alone(struct placing *placing, struct store *store, bool *is_done,
                       struct error *err)
{
    struct desk_project *kept = placing->lone;
    int64_t transaction;

    *is_done = false;
    if (store_hold_alone_take(store, &transaction, err) != 0) {
        return -1;
    }
    *is_done = transaction != 0;
    if (!*is_done) {
        placing->desk->alone_missed++;
    } else {
        placing->desk->alone_made++;
        placing->desk->transaction = transaction;
        kept->position.held.micro += placing->holds[0].points.micro; /* it fitted in the book */
        kept->is_steady = true;
    }
    return 0;
}

/* --- without waiting -------------------------------------------------------------------------- */

struct hold_alone {
    struct store *store;
    struct placing *placing;
};

static void hold_alone_destroy(struct hold_alone *alone)
{
    placing_destroy(alone->placing);
    free(alone);
}

/* Its beginning and its statement wait for nothing. */
static bool is_quick(const struct store *store, const struct hold_request *request)
{
    const struct check_request *check = &request->check;

    return !(check_asks_slurm(check) && *check->ask.modifies != '\0') &&
           store_hold_alone_is_ready(store);
}

static int begin_and_send(struct hold_alone *alone, const struct hold_request *request,
                          struct hold_outcome *outcome, bool *is_sent, struct error *err)
{
    int result = placing_begin(alone->placing, alone->store, request, 1, outcome, err);

    if (result == 0) {
        result = placing_send_alone(alone->placing, alone->store, is_sent, err);
    }
    if (!*is_sent) {
        placing_clear_outcomes(alone->placing);
    }
    return result;
}

int hold_alone_send(struct store *store, struct hold_desk *desk,
                    const struct hold_knowledge *knowledge, const struct hold_request *request,
                    struct instant now, struct hold_outcome *outcome, struct hold_alone **alone,
                    struct error *err)
{
    bool is_sent = false;

    *alone = NULL;
    if (!is_quick(store, request)) {
        return 0;
    }
    struct hold_alone *made = calloc(1, sizeof *made);
    struct placing *placing = placing_create(desk, knowledge, 1, now);
    if (made == NULL || placing == NULL) {
        free(made);
        placing_destroy(placing);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    *made = (struct hold_alone){.store = store, .placing = placing};
    int result = begin_and_send(made, request, outcome, &is_sent, err);
    if (is_sent) {
        *alone = made;
    } else {
        hold_alone_destroy(made);
    }
    return result;
}

int hold_alone_descriptor(const struct hold_alone *alone)
{
    return store_hold_alone_descriptor(alone->store);
}

bool hold_alone_is_back(const struct hold_alone *alone)
{
    return store_hold_alone_is_back(alone->store);
}

int hold_alone_take(struct hold_alone *alone, bool *is_done, struct error *err)
{
    int result = placing_take_alone(alone->placing, alone->store, is_done, err);

    if (!*is_done) {
        placing_clear_outcomes(alone->placing);
    }
    hold_alone_destroy(alone);
    return result;
}
