/* pull_board - where the pullers of a process tell how they fare, and are told that somebody waits
 * for them.
 *
 * Owned by the engine, so that whoever answers requests can look and ask.  Thread-safe; nothing
 * here waits.
 */
#ifndef LEDGERD_FLOW_PULL_BOARD_H
#define LEDGERD_FLOW_PULL_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/usage.h"

enum {
    PULL_BOARD_SOURCES_MAX = 64,          /* that one process pulls */
    PULL_BOARD_ASK_US = 10 * 1000 * 1000, /* between two rounds that are made because of asking */
};

struct pull_figures {
    char source[USAGE_SOURCE_BYTES + 1];
    uint64_t rounds;       /* of this process */
    uint64_t failures;     /* of them */
    int64_t round_us;      /* how long the last one took */
    uint64_t pending_jobs; /* seen by the last one: array tasks count each */
    uint64_t running_jobs;
    uint64_t unread_jobs; /* that it could not read */
    /* since the process began, by fate: */
    uint64_t booked;
    uint64_t amended;
    uint64_t duplicate;
    uint64_t quarantined;
    uint64_t skipped;
    /* holds of jobs, since then: */
    uint64_t holds_confirmed;
    uint64_t holds_released;
    uint64_t holds_started;
    uint64_t holds_refused; /* asked for work that runs without one, and refused */
    uint64_t commands;      /* hold, release, requeue, by Slurm's own commands */
    uint64_t commands_failed;
    /* as of the last round: */
    uint64_t unheld_jobs; /* that run without a hold */
    struct points unheld; /* what they can cost */
};

struct pull_board;

struct pull_board *pull_board_create(struct error *err); /* NULL on error */
void pull_board_destroy(struct pull_board *board);       /* accepts NULL */

/* The board of the engine's process; lives as long as the engine. */
struct engine;
struct pull_board *engine_pulls(const struct engine *engine);

/* Tell the figures of a source, which replace those told before. */
void pull_board_tell(struct pull_board *board, const struct pull_figures *figures);

/* All of them, in the order in which they were first told. Returns how many. */
size_t pull_board_read(struct pull_board *board,
                       struct pull_figures figures[PULL_BOARD_SOURCES_MAX]);

/* Somebody asked for a user or account of the source that is not known: its puller should look
 * soon. */
void pull_board_ask(struct pull_board *board, const char *source);

/* True if it was asked; not more often than every PULL_BOARD_ASK_US. Taking it forgets it. */
bool pull_board_is_asked(struct pull_board *board, const char *source);
bool pull_board_take_asked(struct pull_board *board, const char *source);

#endif
