/* ingest_poster - what a poster is made of. Internal to the ingest_post, _send and _beside modules.
 */
#ifndef LEDGERD_FLOW_INGEST_POSTER_H
#define LEDGERD_FLOW_INGEST_POSTER_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/ingest_amend.h"
#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/flow/ingest_held.h"
#include "ledgerd/flow/ingest_holds.h"
#include "ledgerd/flow/ingest_judge.h"
#include "ledgerd/flow/ingest_tail.h"
#include "ledgerd/flow/ingest_turns.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_accrual.h"
#include "ledgerd/store/store_post.h"

struct booking {   /* an item whose rows are sent */
    uint32_t item; /* always final */
    bool is_new;   /* else an amendment: only the usage row is its own */
    int version;
    int64_t record_no;
};

struct poster {
    struct store *store;
    const struct ingest_options *options;
    const struct catalog *catalog; /* batches are prepared by it */
    struct catalog *fresh;         /* the book's now, where that has moved on; NULL if not */
    struct ingest_hasher *hasher;
    struct ingest_turns *turns; /* shared with the run's other posters */
    struct number_block record_numbers;
    struct number_block transfer_numbers;
    BATCH_LIST(struct month) months; /* whose partitions are there */
    /* of the batch that is posted: */
    struct batch *batch;
    uint64_t ticket;
    bool look_up_all; /* every identity, not only those that need care */
    struct judgement judgement;
    struct held held;
    struct amendments amendments;
    struct tail tail;
    struct named_holds holds;
    BATCH_LIST(struct booking) bookings;
    BATCH_LIST(size_t) posted; /* of each of the batch's slices: number for tail_transfer */
};

/* Number the bookings of a judged batch, and add up what everything comes to (ingest_send.c). */
int poster_add_up(struct poster *poster, const struct catalog *now, struct error *err);

/* Send the rows, identities first: one that is taken already ends a batch posted in vain at once.
 */
int poster_send(struct poster *poster, struct error *err);

/* Write what is kept beside charges (ingest_beside.c): contents and skipped items; and, once the
 * positions are locked, accruals and holds. */
int poster_write_beside(struct poster *poster, struct error *err);
int poster_write_running(struct poster *poster, struct error *err);

/* Lock the positions of every project that the batch moves points, accruals or holds of. */
int poster_lock_positions(struct poster *poster, struct error *err);

/* True if the chain's work is still running once the batch is booked. */
bool poster_is_running(const struct batch *batch, const struct chain *chain);

/* Take what closes have posted of running work out of its accruals put[], one for each running
 * chain in order (ingest_rest.c). */
int poster_leave_rest(struct poster *poster, struct accrual *put, struct error *err);

#endif
