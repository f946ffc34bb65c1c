/* slurm_rest_window - how much time to ask slurmrestd for at once.
 *
 * slurmrestd makes an answer in memory before it sends the first byte, so one that asks for too
 * much never comes.  A window begins at an hour; it is halved when its answer was too large or too
 * slow, and doubled when the last answer was far from both.
 */
#ifndef IMPORTERS_SLURM_REST_WINDOW_H
#define IMPORTERS_SLURM_REST_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/instant.h"

enum {
    REST_WINDOW_FIRST_SECONDS = 3600,
    REST_WINDOW_MAX_SECONDS = 86400,
    REST_WINDOW_MIN_SECONDS = 1, /* Slurm's own times have no smaller part */
};

struct slurm_rest_window {
    int64_t seconds;
    uint64_t limit_bytes; /* of an answer */
    int64_t limit_us;     /* of waiting for one */
};

void slurm_rest_window_init(struct slurm_rest_window *window, uint64_t limit_bytes,
                            int64_t limit_us);

/* The end of the window that begins at `from`, at most `to`. */
struct instant slurm_rest_window_end(const struct slurm_rest_window *window, struct instant from,
                                     struct instant to);

/* Its answer of [from, end) was too much: true if a smaller one can be asked for. */
bool slurm_rest_window_halve(struct slurm_rest_window *window, struct instant from,
                             struct instant end);

/* Its answer had so many bytes after such a wait. */
void slurm_rest_window_grow(struct slurm_rest_window *window, uint64_t bytes, int64_t waited_us);

#endif
