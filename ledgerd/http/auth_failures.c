/* auth_failures - see auth_failures.h. */
#include "ledgerd/http/auth_failures.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum { WAYS = 8, SETS = AUTH_PEERS_MAX / WAYS };

#define WINDOW_US (AUTH_WINDOW_SECONDS * INT64_C(1000000))

struct window {
    int64_t begun_us;
    uint64_t count; /* 0: none has begun */
};

struct place {
    struct auth_peer peer;
    struct window window;
};

struct auth_failures {
    uint64_t key; /* random: nobody chooses which peers share a set */
    pthread_mutex_t mutex;
    struct window all;
    uint64_t before;
    struct place places[SETS][WAYS];
};

struct auth_failures *auth_failures_create(void)
{
    struct auth_failures *failures = calloc(1, sizeof(*failures));

    if (failures == NULL) {
        return NULL;
    }
    if (getrandom(&failures->key, sizeof(failures->key), 0) != (ssize_t)sizeof(failures->key)) {
        free(failures);
        return NULL;
    }
    pthread_mutex_init(&failures->mutex, NULL);
    return failures;
}

void auth_failures_destroy(struct auth_failures *failures)
{
    if (failures == NULL) {
        return;
    }
    pthread_mutex_destroy(&failures->mutex);
    free(failures);
}

/* The finalizer of splitmix64: every bit of the peer moves every bit of the set. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* The peer's place, or that of the one whose window began first. */
static struct place *find_place(struct auth_failures *failures, struct auth_peer peer)
{
    uint64_t hash = mix(mix(peer.value ^ failures->key) ^ peer.kind);
    struct place *set = failures->places[hash % SETS];
    struct place *oldest = &set[0];

    for (int i = 0; i < WAYS; i++) {
        if (set[i].window.count > 0 && set[i].peer.kind == peer.kind &&
            set[i].peer.value == peer.value) {
            return &set[i];
        }
        bool is_older = set[i].window.count == 0
                            ? oldest->window.count > 0
                            : oldest->window.count > 0 &&
                                  set[i].window.begun_us < oldest->window.begun_us;
        oldest = is_older ? &set[i] : oldest;
    }
    *oldest = (struct place){.peer = peer};
    return oldest;
}

/* Count one in the window, which begins anew if it is over; true if it is the first. */
static bool count_in(struct window *window, int64_t now_us)
{
    if (window->count == 0 || now_us - window->begun_us >= WINDOW_US) {
        *window = (struct window){.begun_us = now_us, .count = 1};
        return true;
    }
    window->count++;
    return false;
}

static int seconds_left(const struct window *window, int64_t now_us)
{
    return (int)((window->begun_us + WINDOW_US - now_us + 999999) / 1000000);
}

void auth_failures_note(struct auth_failures *failures, struct auth_peer peer, int64_t now_us,
                        struct auth_failure *failure)
{
    *failure = (struct auth_failure){0};
    pthread_mutex_lock(&failures->mutex);
    uint64_t before = failures->all.count;
    struct place *place = find_place(failures, peer);
    count_in(&place->window, now_us);
    if (count_in(&failures->all, now_us)) {
        failures->before = before;
        failure->is_first = true;
    }
    failure->before = failures->before;
    if (failures->all.count > AUTH_FAILURES_ALL) {
        failure->retry_after_seconds = seconds_left(&failures->all, now_us);
    } else if (place->window.count > AUTH_FAILURES_PEER) {
        failure->retry_after_seconds = seconds_left(&place->window, now_us);
    }
    pthread_mutex_unlock(&failures->mutex);
}
