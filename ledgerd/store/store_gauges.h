/* store_gauges - sums over holds and running work, and sources that are pulled, for /metrics. */
#ifndef LEDGERD_STORE_STORE_GAUGES_H
#define LEDGERD_STORE_STORE_GAUGES_H

#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_pull.h"

enum { STORE_GAUGES_OPEN_MAX = 10 * 1000 }; /* no more open holds are counted */

struct store_gauges {
    int64_t open_holds;      /* before their deadline */
    struct points uncovered; /* sum of what running work has cost beyond its holds: the most that
                                can be overspent */
    size_t pull_count;
    struct store_pull pulls[STORE_PULL_SOURCES_MAX];
};

/* Costs as much as there are open holds, up to that many, and running work. */
int store_read_gauges(struct store *store, struct instant now, struct store_gauges *gauges,
                      struct error *err);

#endif
