/* engine - what ledgerd keeps in memory so that it can answer without the database.
 *
 * One refresher thread reads the book every ENGINE_REFRESH_US: the catalog when its version moved,
 * and the positions that changed since the last look.  It builds a new view beside the old one and
 * publishes it; readers use a view without waiting for anybody.  When the database is away the last
 * view stays, and says how old it is.
 */
#ifndef LEDGERD_FLOW_ENGINE_H
#define LEDGERD_FLOW_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store_limit.h"

enum { ENGINE_REFRESH_US = 250 * 1000 }; /* a commit elsewhere must show within a second */

struct engine;

struct engine_position { /* of one project; held is 0 until holds exist */
    struct points posted;
    struct points accrued;
    size_t draw_count;
    struct balance_draw *draws;
};

struct engine_share { /* of one share in one fiscal year */
    char share[64];
    int fiscal_year;
    struct points supply;
    struct points spent;
};

struct engine_view { /* read-only */
    const struct catalog *catalog;
    const struct engine_position *positions; /* one for each of catalog->projects, in its order */
    size_t share_count;
    const struct engine_share *shares;
    struct store_limit_sums limit_sums; /* what counts against the catalog's limits */
};

struct engine_reading { /* a view in use, between engine_enter and engine_leave */
    const struct engine_view *view;
    struct instant as_of; /* when the book was last read */
    bool stale;           /* that is longer ago than max_staleness */
    size_t slot;
};

/* Read the book once and start the refresher. Fails if the database is away. NULL on error. */
struct engine *engine_create(const char *conninfo, int64_t max_staleness_us, struct error *err);
void engine_destroy(
    struct engine *engine); /* stops the refresher; accepts NULL; no reader may be left */

/* Use the current view. Never waits for the database or for a writer. Pairs with engine_leave. */
void engine_enter(struct engine *engine, struct engine_reading *reading);
void engine_leave(struct engine *engine, const struct engine_reading *reading);

/* The current catalog, to be kept for as long as a slow request takes: unlike a view it holds up
 * nobody. Pairs with engine_catalog_return. */
struct engine_catalog;
struct engine_catalog *engine_catalog_borrow(struct engine *engine);
const struct catalog *engine_catalog_of(const struct engine_catalog *borrowed);
void engine_catalog_return(struct engine_catalog *borrowed);

/* Ask the refresher to look now, after a commit of this process; returns at once. */
void engine_wake(struct engine *engine);

/* The position of a project of the view's catalog, as core/balance wants it. Borrows from the view.
 */
struct balance_position engine_position(const struct engine_view *view,
                                        const struct catalog_project *project);

/* Figures for /metrics: refreshes done and failed, and microseconds since the last good one. */
struct engine_health {
    uint64_t refreshes;
    uint64_t failures;
    int64_t age_us;
    bool stale;
};
struct engine_health engine_health(const struct engine *engine);

#endif
