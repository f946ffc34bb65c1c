/* store_snapshot - which transactions a reading has seen.
 *
 * A writer that knows the number of the transaction which it committed, and a reader that knows its
 * snapshot, can tell for certain whether the one is in what the other has read.
 */
#ifndef LEDGERD_STORE_STORE_SNAPSHOT_H
#define LEDGERD_STORE_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"

struct store_snapshot {
    int64_t first_running; /* all before it are over */
    int64_t first_unseen;  /* it and all after it had not begun */
    size_t count;
    int64_t *running; /* in between, those that were under way; ascending */
};

/* The snapshot of the store's current transaction (of a STORE_REPORT store: of all its statements).
 * Owned by the caller. */
int store_read_snapshot(struct store *store, struct store_snapshot *snapshot, struct error *err);
void store_snapshot_release(struct store_snapshot *snapshot);

/* True if what the transaction committed is seen; one that was rolled back is never asked for. */
bool store_snapshot_sees(const struct store_snapshot *snapshot, int64_t transaction);

#endif
