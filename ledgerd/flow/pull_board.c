/* pull_board - see pull_board.h. */
#include "ledgerd/flow/pull_board.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/clock.h"

struct place { /* of a source: told, asked for, or both */
    struct pull_figures figures;
    bool is_told;
    bool is_asked;
    int64_t taken_us; /* by the monotonic clock; 0: never */
};

struct pull_board {
    pthread_mutex_t mutex; /* held only to copy */
    size_t count;
    struct place places[PULL_BOARD_SOURCES_MAX];
};

struct pull_board *pull_board_create(struct error *err)
{
    struct pull_board *board = calloc(1, sizeof *board);

    if (board == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&board->mutex, NULL);
    return board;
}

void pull_board_destroy(struct pull_board *board)
{
    if (board != NULL) {
        pthread_mutex_destroy(&board->mutex);
        free(board);
    }
}

/* The place of a source, made if there is none; NULL if the board is full. With the mutex. */
static struct place *place_of(struct pull_board *board, const char *source)
{
    struct place *place;

    for (size_t i = 0; i < board->count; i++) {
        if (strcmp(board->places[i].figures.source, source) == 0) {
            return &board->places[i];
        }
    }
    if (board->count == PULL_BOARD_SOURCES_MAX || strlen(source) > USAGE_SOURCE_BYTES) {
        return NULL;
    }
    place = &board->places[board->count++];
    snprintf(place->figures.source, sizeof place->figures.source, "%s", source);
    return place;
}

void pull_board_tell(struct pull_board *board, const struct pull_figures *figures)
{
    struct place *place;

    pthread_mutex_lock(&board->mutex);
    place = place_of(board, figures->source);
    if (place != NULL) {
        place->figures = *figures;
        place->is_told = true;
    }
    pthread_mutex_unlock(&board->mutex);
}

size_t pull_board_read(struct pull_board *board,
                       struct pull_figures figures[PULL_BOARD_SOURCES_MAX])
{
    size_t count = 0;

    pthread_mutex_lock(&board->mutex);
    for (size_t i = 0; i < board->count; i++) {
        if (board->places[i].is_told) {
            figures[count++] = board->places[i].figures;
        }
    }
    pthread_mutex_unlock(&board->mutex);
    return count;
}

void pull_board_ask(struct pull_board *board, const char *source)
{
    struct place *place;

    pthread_mutex_lock(&board->mutex);
    place = place_of(board, source);
    if (place != NULL) {
        place->is_asked = true;
    }
    pthread_mutex_unlock(&board->mutex);
}

static bool look_asked(struct pull_board *board, const char *source, bool take)
{
    int64_t now_us = clock_monotonic_us();
    struct place *place;
    bool asked;

    pthread_mutex_lock(&board->mutex);
    place = place_of(board, source);
    asked = place != NULL && place->is_asked &&
            (place->taken_us == 0 || now_us - place->taken_us >= PULL_BOARD_ASK_US);
    if (asked && take) {
        place->is_asked = false;
        place->taken_us = now_us;
    }
    pthread_mutex_unlock(&board->mutex);
    return asked;
}

bool pull_board_is_asked(struct pull_board *board, const char *source)
{
    return look_asked(board, source, false);
}

bool pull_board_take_asked(struct pull_board *board, const char *source)
{
    return look_asked(board, source, true);
}
