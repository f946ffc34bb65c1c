/* share_totals - what each share has, has spent and holds, read from the book. */
#ifndef LEDGERD_FLOW_SHARE_TOTALS_H
#define LEDGERD_FLOW_SHARE_TOTALS_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_position.h"

/* Supply, spending and holds of each share in each fiscal year, without the holds whose deadline is
 * at `now` or before. Call inside a transaction. Allocates *totals (free()). */
int share_totals_read(struct store *store, const struct catalog *catalog, struct instant now,
                      struct store_share_total **totals, size_t *count, struct error *err);

/* A share's total in the fiscal year that holds `now`; NULL if there is none. */
const struct store_share_total *share_totals_at(const struct store_share_total *totals,
                                                size_t count, const struct catalog *catalog,
                                                const char *share, struct instant now);

#endif
