/* engine_held - what a view knows of holds. Internal to the engine.
 *
 * The book's positions count a hold until its passing is noted; a view takes it off at its
 * deadline. So every view carries the deadlines that pass while it may be in use, as running sums,
 * one list a project and one a share: what has lapsed by t is one search away.
 *
 *      dues of a project    12:00:01  +5      12:00:07  +3      12:00:40  +9
 *      sum_micro                       5                 8                17
 *
 * What this process has committed since the view was read stands beside it as unseen sums, the one
 * part of a view that changes: whoever was answered a hold sees it in the next check.
 */
#ifndef LEDGERD_FLOW_ENGINE_HELD_H
#define LEDGERD_FLOW_ENGINE_HELD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/instant.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store_position.h"

enum {
    ENGINE_DUES_MAX = 20 * 1000
}; /* deadlines read at a time; later ones wait for a later look */

struct engine_due {
    size_t group; /* index of a project, or of a share */
    struct instant expires_at;
    const char *user;
    int64_t held_micro;
    int64_t sum_micro; /* of the group's dues up to this one */
};

struct engine_dues { /* sorted by group and expires_at */
    size_t count;
    struct engine_due *dues;
    size_t *first; /* of each group, and the count behind the last */
};

struct engine_held {
    struct store_dues read; /* what the names of users point into */
    struct engine_dues by_project;
    struct engine_dues by_share;
    size_t share_count;
    const char **shares;     /* the projects' shares, borrowed from the catalog */
    size_t *share_of;        /* of each project; share_count for a service */
    int64_t *share_held;     /* of each share, by the positions */
    size_t *first_limit;     /* of each project in limit_unseen */
    _Atomic int64_t *unseen; /* of each project */
    _Atomic int64_t *share_unseen;
    _Atomic int64_t *limit_unseen; /* of each limit of a user */
};

/* Set up for the catalog's projects: held[project_count] as the positions have it, and the dues,
 * which are taken over. -1 if out of memory; release in any case. */
int engine_held_build(struct engine_held *held, const struct catalog *catalog,
                      const int64_t *held_micro, struct store_dues *dues);
void engine_held_release(struct engine_held *held);

/* Count `micro` more (or less) as held by the project and the user, unseen by the view's reading.
 */
void engine_held_add(struct engine_held *held, const struct catalog *catalog, const char *project,
                     const char *user, int64_t micro);

/* What has lapsed at `now` of what the positions count as held: of a project (`user` NULL: by
 * anybody), and of a share. */
int64_t engine_held_lapsed(const struct engine_held *held, size_t project, const char *user,
                           struct instant now);
int64_t engine_held_share_lapsed(const struct engine_held *held, size_t share, struct instant now);

/* True if the dues are those that were built in. */
bool engine_held_has(const struct engine_held *held, const struct store_dues *dues);

/* a + b, kept within what 64 bits hold. */
int64_t engine_held_sum(int64_t a, int64_t b);

#endif
