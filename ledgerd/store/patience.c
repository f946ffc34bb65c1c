/* patience - see patience.h. */
#include "ledgerd/store/patience.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "ledgerd/base/clock.h"

enum { MICROSECONDS = 1000 * 1000 };

void patience_start(struct store *store)
{
    if (!store->is_connecting) {
        store->wait_until_us = store->patience_us == 0 ? 0
                                                       : clock_monotonic_us() + store->patience_us;
    }
}

/* Wait until the socket is ready for any of `events`; false when the deadline has passed. */
static bool wait_for_socket(const struct store *store, const PGconn *connection, short events)
{
    struct pollfd wanted = {.fd = PQsocket(connection), .events = events};
    int64_t left_us;
    int ready, pause_ms = -1;

    if (wanted.fd < 0) {
        return true; /* a broken connection fails when it is read */
    }
    do {
        if (store->wait_until_us != 0) {
            left_us = store->wait_until_us - clock_monotonic_us();
            if (left_us <= 0) {
                return false;
            }
            pause_ms = (int)(left_us / 1000 + 1);
        }
        ready = poll(&wanted, 1, pause_ms);
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    return true; /* so does a socket that cannot be polled */
}

/* libpq's blocking way tries each of several hosts for connect_timeout; a deadline covers all. */
static PGconn *connect_until(struct store *store, const char *const *keywords,
                             const char *const *values)
{
    PGconn *connection = PQconnectStartParams(keywords, values, 1);
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;

    while (PQstatus(connection) != CONNECTION_BAD && next != PGRES_POLLING_OK &&
           next != PGRES_POLLING_FAILED) {
        if (!wait_for_socket(store, connection, next == PGRES_POLLING_READING ? POLLIN : POLLOUT)) {
            PQfinish(connection);
            store->is_given_up = true;
            return NULL;
        }
        next = PQconnectPoll(connection);
    }
    return connection;
}

PGconn *patience_connect(struct store *store, const char *const *keywords,
                         const char *const *values)
{
    PGconn *connection = store->wait_until_us == 0 ? PQconnectdbParams(keywords, values, 1)
                                                   : connect_until(store, keywords, values);

    if (PQstatus(connection) == CONNECTION_OK) {
        PQsetnonblocking(connection, 1);
    }
    return connection;
}

int patience_flush(struct store *store)
{
    PGconn *connection = store->connection;
    int left;

    while ((left = PQflush(connection)) == 1) {
        if (!wait_for_socket(store, connection, POLLIN | POLLOUT)) {
            patience_give_up(store);
            return -1;
        }
        if (PQconsumeInput(connection) != 1) {
            return -1;
        }
    }
    return left;
}

/* Wait until PQgetResult has something to say; false when the connection was given up. */
static bool wait_for_result(struct store *store)
{
    /* What cannot be sent for a broken connection is left to PQgetResult, which has the server's
     * last words. */
    if (patience_flush(store) != 0 && store->is_given_up) {
        return false;
    }
    while (PQisBusy(store->connection)) {
        if (!wait_for_socket(store, store->connection, POLLIN)) {
            patience_give_up(store);
            return false;
        }
        if (PQconsumeInput(store->connection) != 1) {
            break;
        }
    }
    return true;
}

PGresult *patience_result(struct store *store)
{
    return wait_for_result(store) ? PQgetResult(store->connection) : NULL;
}

static bool begins_copy(const PGresult *result)
{
    return PQresultStatus(result) == PGRES_COPY_IN || PQresultStatus(result) == PGRES_COPY_OUT;
}

PGresult *patience_last_result(struct store *store)
{
    PGresult *last = NULL;
    PGresult *result;

    while ((result = patience_result(store)) != NULL) {
        PQclear(last);
        last = result;
        if (begins_copy(last) || PQstatus(store->connection) != CONNECTION_OK) {
            return last;
        }
    }
    if (store->is_given_up) {
        PQclear(last);
        return NULL;
    }
    return last;
}

PGresult *patience_execute(struct store *store, const char *sql)
{
    patience_start(store);
    return PQsendQuery(store->connection, sql) == 1 ? patience_last_result(store) : NULL;
}

int patience_copy_row(struct store *store, char **row)
{
    int length;

    patience_start(store);
    while ((length = PQgetCopyData(store->connection, row, 1)) == 0) {
        if (!wait_for_socket(store, store->connection, POLLIN)) {
            patience_give_up(store);
            return -2;
        }
        if (PQconsumeInput(store->connection) != 1) {
            return -2;
        }
    }
    return length;
}

void patience_give_up(struct store *store)
{
    PQfinish(store->connection);
    store->connection = NULL;
    store->is_given_up = true;
}

int patience_failure(const struct store *store, struct error *err)
{
    bool whole = store->patience_us % MICROSECONDS == 0;

    return error_set(err, ERROR_UNAVAILABLE, "the database did not answer within %" PRId64 " %s",
                     store->patience_us / (whole ? MICROSECONDS : 1000), whole ? "s" : "ms");
}
