/* patience - wait for the server, but no longer than the store is willing to. Internal to this
 * folder.
 *
 * libpq's own PQexec, PQgetResult and PQputCopyData wait for ever for a server that is stopped or
 * behind a cut cable.  Connections are therefore non-blocking, and everything that may wait does
 * it here: send, poll the socket up to a deadline, take what came.  Past the deadline the
 * connection is given up: it is closed, and the store has none until it reconnects.
 */
#ifndef LEDGERD_STORE_PATIENCE_H
#define LEDGERD_STORE_PATIENCE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/store/connection.h"

/* Begin a wait: from here on the deadline runs. Within a reconnect one deadline covers all. */
void patience_start(struct store *store);

/* Connect under the deadline that runs, with libpq's connect_timeout where the store waits for
 * ever. Returns a connection whose status tells how it went; NULL if out of memory or given up
 * (store->is_given_up tells which). */
PGconn *patience_connect(struct store *store, const char *const *keywords,
                         const char *const *values);

/* True if there is a connection and nothing has come on it: an idle one whose server has gone has
 * something to say, or its end. */
bool patience_is_quiet(const struct store *store);

/* True once the wait that was begun has lasted for as long as the store is willing to. */
bool patience_is_over(const struct store *store);

/* Send what libpq has buffered. Returns 0; -1 when the connection broke or was given up. */
int patience_flush(struct store *store);

/* The next result of what was sent, which the caller clears; NULL at the end, or when the
 * connection was given up. */
PGresult *patience_result(struct store *store);

/* As PQexec: the last result of what was sent, or the one that begins a COPY. */
PGresult *patience_last_result(struct store *store);

/* Start a wait, run SQL without parameters, and return its last result (NULL: given up). */
PGresult *patience_execute(struct store *store, const char *sql);

/* As PQgetCopyData: the length of the next row of a COPY out in *row (PQfreemem), -1 at its end,
 * -2 on failure. The deadline runs anew for each row that has to be waited for. */
int patience_copy_row(struct store *store, char **row);

/* Close the connection and leave the store without one; the server rolls back what was not
 * committed. */
void patience_give_up(struct store *store);

/* "the database did not answer within N s" as an ERROR_UNAVAILABLE. Always returns -1. */
int patience_failure(const struct store *store, struct error *err);

#endif
