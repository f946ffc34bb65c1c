/* store - the connection, and the one runner of transactions.
 *
 * A transaction is a function that may be run more than once: whatever the database asks to be
 * repeated (a deadlock, a serialisation failure) or loses before COMMIT was sent is rolled back
 * and run again from its start.  Only a connection lost during COMMIT leaves a doubt, which is
 * passed on as one.
 */
#include "ledgerd/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/connection.h"
#include "ledgerd/store/query.h"

enum { TRANSACT_ATTEMPTS_MAX = 5 }; /* a deadlock that returns so often is a defect, not bad luck */

/* Long enough for the largest batch of an import, short enough for an operator to see that
 * something hangs. */
#define SESSION_SETTINGS                                                  \
    "SET search_path = pg_catalog; SET TimeZone = 'UTC'; SET jit = off; " \
    "SET client_min_messages = warning; SET lock_timeout = '60s'"

static int check_conninfo(const char *conninfo, struct error *err)
{
    PQconninfoOption *options;

    if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL) {
        return 0; /* empty, or the name of a database */
    }
    options = PQconninfoParse(conninfo, NULL);
    if (options == NULL) { /* libpq's own message quotes the text, password and all */
        return error_set(err, ERROR_ARGUMENT,
                         "the database's conninfo is malformed: it must be a PostgreSQL URI or "
                         "keyword=value pairs");
    }
    PQconninfoFree(options);
    return 0;
}

static PGconn *connect_to(const char *conninfo)
{
    /* What stands before dbname gives way to the conninfo, what stands behind it does not. */
    static const char *const keywords[] = {"fallback_application_name", "connect_timeout", "dbname",
                                           "client_encoding", NULL};
    const char *values[] = {"ledger", "10", conninfo, "UTF8", NULL};

    return PQconnectdbParams(keywords, values, 1);
}

static int connection_failure(struct store *store, struct error *err)
{
    char text[ERROR_TEXT_BYTES];
    size_t length;

    snprintf(text, sizeof text, "%s", PQerrorMessage(store->connection));
    for (char *p = text; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\t') {
            *p = ' ';
        }
    }
    length = strlen(text);
    while (length > 0 && text[length - 1] == ' ') {
        text[--length] = '\0';
    }
    return error_set(err, ERROR_UNAVAILABLE, "cannot reach the database: %s", text);
}

static int put_on_role(struct store *store, struct error *err)
{
    const char *role = store->role == STORE_DAEMON ? "ledger_daemon" : "ledger_report";
    struct error cause;

    if (store->role == STORE_OWNER) {
        return 0;
    }
    if (query_execute(store,
                      store->role == STORE_DAEMON ? "SET ROLE ledger_daemon"
                                                  : "SET ROLE ledger_report",
                      &cause) == 0) {
        return 0;
    }
    if (strcmp(store->sqlstate, "22023") == 0) { /* no such role */
        return error_set(err, ERROR_UNAVAILABLE,
                         "the database holds no book yet: run ledgerctl migrate");
    }
    if (strcmp(store->sqlstate, "42501") == 0) {
        return error_set(err, ERROR_UNAVAILABLE,
                         "the database user %s may not act as %s: run GRANT %s TO that user",
                         PQuser(store->connection), role, role);
    }
    *err = cause;
    return -1;
}

static int prepare_session(struct store *store, struct error *err)
{
    if (PQstatus(store->connection) != CONNECTION_OK) {
        return connection_failure(store, err);
    }
    if (query_execute(store, SESSION_SETTINGS, err) != 0 || put_on_role(store, err) != 0) {
        return -1;
    }
    if (store->role == STORE_OWNER) {
        return 0;
    }
    return store_check_schema(store, err);
}

struct store *store_open(const char *conninfo, enum store_role role, struct error *err)
{
    struct store *store;

    if (check_conninfo(conninfo, err) != 0) {
        return NULL;
    }
    store = calloc(1, sizeof *store);
    if (store == NULL || (store->conninfo = strdup(conninfo)) == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        free(store);
        return NULL;
    }
    store->role = role;
    store->connection = connect_to(conninfo);
    if (store->connection == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        store_close(store);
        return NULL;
    }
    if (prepare_session(store, err) != 0) {
        store_close(store);
        return NULL;
    }
    return store;
}

