/* store_pull - how far the sources have been read that ledgerd reads by itself, and since when it
 * cannot; and who reads one at the moment.
 */
#ifndef LEDGERD_STORE_STORE_PULL_H
#define LEDGERD_STORE_STORE_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/store/store.h"

enum {
    STORE_PULL_ERROR_BYTES = 400, /* kept of why a round failed */
    STORE_PULL_SOURCES_MAX = 32,  /* listed at most: a site has a handful */
};

struct store_pull { /* a row of ledger.pull; INSTANT_NONE: null */
    char source[USAGE_SOURCE_BYTES + 1];
    struct instant read_through;
    struct instant last_end; /* of the latest work that was read */
    int64_t rounds;
    struct instant last_good;
    struct instant fresh_until;
    struct instant failing_since;
    int64_t failures;
    char error[STORE_PULL_ERROR_BYTES]; /* "" after a good round */
};

/* All zero and none, *found false, for a source that was never read. */
int store_pull_read(struct store *store, const char *source, struct store_pull *pull, bool *found,
                    struct error *err);

/* All sources by name; *count of at most STORE_PULL_SOURCES_MAX. */
int store_pull_list(struct store *store, struct store_pull *pulls, size_t *count,
                    struct error *err);

/* Work that ended before `through` has been read, the latest at last_end (INSTANT_NONE: none was
 * there): neither goes back. */
int store_pull_reach(struct store *store, const char *source, struct instant through,
                     struct instant last_end, struct error *err);

/* A round is done at `now`. fresh_until is slurm_keep_begin's to move. */
int store_pull_good(struct store *store, const char *source, struct instant now, struct error *err);
int store_pull_failed(struct store *store, const char *source, struct instant now, const char *why,
                      struct error *err);

/* The right to read the source, of one session at a time: *locked tells. It ends with the
 * connection at the latest, so a reader that lost it in the middle of a round may find that another
 * one has begun: what both write is keyed by what they read, and right twice over. */
int store_pull_lock(struct store *store, const char *source, bool *locked, struct error *err);
void store_pull_unlock(struct store *store, const char *source);

#endif
