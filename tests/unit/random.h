/* random - the same numbers in every run, for tests over random values.
 *
 * splitmix64 by Sebastiano Vigna. LEDGER_SEED is mixed into every seed: another one tries other
 * numbers.
 */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

static uint64_t random_state;

static inline void random_seed(uint64_t seed)
{
    const char *text = getenv("LEDGER_SEED");

    random_state = seed + (text != NULL ? strtoull(text, NULL, 10) << 32 : 0);
}

static inline uint64_t random_bits(void)
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* In [0, below). */
static inline int random_below(int below)
{
    return (int)(random_bits() % (unsigned)below);
}

#endif
