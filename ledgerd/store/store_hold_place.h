/* store_hold_place - the statements of a group of holds, in the order in which they are run.
 *
 * All in one transaction: lock the positions, look at what belongs to them, write. The lock comes
 * first and each look is a statement of its own behind it, so that it sees all that was committed
 * before the lock was had.
 */
#ifndef LEDGERD_STORE_STORE_HOLD_PLACE_H
#define LEDGERD_STORE_STORE_HOLD_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_hold.h"

enum {
    STORE_HOLD_BLOCK = 4096,    /* numbers in a block */
    STORE_HOLD_GROUP_MAX = 256, /* holds and refusals that are written at a time, together */
};

/* Take a block of hold numbers: *first and the STORE_HOLD_BLOCK - 1 after it. */
int store_hold_block(struct store *store, int64_t *first, struct error *err);

struct locked_position {
    bool is_known; /* there is such a project */
    struct points posted;
    struct points held; /* with holds whose deadline has passed unnoted */
    struct points accrued;
    int64_t version;
};

struct look_row {
    const char *project;
    const char *user;     /* of lapsed holds */
    struct instant since; /* of draws; INSTANT_NONE: before the first edge */
    struct points points;
};

struct look_rows {
    size_t count;
    struct look_row *rows;
    char *texts;
};
void store_look_rows_release(struct look_rows *rows);

struct hold_opening { /* borrowed */
    size_t count;
    const char *const *projects; /* ascending as bytes, all different */
    size_t key_count;
    const unsigned char (*keys)[STORE_HASH_BYTES];
    struct instant now;
};

struct hold_look {
    int64_t catalog_version;
    struct hold_rows known;  /* the holds with these keys */
    struct look_rows lapsed; /* sums by project and user of what is held past its deadline at now */
};

/* In one trip to the server: lock the positions of the projects to the transaction's end, in their
 * order (positions[count]), and then look at what belongs to them. */
int store_hold_open(struct store *store, const struct hold_opening *opening,
                    struct locked_position *positions, struct hold_look *look, struct error *err);
void store_hold_look_release(struct hold_look *look);

/* The draws of these projects, by project and since. Owned by the caller. */
int store_hold_draws(struct store *store, const char *const *projects, size_t count,
                     struct look_rows *draws, struct error *err);

struct new_hold { /* texts are borrowed, "" where there is none */
    int64_t number;
    const char *key;
    const unsigned char *key_hash; /* not read without a key */
    const unsigned char *request;
    const char *project;
    const char *user;
    const char *klass;
    const char *ref_kind;
    const char *ref_id;
    const char *source; /* that confirms it */
    struct points points;
    int64_t parts;
    int64_t at_once;
    struct instant expires_at;
    const char *decision;
};

struct new_refusal {
    int64_t number;
    const char *decision;
};

struct limit_move {
    int32_t limit_no;
    struct points held;
};

struct hold_writing {
    struct instant now;
    size_t hold_count;
    const struct new_hold *holds;
    size_t project_count; /* those whose held points grow, with by how much */
    const char *const *projects;
    const int64_t *held_micro;
    size_t limit_count;
    const struct limit_move *limits;
    size_t refusal_count;
    const struct new_refusal *refusals;
};

/* Write it all and commit: the last act of the transaction. *transaction gets its number. On error
 * *is_key_taken tells that another process has just used one of the keys: run it all again. */
int store_hold_write(struct store *store, const struct hold_writing *group, int64_t *transaction,
                     bool *is_key_taken, struct error *err);

#endif
