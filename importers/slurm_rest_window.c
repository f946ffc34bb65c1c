/* slurm_rest_window - see slurm_rest_window.h. */
#include "importers/slurm_rest_window.h"

enum { FAR = 8 }; /* an answer below this part of the limits stays below them when it doubles */

void slurm_rest_window_init(struct slurm_rest_window *window, uint64_t limit_bytes,
                            int64_t limit_us)
{
    *window = (struct slurm_rest_window){REST_WINDOW_FIRST_SECONDS, limit_bytes, limit_us};
}

struct instant slurm_rest_window_end(const struct slurm_rest_window *window, struct instant from,
                                     struct instant to)
{
    return instant_min((struct instant){from.us + window->seconds * INSTANT_SECOND_US}, to);
}

bool slurm_rest_window_halve(struct slurm_rest_window *window, struct instant from,
                             struct instant end)
{
    int64_t asked = (end.us - from.us + INSTANT_SECOND_US - 1) / INSTANT_SECOND_US;

    if (asked <= REST_WINDOW_MIN_SECONDS) {
        return false;
    }
    window->seconds = asked / 2;
    return true;
}

void slurm_rest_window_grow(struct slurm_rest_window *window, uint64_t bytes, int64_t waited_us)
{
    if (bytes < window->limit_bytes / FAR && waited_us < window->limit_us / FAR) {
        window->seconds *= 2;
    }
    if (window->seconds > REST_WINDOW_MAX_SECONDS) {
        window->seconds = REST_WINDOW_MAX_SECONDS;
    }
}
