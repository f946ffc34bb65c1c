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

/* One record's charge before discount; what costs more is quarantined as an overflow, like what
 * does not fit at all. */
#define INGEST_CHARGE_MAX_MICRO (INT64_C(10) * 1000 * 1000 * 1000 * POINTS_MICRO)

enum { /* of charges that no card made: settlements of holds */
       PREPARE_SETTLED_CARD = 0,
       PREPARE_SETTLED_RULE = -1,
};

struct batch_settlement; /* ingest_holds.h */
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

/* Append the settlement of a hold, which it names, as a record of source "hold" at record->end;
 * project and class are the book's own. Both are borrowed until the batch is posted. */
int prepare_settlement(struct prepare *prepare, struct usage_record *record, struct points points,
                       struct batch_settlement *settlement, struct batch *batch, struct error *err);

#endif
