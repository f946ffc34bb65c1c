/* store_position - where every project stands, for readers that keep it in memory.
 *
 * A reader loads everything once and from then on asks for what has changed since:
 * project_position.changed holds the transaction that touched a row last, and the mark of a read is
 * the oldest transaction that was still running then, so that a commit which comes late is never
 * missed (a row may be seen twice, never not at all).
 *
 * What is held is given with the holds whose deadline has passed but was not noted: a reader takes
 * those off that are due at its now (store_read_dues).
 */
#ifndef LEDGERD_STORE_STORE_POSITION_H
#define LEDGERD_STORE_STORE_POSITION_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/core/balance.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

struct store_position {
    char *project;
    struct points posted;
    struct points held; /* with holds whose deadline has passed unnoted */
    struct points accrued;
    int64_t version; /* moves with everything here but held */
    size_t draw_count;
    struct balance_draw *draws; /* ascending by since */
};

struct store_share_total { /* of one share and fiscal year */
    char share[64];
    int fiscal_year;
    struct points supply; /* minted, +- lent */
    struct points spent;  /* net of refunds, by the month that charges belong to */
    struct points held;   /* by its projects, as above: of no year, so the same in each row */
};

struct store_positions {
    size_t count;
    struct store_position *positions; /* by project */
    int64_t mark;                     /* pass it to the next read */
};

/* Read positions that changed at or after `mark` (0: all). Owned by the caller. Call inside
 * store_transact, so that positions, draws and the mark are of one snapshot. */
int store_read_positions(struct store *store, int64_t mark, struct store_positions *positions,
                         struct error *err);
void store_positions_release(struct store_positions *positions);

/* The balance of these projects is made of other parts than before: their positions get a new
 * version. Locks them in order of project. */
int store_touch_positions(struct store *store, const char *const *projects, size_t count,
                          struct error *err);

struct store_due { /* an open hold */
    const char *project;
    const char *user; /* "" if nobody was named */
    struct instant expires_at;
    struct points held;
};

struct store_dues {
    size_t count;
    struct store_due *dues; /* by expires_at */
    char *texts;            /* what the names point into */
};

/* Read the open holds that hold something and whose deadline is at `until` or before and does not
 * stand still, at most `limit` of them. Owned by the caller. */
int store_read_dues(struct store *store, struct instant until, size_t limit,
                    struct store_dues *dues, struct error *err);
void store_dues_release(struct store_dues *dues);

/* Supply, spending and holds of each share in each fiscal year; months of a fiscal year begin with
 * `fiscal_month`. Allocates *totals (free()). */
int store_read_share_totals(struct store *store, int fiscal_month,
                            struct store_share_total **totals, size_t *count, struct error *err);

#endif
