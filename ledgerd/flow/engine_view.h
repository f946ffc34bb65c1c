/* engine_view - how the engine's views are built. Internal to the engine.
 *
 * A view and the positions in it are allocated together and freed together; the catalog is shared
 * by the views that were built on it and by those who borrowed it, and goes with the last of them.
 */
#ifndef LEDGERD_FLOW_ENGINE_VIEW_H
#define LEDGERD_FLOW_ENGINE_VIEW_H

#include <stdatomic.h>

#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/engine_held.h"
#include "ledgerd/store/store_position.h"

struct engine_catalog { /* a catalog and how many views and borrowers use it */
    struct catalog *catalog;
    _Atomic size_t uses;
};

struct engine_view_owner {
    struct engine_view view; /* first: a pointer to it is a pointer to the owner */
    struct engine_catalog *catalog;
    struct engine_position *positions;
    struct engine_share *shares;
    struct engine_held held;
};

struct engine_view_parts { /* what a view is made of */
    struct engine_catalog *catalog;
    const struct engine_view_owner *old; /* on the same catalog; NULL: none */
    const struct store_positions *changes;
    size_t share_count;
    const struct store_share_total *shares; /* NULL: the old view's */
    struct store_dues *dues;                /* taken over */
};

/* Build a view on the catalog whose positions are those of the old one with the changes laid over
 * them. NULL if out of memory. */
struct engine_view_owner *engine_view_build(const struct engine_view_parts *parts);
void engine_view_destroy(struct engine_view_owner *owner); /* accepts NULL */

/* True if `changes` say nothing that the view does not have already. */
bool engine_view_has(const struct engine_view_owner *owner, const struct store_positions *changes);

/* True if the changes move nothing but what is held. */
bool engine_view_has_totals(const struct engine_view_owner *owner,
                            const struct store_positions *changes);
bool engine_view_has_sums(const struct engine_view_owner *owner,
                          const struct store_limit_sums *sums);

#endif