struct store *store_open_beside(const struct store *store, struct error *err)
{
    return store_open(store->conninfo, store->role, err);
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    PQfinish(store->connection); /* accepts NULL */
    free(store->conninfo);
    free(store);
}

bool store_is_connected(const struct store *store)
{
    return PQstatus(store->connection) == CONNECTION_OK;
}

int store_reconnect(struct store *store, struct error *err)
{
    PGconn *connection = connect_to(store->conninfo);

    if (connection == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    PQfinish(store->connection);
    store->connection = connection;
    store->in_transaction = false;
    store->has_lock = false;
    return prepare_session(store, err);
}

const char *store_sqlstate(const struct store *store)
{
    return store->sqlstate;
}

PGconn *store_connection(struct store *store)
{
    return store->connection;
}

bool store_in_transaction(const struct store *store)
{
    return store->in_transaction;
}

static int begin(struct store *store, enum store_lock lock, struct error *err)
{
    const char *sql = store->role == STORE_REPORT
                          ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                          : "BEGIN ISOLATION LEVEL READ COMMITTED";

    if (query_execute(store, sql, err) != 0) {
        return -1;
    }
    store->in_transaction = true;
    if (lock == STORE_UNLOCKED) {
        return 0;
    }
    if (query_execute(store, "SELECT pg_advisory_xact_lock(" STORE_LOCK_KEY_BOOKING ")", err) !=
        0) {
        if (strcmp(store->sqlstate, "55P03") == 0) {
            error_set(err, ERROR_UNAVAILABLE,
                      "another process has been booking for a minute without end: try again later");
        }
        return -1;
    }
    store->has_lock = true;
    return 0;
}

static void roll_back(struct store *store)
{
    if (PQstatus(store->connection) == CONNECTION_OK) {
        PQclear(PQexec(store->connection, "ROLLBACK"));
    }
}

static int commit(struct store *store, struct error *err)
{
    if (query_execute(store, "COMMIT", err) == 0) {
        return 0;
    }
    if (!store_is_connected(store)) {
        error_set(err, ERROR_UNAVAILABLE,
                  "the connection to the database broke during the commit: it is not known whether "
                  "it was done; the same command again settles it");
    }
    return -1;
}

enum outcome { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_AGAIN, OUTCOME_LOST };

static enum outcome run_once(struct store *store, enum store_lock lock, store_work *work,
                             void *context, struct error *err)
{
    enum outcome outcome = OUTCOME_FAILED;
    bool committing = false;

    store->sqlstate[0] = '\0';
    if (begin(store, lock, err) == 0 && work(store, context, err) == 0) {
        committing = true;
        if (commit(store, err) == 0) {
            outcome = OUTCOME_DONE;
        }
    }
    if (outcome == OUTCOME_FAILED) {
        if (!store_is_connected(store)) {
            outcome = committing ? OUTCOME_FAILED : OUTCOME_LOST;
        } else if (strcmp(store->sqlstate, "40001") == 0 || strcmp(store->sqlstate, "40P01") == 0) {
            outcome = OUTCOME_AGAIN;
        }
        roll_back(store);
    }
    store->in_transaction = false;
    store->has_lock = false;
    return outcome;
}

int store_transact(struct store *store, enum store_lock lock, store_work *work, void *context,
                   struct error *err)
{
    bool may_reconnect = true;

    if (store->in_transaction) {
        if (lock == STORE_BOOKING && !store->has_lock) {
            return error_set(err, ERROR_INTERNAL,
                             "the booking lock was asked for inside a transaction without it");
        }
        return work(store, context, err);
    }
    if (!store_is_connected(store)) {
        may_reconnect = false;
        if (store_reconnect(store, err) != 0) {
            return -1;
        }
    }
    for (int attempt = 0; attempt < TRANSACT_ATTEMPTS_MAX; attempt++) {
        switch (run_once(store, lock, work, context, err)) {
        case OUTCOME_DONE:
            return 0;
        case OUTCOME_FAILED:
            return -1;
        case OUTCOME_AGAIN:
            continue;
        case OUTCOME_LOST:
            if (!may_reconnect || store_reconnect(store, err) != 0) {
                return -1;
            }
            may_reconnect = false;
            continue;
        }
    }
    return -1;
}
