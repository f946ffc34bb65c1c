/* hold_alone - a hold that comes alone, in one statement; see hold_placing.h.
 *
 * Most holds come one at a time and find their project as this process left it. Such a one is
 * decided by what the desk remembers, and made by a statement that does so only if that still
 * stands (store_hold_alone.h). Whatever else there may be - a refusal, a known key, somebody else's
 * hold or charge, limits, a deadline that has passed - is for a group's transaction, which looks
 * under a lock. So the memory is a guess: a wrong one costs a trip, not a point.
 */
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

static int make_alone(struct placing *placing, struct store *store, struct desk_project *kept,
                      bool *is_done, struct error *err)
{
    const struct lone_hold lone = {.hold = &placing->holds[0],
                                   .position = &kept->position,
                                   .catalog_version = placing->catalog->version,
                                   .now = placing->now};
    int64_t transaction;

    kept->is_steady = false;
    if (store_hold_alone(store, &lone, &transaction, err) != 0) {
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

int placing_try_alone(struct placing *placing, struct store *store, bool *is_done,
                      struct error *err)
{
    struct desk_project *kept;

    *is_done = false;
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
    return placing->hold_count == 1 ? make_alone(placing, store, kept, is_done, err) : 0;
}
