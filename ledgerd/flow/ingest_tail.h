/* ingest_tail - what the charges of a batch come to: transfers, roll-ups, draws, positions.
 *
 * First every charge and meter of the batch is added up in memory, then all is written set-wise, a
 * handful of statements whatever the number of records.
 */
#ifndef LEDGERD_FLOW_INGEST_TAIL_H
#define LEDGERD_FLOW_INGEST_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/posting.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/tally.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_post.h"

struct tail_refund { /* a row of ledger.refund, but for its transfer */
    uint32_t line;
    struct month month;
    struct instant last;
    struct points points; /* negative where an amendment takes one back */
    size_t posted;
    int64_t record_no;
    int version;
};

struct tail {               /* a zeroed one is empty */
    struct batch *batch;    /* whose lines and names it uses */
    struct posting posting; /* transfers */
    int64_t *transfers;     /* number of each of its lines, 0 where nothing moves */
    size_t transfer_capacity;
    struct post_line *lines; /* the transfers themselves */
    size_t line_count;
    struct tally usages; /* (month, line) -> points, list points, charges */
    struct tally meters; /* (line and meter, month and is_held) -> amount */
    struct tally draws;  /* (owner, since) -> points */
    struct tally limits; /* (limit, since) -> points */
    BATCH_LIST(struct tail_refund) refunds;
    const struct catalog *catalog; /* as of now, under the booking lock; borrowed */
    struct instant *latest;        /* end of each source's records; INSTANT_NONE */
    size_t latest_capacity;
    struct points total; /* of all charges */
    struct month closed; /* the latest month that was when the batch began, or MONTH_NONE */
};

void tail_release(struct tail *tail);

/* Begin a batch: find the accounts of its lines in the catalog as of now, and which months are
 * closed; under the booking lock where anything is amended. */
int tail_begin(struct tail *tail, struct batch *batch, const struct catalog *catalog,
               struct store *store, struct error *err);

/* Add a charge of a line to its user.  *posted gets the number that tail_transfer takes once
 * transfers are posted. */
int tail_charge(struct tail *tail, uint32_t line, const char *user, const struct batch_slice *slice,
                size_t *posted, struct error *err);

/* Add a refund that the rate card gives; all but `posted` is set by the caller. It draws back from
 * the grants that its slice is drawn from. */
int tail_refund(struct tail *tail, const struct tail_refund *refund, struct error *err);

/* Add to the roll-up of meters, and to what is known of the source. */
int tail_meter(struct tail *tail, uint32_t line, uint32_t meter, struct month month, bool is_held,
               __int128 amount, struct error *err);
void tail_seen(struct tail *tail, uint32_t source, struct instant end);

/* Number the transfers, before the charges that name them are sent; outside the booking lock. */
int tail_number(struct tail *tail, struct store *store, struct number_block *numbers,
                struct error *err);
int64_t tail_transfer(const struct tail *tail, size_t posted);

/* Write the roll-ups, refunds and sources, which no position waits for; then post the transfers and
 * what balances are made of.  Under the booking lock. */
int tail_write_totals(struct tail *tail, struct store *store, struct error *err);
int tail_write(struct tail *tail, struct store *store, struct instant now, struct error *err);

#endif
