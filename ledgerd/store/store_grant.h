/* store_grant - grants and their changes, what pools have left, and the draw segments that grants
 * cut time into.
 *
 * The functions that write run inside a transaction with the booking lock.
 */
#ifndef LEDGERD_STORE_STORE_GRANT_H
#define LEDGERD_STORE_STORE_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_position.h"

struct grant_row {
    int64_t id;
    char *project;
    char *share;
    int fiscal_year;
    struct points granted; /* as given */
    struct points points;  /* net of what was revoked */
    struct instant from;
    struct instant to; /* after extensions */
    bool is_revoked;   /* all that remained was taken back */
};

struct grant_rows {
    size_t count;
    struct grant_row *rows; /* by project in byte order, then id */
};

struct grant_new {
    const char *project;
    const char *share;
    int fiscal_year;
    struct points points;
    struct instant from;
    struct instant to;
    const char *lend_from; /* NULL if none */
    const char *key;       /* NULL if none */
    const char *request;   /* the arguments in canonical form */
    int64_t move_id;       /* the transfer that makes it, 0 for one out of a pool */
    int64_t moved_from;    /* the grant that it is drawn from then, else 0 */
    int64_t entry_id;
    struct instant granted_at;
};

struct pool_sums {        /* of one share and fiscal year */
    struct points supply; /* minted, plus or minus what was lent */
    struct points net;    /* granted less what came back: revoked, or expired into the pool */
    struct points lapsed; /* left ungranted at the end of the year, and gone to expired/<share> */
    struct points taken_back; /* part of net: expiries that late charges took back, which nothing
                                 can refuse */
};

void grant_rows_release(struct grant_rows *rows);

/* All grants, those of one project (project not NULL), or one (id not 0). */
int store_read_grants(struct store *store, const char *project, int64_t id, struct grant_rows *rows,
                      struct error *err);

/* The grant that was made with this key: its id and its request (free it); *id is 0 if there is
 * none. */
int store_find_grant(struct store *store, const char *key, int64_t *id, char **request,
                     struct error *err);

/* Insert a grant, a revocation or an extension. *id gets the grant's number. */
int store_add_grant(struct store *store, const struct grant_new *grant, int64_t *id,
                    struct error *err);
/* `points` are taken back, and `is_whole` says that nothing remains; booked by entry_id. */
int store_add_revocation(struct store *store, int64_t id, struct points points, bool is_whole,
                         int64_t entry_id, struct instant now, struct error *err);
/* `points` went on to another project, or came back as a refund; booked by entry_id. */
int store_add_grant_move(struct store *store, int64_t id, bool is_refund, struct points points,
                         int64_t entry_id, struct instant now, struct error *err);
/* The grant is valid until `to` from now on. */
int store_add_extension(struct store *store, int64_t id, struct instant to, struct instant now,
                        struct error *err);

/* What the pool was given and what it gave; zeroes for one that is not there. */
int store_read_pool(struct store *store, const char *share, int fiscal_year, struct pool_sums *sums,
                    struct error *err);

/* Cut the project's segment [from, to) (INSTANT_NONE and INSTANT_NEVER where it is open) at `edge`:
 * what was charged at or after it becomes a segment of its own. Also marks the project's position
 * as changed. */
int store_split_draw(struct store *store, const char *project, struct instant from,
                     struct instant edge, struct instant to, struct error *err);

/* Position and draws of one project. Release with store_position_release. */
int store_read_position(struct store *store, const char *project, struct store_position *position,
                        struct error *err);
void store_position_release(struct store_position *position);

struct lifetime_sums {     /* of a project's account */
    struct points granted; /* net of revocations */
    struct points spent;   /* charges, net */
    struct points refunded;
    struct points expired;
};

/* Sums over all months. What a service earns is in none of them. */
int store_read_lifetime(struct store *store, int32_t account, struct lifetime_sums *sums,
                        struct error *err);

#endif
