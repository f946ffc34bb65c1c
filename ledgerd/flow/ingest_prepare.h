/* ingest_prepare - from an importer's item to a batch's: hash, resolve names, rate, encode.
 *
 * Needs no database: whether the book knows the record already is found out when the batch is
 * posted. One thread uses a preparer.
 */
#ifndef LEDGERD_FLOW_INGEST_PREPARE_H
#define LEDGERD_FLOW_INGEST_PREPARE_H

#include "importers/importer.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/ingest.h"

struct prepare;

/* Borrows options and catalog.  NULL on error. */
struct prepare *prepare_create(const struct ingest_options *options, const struct catalog *catalog,
                               struct error *err);
void prepare_destroy(struct prepare *prepare); /* accepts NULL */

/* How the next items are read: borrowed until it is called again. */
void prepare_reading(struct prepare *prepare, const struct batch_reading *reading);

/* Append the item to the batch.  Fails only when there is no memory. */
int prepare_item(struct prepare *prepare, const struct import_item *item, struct batch *batch,
                 struct error *err);

#endif
