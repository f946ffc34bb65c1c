/* hold_desk - what a process that makes holds keeps from group to group. Internal to hold.
 *
 * A project's draws are kept by its position's version: as long as the version that was locked is
 * the version that was kept, they need not be read again. Its position is kept as this process left
 * it, for a guess at how it still stands (hold_alone.c).
 */
#ifndef LEDGERD_FLOW_HOLD_DESK_H
#define LEDGERD_FLOW_HOLD_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_hold_place.h"

struct desk_project {
    char *name;
    int64_t version; /* of the draws */
    size_t count;
    struct balance_draw *draws;      /* ascending by since */
    struct locked_position position; /* as it was left last; not known before that */
    bool is_steady; /* then it had been as the desk remembered it, or was not remembered */
};

struct hold_desk {
    const struct conf *conf;
    struct ingest_hasher *hasher;
    struct catalog *catalog; /* its own, when the one that was given was old; or NULL */
    int64_t transaction;
    uint64_t alone_made;   /* holds made in one statement */
    uint64_t alone_missed; /* those of which what is remembered no longer stood */
    int64_t next_number;   /* up to, not including, end_number */
    int64_t end_number;
    size_t project_count;
    size_t project_limit;          /* with so many all are forgotten, before the next group */
    size_t project_capacity;       /* a power of two, or 0 */
    struct desk_project *projects; /* hash table by name; free where that is NULL */
};

/* Before a group looks at what is kept: of too many projects nothing is. While the group is under
 * way all that it keeps stays. */
void desk_begin_group(struct hold_desk *desk);

/* Have `count` numbers at hand: *first and those after it, given out once whatever becomes of
 * them. */
int desk_take_numbers(struct hold_desk *desk, struct store *store, size_t count, int64_t *first,
                      struct error *err);

/* What is kept of the project, its draws of whatever version; NULL if nothing is. Valid until
 * desk_keep_draws. */
struct desk_project *desk_project_of(const struct hold_desk *desk, const char *project);

/* Keep a project's draws in the place of those kept until now. */
int desk_keep_draws(struct hold_desk *desk, const char *project, int64_t version,
                    const struct look_row *rows, size_t count, struct error *err);

/* Keep the position as a committed transaction found it and moved it by `grown`; `is_plain`: every
 * hold of it counted. The project's draws are kept already. */
void desk_keep_position(struct hold_desk *desk, const char *project,
                        const struct locked_position *found, struct points grown, bool is_plain);

/* The catalog of that version: the given one (may be NULL), the desk's own, or one read now, which
 * may be newer. NULL on error. */
const struct catalog *desk_catalog(struct hold_desk *desk, struct store *store,
                                   const struct catalog *given, int64_t version, struct error *err);

/* Hash the request in its canonical form: project, user, points or shape, parts, ttl, reference. */
int desk_hash_request(struct hold_desk *desk, const struct hold_request *request,
                      unsigned char hash[INGEST_HASH_BYTES], struct error *err);

#endif
