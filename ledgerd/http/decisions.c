/* decisions - the ring of refused checks; see decisions.h. */
#include "ledgerd/http/decisions.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct decisions_slot {
    uint64_t number; /* 0: empty */
    size_t length;
    char *json;
};

struct decisions {
    uint64_t process; /* random: tells this process's ids from others' */
    _Atomic uint64_t last;
    pthread_mutex_t mutex; /* guards the slots; held for a copy of at most DECISIONS_JSON_BYTES */
    struct decisions_slot slots[DECISIONS_KEPT];
};

struct decisions *decisions_create(void)
{
    struct decisions *decisions = calloc(1, sizeof(*decisions));

    if (decisions == NULL) {
        return NULL;
    }
    if (getrandom(&decisions->process, sizeof(decisions->process), 0) !=
        (ssize_t)sizeof(decisions->process)) {
        free(decisions);
        return NULL;
    }
    pthread_mutex_init(&decisions->mutex, NULL);
    return decisions;
}

void decisions_destroy(struct decisions *decisions)
{
    if (decisions == NULL) {
        return;
    }
    for (size_t i = 0; i < DECISIONS_KEPT; i++) {
        free(decisions->slots[i].json);
    }
    pthread_mutex_destroy(&decisions->mutex);
    free(decisions);
}

static unsigned hex_digits(uint64_t value)
{
    unsigned digits = 1;

    for (; value > 0xf; value >>= 4) {
        digits++;
    }
    return digits;
}

/* Printing by format would cost more than the lookup of the project. */
static char *add_hex(char *out, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value >>= 4) {
        out[i] = "0123456789abcdef"[value & 0xf];
    }
    return out + digits;
}

void decisions_next_id(struct decisions *decisions, char *id)
{
    uint64_t number = atomic_fetch_add(&decisions->last, 1) + 1;
    char *end;

    memcpy(id, "d_", 2);
    end = add_hex(id + 2, decisions->process, 16);
    end = add_hex(end, number, hex_digits(number));
    *end = '\0';
}

/* The number in an id of this process, or 0. */
static uint64_t number_of(const struct decisions *decisions, const char *id)
{
    char prefix[20];
    char *end;

    snprintf(prefix, sizeof(prefix), "d_%016" PRIx64, decisions->process);
    if (strncmp(id, prefix, 18) != 0 || strspn(id + 18, "0123456789abcdef") != strlen(id + 18) ||
        strlen(id + 18) > 16) {
        return 0;
    }
    return strtoull(id + 18, &end, 16);
}

void decisions_keep(struct decisions *decisions, const char *id, const char *json, size_t length)
{
    uint64_t number = number_of(decisions, id);
    char *copy = number == 0 || length > DECISIONS_JSON_BYTES ? NULL : malloc(length + 1);

    if (copy == NULL) {
        return;
    }
    memcpy(copy, json, length);
    copy[length] = '\0';
    pthread_mutex_lock(&decisions->mutex);
    struct decisions_slot *slot = &decisions->slots[number % DECISIONS_KEPT];
    char *old = slot->json;
    *slot = (struct decisions_slot){.number = number, .length = length, .json = copy};
    pthread_mutex_unlock(&decisions->mutex);
    free(old);
}

bool decisions_find(struct decisions *decisions, const char *id, struct strbuf *json)
{
    uint64_t number = number_of(decisions, id);
    bool found = false;

    if (number == 0) {
        return false;
    }
    pthread_mutex_lock(&decisions->mutex);
    const struct decisions_slot *slot = &decisions->slots[number % DECISIONS_KEPT];
    if (slot->number == number) {
        strbuf_add(json, slot->json, slot->length);
        found = true;
    }
    pthread_mutex_unlock(&decisions->mutex);
    return found;
}
