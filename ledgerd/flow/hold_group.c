/* hold_group - see hold_group.h. */
#include "ledgerd/flow/hold_group.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/log.h"
#include "ledgerd/flow/engine_position.h"
#include "ledgerd/flow/hold_alone.h"
#include "ledgerd/flow/hold_desk.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_position.h"

enum {
    CONNECT_PATIENCE_US = 1000 * 1000,
    /* For one statement: a booking may hold a position's lock for a while. Once the engine says
     * that the database is away, STORE_ALARM_US. */
    PATIENCE_US = 5 * 1000 * 1000,
    PROBE_US = 200 * 1000, /* between looks whether the database is back */
    KEY_BUCKETS = 4096,
};

struct hold_group {
    const char *conninfo;
    struct engine *engine;

    /* Of whoever has the seat: the committer, or the thread that has a hold watched. */
    struct store *store;
    struct hold_desk *desk;
    struct hold_request requests[HOLD_GROUP_MAX];
    struct hold_outcome outcomes[HOLD_GROUP_MAX];
    struct hold_ticket *tickets[HOLD_GROUP_MAX];
    struct hold_alone *watched; /* under way; its ticket is the first */

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t condition;
    bool stop;
    bool away; /* the last attempt found no database */
    enum { SEAT_FREE, SEAT_COMMITTER, SEAT_WATCHER } seat;
    size_t queued;
    struct hold_ticket *first;
    struct hold_ticket *last;
    struct hold_ticket *under_way[KEY_BUCKETS]; /* tickets with a key, queued or being decided */

    _Atomic uint64_t groups, decided, failures, alone, missed, made, repeated, differed;
    _Atomic uint64_t refused[HOLD_GROUP_REASONS];
};

/* --- keys under way --------------------------------------------------------------------------- */

static struct hold_ticket **bucket_of(struct hold_group *group, const char *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    }
    return &group->under_way[(hash ^ hash >> 32) % KEY_BUCKETS];
}

static bool is_under_way(struct hold_group *group, const char *key)
{
    for (const struct hold_ticket *at = *bucket_of(group, key); at != NULL; at = at->next_of_key) {
        if (strcmp(at->request.key, key) == 0) {
            return true;
        }
    }
    return false;
}

static void note_key(struct hold_group *group, struct hold_ticket *ticket)
{
    struct hold_ticket **bucket = bucket_of(group, ticket->request.key);

    ticket->next_of_key = *bucket;
    *bucket = ticket;
}

static void forget_key(struct hold_group *group, struct hold_ticket *ticket)
{
    struct hold_ticket **at = bucket_of(group, ticket->request.key);

    while (*at != ticket) {
        at = &(*at)->next_of_key;
    }
    *at = ticket->next_of_key;
}

/* --- the queue -------------------------------------------------------------------------------- */

/* The ticket's key is under way from here on if it is taken. With the mutex. */
static enum hold_submitted admit(struct hold_group *group, struct hold_ticket *ticket)
{
    bool has_key = ticket->request.key[0] != '\0';

    ticket->err = (struct error){0};
    ticket->next = ticket->next_of_key = NULL;
    if (group->stop || group->away || engine_is_away(group->engine)) {
        return HOLD_DATABASE_AWAY;
    }
    if (has_key && is_under_way(group, ticket->request.key)) {
        return HOLD_KEY_IN_FLIGHT;
    }
    if (group->queued == HOLD_GROUP_QUEUE_MAX) {
        return HOLD_QUEUE_FULL;
    }
    if (has_key) {
        note_key(group, ticket);
    }
    return HOLD_TAKEN;
}

/* True if it is the first that waits. With the mutex. */
static bool append_ticket(struct hold_group *group, struct hold_ticket *ticket)
{
    bool is_first = group->last == NULL;

    if (is_first) {
        group->first = ticket;
    } else {
        group->last->next = ticket;
    }
    group->last = ticket;
    group->queued++;
    return is_first;
}

