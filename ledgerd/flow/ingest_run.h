/* ingest_run - the halves of an import put together: one prepares batches, the other posts them.
 *
 *      preparing thread                             posting threads: the caller's, and a helper's
 *      run_feed: importer -> batch --full-->        poster_post (a connection each)
 *                 ^                                 |
 *                 +-------------- empty <-----------+        batches go round on a belt
 *
 * Small inputs do both in the caller's thread.
 */
#ifndef LEDGERD_FLOW_INGEST_RUN_H
#define LEDGERD_FLOW_INGEST_RUN_H

#include "importers/importer.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/ingest.h"

struct ingest_run;

/* Begin; options are borrowed.  With `threaded`, the work is done in a thread of its own. NULL on
 * error. */
struct ingest_run *run_create(struct store *store, const struct ingest_options *options,
                              bool threaded, struct error *err);
void run_destroy(struct ingest_run *run); /* accepts NULL */

/* The site's zone, for importers. */
const struct zone *run_zone(const struct ingest_run *run);

/* Feed everything that an importer gives.  To be called by the work only. */
int run_feed(struct ingest_run *run, struct importer *importer, const struct batch_reading *reading,
             struct error *err);

/* Feed everything that an input holds, read as the run's options say; `body` goes along with its
 * items.  ERROR_INPUT when the rest of it cannot be read: what came before is fed.  To be called by
 * the work only. */
int run_read(struct ingest_run *run, struct input *input, uint32_t body, struct error *err);

/* Feed the settlement of a hold, see ingest_prepare.h.  To be called by the work only. */
struct batch_settlement;
int run_settle(struct ingest_run *run, struct usage_record *record, struct points points,
               struct batch_settlement *settlement, struct error *err);

/* Progress tells how much of this input is read; borrowed. */
void run_watch(struct ingest_run *run, const struct input *input);

/* Do the work: it feeds importers; what it fed is posted also when it fails.  The first error of
 * the two halves is returned, the poster's before the reader's. */
typedef int run_work_fn(struct ingest_run *run, void *context, struct error *err);
int run_work(struct ingest_run *run, run_work_fn *work, void *context, struct ingest_counts *counts,
             struct error *err);

#endif
