/* ingest_turns - see ingest_turns.h. */
#include "ledgerd/flow/ingest_turns.h"

void turns_init(struct ingest_turns *turns)
{
    *turns = (struct ingest_turns){0};
    pthread_mutex_init(&turns->mutex, NULL);
    pthread_cond_init(&turns->changed, NULL);
    pthread_mutex_init(&turns->telling, NULL);
}

void turns_release(struct ingest_turns *turns)
{
    pthread_mutex_destroy(&turns->telling);
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->mutex);
}

int turns_wait(struct ingest_turns *turns, uint64_t ticket, struct error *err)
{
    bool is_its_turn;

    pthread_mutex_lock(&turns->mutex);
    while (turns->next != ticket && !turns->is_stopped) {
        pthread_cond_wait(&turns->changed, &turns->mutex);
    }
    is_its_turn = turns->next == ticket;
    pthread_mutex_unlock(&turns->mutex);
    return is_its_turn
               ? 0
               : error_set_reason(err, ERROR_UNAVAILABLE, TURNS_STOPPED, "the import was stopped");
}

void turns_pass(struct ingest_turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    turns->next++;
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->mutex);
}

void turns_stop(struct ingest_turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    turns->is_stopped = true;
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->mutex);
}

void turns_begin_telling(struct ingest_turns *turns)
{
    pthread_mutex_lock(&turns->telling);
}

void turns_end_telling(struct ingest_turns *turns)
{
    pthread_mutex_unlock(&turns->telling);
}

void turns_look_up(struct ingest_turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    turns->is_looking_up = true;
    pthread_mutex_unlock(&turns->mutex);
}

bool turns_is_looking_up(struct ingest_turns *turns)
{
    bool is_looking_up;

    pthread_mutex_lock(&turns->mutex);
    is_looking_up = turns->is_looking_up;
    pthread_mutex_unlock(&turns->mutex);
    return is_looking_up;
}
