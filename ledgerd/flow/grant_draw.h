/* grant_draw - new edges in a project's time. Internal to grant. */
#ifndef LEDGERD_FLOW_GRANT_DRAW_H
#define LEDGERD_FLOW_GRANT_DRAW_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"

/* Cut the project's draw segments at `first` and `second` (INSTANT_NONE: no second one), so that
 * they are at least as fine as its grants. `project` has the edges from before; edges that are
 * there already cut nothing. */
int grant_draw_cut(struct store *store, const struct catalog_project *project, struct instant first,
                   struct instant second, struct error *err);

#endif
