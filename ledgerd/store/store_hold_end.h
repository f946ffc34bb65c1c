/* store_hold_end - holds and what happens to them: locked, changed, written down.
 *
 * Run inside a transaction that locks the positions of the projects first (store_lock_positions),
 * then the holds (store_lock_holds), both in the order that everybody keeps.
 */
#ifndef LEDGERD_STORE_STORE_HOLD_END_H
#define LEDGERD_STORE_STORE_HOLD_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

/* Lock the positions of the projects and services among these accounts and of these projects,
 * without waiting for one while another one that is later in order is held. */
int store_lock_positions(struct store *store, const int32_t *accounts, size_t account_count,
                         const char *const *projects, size_t project_count, struct error *err);

struct locked_hold {
    int64_t number;
    bool has_key;
    unsigned char key_hash[16];
    char *project;
    char *user;
    char *klass; /* "" if points were asked for */
    struct points points;
    struct points freed;
    struct points held;
    int64_t parts;
    int64_t at_once; /* parts that it reserves for; 0: for all */
    int64_t ended_parts;
    int64_t events;
    char state[16];
    struct instant expires_at;
    struct instant lapses_at; /* expires_at; INSTANT_NEVER while the deadline stands still */
};

struct locked_holds {
    size_t count;
    struct locked_hold *holds; /* by number */
};

/* Read, and with `lock` lock, the holds with these numbers or keys, whichever there are. The caller
 * releases them. */
int store_lock_holds(struct store *store, bool lock, const int64_t *numbers, size_t number_count,
                     const unsigned char (*keys)[16], size_t key_count, struct locked_holds *holds,
                     struct error *err);
void store_locked_holds_release(struct locked_holds *holds);

struct hold_event { /* a row of ledger.hold_event */
    int64_t hold;
    int64_t n;
    const char *kind;
    struct instant at;
    bool is_end;
    int64_t parts; /* that it ended, if more than one; else 0 */
    struct points charged;
    struct points freed;
    int64_t record_no;             /* 0: none */
    struct instant expires_at;     /* INSTANT_NONE: as before */
    const unsigned char *key_hash; /* 16 bytes, or NULL */
    const unsigned char *request;  /* likewise */
    const char *result;
};
int store_hold_events_add(struct store *store, const struct hold_event *events, size_t count,
                          struct error *err);

/* Write the holds as they stand in memory: held, freed, ended parts, events, state, deadline; with
 * `ended_at` for those that are not open. */
int store_holds_write(struct store *store, const struct locked_hold *const *holds, size_t count,
                      struct instant ended_at, struct error *err);

struct held_move { /* by how much what is held of a project, by a user of it, changes */
    const char *project;
    const char *user;
    struct points points;
};
int store_held_move(struct store *store, const struct held_move *moves, size_t count,
                    struct error *err);

struct settled { /* the first result of a settlement */
    bool found;
    bool is_same; /* as the request that is asked about */
    struct points charged;
    struct points freed;
    char result[512];
};

/* The settlement of a hold: its final one with key NULL, else the one with that key. */
int store_find_settlement(struct store *store, int64_t hold, const unsigned char *key,
                          const unsigned char request[16], struct settled *settled,
                          struct error *err);

struct record_hold { /* what a record has done to holds so far */
    int64_t record_no;
    int64_t hold;
    bool is_end;
    struct points charged; /* sums over its events */
    struct points freed;
};

/* Allocates *found (free()). */
int store_record_holds(struct store *store, const int64_t *record_nos, size_t count,
                       struct record_hold **found, size_t *found_count, struct error *err);

struct lapsed_hold {
    int64_t number;
    char project[129];
};

/* Open holds whose deadline has passed, the oldest first; nothing is locked. lapsed[limit]. */
int store_holds_lapsed(struct store *store, struct instant now, size_t limit,
                       struct lapsed_hold *lapsed, size_t *count, struct error *err);

#endif
