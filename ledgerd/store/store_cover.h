/* store_cover - how much of which hold accruals of running work take the place of.
 *
 * Run inside the transaction that moves the accruals and has locked the holds.
 */
#ifndef LEDGERD_STORE_STORE_COVER_H
#define LEDGERD_STORE_STORE_COVER_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_lookup.h"

struct accrual_cover {
    int32_t source_no; /* of covers that are written, with id */
    const char *id;
    size_t key;   /* of covers that are read: index of the key that asked for it */
    int64_t hold; /* 0: none */
    struct points covered;
};

/* The covers of these accruals that there are, in the order of their keys. Allocates *covers
 * (free()). */
int store_read_covers(struct store *store, const struct lookup_key *keys, size_t count,
                      struct accrual_cover **covers, size_t *cover_count, struct error *err);
int store_write_covers(struct store *store, const struct accrual_cover *covers, size_t count,
                       struct error *err);

/* What accruals take the place of, of each of these holds: sums[count]. */
int store_cover_sums(struct store *store, const struct locked_holds *holds, struct points *sums,
                     struct error *err);

#endif
