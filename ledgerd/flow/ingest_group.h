/* ingest_group - several bodies of records in one transaction, each with an account of its own.
 *
 * Most of what a small batch costs is its end (sums, positions, the commit), whose cost hardly
 * grows with the batch: senders who come at the same time share it. What becomes of a body is the
 * same as if it had been booked alone, after those that stand before it.
 */
#ifndef LEDGERD_FLOW_INGEST_GROUP_H
#define LEDGERD_FLOW_INGEST_GROUP_H

#include "ledgerd/flow/ingest.h"

struct ingest_body {
    const char *bytes; /* borrowed */
    size_t length;
    void *context;               /* options->item is called with it */
    struct ingest_counts counts; /* of what was committed of it, valid also where err is set */
    struct error err; /* ERROR_INPUT: its rest cannot be read, what came before is booked */
    uint64_t told;    /* the group's own: items that were told of */
    uint64_t known;   /* the group's own: those told of before it was read again */
};

/* Book the bodies in their order; options->context is not used. Bodies that cannot be booked
 * together (one may overflow a balance) are booked one by one. Durable when it returns; what is
 * wrong is in each body's err, ERROR_UNAVAILABLE in all that were not booked if the database went
 * away: the same body again goes on. */
void ingest_group(struct store *store, struct ingest_body *bodies, size_t count,
                  const struct ingest_options *options);

#endif