enum hold_submitted hold_group_submit(struct hold_group *group, struct hold_ticket *ticket)
{
    pthread_mutex_lock(&group->mutex);
    enum hold_submitted result = admit(group, ticket);
    bool is_first = result == HOLD_TAKEN && append_ticket(group, ticket);
    pthread_mutex_unlock(&group->mutex);
    if (is_first) {
        pthread_cond_signal(&group->condition); /* who wakes finds the mutex free */
    }
    return result;
}

/* Sleep until the seat is free and there is a ticket, the group stops, or it is time to look for
 * the database again. */
static void wait_for_work(struct hold_group *group)
{
    struct timespec until;
    int64_t wake_us = clock_monotonic_us() + PROBE_US;

    until.tv_sec = wake_us / 1000000;
    until.tv_nsec = wake_us % 1000000 * 1000;
    while (group->seat == SEAT_WATCHER || (group->first == NULL && !group->stop)) {
        if (!group->away || group->seat == SEAT_WATCHER) {
            pthread_cond_wait(&group->condition, &group->mutex);
        } else if (pthread_cond_timedwait(&group->condition, &group->mutex, &until) != 0) {
            return;
        }
    }
}

/* Give up the seat, and take it again with at most HOLD_GROUP_MAX tickets; none when it is time for
 * a probe. False when the group stops and all are decided. */
static bool take_tickets(struct hold_group *group, size_t *count)
{
    *count = 0;
    pthread_mutex_lock(&group->mutex);
    if (group->seat == SEAT_COMMITTER) {
        group->seat = SEAT_FREE;
    }
    wait_for_work(group);
    group->seat = SEAT_COMMITTER;
    for (; group->first != NULL && *count < HOLD_GROUP_MAX; group->queued--) {
        group->tickets[(*count)++] = group->first;
        group->first = group->first->next;
    }
    if (group->first == NULL) {
        group->last = NULL;
    }
    bool go_on = *count > 0 || !group->stop;
    pthread_mutex_unlock(&group->mutex);
    return go_on;
}

/* Give tickets back to their owners: their keys are free from here on. */
static void finish_tickets(struct hold_group *group, struct hold_ticket **tickets, size_t count)
{
    pthread_mutex_lock(&group->mutex);
    for (size_t i = 0; i < count; i++) {
        if (tickets[i]->request.key[0] != '\0') {
            forget_key(group, tickets[i]);
        }
    }
    pthread_mutex_unlock(&group->mutex);
    for (size_t i = 0; i < count; i++) {
        tickets[i]->done(tickets[i]);
    }
}

/* Answer everything that waits: the database is away. */
static void refuse_queued(struct hold_group *group)
{
    struct hold_ticket *ticket;

    pthread_mutex_lock(&group->mutex);
    ticket = group->first;
    group->first = group->last = NULL;
    group->queued = 0;
    pthread_mutex_unlock(&group->mutex);
    while (ticket != NULL) {
        struct hold_ticket *next = ticket->next;
        error_set(&ticket->err, ERROR_UNAVAILABLE, "the database is away: no hold can be made");
        finish_tickets(group, &ticket, 1);
        ticket = next;
    }
}

/* The engine's watch: whoever waits need not wait for the database. */
static void refuse_away(void *context)
{
    refuse_queued(context);
}

/* --- the database ----------------------------------------------------------------------------- */

static void set_away(struct hold_group *group, bool away, const char *why)
{
    pthread_mutex_lock(&group->mutex);
    bool was_away = group->away;
    group->away = away;
    pthread_mutex_unlock(&group->mutex);
    if (away && !was_away) {
        log_event(LOG_LEVEL_WARNING, "holds-refused", "why", why, NULL);
    }
    if (!away && was_away) {
        log_event(LOG_LEVEL_INFO, "holds-made-again", NULL);
        engine_wake(group->engine);
    }
    if (away) {
        refuse_queued(group);
    }
}

