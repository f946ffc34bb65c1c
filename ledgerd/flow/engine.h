/* engine - what ledgerd keeps in memory so that it can answer without the database.
 *
 * One refresher thread reads the book every ENGINE_REFRESH_US: the catalog when its version moved,
 * and the positions that changed since the last look.  It builds a new view beside the old one and
 * publishes it; readers use a view without waiting for anybody.  When the database is away (it
 * cannot be reached, or is silent for ENGINE_PATIENCE_US) the last view stays, and says how old it
 * is; whoever needs the database asks engine_is_away first.
 */
#ifndef LEDGERD_FLOW_ENGINE_H
#define LEDGERD_FLOW_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store_limit.h"

enum {
    ENGINE_REFRESH_US = 250 * 1000, /* a commit elsewhere must show within a second */
    ENGINE_PATIENCE_US = 2 * 1000 * 1000,
    ENGINE_WATCHES_MAX = 4,
};

struct engine;
struct engine_held;

struct engine_position { /* of one project */
    struct points posted;
    struct points accrued;
    struct points held; /* as the book has it: see engine_position.h for a given time */
    int64_t version;
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
    const struct engine_held *held;
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

/* This process has committed `held` more (or less) for the project and the user ("": nobody), in
 * the transaction of that number: checks count it from here on. */
void engine_note_held(struct engine *engine, int64_t transaction, const char *project,
                      const char *user, struct points held);

/* True from the first look that did not reach the database until the next good one. Costs
 * nothing. */
bool engine_is_away(const struct engine *engine);

/* The same for store_set_alarm; lives as long as the engine. */
const atomic_bool *engine_away_flag(const struct engine *engine);

/* Have watch(context) called in the refresher's thread whenever the database goes away, behind the
 * moment from which engine_is_away says so. It must not wait, nor call the engine other than
 * engine_is_away. ERROR_INTERNAL beyond ENGINE_WATCHES_MAX. Once engine_remove_watch has returned
 * it is not called any more. */
typedef void engine_watch(void *context);
int engine_add_watch(struct engine *engine, engine_watch *watch, void *context, struct error *err);
void engine_remove_watch(struct engine *engine, const void *context);

/* Figures for /metrics: refreshes done and failed, and microseconds since the last good one. */
struct engine_health {
    uint64_t refreshes;
    uint64_t failures;
    int64_t age_us;
    bool stale;
    bool away;
};
struct engine_health engine_health(const struct engine *engine);

/* Counts of holds, at most some seconds old. */
struct store_gauges;
void engine_gauges(struct engine *engine, struct store_gauges *gauges);

#endif
