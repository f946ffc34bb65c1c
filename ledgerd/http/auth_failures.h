/* auth_failures - how often callers failed to say who they are, so that they are slowed down and
 * the log is not flooded.
 *
 * Failures are counted in windows of AUTH_WINDOW_SECONDS, for each peer address and for all. Peers
 * stand in a table of fixed size, hashed under a random key; when it is full the one that failed
 * longest ago makes room, and the count of all still holds. Who shows a good token is never asked
 * here, so that nobody can lock out another behind the same address.
 */
#ifndef LEDGERD_HTTP_AUTH_FAILURES_H
#define LEDGERD_HTTP_AUTH_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    AUTH_WINDOW_SECONDS = 60,
    AUTH_FAILURES_PEER = 20, /* a person with a wrong token sees why; a guesser sees nothing */
    AUTH_FAILURES_ALL = 1000,
    AUTH_PEERS_MAX = 4096,
};

struct auth_peer { /* an IPv4 address, the /64 of an IPv6 one, or a uid of the Unix socket */
    uint64_t kind;
    uint64_t value;
};

struct auth_failure {
    int retry_after_seconds; /* 0: refuse it plainly; else too many, and the window's rest */
    bool is_first;           /* of the window: to be logged */
    uint64_t before;         /* failures in the last window that had some */
};

struct auth_failures;

struct auth_failures *auth_failures_create(void); /* NULL if out of memory */
void auth_failures_destroy(struct auth_failures *failures);

/* Count one, at a monotonic time. Any thread. */
void auth_failures_note(struct auth_failures *failures, struct auth_peer peer, int64_t now_us,
                        struct auth_failure *failure);

#endif