static int have_store(struct hold_group *group, struct error *err)
{
    if (group->store == NULL) {
        group->store = store_open_patient(group->conninfo, STORE_DAEMON, CONNECT_PATIENCE_US, err);
        if (group->store == NULL) {
            return -1;
        }
        store_set_alarm(group->store, engine_away_flag(group->engine));
        if (store_set_repetitive(group->store, err) != 0) {
            store_close(group->store);
            group->store = NULL;
            return -1;
        }
    }
    if (!store_is_connected(group->store)) {
        store_set_patience(group->store, CONNECT_PATIENCE_US);
        if (store_reconnect(group->store, err) != 0) {
            return -1;
        }
    }
    store_set_patience(group->store, PATIENCE_US);
    return 0;
}

static void probe(struct hold_group *group)
{
    struct error err = {0};
    int64_t version;
    int64_t rating_version;

    if (have_store(group, &err) == 0 &&
        catalog_versions(group->store, &version, &rating_version, &err) == 0) {
        set_away(group, false, NULL);
    }
}

/* --- deciding --------------------------------------------------------------------------------- */

/* What the engine knows of the shares at `now`; *count of them, to be freed. */
static struct store_share_total *copy_shares(struct engine *engine, struct instant now,
                                             size_t *count)
{
    struct engine_reading reading;

    engine_enter(engine, &reading);
    const struct engine_view *view = reading.view;
    struct store_share_total *totals = calloc(view->share_count + 1, sizeof(*totals));
    *count = totals == NULL ? 0 : view->share_count;
    for (size_t i = 0; i < *count; i++) {
        const struct engine_share *share = &view->shares[i];
        totals[i] = (struct store_share_total){
            .fiscal_year = share->fiscal_year,
            .supply = share->supply,
            .spent = share->spent,
            .held = engine_share_held(view, share->share, now),
        };
        memcpy(totals[i].share, share->share, sizeof(totals[i].share));
    }
    engine_leave(engine, &reading);
    return totals;
}

/* What decisions go by at `now`, borrowed and copied from the engine. */
struct knowing {
    struct instant now;
    struct engine_catalog *catalog;
    struct store_share_total *shares;
    struct hold_knowledge knowledge;
};

static int know(struct hold_group *group, struct knowing *knowing, struct error *err)
{
    *knowing = (struct knowing){.now = clock_now(),
                                .catalog = engine_catalog_borrow(group->engine)};
    knowing->shares = copy_shares(group->engine, knowing->now, &knowing->knowledge.share_count);
    knowing->knowledge.catalog = engine_catalog_of(knowing->catalog);
    knowing->knowledge.shares = knowing->shares;
    return knowing->shares != NULL ? 0 : error_set(err, ERROR_INTERNAL, "holds: out of memory");
}

static void forget(struct knowing *knowing)
{
    free(knowing->shares);
    engine_catalog_return(knowing->catalog);
}

static void count_alone(struct hold_group *group)
{
    atomic_store(&group->alone, group->desk->alone_made);
    atomic_store(&group->missed, group->desk->alone_missed);
}

static int place(struct hold_group *group, size_t first, size_t count, struct error *err)
{
    struct knowing knowing;
    int result = -1;

    if (know(group, &knowing, err) == 0 && have_store(group, err) == 0) {
        result = hold_place(group->store, group->desk, &knowing.knowledge, group->requests + first,
                            count, knowing.now, group->outcomes + first, err);
        count_alone(group);
    }
    forget(&knowing);
    return result;
}

static void count_outcome(struct hold_group *group, const struct hold_outcome *outcome)
{
    _Atomic uint64_t *const counters[] = {
        [HOLD_MADE] = &group->made,
        [HOLD_REPEATED] = &group->repeated,
        [HOLD_KEY_DIFFERS] = &group->differed,
        [HOLD_REFUSED] = &group->refused[outcome->reason],
    };

    atomic_fetch_add_explicit(counters[outcome->fate], 1, memory_order_relaxed);
}

