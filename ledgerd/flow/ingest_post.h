/* ingest_post - a batch into the book, in one transaction.
 *
 * Optimistic: the first batches take every record to be new and let the unique index have the last
 * word; at the first one that isn't, the batch is posted again with every identity looked up, and
 * so are all batches after it.
 */
#ifndef LEDGERD_FLOW_INGEST_POST_H
#define LEDGERD_FLOW_INGEST_POST_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/store/store.h"

struct poster;

/* Borrows everything. `catalog` is the one by which batches are prepared. NULL on error. */
struct poster *poster_create(struct store *store, const struct ingest_options *options,
                             const struct catalog *catalog, struct error *err);
void poster_destroy(struct poster *poster); /* accepts NULL */

/* Post the batch, add to *counts, tell what became of each item. ERROR_UNAVAILABLE (reason
 * stale_catalog) if a rate card or policy was applied since the catalog was read. */
int poster_post(struct poster *poster, struct batch *batch, struct ingest_counts *counts,
                struct error *err);

#endif
