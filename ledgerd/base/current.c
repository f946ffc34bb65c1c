/* current - publish one pointer to many readers; see current.h for the idea. */
#include "ledgerd/base/current.h"

#include <sched.h>

/* A thread keeps to the slot that it used last, so that a slot is normally taken by one exchange
 * on a line that is already in its cache. The marker says "taken, value not announced yet"; it
 * equals no real pointer. */
static _Thread_local size_t current_slot_hint;
static const char current_marker;

void current_init(struct current *current, const void *value)
{
    atomic_init(&current->value, value);
    for (size_t i = 0; i < CURRENT_READERS_MAX; i++) {
        atomic_init(&current->slots[i].value, NULL);
    }
}

static size_t current_take_slot(struct current *current)
{
    for (;;) {
        for (size_t tried = 0; tried < CURRENT_READERS_MAX; tried++) {
            size_t i = (current_slot_hint + tried) % CURRENT_READERS_MAX;
            const void *empty = NULL;
            if (atomic_compare_exchange_strong(&current->slots[i].value, &empty, &current_marker)) {
                current_slot_hint = i;
                return i;
            }
        }
        sched_yield();
    }
}

const void *current_enter(struct current *current, size_t *slot)
{
    size_t i = current_take_slot(current);
    const void *value = atomic_load(&current->value);

    /* Announce, then look again: if the value was replaced in between, the writer may not have seen
     * the slot. */
    for (;;) {
        atomic_store(&current->slots[i].value, value);
        const void *again = atomic_load(&current->value);
        if (again == value) {
            break;
        }
        value = again;
    }
    *slot = i;
    return value;
}

void current_leave(struct current *current, size_t slot)
{
    atomic_store_explicit(&current->slots[slot].value, NULL, memory_order_release);
}

const void *current_replace(struct current *current, const void *value)
{
    const void *old = atomic_exchange(&current->value, value);

    for (size_t i = 0; i < CURRENT_READERS_MAX; i++) {
        while (old != NULL && atomic_load(&current->slots[i].value) == old) {
            sched_yield();
        }
    }
    return old;
}
