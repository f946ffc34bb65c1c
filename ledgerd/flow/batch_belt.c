/* batch_belt - see batch_belt.h. */
#include "ledgerd/flow/batch_belt.h"

#include <string.h>

void belt_init(struct batch_belt *belt)
{
    memset(belt, 0, sizeof *belt);
    pthread_mutex_init(&belt->mutex, NULL);
    pthread_cond_init(&belt->changed, NULL);
    for (size_t i = 0; i < BELT_BATCHES; i++) {
        belt->empty[belt->empty_count++] = &belt->batches[i];
    }
}

void belt_release(struct batch_belt *belt)
{
    for (size_t i = 0; i < BELT_BATCHES; i++) {
        batch_release(&belt->batches[i]);
    }
    pthread_cond_destroy(&belt->changed);
    pthread_mutex_destroy(&belt->mutex);
}

struct batch *belt_take_empty(struct batch_belt *belt)
{
    struct batch *batch = NULL;

    pthread_mutex_lock(&belt->mutex);
    while (belt->empty_count == 0 && !belt->is_stopped) {
        pthread_cond_wait(&belt->changed, &belt->mutex);
    }
    if (!belt->is_stopped) {
        batch = belt->empty[--belt->empty_count];
    }
    pthread_mutex_unlock(&belt->mutex);
    return batch;
}

void belt_give_full(struct batch_belt *belt, struct batch *batch)
{
    pthread_mutex_lock(&belt->mutex);
    belt->full[belt->full_count++] = batch;
    pthread_cond_broadcast(&belt->changed);
    pthread_mutex_unlock(&belt->mutex);
}

void belt_end(struct batch_belt *belt)
{
    pthread_mutex_lock(&belt->mutex);
    belt->is_ended = true;
    pthread_cond_broadcast(&belt->changed);
    pthread_mutex_unlock(&belt->mutex);
}

/* With the mutex held: wait until full[0] may be taken. */
static bool wait_full(struct batch_belt *belt, uint64_t least)
{
    for (;;) {
        if (belt->is_stopped || (belt->is_ended && belt->full_count == 0)) {
            return false;
        }
        if (belt->full_count > 0 && belt->next_ticket >= least) {
            return true;
        }
        pthread_cond_wait(&belt->changed, &belt->mutex);
    }
}

struct batch *belt_take_full(struct batch_belt *belt, uint64_t least, uint64_t *ticket)
{
    struct batch *batch = NULL;

    pthread_mutex_lock(&belt->mutex);
    if (wait_full(belt, least)) {
        batch = belt->full[0];
        belt->full_count--;
        memmove(belt->full, belt->full + 1, belt->full_count * sizeof *belt->full);
        *ticket = belt->next_ticket++;
        pthread_cond_broadcast(&belt->changed);
    }
    pthread_mutex_unlock(&belt->mutex);
    return batch;
}

bool belt_wait_full(struct batch_belt *belt, uint64_t least)
{
    bool is_there;

    pthread_mutex_lock(&belt->mutex);
    is_there = wait_full(belt, least);
    pthread_mutex_unlock(&belt->mutex);
    return is_there;
}

void belt_give_empty(struct batch_belt *belt, struct batch *batch)
{
    pthread_mutex_lock(&belt->mutex);
    belt->empty[belt->empty_count++] = batch;
    pthread_cond_broadcast(&belt->changed);
    pthread_mutex_unlock(&belt->mutex);
}

void belt_stop(struct batch_belt *belt)
{
    pthread_mutex_lock(&belt->mutex);
    belt->is_stopped = true;
    pthread_cond_broadcast(&belt->changed);
    pthread_mutex_unlock(&belt->mutex);
}
