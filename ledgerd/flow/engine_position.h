/* engine_position - where projects, limits and shares stand at a given time, by a view.
 *
 * What is held is the book's figure, less the holds whose deadline has passed, and with what this
 * process has committed since the view was read.
 */
#ifndef LEDGERD_FLOW_ENGINE_POSITION_H
#define LEDGERD_FLOW_ENGINE_POSITION_H

#include "ledgerd/base/instant.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/limit.h"

/* The position of a project of the view's catalog, as core/balance wants it; what is held, at
 * `now`. Borrows from the view. */
struct balance_position engine_position(const struct engine_view *view,
                                        const struct catalog_project *project, struct instant now);

/* What is known of the project's limits at `now`, for a request of the user. */
struct limit_knowledge engine_limits(const struct engine_view *view,
                                     const struct catalog_project *project, const char *user,
                                     struct instant now);

/* What all projects hold at `now`; *lapsed gets how many holds the book still counts though their
 * deadline has passed (at most ENGINE_DUES_MAX are known). */
struct points engine_held_in_all(const struct engine_view *view, struct instant now,
                                 size_t *lapsed);

/* What the projects of a share hold at `now`. */
struct points engine_share_held(const struct engine_view *view, const char *share,
                                struct instant now);

#endif
