/* hold_placing - a group of requests on its way through one transaction. Internal to hold.
 *
 * Each project that a request is for has a place, whose position is locked; requests are decided in
 * their order against the places, each of which counts what the group has taken from it so far.
 */
#ifndef LEDGERD_FLOW_HOLD_PLACING_H
#define LEDGERD_FLOW_HOLD_PLACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_asked.h"
#include "ledgerd/flow/hold_desk.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_hold_place.h"
#include "ledgerd/store/store_limit.h"
#include "ledgerd/store/store_position.h"

struct place {
    char *name;
    const struct catalog_project *project;
    struct locked_position position;
    struct points lapsed; /* of what the position counts as held */
    struct points grown;  /* by what the group holds */
    size_t draw_count;
    const struct balance_draw *draws; /* the desk's */
    struct store_limit_sums sums;     /* of the project's limits, if it has any */
    struct points *limit_grown;       /* of each of the project's limits */
    struct points waiting;            /* held by work that waits, if that is capped */
};

struct placing {
    struct hold_desk *desk;
    struct hold_knowledge knowledge;
    struct instant now;
    size_t count;
    struct desk_project *lone; /* whose hold was sent alone */
    struct asked *asked;       /* room for every request, as below */

    /* What an attempt has gathered. */
    bool is_again; /* the attempt came to nothing, the next one may not */
    const struct catalog *catalog;
    size_t place_count;
    struct place *places; /* by name */
    struct hold_look look;
    size_t share_count;
    struct store_share_total *shares; /* with held at now, and what the group holds */
    int64_t next_number;
    size_t hold_count;
    struct new_hold *holds;
    size_t refusal_count;
    struct new_refusal *refusals;
};

/* Room for `count` requests: a placing of no requests yet, one allocation. NULL if out of memory.
 */
struct placing *placing_create(struct hold_desk *desk, const struct hold_knowledge *knowledge,
                               size_t count, struct instant now);
void placing_destroy(struct placing *placing); /* what came of the requests is their owner's */

/* Take the requests, for outcomes that are cleared first. -1 if the database is away. */
int placing_begin(struct placing *placing, struct store *store, const struct hold_request *requests,
                  size_t count, struct hold_outcome *outcomes, struct error *err);

/* Outcomes are as if nothing had been decided. */
void placing_clear_outcomes(struct placing *placing);

/* Complete what is asked of Slurm by the placing's catalog, unless that was done. */
void placing_complete(struct placing *placing);

/* The request's project by the placing's catalog, or NULL. */
const struct catalog_project *placing_project(const struct placing *placing,
                                              const struct asked *asked);

/* The newest catalog at hand; NULL if there is none. */
const struct catalog *placing_newest_catalog(const struct placing *placing);

/* Know the projects of the requests, by the placing's catalog, as places. */
int placing_add_places(struct placing *placing, struct error *err);

/* Know the shares' totals: those that were given, or the book's. */
int placing_take_shares(struct placing *placing, struct store *store, struct error *err);

/* Send the one request of a placing as a single statement, if that is likely to do; if *is_sent,
 * the answer must be taken. *is_done tells whether it did; if not, nothing was made, and a
 * transaction decides. */
int placing_send_alone(struct placing *placing, struct store *store, bool *is_sent,
                       struct error *err);
int placing_take_alone(struct placing *placing, struct store *store, bool *is_done,
                       struct error *err);

/* True if what waiting work of the project holds may decide about the request. */
bool placing_needs_waiting(const struct placing *placing, const struct asked *asked);

/* Find what work that waits holds of the places, for requests that are capped by it. */
int placing_read_waiting(struct placing *placing, struct store *store, struct error *err);

/* True if waiting work of the project would hold more than its source's section allows, of what is
 * available and held, with `points` more. */
bool placing_is_capped(const struct placing *placing, const struct asked *asked,
                       struct points available, struct points held, struct points points);

/* Decide one request, whose key the book does not know: fill in its outcome, and add to what is to
 * be written. */
int placing_decide(struct placing *placing, struct asked *asked, struct error *err);

#endif
