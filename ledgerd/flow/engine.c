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
#include "ledgerd/flow/engine_notes.h"
#include "ledgerd/flow/engine_view.h"
#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/pull_board.h"
#include "ledgerd/store/store_gauges.h"

enum {
    ENGINE_RETRY_US = 500 * 1000,        /* pause after a failed look, before the next */
    GAUGES_US = 5 * 1000 * 1000,         /* between sums over all holds */
    FIRST_PATIENCE_US = 5 * 1000 * 1000, /* the whole book is read */
    /* While the database is away: a slow one is not given up again and again just before it
     * answers, and one that wakes up answers what it was asked before. */
    AWAY_PATIENCE_US = 10 * 1000 * 1000,
};

struct engine_watcher {
    engine_watch *watch; /* NULL: none */
    void *context;
};

struct engine {
    struct current current; /* of struct engine_view_owner */
    int64_t max_staleness_us;
    _Atomic int64_t as_of_us;     /* the process's clock at the last good look */
    _Atomic int64_t refreshed_us; /* the monotonic clock then */
    _Atomic uint64_t refreshes;
    _Atomic uint64_t failures;

    /* The refresher's own, with `failing`. */
    struct store *store;
    struct engine_view_owner *owner;
    int64_t mark;
    int64_t gauges_read_us; /* by the monotonic clock */

    pthread_t thread;
    struct store_gauges gauges; /* by the mutex */
    pthread_mutex_t mutex;      /* guards gauges, watchers, stop and wake; held only briefly */
    pthread_cond_t condition;
    struct engine_watcher watchers[ENGINE_WATCHES_MAX];
    struct engine_notes notes;
    struct pull_board *pulls;
    atomic_bool away;
    atomic_bool stop; /* the store's alarm as well */
    bool wake;
    bool failing;
    bool has_thread;
};

/* What one look at the book brought, read in one transaction. */
struct engine_look {
    struct engine *engine;
    struct engine_catalog *catalog; /* NULL: as before */
    struct store_positions changes;
    struct store_snapshot snapshot;
    struct store_dues dues;
    struct store_share_total *shares; /* NULL: as before */
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
    store_snapshot_release(&look->snapshot);
    store_dues_release(&look->dues);
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

/* Whatever moves the sums of a limit touches the position of its project; a new view needs them
 * whatever it is new for. */
static int look_at_limits(struct store *store, const struct catalog *catalog,
                          struct engine_look *look, struct error *err)
{
    if (catalog->limit_count == 0 || (!look->is_news && look->changes.count == 0)) {
        return 0;
    }
    if (limit_read_sums(store, catalog, NULL, clock_now(), &look->limit_sums, err) != 0) {
        return -1;
    }
    look->is_news = look->is_news || !engine_view_has_sums(look->engine->owner, &look->limit_sums);
    return 0;
}

/* The deadlines that pass while the view may be in use, however long the database is away. */
static int look_at_dues(struct store *store, struct engine_look *look, struct error *err)
{
    const struct engine *engine = look->engine;
    struct instant until = {clock_now().us + engine->max_staleness_us + 2 * ENGINE_REFRESH_US};

    if (store_read_dues(store, until, ENGINE_DUES_MAX, &look->dues, err) != 0) {
        return -1;
    }
    look->is_news = look->is_news || !engine_held_has(&engine->owner->held, &look->dues);
    return 0;
}

/* Supply moves with the catalog, spending with the versions of positions. */
static int look_at_shares(struct store *store, const struct catalog *catalog,
                          struct engine_look *look, struct error *err)
{
    if (!look->is_news ||
        (look->catalog == NULL && engine_view_has_totals(look->engine->owner, &look->changes))) {
        return 0;
    }
    return store_read_share_totals(store, catalog->calendar.fiscal_month, &look->shares,
                                   &look->share_count, err);
}

/* The work of the refresher's transaction: versions, catalog, positions, holds, limits, shares. */
static int look_at_book(struct store *store, void *context, struct error *err)
{
    struct engine_look *look = context;
    struct engine *engine = look->engine;

    look_release(look); /* a repeated transaction starts over */
    if (look_at_catalog(store, look, err) != 0 ||
        store_read_positions(store, look->catalog != NULL ? 0 : engine->mark, &look->changes,
                             err) != 0 ||
        store_read_snapshot(store, &look->snapshot, err) != 0) {
        return -1;
    }
    const struct catalog *catalog = look->catalog != NULL ? look->catalog->catalog
                                                          : engine->owner->view.catalog;
    look->is_news = look->catalog != NULL || !engine_view_has(engine->owner, &look->changes);
    return look_at_dues(store, look, err) != 0 || look_at_limits(store, catalog, look, err) != 0 ||
                   look_at_shares(store, catalog, look, err) != 0
               ? -1
               : 0;
}

static int publish(struct engine *engine, struct engine_look *look, struct error *err)
{
    struct engine_view_owner *old = engine->owner;
    const struct engine_view_parts parts = {
        .catalog = look->catalog != NULL ? look->catalog : old->catalog,
        .old = look->catalog != NULL ? NULL : old,
        .changes = &look->changes,
        .share_count = look->share_count,
        .shares = look->shares,
        .dues = &look->dues,
    };
    struct engine_view_owner *owner = engine_view_build(&parts);

    if (owner == NULL) {
        return error_set(err, ERROR_INTERNAL, "engine: out of memory");
    }
    owner->view.limit_sums = look->limit_sums; /* read whenever there is news */
    look->limit_sums = (struct store_limit_sums){0};
    engine->owner = owner;
    engine_notes_read(&engine->notes, owner, &look->snapshot);
    current_replace(&engine->current, owner);
    engine_notes_published(&engine->notes);
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
    } else if (result == 0) {
        engine_notes_read(&engine->notes, engine->owner, &look.snapshot);
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

static int read_gauges(struct engine *engine, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    struct store_gauges gauges;

    if (engine->gauges_read_us != 0 && now_us - engine->gauges_read_us < GAUGES_US) {
        return 0;
    }
    if (store_read_gauges(engine->store, clock_now(), &gauges, err) != 0) {
        return -1;
    }
    engine->gauges_read_us = now_us;
    pthread_mutex_lock(&engine->mutex);
    engine->gauges = gauges;
    pthread_mutex_unlock(&engine->mutex);
    return 0;
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

static void tell_watchers(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    for (size_t i = 0; i < ENGINE_WATCHES_MAX; i++) {
        if (engine->watchers[i].watch != NULL) {
            engine->watchers[i].watch(engine->watchers[i].context);
        }
    }
    pthread_mutex_unlock(&engine->mutex);
}

/* Say it once when the database goes away and once when it is back. A look that fails for another
 * reason leaves the view to grow old, and nobody is kept from the database for it. */
static void note_outcome(struct engine *engine, int result, const struct error *err)
{
    bool away = result != 0 && err->code == ERROR_UNAVAILABLE;
    bool was_away = atomic_exchange(&engine->away, away);

    if (result != 0 && !engine->failing) {
        log_event(LOG_LEVEL_WARNING, away ? "database-away" : "refresh-failing", "why", err->text,
                  NULL);
    }
    if (result == 0 && engine->failing) {
        log_event(LOG_LEVEL_INFO, "database-back", NULL);
    }
    engine->failing = result != 0;
    if (away != was_away) {
        store_set_patience(engine->store, away ? AWAY_PATIENCE_US : ENGINE_PATIENCE_US);
    }
    if (away && !was_away) {
        tell_watchers(engine);
    }
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
        if (result == 0) {
            result = read_gauges(engine, &err);
        }
        note_outcome(engine, result, &err);
        pause_us = result == 0 ? ENGINE_REFRESH_US : ENGINE_RETRY_US;
    }
    return NULL;
}

static void init_sleep(struct engine *engine)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&engine->mutex, NULL);
}

