/* batch_belt - batches going round between the thread that fills them and those that post them.
 *
 * A fixed number of batches bounds memory: who is faster waits.  Full ones carry tickets 0, 1, 2, …
 * in the order of filling and are taken in that order.
 */
#ifndef LEDGERD_FLOW_BATCH_BELT_H
#define LEDGERD_FLOW_BATCH_BELT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/flow/batch.h"

enum { BELT_BATCHES = 3 }; /* one is filled while two are posted */

struct batch_belt {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct batch batches[BELT_BATCHES];
    struct batch *empty[BELT_BATCHES];
    size_t empty_count;
    struct batch *full[BELT_BATCHES]; /* the first is next */
    size_t full_count;
    uint64_t next_ticket; /* of full[0] */
    bool is_ended;        /* nothing more will be full */
    bool is_stopped;      /* posting failed: nothing more will be empty */
};

void belt_init(struct batch_belt *belt);
void belt_release(struct batch_belt *belt);

/* The filling side.  NULL once stopped. */
struct batch *belt_take_empty(struct batch_belt *belt);
void belt_give_full(struct batch_belt *belt, struct batch *batch);
void belt_end(struct batch_belt *belt);

/* The posting side: the next full batch with a ticket of at least `least`; NULL when there will be
 * none. */
struct batch *belt_take_full(struct batch_belt *belt, uint64_t least, uint64_t *ticket);

/* Wait until there is such a batch, without taking it; false when there will be none. */
bool belt_wait_full(struct batch_belt *belt, uint64_t least);
void belt_give_empty(struct batch_belt *belt, struct batch *batch);
void belt_stop(struct batch_belt *belt);

#endif
