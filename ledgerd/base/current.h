/* current - one value that a writer replaces now and then and many threads read all the time.
 *
 * A reader never waits and never makes the writer's value its own: it announces the pointer that it
 * is about to use in a slot of its own (a hazard pointer) and uses it until it lets go. The writer
 * swaps the pointer and then waits until no slot names the old value, which it may then free. Own
 * code because liburcu's inline assembler is opaque to ThreadSanitizer, which has to see these
 * accesses.
 *
 *      current ----> value (new)          slots:  [ value ] [ NULL ] [ old ] ...
 *                                                                       ^ the writer waits for this
 * one
 */
#ifndef LEDGERD_BASE_CURRENT_H
#define LEDGERD_BASE_CURRENT_H

#include <stdatomic.h>
#include <stddef.h>

enum {
    CURRENT_READERS_MAX = 64
}; /* threads that read at the same moment; more wait for a free slot */

struct current_slot {
    _Alignas(
        64) _Atomic(const void *) value; /* a cache line each: readers do not disturb one another */
};

struct current {
    _Atomic(const void *) value;
    struct current_slot slots[CURRENT_READERS_MAX];
};

void current_init(struct current *current, const void *value);

/* Begin to read: returns the value and a slot number to give back. The value stays valid until
 * current_leave. */
const void *current_enter(struct current *current, size_t *slot);
void current_leave(struct current *current, size_t slot);

/* Replace the value; returns the old one once nobody reads it any more. One writer at a time. */
const void *current_replace(struct current *current, const void *value);

#endif