/* The outcomes stand in the book: let checks know, and hand them over. */
static void spread_outcomes(struct hold_group *group, size_t first, size_t count)
{
    int64_t transaction = hold_desk_transaction(group->desk);

    atomic_fetch_add(&group->groups, 1);
    atomic_fetch_add(&group->decided, count);
    for (size_t i = first; i < first + count; i++) {
        const struct hold_outcome *outcome = &group->outcomes[i];
        count_outcome(group, outcome);
        if (outcome->fate == HOLD_MADE && outcome->hold.held.micro != 0) {
            engine_note_held(group->engine, transaction, outcome->hold.project, outcome->hold.user,
                             outcome->hold.held);
        }
        group->tickets[i]->outcome = *outcome;
    }
    finish_tickets(group, group->tickets + first, count);
}

static void fail_tickets(struct hold_group *group, size_t first, size_t count,
                         const struct error *err)
{
    atomic_fetch_add(&group->failures, 1);
    for (size_t i = first; i < first + count; i++) {
        group->tickets[i]->err = *err;
    }
    if (err->code == ERROR_UNAVAILABLE &&
        (group->store == NULL || !store_is_connected(group->store))) {
        set_away(group, true, err->text);
    }
    finish_tickets(group, group->tickets + first, count);
}

/* One request that cannot be decided must not take the others with it. */
static void decide_one_by_one(struct hold_group *group, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};

        if (place(group, i, 1, &err) == 0) {
            spread_outcomes(group, i, 1);
        } else if (err.code == ERROR_UNAVAILABLE) {
            fail_tickets(group, i, count - i, &err);
            return;
        } else {
            fail_tickets(group, i, 1, &err);
        }
    }
}

static void decide_group(struct hold_group *group, size_t count)
{
    struct error err = {0};

    for (size_t i = 0; i < count; i++) {
        group->requests[i] = group->tickets[i]->request;
    }
    if (place(group, 0, count, &err) == 0) {
        spread_outcomes(group, 0, count);
    } else if (err.code == ERROR_UNAVAILABLE || count == 1) {
        fail_tickets(group, 0, count, &err);
    } else {
        decide_one_by_one(group, count);
    }
}

/* --- a hold that its asker watches ------------------------------------------------------------ */

/* Take the ticket, and the seat if it is free and nobody waits; else leave the ticket in the queue.
 * *has_seat tells which. */
static enum hold_submitted take_seat(struct hold_group *group, struct hold_ticket *ticket,
                                     bool *has_seat)
{
    bool is_first = false;

    pthread_mutex_lock(&group->mutex);
    enum hold_submitted result = admit(group, ticket);
    *has_seat = result == HOLD_TAKEN && group->seat == SEAT_FREE && group->first == NULL;
    if (*has_seat) {
        group->seat = SEAT_WATCHER;
    } else if (result == HOLD_TAKEN) {
        is_first = append_ticket(group, ticket);
    }
    pthread_mutex_unlock(&group->mutex);
    if (is_first) {
        pthread_cond_signal(&group->condition);
    }
    return result;
}

/* Leave the seat to the committer, if it has anything to do: `ticket` (may be NULL) first of all,
 * as it came before those that wait. */
static void leave_seat(struct hold_group *group, struct hold_ticket *ticket)
{
    pthread_mutex_lock(&group->mutex);
    if (ticket != NULL) {
        ticket->next = group->first;
        group->first = ticket;
        group->last = group->last == NULL ? ticket : group->last;
        group->queued++;
    }
    group->seat = SEAT_FREE;
    bool has_work = group->first != NULL || group->stop || group->away;
    pthread_mutex_unlock(&group->mutex);
    if (has_work) {
        pthread_cond_signal(&group->condition);
    }
}

/* Send the ticket's hold, with the seat; nothing is watched after it if that is for the committer.
 */
static int send_watched(struct hold_group *group, struct error *err)
{
    struct knowing knowing;
    int result = know(group, &knowing, err);

    if (result == 0) {
        result = hold_alone_send(group->store, group->desk, &knowing.knowledge, &group->requests[0],
                                 knowing.now, &group->outcomes[0], &group->watched, err);
    }
    forget(&knowing);
    return result;
}

