/* clock - see clock.h. The pretended start is the one piece of state; it is set before threads
 * exist. */
#include "ledgerd/base/clock.h"

#include <time.h>

static bool pretended;
static int64_t pretended_shift_us; /* added to the monotonic clock */

static int64_t read_us(clockid_t id)
{
    struct timespec now = {0};

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * INSTANT_SECOND_US + now.tv_nsec / 1000;
}

struct instant clock_now(void)
{
    if (pretended) {
        return (struct instant){clock_monotonic_us() + pretended_shift_us};
    }
    return (struct instant){read_us(CLOCK_REALTIME)};
}

void clock_pretend(struct instant start)
{
    pretended = true;
    pretended_shift_us = start.us - clock_monotonic_us();
}

bool clock_is_pretended(void)
{
    return pretended;
}

int64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}
