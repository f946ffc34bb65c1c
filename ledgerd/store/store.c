/* store - the connection, and the one runner of transactions.
 *
 * A transaction is a function that may be run more than once: whatever the database asks to be
 * repeated (a deadlock, a serialisation failure) or loses before COMMIT was sent is rolled back
 * and run again from its start.  Only a connection lost during COMMIT leaves a doubt, which is
 * passed on as one.
 */
#include "ledgerd/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/connection.h"
#include "ledgerd/store/patience.h"
#include "ledgerd/store/query.h"

enum {
    TRANSACT_ATTEMPTS_MAX = 5, /* a deadlock that returns so often is a defect, not bad luck */
    /* Long enough for the largest batch of an import, short enough for an operator to see that
     * something hangs. */
    LOCK_WAIT_MS = 60 * 1000,
    SETTINGS_BYTES = 256,
};

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

/* Left alone, libpq prints the server's notices on standard error, last words of a dying server
 * included; whatever matters comes back as an error as well. */
static void notice_ignore(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static PGconn *connect_to(struct store *store)
{
    /* What stands before dbname gives way to the conninfo, what stands behind it does not. */
    static const char *const keywords[] = {"fallback_application_name", "connect_timeout", "dbname",
                                           "client_encoding", NULL};
    const char *values[] = {"ledger", "10", store->conninfo, "UTF8", NULL};

    PGconn *connection = patience_connect(store, keywords, values);
    PQsetNoticeProcessor(connection, notice_ignore, NULL);
    return connection;
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

/* How long the server lets a statement wait for a lock, and how soon it notices that nobody waits
 * for a statement any more. A lock wait ends before the patience does, so that it ends as an answer
 * and the connection stays. */
static int put_on_patience(struct store *store, struct error *err)
{
    int64_t lock_wait_ms = store->patience_us / 4 * 3 / 1000;
    char sql[SETTINGS_BYTES];

    if (store->patience_us == 0 || lock_wait_ms > LOCK_WAIT_MS) {
        lock_wait_ms = LOCK_WAIT_MS;
    }
    snprintf(sql, sizeof sql,
             "SET lock_timeout = %" PRId64 "; SET client_connection_check_interval = '%s'",
             lock_wait_ms > 0 ? lock_wait_ms : 1, store->patience_us == 0 ? "0" : "1s");
    return query_execute(store, sql, err);
}

static int put_on_plans(struct store *store, struct error *err)
{
    if (!store->is_repetitive) {
        return 0;
    }
    return query_execute(store,
                         "SET enable_seqscan = off; SET enable_hashjoin = off; "
                         "SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0; "
                         "SET plan_cache_mode = force_generic_plan",
                         err);
}

static int prepare_session(struct store *store, struct error *err)
{
    if (PQstatus(store->connection) != CONNECTION_OK) {
        return connection_failure(store, err);
    }
    if (query_execute(store,
                      "SET search_path = pg_catalog; SET TimeZone = 'UTC'; SET jit = off; "
                      "SET client_min_messages = warning",
                      err) != 0 ||
        put_on_patience(store, err) != 0 || put_on_plans(store, err) != 0 ||
        put_on_role(store, err) != 0) {
        return -1;
    }
    if (store->role == STORE_OWNER) {
        return 0;
    }
    return store_check_schema(store, err);
}

static void drop_connection(struct store *store)
{
    PQfinish(store->connection); /* accepts NULL */
    store->connection = NULL;
}

/* A connection that is not fully prepared (its role above all) is none. */
static int connect_and_prepare(struct store *store, struct error *err)
{
    int status;

    patience_start(store);
    store->is_connecting = true;
    store->is_given_up = false;
    store->in_transaction = false;
    store->has_lock = false;
    store->prepared_count = 0;
    drop_connection(store);
    store->connection = connect_to(store);
    if (store->connection != NULL) {
        status = prepare_session(store, err);
    } else if (store->is_given_up) {
        status = patience_failure(store, err);
    } else {
        status = error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (status != 0) {
        drop_connection(store);
    }
    store->is_connecting = false;
    return status;
}

struct store *store_open_patient(const char *conninfo, enum store_role role, int64_t patience_us,
                                 struct error *err)
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
    store->patience_us = patience_us;
    if (connect_and_prepare(store, err) != 0) {
        store_close(store);
        return NULL;
    }
    return store;
}

struct store *store_open(const char *conninfo, enum store_role role, struct error *err)
{
    return store_open_patient(conninfo, role, 0, err);
}

struct store *store_open_like(const struct store *store, struct error *err)
{
    return store_open_patient(store->conninfo, store->role, store->patience_us, err);
}

void store_set_patience(struct store *store, int64_t patience_us)
{
    struct error ignored; /* a connection that fails here fails the next statement as well */

    if (store->patience_us == patience_us) {
        return;
    }
    store->patience_us = patience_us;
    if (store_is_connected(store)) {
        put_on_patience(store, &ignored);
    }
}

int store_set_repetitive(struct store *store, struct error *err)
{
    store->is_repetitive = true;
    return put_on_plans(store, err);
}

void store_set_alarm(struct store *store, const atomic_bool *alarm)
{
    store->alarm = alarm;
}

int store_take_role(struct store *store, enum store_role role, struct error *err)
{
    if (store->role == role) {
        return 0;
    }
    store->role = role;
    if (!store_is_connected(store)) {
        return connect_and_prepare(store, err);
    }
    if (put_on_role(store, err) != 0) {
        drop_connection(store);
        return -1;
    }
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    PQclear(store->come);
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
    return connect_and_prepare(store, err);
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

/* Wait for an advisory lock of the transaction, as long as lock_timeout lets. */
static int take_lock(struct store *store, const char *sql, struct error *err)
{
    if (query_execute(store, sql, err) == 0) {
        return 0;
    }
    if (strcmp(store->sqlstate, "55P03") == 0) {
        error_set(err, ERROR_UNAVAILABLE,
                  "another process has been booking for long without end: try again later");
    }
    return -1;
}

int store_lock_booking(struct store *store, struct error *err)
{
    if (take_lock(store, "SELECT pg_advisory_xact_lock(" STORE_LOCK_KEY_BOOKING ")", err) != 0) {
        return -1;
    }
    store->has_lock = true;
    return 0;
}

int store_lock_records(struct store *store, bool exclusive, struct error *err)
{
    return take_lock(store,
                     exclusive ? "SELECT pg_advisory_xact_lock(" STORE_LOCK_KEY_RECORDS ")"
                               : "SELECT pg_advisory_xact_lock_shared(" STORE_LOCK_KEY_RECORDS ")",
                     err);
}

static int begin(struct store *store, enum store_lock lock, struct error *err)
{
    const char *sql = store->role == STORE_REPORT
                          ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                          : STORE_BEGIN_WRITING;

    store->begin_unsent = store->is_repetitive && store->role != STORE_REPORT;
    if (!store->begin_unsent && query_execute(store, sql, err) != 0) {
        return -1;
    }
    store->in_transaction = true;
    if (lock == STORE_UNLOCKED) {
        return 0;
    }
    return store_lock_booking(store, err);
}

/* A statement that is still under way (a COPY left in its middle) ends with its connection. */
static void roll_back(struct store *store)
{
    if (PQtransactionStatus(store->connection) == PQTRANS_ACTIVE) {
        drop_connection(store);
    } else if (store_is_connected(store) && !store->begin_unsent) {
        PQclear(patience_execute(store, "ROLLBACK"));
    }
}

int store_doubt(struct store *store, struct error *err)
{
    if (!store_is_connected(store)) {
        error_set(err, ERROR_UNAVAILABLE,
                  "the connection to the database broke during the commit: it is not known whether "
                  "it was done; the same command again settles it");
    }
    return -1;
}

static int commit(struct store *store, struct error *err)
{
    if (store->has_sent_commit || store->begin_unsent || query_execute(store, "COMMIT", err) == 0) {
        return 0;
    }
    return store_doubt(store, err);
}

enum outcome { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_AGAIN, OUTCOME_LOST };

static enum outcome run_once(struct store *store, enum store_lock lock, store_work *work,
                             void *context, struct error *err)
{
    enum outcome outcome = OUTCOME_FAILED;
    bool committing = false;

    store->sqlstate[0] = '\0';
    store->has_sent_commit = false;
    if (begin(store, lock, err) == 0 && work(store, context, err) == 0) {
        committing = true;
        if (commit(store, err) == 0) {
            outcome = OUTCOME_DONE;
        }
    }
    if (outcome == OUTCOME_FAILED) {
        if (!store_is_connected(store)) {
            committing = committing || store->has_sent_commit;
            outcome = committing || store->is_given_up ? OUTCOME_FAILED : OUTCOME_LOST;
        } else if (strcmp(store->sqlstate, "40001") == 0 || strcmp(store->sqlstate, "40P01") == 0) {
            outcome = OUTCOME_AGAIN;
        }
        roll_back(store);
    }
    store->in_transaction = false;
    store->has_lock = false;
    store->has_sent_commit = false;
    store->begin_unsent = false;
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
