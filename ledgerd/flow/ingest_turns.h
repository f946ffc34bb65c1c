/* ingest_turns - what the posters of one import agree on: whose turn it is, and how to post.
 *
 * Batches carry tickets 0, 1, 2, … in the order of reading.  A batch that must see what those
 * before it did waits for its turn; every batch passes the turn on when it is done.  Thread-safe.
 */
#ifndef LEDGERD_FLOW_INGEST_TURNS_H
#define LEDGERD_FLOW_INGEST_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"

struct ingest_turns {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_mutex_t telling;
    uint64_t next;      /* ticket whose turn it is */
    bool is_looking_up; /* records may be known: each is looked up */
    bool is_stopped;    /* a batch failed: there are no more turns */
};

void turns_init(struct ingest_turns *turns);
void turns_release(struct ingest_turns *turns);

/* Wait until it is this ticket's turn. -1 (ERROR_UNAVAILABLE, reason TURNS_STOPPED) once stopped,
 * when it never will be. */
#define TURNS_STOPPED "import_stopped"
int turns_wait(struct ingest_turns *turns, uint64_t ticket, struct error *err);
void turns_pass(struct ingest_turns *turns); /* to the next ticket */
void turns_stop(struct ingest_turns *turns);

/* Telling what became of a batch, by one poster at a time also after a stop. */
void turns_begin_telling(struct ingest_turns *turns);
void turns_end_telling(struct ingest_turns *turns);

/* From now on look every identity up. */
void turns_look_up(struct ingest_turns *turns);
bool turns_is_looking_up(struct ingest_turns *turns);

#endif
