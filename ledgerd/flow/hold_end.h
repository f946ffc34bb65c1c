/* hold_end - what becomes of a hold: settled, released, extended, expired. And looking holds up.
 *
 * A hold is named by its id ("h_17") or by its key ("key:…").  It ends once: the same act again
 * gives the first result, another one is refused with reason hold_resolved.
 */
#ifndef LEDGERD_FLOW_HOLD_END_H
#define LEDGERD_FLOW_HOLD_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/store/store.h"

/* Look a hold up. ERROR_REFUSED with reason unknown_hold. */
int hold_find(struct store *store, const char *name, struct instant now, struct hold_info *hold,
              struct error *err);

struct hold_infos {
    size_t count;
    struct hold_info *holds; /* by number */
    int64_t next;            /* pass it as `after` for the next page; 0: that was all */
};

/* Holds that are open at `now`, of a project or of all (NULL), with a number above `after`, at most
 * `limit`. ERROR_REFUSED with reason unknown_project. */
int hold_list(struct store *store, const char *project, int64_t after, size_t limit,
              struct instant now, struct hold_infos *holds, struct error *err);
void hold_infos_release(struct hold_infos *holds);

struct hold_end_result {
    struct hold_info hold;   /* as the act left it */
    bool repeated;           /* this is the first result, nothing was done */
    struct points charged;   /* of a settlement: what it booked */
    struct points freed;     /* what is available again beyond what was charged; 0 if nothing is */
    struct points overspent; /* what was charged beyond what was held */
};

/* Give all of it back. A hold past its deadline may be released too. ERROR_REFUSED with reason
 * unknown_hold, hold_resolved. */
int hold_release(struct store *store, const char *name, struct instant now,
                 struct hold_end_result *result, struct error *err);

/* Set the deadline to now + ttl_us. ERROR_REFUSED with reason unknown_hold, hold_resolved (also of
 * one whose deadline has passed). */
int hold_extend(struct store *store, const char *name, int64_t ttl_us, struct instant now,
                struct hold_end_result *result, struct error *err);

/* The most that one settlement charges: a slip that the sums of the book have room for. */
#define HOLD_SETTLE_MAX_MICRO (INT64_C(10) * 1000 * 1000 * 1000 * POINTS_MICRO)

struct hold_settle_request { /* strings are borrowed */
    const char *name;
    struct points points; /* to be charged; 0 to HOLD_SETTLE_MAX_MICRO */
    bool is_final;        /* else a part: needs a key */
    const char *key;      /* "" if none */
    const struct conf *conf;
    const struct catalog *catalog; /* NULL or stale: read from the store */
    struct instant now;
};

/* Charge the points without a record of a source: booked as record ("hold", id), or ("hold",
 * "id/key") for a part. A final settlement frees the rest; a part ends one of the hold's parts if
 * it has two or more, else shrinks the hold by what was charged. Settling a hold past its deadline
 * books. ERROR_REFUSED with reason unknown_hold, hold_resolved, key_differs. */
int hold_settle(struct store *store, const struct hold_settle_request *request,
                struct hold_end_result *result, struct error *err);

/* Note the passing of deadlines, of at most `limit` holds. *swept gets how many. */
int hold_sweep(struct store *store, struct instant now, size_t limit, size_t *swept,
               struct error *err);

#endif
