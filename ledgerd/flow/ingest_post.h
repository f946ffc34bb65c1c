/* ingest_post - a batch into the book, in one transaction.
 *
 * Optimistic: a batch takes every record to be new and lets the unique index have the last word.
 * Such batches send their rows side by side, over a connection each, and only the sums at their end
 * wait for one another.  At the first record that is there already, the batch is posted again with
 * every identity looked up, alone and in its turn, and so are all batches after it.
 */
#ifndef LEDGERD_FLOW_INGEST_POST_H
#define LEDGERD_FLOW_INGEST_POST_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/ingest_turns.h"
#include "ledgerd/store/store.h"

struct poster; /* one connection, used by one thread */

/* Borrows everything. `catalog` is the one by which batches are prepared; turns are shared by the
 * posters of one run. NULL on error. */
struct poster *poster_create(struct store *store, const struct ingest_options *options,
                             const struct catalog *catalog, struct ingest_turns *turns,
                             struct error *err);
void poster_destroy(struct poster *poster); /* accepts NULL */

/* Post the batch with this ticket; when its turn has come, add to *counts and tell what became of
 * each item. ERROR_UNAVAILABLE (reason stale_catalog) if a rate card or policy was applied since
 * the catalog was read. */
int poster_post(struct poster *poster, struct batch *batch, uint64_t ticket,
                struct ingest_counts *counts, struct error *err);

#endif
