/* engine - keep what ledgerd answers from in memory, fresh; see engine.h for the idea. */
#include "ledgerd/flow/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/current.h"
#include "ledgerd/base/log.h"
#include "ledgerd/flow/engine_view.h"
#include "ledgerd/flow/limit.h"

enum { ENGINE_RETRY_US = 500 * 1000 }; /* pause after a failed look, before the next */

struct engine {
    struct current current; /* of struct engine_view_owner */
    int64_t max_staleness_us;
    _Atomic int64_t as_of_us;     /* the process's clock at the last good look */
    _Atomic int64_t refreshed_us; /* the monotonic clock then */
    _Atomic uint64_t refreshes;
    _Atomic uint64_t failures;

    /* The refresher's own. */
    struct store *store;
    struct engine_view_owner *owner;
    int64_t mark;
    bool away;

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; /* guards stop and wake, for the refresher's sleep alone */
    pthread_cond_t condition;
    bool stop;
    bool wake;
};

/* What one look at the book brought, read in one transaction. */
struct engine_look {
    struct engine *engine;
    struct engine_catalog *catalog; /* NULL: as before */
    struct store_positions changes;
    struct store_share_total *shares;
    size_t share_count;
    struct store_limit_sums limit_sums;
    bool is_news;
};

static void look_release(struct engine_look *look)
{
    if (look->catalog != NULL) {
        engine_catalog_return(look->catalog);
    }
    store_positions_release(&look->changes);
    free(look->shares);
    store_limit_sums_release(&look->limit_sums);
    *look = (struct engine_look){.engine = look->engine};
}

static int look_at_catalog(struct store *store, struct engine_look *look, struct error *err)
{
    const struct engine_view_owner *owner = look->engine->owner;
    int64_t version;
    int64_t rating_version;

    if (catalog_versions(store, &version, &rating_version, err) != 0) {
        return -1;
    }
    if (owner != NULL && owner->view.catalog->version == version) {
        return 0;
    }
    look->catalog = calloc(1, sizeof(*look->catalog));
    if (look->catalog == NULL) {
        return error_set(err, ERROR_INTERNAL, "engine: out of memory");
    }
    atomic_init(&look->catalog->uses, 1); /* the look's own, until look_release */
    look->catalog->catalog = catalog_load(store, err);
    return look->catalog->catalog == NULL ? -1 : 0;
}

/* Whatever moves the sums of a limit touches the position of its project. */
static int look_at_limits(struct store *store, const struct catalog *catalog,
                          struct engine_look *look, struct error *err)
{
    if (catalog->limit_count == 0 || (look->catalog == NULL && look->changes.count == 0)) {
        return 0;
    }
    if (limit_read_sums(store, catalog, NULL, clock_now(), &look->limit_sums, err) != 0) {
        return -1;
    }
    look->is_news = look->is_news || !engine_view_has_sums(look->engine->owner, &look->limit_sums);
    return 0;
}

/* The work of the refresher's transaction: versions, catalog, positions, limits, shares. */
static int look_at_book(struct store *store, void *context, struct error *err)
{
    struct engine_look *look = context;
    struct engine *engine = look->engine;

    look_release(look); /* a repeated transaction starts over */
    if (look_at_catalog(store, look, err) != 0 ||
        store_read_positions(store, look->catalog != NULL ? 0 : engine->mark, &look->changes,
                             err) != 0) {
        return -1;
    }
    const struct catalog *catalog = look->catalog != NULL ? look->catalog->catalog
                                                          : engine->owner->view.catalog;
    look->is_news = look->catalog != NULL || !engine_view_has(engine->owner, &look->changes);
    if (look_at_limits(store, catalog, look, err) != 0) {
        return -1;
    }
    if (!look->is_news) {
        return 0;
    }
    return store_read_share_totals(store, catalog->calendar.fiscal_month, &look->shares,
                                   &look->share_count, err);
}

static int publish(struct engine *engine, struct engine_look *look, struct error *err)
{
    struct engine_view_owner *old = engine->owner;
    struct engine_catalog *catalog = look->catalog != NULL ? look->catalog : old->catalog;
    struct engine_view_owner *owner = engine_view_build(catalog, look->catalog != NULL ? NULL : old,
                                                        &look->changes, look->shares,
                                                        look->share_count);

    if (owner == NULL) {
        return error_set(err, ERROR_INTERNAL, "engine: out of memory");
    }
    owner->view.limit_sums = look->limit_sums; /* read whenever there is news */
    look->limit_sums = (struct store_limit_sums){0};
    engine->owner = owner;
    current_replace(&engine->current, owner);
    engine_view_destroy(old);
    return 0;
}

static int refresh(struct engine *engine, struct error *err)
{
    struct engine_look look = {.engine = engine};
    struct instant as_of = clock_now();
    int64_t started_us = clock_monotonic_us();
    int result = store_transact(engine->store, STORE_UNLOCKED, look_at_book, &look, err);

    if (result == 0 && look.is_news) {
        result = publish(engine, &look, err);
    }
    if (result == 0) {
        engine->mark = look.changes.mark;
        atomic_store(&engine->as_of_us, as_of.us);
        atomic_store(&engine->refreshed_us, started_us);
        atomic_fetch_add(&engine->refreshes, 1);
    } else {
        atomic_fetch_add(&engine->failures, 1);
    }
    look_release(&look);
    return result;
}

