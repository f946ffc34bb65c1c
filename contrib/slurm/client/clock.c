/* clock - the one place of the client that reads a clock, and the one that asks for random numbers.
 * It links against libc alone, so ledgerd's own clock is not at hand. */
#include "ledger_client.h"

#include <string.h>
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
    static const char digits[] = "0123456789abcdef";
    unsigned char random[(LEDGER_KEY_BYTES - 4) / 2];
    char *end = key;

    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
        return -1;
    }
    memcpy(end, "sl_", 3);
    end += 3;
    for (size_t i = 0; i < sizeof(random); i++) {
        *end++ = digits[random[i] >> 4];
        *end++ = digits[random[i] & 0xf];
    }
    *end = '\0';
    return 0;
}
