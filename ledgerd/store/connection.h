/* connection - what a store is made of. Internal to this folder.
 *
 * Kept apart from query.h so that the intents see a store as something opaque that queries run on,
 * and only the runner of transactions and the migrations reach inside.
 */
#ifndef LEDGERD_STORE_CONNECTION_H
#define LEDGERD_STORE_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "ledgerd/store/store.h"

enum { SQLSTATE_BYTES = 6 };

struct store {
    PGconn *connection; /* never NULL once the store is open, but it may be broken */
    char *conninfo;
    enum store_role role;
    bool in_transaction;
    bool has_lock; /* the booking lock is held by the current transaction */
    char sqlstate[SQLSTATE_BYTES];
};

/* Keys of the advisory locks, all in one place so that they cannot collide: "ledger" in ASCII and
 * a number. */
#define STORE_LOCK_KEY_BOOKING "119182851564801"
#define STORE_LOCK_KEY_MIGRATE "119182851564802"
#define STORE_LOCK_KEY_RECORDS "119182851564803"
#define STORE_LOCK_KEY_SEAL "119182851564804"

/* The number of the newest migration that the database has seen, 0 if it has none. */
int store_schema_number(struct store *store, int *number, struct error *err);

/* Fail unless the schema is this program's own. */
int store_check_schema(struct store *store, struct error *err);

#endif