enum hold_submitted hold_group_submit_watched(struct hold_group *group, struct hold_ticket *ticket,
                                              int *descriptor)
{
    struct error err = {0};
    bool has_seat;
    enum hold_submitted result = take_seat(group, ticket, &has_seat);

    *descriptor = -1;
    if (!has_seat) {
        return result;
    }
    group->tickets[0] = ticket;
    group->requests[0] = ticket->request;
    if (group->store != NULL && send_watched(group, &err) != 0) {
        fail_tickets(group, 0, 1, &err);
        leave_seat(group, NULL);
    } else if (group->watched == NULL) {
        leave_seat(group, ticket);
    } else {
        *descriptor = hold_alone_descriptor(group->watched);
    }
    return result;
}

bool hold_group_look(struct hold_group *group)
{
    struct error err = {0};
    bool is_done = false;

    if (!hold_alone_is_back(group->watched)) {
        return false;
    }
    int result = hold_alone_take(group->watched, &is_done, &err);
    group->watched = NULL;
    count_alone(group);
    if (is_done) {
        spread_outcomes(group, 0, 1);
    } else if (result != 0) {
        fail_tickets(group, 0, 1, &err);
    }
    leave_seat(group, is_done || result != 0 ? NULL : group->tickets[0]);
    return true;
}

/* --- the committer ---------------------------------------------------------------------------- */

static void *committer_run(void *argument)
{
    struct hold_group *group = argument;
    size_t count;

    while (take_tickets(group, &count)) {
        if (count > 0) {
            decide_group(group, count);
        } else {
            probe(group);
        }
    }
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static int start_thread(struct hold_group *group, struct error *err)
{
    int failure = pthread_create(&group->thread, NULL, committer_run, group);

    if (failure != 0) {
        return error_set(err, ERROR_INTERNAL, "holds: cannot start a thread: %s",
                         strerror(failure));
    }
    group->has_thread = true;
    return 0;
}

struct hold_group *hold_group_start(const char *conninfo, const struct conf *conf,
                                    struct engine *engine, struct error *err)
{
    struct hold_group *group = calloc(1, sizeof(*group));
    pthread_condattr_t attributes;

    if (group == NULL) {
        error_set(err, ERROR_INTERNAL, "holds: out of memory");
        return NULL;
    }
    group->conninfo = conninfo;
    group->engine = engine;
    pthread_mutex_init(&group->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&group->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    group->desk = hold_desk_create(conf, err);
    if (group->desk == NULL || engine_add_watch(engine, refuse_away, group, err) != 0 ||
        start_thread(group, err) != 0) {
        hold_group_destroy(group);
        return NULL;
    }
    return group;
}

void hold_group_stop(struct hold_group *group)
{
    if (group == NULL || !group->has_thread) {
        return;
    }
    pthread_mutex_lock(&group->mutex);
    group->stop = true;
    pthread_cond_signal(&group->condition);
    pthread_mutex_unlock(&group->mutex);
    pthread_join(group->thread, NULL);
    group->has_thread = false;
}

void hold_group_destroy(struct hold_group *group)
{
    if (group == NULL) {
        return;
    }
    hold_group_stop(group);
    engine_remove_watch(group->engine, group);
    hold_desk_destroy(group->desk);
    store_close(group->store);
    pthread_cond_destroy(&group->condition);
    pthread_mutex_destroy(&group->mutex);
    free(group);
}

void hold_group_read_figures(const struct hold_group *group, struct hold_group_figures *figures)
{
    *figures = (struct hold_group_figures){
        .groups = atomic_load(&group->groups),
        .requests = atomic_load(&group->decided),
        .failures = atomic_load(&group->failures),
        .alone = atomic_load(&group->alone),
        .missed = atomic_load(&group->missed),
        .made = atomic_load(&group->made),
        .repeated = atomic_load(&group->repeated),
        .differed = atomic_load(&group->differed),
    };
    for (size_t i = 0; i < HOLD_GROUP_REASONS; i++) {
        figures->refused[i] = atomic_load(&group->refused[i]);
    }
}
