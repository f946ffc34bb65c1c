/* store - the connection to the book's database and the one runner of its transactions.
 *
 * A store is one connection, used by one thread at a time.  Intents (store_post_batch,
 * store_add_project, …) live in their own headers and run inside a transaction that store_transact
 * opened; SQL and libpq stay inside this folder.
 */
#ifndef LEDGERD_STORE_STORE_H
#define LEDGERD_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"

struct store;

enum store_role {
    STORE_OWNER,  /* migrations: the role that connected */
    STORE_DAEMON, /* books: SET ROLE ledger_daemon */
    STORE_REPORT, /* reads: SET ROLE ledger_report, read-only transactions */
};

/* Connect and put on the role. Checks that the schema's version is this program's own: an older
 * one asks for `ledgerctl migrate`, a newer one is refused (both ERROR_UNAVAILABLE); STORE_OWNER
 * skips that check. The conninfo's password never appears in an error's text. NULL on error. */
struct store *store_open(const char *conninfo, enum store_role role, struct error *err);
void store_close(struct store *store); /* accepts NULL */

/* As store_open, with the connecting itself and everything after it under store_set_patience. */
struct store *store_open_patient(const char *conninfo, enum store_role role, int64_t patience_us,
                                 struct error *err);

/* Wait for the server no longer than this at a time (0: for ever, as a store does at first): a
 * statement, a piece of a COPY, a commit, a reconnect. Past it the connection is given up, as a
 * broken one: ERROR_UNAVAILABLE, "the database did not answer within N s". The server lets go of a
 * lock that is waited for somewhat earlier, and of a statement whose connection was given up within
 * a second. Finding a host's address is left to the system's own limits. A change costs a trip to
 * the server. */
void store_set_patience(struct store *store, int64_t patience_us);

/* While *alarm is true (NULL: never), no wait is longer than STORE_ALARM_US, whatever the patience,
 * those included that have begun: for a thread that is to end, or when the database is known to be
 * away. Borrowed; any thread may set it. */
enum { STORE_ALARM_US = 2 * 1000 * 1000 };
void store_set_alarm(struct store *store, const atomic_bool *alarm);

/* For a store that runs the same small transactions over and over while its tables grow from
 * nothing: plan statements once, by indexes in nested loops of one process, whatever the tables'
 * statistics say, and send BEGIN with a transaction's first statement. */
int store_set_repetitive(struct store *store, struct error *err);

/* Put a store on another role, between transactions. On error it has no connection. */
int store_take_role(struct store *store, enum store_role role, struct error *err);

/* Another connection to the same database in the same role and as patient, for another thread. */
struct store *store_open_like(const struct store *store, struct error *err);

/* True while the connection is usable; store_reconnect tries to make it so again. */
bool store_is_connected(const struct store *store);
int store_reconnect(struct store *store, struct error *err);

/* Bring the database to this program's version: applies the missing migrations, each in its own
 * transaction under an advisory lock. Refuses a newer schema (ERROR_UNAVAILABLE). `sandbox` marks
 * an empty database as one where time may be pretended and is refused (ERROR_REFUSED) on one that
 * already has a book that is no sandbox. *applied gets the number of migrations applied. */
int store_migrate(struct store *store, bool sandbox, int *applied, struct error *err);

/* True if time may be pretended here. */
int store_is_sandbox(struct store *store, bool *is_sandbox, struct error *err);

/* What a transaction does. Returns 0 to commit, -1 (with *err) to roll back. Runs again from the
 * start when the database asks for it (serialisation failure, deadlock), so it must not keep
 * effects outside the database. */
typedef int store_work(struct store *store, void *context, struct error *err);

enum store_lock {
    STORE_UNLOCKED, /* readers, and writers of a single row */
    STORE_BOOKING,  /* one at a time: whoever posts transfers or changes the catalog */
};

/* Run `work` in one transaction (READ COMMITTED; REPEATABLE READ READ ONLY for STORE_REPORT
 * stores), with the booking lock held from the start if asked for. A lost connection before COMMIT
 * was sent is retried once (not one that was given up); one lost during COMMIT is
 * ERROR_UNAVAILABLE, "it is not known whether …": every caller's work is idempotent by key or
 * identity. Called inside a transaction, it runs `work` as a part of that one (which must hold the
 * lock if it is asked for). */
int store_transact(struct store *store, enum store_lock lock, store_work *work, void *context,
                   struct error *err);

/* Take the booking lock in the middle of a transaction that was begun without it; held to its end.
 */
int store_lock_booking(struct store *store, struct error *err);

/* The lock of record identities, taken before any is inserted and before the booking lock, held to
 * the transaction's end: shared by those who take their records to be new, exclusive for who looks
 * identities up and must find them so until the end. */
int store_lock_records(struct store *store, bool exclusive, struct error *err);

#endif