static int refresher_start(struct engine *engine, struct error *err)
{
    store_set_patience(engine->store, ENGINE_PATIENCE_US);
    store_set_alarm(engine->store, &engine->stop);
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
    engine_notes_init(&engine->notes);
    init_sleep(engine);
    engine->pulls = pull_board_create(err);
    if (engine->pulls != NULL) {
        engine->store = store_open_patient(conninfo, STORE_REPORT, FIRST_PATIENCE_US, err);
    }
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
    pthread_mutex_destroy(&engine->mutex);
    pthread_cond_destroy(&engine->condition);
    engine_notes_release(&engine->notes);
    engine_view_destroy(engine->owner);
    store_close(engine->store);
    pull_board_destroy(engine->pulls);
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

bool engine_is_away(const struct engine *engine)
{
    return atomic_load_explicit(&engine->away, memory_order_relaxed);
}

const atomic_bool *engine_away_flag(const struct engine *engine)
{
    return &engine->away;
}

int engine_add_watch(struct engine *engine, engine_watch *watch, void *context, struct error *err)
{
    int result = -1;

    pthread_mutex_lock(&engine->mutex);
    for (size_t i = 0; i < ENGINE_WATCHES_MAX && result != 0; i++) {
        if (engine->watchers[i].watch == NULL) {
            engine->watchers[i] = (struct engine_watcher){watch, context};
            result = 0;
        }
    }
    pthread_mutex_unlock(&engine->mutex);
    return result == 0 ? 0
                       : error_set(err, ERROR_INTERNAL, "engine: more watchers than there is room");
}

void engine_remove_watch(struct engine *engine, const void *context)
{
    pthread_mutex_lock(&engine->mutex);
    for (size_t i = 0; i < ENGINE_WATCHES_MAX; i++) {
        if (engine->watchers[i].context == context) {
            engine->watchers[i] = (struct engine_watcher){0};
        }
    }
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

void engine_note_held(struct engine *engine, int64_t transaction, const char *project,
                      const char *user, struct points held)
{
    engine_notes_add(&engine->notes, transaction, project, user, held);
}

struct engine_health engine_health(const struct engine *engine)
{
    int64_t age_us = clock_monotonic_us() - atomic_load(&engine->refreshed_us);

    return (struct engine_health){
        .refreshes = atomic_load(&engine->refreshes),
        .failures = atomic_load(&engine->failures),
        .age_us = age_us,
        .stale = age_us > engine->max_staleness_us,
        .away = engine_is_away(engine),
    };
}

void engine_gauges(struct engine *engine, struct store_gauges *gauges)
{
    pthread_mutex_lock(&engine->mutex);
    *gauges = engine->gauges;
    pthread_mutex_unlock(&engine->mutex);
}

struct pull_board *engine_pulls(const struct engine *engine)
{
    return engine->pulls;
}
