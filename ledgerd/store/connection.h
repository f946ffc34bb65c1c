/* connection - what a store is made of. Internal to this folder.
 *
 * Kept apart from query.h so that the intents see a store as something opaque that queries run on,
 * and only the runner of transactions and the migrations reach inside.
 */
#ifndef LEDGERD_STORE_CONNECTION_H
#define LEDGERD_STORE_CONNECTION_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/store/store.h"

enum {
    SQLSTATE_BYTES = 6,
    STORE_PREPARED_MAX = 32, /* names of statements that one connection prepares */
};

struct store {
    PGconn *connection; /* may be broken; NULL once it was given up (libpq takes that for broken) */
    char *conninfo;
    enum store_role role;
    bool is_repetitive; /* store_set_repetitive */
    bool begin_unsent;  /* goes with the transaction's first statement */
    bool in_transaction;
    bool has_lock;         /* the booking lock is held by the current transaction */
    bool has_sent_commit;  /* of the current transaction, by query_run_and_commit */
    int64_t patience_us;   /* how long to wait for the server; 0: for ever */
    int64_t wait_until_us; /* the deadline of the wait under way, by the monotonic clock; 0: none */
    int64_t waits_since_us;   /* when that wait began */
    const atomic_bool *alarm; /* store_set_alarm; may be NULL */
    bool is_connecting;       /* one deadline covers all of it */
    bool is_given_up;         /* the server did not answer in time; until the next connection */
    int64_t given_up_after_us;
    PGresult *come; /* of a query that query_send sent, as far as it has come */
    size_t prepared_count;
    const char *prepared[STORE_PREPARED_MAX]; /* names that this connection has prepared */
    char sqlstate[SQLSTATE_BYTES];
};

/* How the transactions of those who write begin. */
#define STORE_BEGIN_WRITING "BEGIN ISOLATION LEVEL READ COMMITTED"

/* Keys of the advisory locks, all in one place so that they cannot collide: "ledger" in ASCII and
 * a number. */
#define STORE_LOCK_KEY_BOOKING "119182851564801"
#define STORE_LOCK_KEY_MIGRATE "119182851564802"
#define STORE_LOCK_KEY_RECORDS "119182851564803"
#define STORE_LOCK_KEY_SEAL "119182851564804"

/* Locks of two numbers are apart from those of one: this, and the hash of a source's name. */
#define STORE_LOCK_CLASS_PULL "1818584167"

/* Make *err of a COMMIT whose connection broke ("it is not known whether …"); leaves it alone if
 * the connection stands. Always returns -1. */
int store_doubt(struct store *store, struct error *err);

/* The number of the newest migration that the database has seen, 0 if it has none. */
int store_schema_number(struct store *store, int *number, struct error *err);

/* Fail unless the schema is this program's own. */
int store_check_schema(struct store *store, struct error *err);

#endif
