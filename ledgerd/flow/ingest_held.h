/* ingest_held - what a batch holds back: entries of the quarantine, written or resolved.
 *
 * One entry for each (source, id), or for each text.  Newer content replaces an entry, booking its
 * record resolves it; the same text again counts as quarantined again while the entry is open, and
 * as a duplicate once it was resolved or dismissed.
 */
#ifndef LEDGERD_FLOW_INGEST_HELD_H
#define LEDGERD_FLOW_INGEST_HELD_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/flow/ingest_judge.h"
#include "ledgerd/store/store_quarantine.h"

struct held_item { /* an item that was judged to be quarantined */
    uint32_t item;
    struct quarantine_entry entry; /* strings are the batch's */
    bool is_put; /* to be written: it is the last of its chain and changes something */
};

struct held {                           /* a zeroed one is empty */
    BATCH_LIST(struct held_item) items; /* in order of reading */
};

void held_release(struct held *held);

/* Compare what was judged to be quarantined with the entries that are there; verdicts of texts that
 * were given up or resolved before become duplicates. */
int held_settle(struct held *held, struct judgement *judgement, struct store *store,
                struct ingest_hasher *hasher, struct instant now, struct error *err);

/* Resolve the entries of everything that was booked, then write what held_settle left to be put. */
int held_write(const struct held *held, struct judgement *judgement, struct store *store,
               struct instant now, struct error *err);

#endif
