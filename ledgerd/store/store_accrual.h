/* store_accrual - running work: the rows of ledger.accrual and what they sum to.
 *
 * Run inside the transaction that holds the booking lock.
 */
#ifndef LEDGERD_STORE_STORE_ACCRUAL_H
#define LEDGERD_STORE_STORE_ACCRUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_lookup.h"

struct accrual {
    int32_t source_no;
    const char *id;
    unsigned char content[16];
    const char *project;
    const char *user;
    const char *klass;
    struct instant start;
    struct instant end; /* when it was seen running */
    struct points points;
    struct points list_points;
    struct month month;         /* of its last slice, by the month rule */
    struct points month_points; /* the part that belongs to that month */
    struct points year_points;  /* and to its fiscal year */
    int32_t card_no;
    const char *record; /* in format ledger */
};

struct known_accrual {
    bool found;
    unsigned char content[16];
    struct instant end;
};

/* known[count], one for each key. */
int store_accruals_known(struct store *store, const struct lookup_key *keys, size_t count,
                         struct known_accrual *known, struct error *err);

/* True if anything runs at all: whether booking final records has accruals to end. */
int store_accruals_any(struct store *store, bool *any, struct error *err);

/* Replace and end accruals, and bring accrued_micro of every project that they touch up to date. */
int store_accruals_move(struct store *store, const struct accrual *put, size_t put_count,
                        const struct lookup_key *ended, size_t ended_count, struct error *err);

#endif
