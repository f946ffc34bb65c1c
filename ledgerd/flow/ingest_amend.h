/* ingest_amend - the difference that a newer version of a booked record makes.
 *
 * The book of a record is always the slices of its latest content, so an amendment books, for each
 * project, user, class, month and last instant, the new slice minus what is booked there; a slice
 * that moved is taken back where it was and charged where it is now.
 */
#ifndef LEDGERD_FLOW_INGEST_AMEND_H
#define LEDGERD_FLOW_INGEST_AMEND_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest_judge.h"
#include "ledgerd/flow/ingest_tail.h"
#include "ledgerd/store/store_batch.h"
#include "ledgerd/store/store_copy.h"

struct amend_row { /* a charge of an amendment */
    size_t row;    /* where it is encoded */
    size_t posted; /* number for tail_transfer */
    uint32_t chain;
};

struct amendments {              /* a zeroed one is empty */
    BATCH_LIST(uint32_t) chains; /* that are amended */
    struct copy_rows encoded;
    BATCH_LIST(struct amend_row) rows;
};

void amendments_release(struct amendments *amendments);

/* Find the chains whose booked version is replaced, and add their differences to the tail. */
int amendments_make(struct amendments *amendments, struct judgement *judgement, struct store *store,
                    struct tail *tail, struct error *err);

/* Once transfers are posted: send the charges, and move the identities on. */
int amendments_send_charges(struct amendments *amendments, const struct judgement *judgement,
                            const struct tail *tail, struct store *store, struct error *err);
int amendments_write(const struct amendments *amendments, const struct judgement *judgement,
                     struct store *store, struct error *err);

#endif
