/* clock - the one place of the client that reads a clock, and the one that asks for random numbers.
 * It links against libc alone, so ledgerd's own clock is not at hand. */
#include "ledger_client.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

int64_t ledger_monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int ledger_key_make(char key[LEDGER_KEY_BYTES])
{
    unsigned char random[(LEDGER_KEY_BYTES - 4) / 2];

    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
        return -1;
    }
    snprintf(key, LEDGER_KEY_BYTES, "sl_");
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(key + 3 + 2 * i, LEDGER_KEY_BYTES - 3 - 2 * i, "%02x", (unsigned)random[i]);
    }
    return 0;
}
