/* store_position - where every project stands, for readers that keep it in memory.
 *
 * A reader loads everything once and from then on asks for what has changed since:
 * project_position.changed holds the transaction that touched a row last, and the mark of a read is
 * the oldest transaction that was still running then, so that a commit which comes late is never
 * missed (a row may be seen twice, never not at all).
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
    struct points accrued;
    size_t draw_count;
    struct balance_draw *draws; /* ascending by since */
};

struct store_share_total { /* of one share and fiscal year */
    char share[64];
    int fiscal_year;
    struct points supply; /* minted, +- lent */
    struct points spent;  /* net of refunds, by the month that charges belong to */
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

/* Supply and spending of each share in each fiscal year; months of a fiscal year begin with
 * `fiscal_month`. Allocates *totals (free()). */
int store_read_share_totals(struct store *store, int fiscal_month,
                            struct store_share_total **totals, size_t *count, struct error *err);

#endif
