/* ingest_holds - what a batch does to the holds that its records name.
 *
 * A final record ends a part of its hold and frees what that part did not use; running work's
 * accrual takes the place of as much of it.  The holds are read before accruals move and written
 * after, in the transaction that books the records.
 */
#ifndef LEDGERD_FLOW_INGEST_HOLDS_H
#define LEDGERD_FLOW_INGEST_HOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/store/store_cover.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_lookup.h"

struct batch_settlement { /* of a hold without a record of a source */
    bool is_final;
    bool has_key;
    unsigned char key_hash[16];
    unsigned char request[16];
    /* set by the poster: */
    int64_t hold;
    struct points held_before; /* 0 past its deadline */
    struct points held_after;
    int64_t ended_parts;
    char state[16];
    char result[256]; /* these as JSON, to answer the same request again */
};

struct named_hold { /* a record of the batch, and what it has to do with holds */
    const struct batch_item *item;
    const char *project;
    struct lookup_key key;
    bool is_running;
    bool is_new;                 /* final, and not booked before */
    int64_t record_no;           /* final */
    struct accrual_cover before; /* of its accrual until now; hold 0: none */
};

struct held_now { /* a locked hold, as the batch leaves it */
    struct points covered;
    struct points was_held;
    bool is_changed;
};

struct named_holds { /* a zeroed one is empty */
    BATCH_LIST(struct named_hold) named;
    struct locked_holds holds;
    struct held_now *now; /* of each of holds */
    struct record_hold *known;
    size_t known_count;
    BATCH_LIST(struct hold_event) events;
    BATCH_LIST(struct accrual_cover) covers;
};

void named_holds_release(struct named_holds *holds);

/* Begin a batch: forget the last one's. */
void named_holds_clear(struct named_holds *holds);

/* Add a record that names a hold; or with its accrual's cover, whether or not it names one. */
int named_holds_add(struct named_holds *holds, const struct named_hold *named, struct error *err);

/* Lock the holds and settle what becomes of them, before accruals move. Nothing to do costs
 * nothing. ERROR_REFUSED with reason hold_resolved if a settlement comes too late. */
int named_holds_settle(struct named_holds *holds, struct store *store, struct ingest_hasher *hasher,
                       struct instant now, struct error *err);

/* Write it all down, after accruals have moved. */
int named_holds_write(struct named_holds *holds, struct store *store, struct instant now,
                      struct error *err);

/* Post the settlement of a hold, in a transaction of the caller that has both locks (records'
 * exclusively). `options` need no format. ERROR_REFUSED with reason hold_resolved. */
int ingest_settlement(struct store *store, const struct ingest_options *options,
                      struct usage_record *record, struct points points,
                      struct batch_settlement *settlement, struct error *err);

#endif
