/* store_hold - holds as the book has them: found, listed, and summed once their deadline passed.
 *
 * A hold is in force while its state is open and its deadline lies ahead, or stands still because
 * the source that confirms it is stale; that its deadline has passed may be noted late, so readers
 * take off what has lapsed by their own clock.
 */
#ifndef LEDGERD_STORE_STORE_HOLD_H
#define LEDGERD_STORE_STORE_HOLD_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

enum { STORE_HASH_BYTES = 16 };

struct hold_row { /* texts are the rows' own, "" where there is none */
    int64_t number;
    const char *key;
    unsigned char key_hash[STORE_HASH_BYTES]; /* zeroes without a key */
    unsigned char request[STORE_HASH_BYTES];
    const char *project;
    const char *user;
    const char *ref_kind;
    const char *ref_id;
    struct points points;
    struct points held;
    struct points freed;
    struct points charged; /* sum of its events */
    int64_t parts;
    int64_t ended_parts;
    const char *state; /* as it was noted */
    struct instant made_at;
    struct instant expires_at;
    struct instant lapses_at; /* expires_at; INSTANT_NEVER while the deadline stands still */
    struct instant ended_at;  /* INSTANT_NONE while open */
    const char *decision;     /* as it was answered */
};

struct hold_rows {
    size_t count;
    struct hold_row *rows; /* by number */
    char *texts;           /* what they point into */
};

/* The holds with these numbers, and those with these keys, whichever there are. Owned by the
 * caller. */
int store_find_holds(struct store *store, const int64_t *numbers, size_t number_count,
                     const unsigned char (*keys)[STORE_HASH_BYTES], size_t key_count,
                     struct hold_rows *rows, struct error *err);

/* Holds that are in force at `now`, of a project or of all (NULL), with a number above `after`, at
 * most `limit`. */
int store_list_holds(struct store *store, const char *project, int64_t after, size_t limit,
                     struct instant now, struct hold_rows *rows, struct error *err);
void store_hold_rows_release(struct hold_rows *rows);

struct lapsed_row {
    const char *project;
    const char *user;
    struct points held;
};

struct lapsed_rows {
    size_t count;
    struct lapsed_row *rows; /* by project and user */
    char *texts;             /* what they point into */
};

/* What is counted as held though its deadline is at `now` or before, of one project or of all
 * (NULL). Owned by the caller. */
int store_read_lapsed(struct store *store, const char *project, struct instant now,
                      struct lapsed_rows *lapsed, struct error *err);
void store_lapsed_release(struct lapsed_rows *lapsed);

/* Sum of them, of a project's user or of the whole project (NULL). */
struct points store_lapsed_of(const struct lapsed_rows *lapsed, const char *project,
                              const char *user);

/* What was answered when the hold was released; *result (free it) is NULL if it was not. */
int store_find_release(struct store *store, int64_t number, char **result, struct error *err);

/* The decision that made or refused a hold, by its number; *decision (free it) is NULL if there is
 * none. */
int store_find_decision(struct store *store, int64_t number, char **decision, struct error *err);

#endif