/* Sleep until it is time to look again; false when the engine stops. */
static bool refresher_sleep(struct engine *engine, int64_t pause_us)
{
    struct timespec until;
    int64_t wake_us = clock_monotonic_us() + pause_us;

    until.tv_sec = wake_us / 1000000;
    until.tv_nsec = wake_us % 1000000 * 1000;
    pthread_mutex_lock(&engine->mutex);
    while (!engine->stop && !engine->wake) {
        if (pthread_cond_timedwait(&engine->condition, &engine->mutex, &until) == ETIMEDOUT) {
            break;
        }
    }
    engine->wake = false;
    bool go_on = !engine->stop;
    pthread_mutex_unlock(&engine->mutex);
    return go_on;
}

/* Say it once when the database goes away and once when it is back. */
static void note_outcome(struct engine *engine, int result, const struct error *err)
{
    if (result != 0 && !engine->away) {
        log_event(LOG_LEVEL_WARNING, "database-away", "why", err->text, NULL);
    }
    if (result == 0 && engine->away) {
        log_event(LOG_LEVEL_INFO, "database-back", NULL);
    }
    engine->away = result != 0;
}

static void *refresher_run(void *argument)
{
    struct engine *engine = argument;
    int64_t pause_us = ENGINE_REFRESH_US;

    while (refresher_sleep(engine, pause_us)) {
        struct error err = {0};
        int result = 0;

        if (!store_is_connected(engine->store)) {
            result = store_reconnect(engine->store, &err);
        }
        if (result == 0) {
            result = refresh(engine, &err);
        }
        note_outcome(engine, result, &err);
        pause_us = result == 0 ? ENGINE_REFRESH_US : ENGINE_RETRY_US;
    }
    return NULL;
}

static int refresher_start(struct engine *engine, struct error *err)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&engine->mutex, NULL);
    int failure = pthread_create(&engine->thread, NULL, refresher_run, engine);
    if (failure != 0) {
        return error_set(err, ERROR_INTERNAL, "engine: cannot start a thread: %s",
                         strerror(failure));
    }
    engine->has_thread = true;
    return 0;
}

struct engine *engine_create(const char *conninfo, int64_t max_staleness_us, struct error *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    if (engine == NULL) {
        error_set(err, ERROR_INTERNAL, "engine: out of memory");
        return NULL;
    }
    engine->max_staleness_us = max_staleness_us;
    current_init(&engine->current, NULL);
    engine->store = store_open(conninfo, STORE_REPORT, err);
    if (engine->store == NULL || refresh(engine, err) != 0 || refresher_start(engine, err) != 0) {
        engine_destroy(engine);
        return NULL;
    }
    return engine;
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    if (engine->has_thread) {
        pthread_mutex_lock(&engine->mutex);
        engine->stop = true;
        pthread_cond_signal(&engine->condition);
        pthread_mutex_unlock(&engine->mutex);
        pthread_join(engine->thread, NULL);
    }
    engine_view_destroy(engine->owner);
    store_close(engine->store);
    free(engine);
}

struct engine_catalog *engine_catalog_borrow(struct engine *engine)
{
    struct engine_reading reading;

    /* The view in use keeps its catalog alive while the borrower is counted. */
    engine_enter(engine, &reading);
    const struct engine_view_owner *owner = (const struct engine_view_owner *)reading.view;
    struct engine_catalog *catalog = owner->catalog;
    atomic_fetch_add(&catalog->uses, 1);
    engine_leave(engine, &reading);
    return catalog;
}

void engine_wake(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->wake = true;
    pthread_cond_signal(&engine->condition);
    pthread_mutex_unlock(&engine->mutex);
}

void engine_enter(struct engine *engine, struct engine_reading *reading)
{
    const struct engine_view_owner *owner = current_enter(&engine->current, &reading->slot);

    reading->view = &owner->view;
    reading->as_of = (struct instant){atomic_load(&engine->as_of_us)};
    reading->stale = clock_monotonic_us() - atomic_load(&engine->refreshed_us) >
                     engine->max_staleness_us;
}

void engine_leave(struct engine *engine, const struct engine_reading *reading)
{
    current_leave(&engine->current, reading->slot);
}

struct balance_position engine_position(const struct engine_view *view,
                                        const struct catalog_project *project)
{
    const struct engine_position *position = &view->positions[project - view->catalog->projects];

    return (struct balance_position){
        .posted = position->posted,
        .accrued = position->accrued,
        .overdraft = project->overdraft,
        .grant_count = project->grant_count,
        .grants = project->grants,
        .draw_count = position->draw_count,
        .draws = position->draws,
    };
}

struct engine_health engine_health(const struct engine *engine)
{
    int64_t age_us = clock_monotonic_us() - atomic_load(&engine->refreshed_us);

    return (struct engine_health){
        .refreshes = atomic_load(&engine->refreshes),
        .failures = atomic_load(&engine->failures),
        .age_us = age_us,
        .stale = age_us > engine->max_staleness_us,
    };
}
