/* patience - see patience.h. */
#include "ledgerd/store/patience.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "ledgerd/base/clock.h"

enum {
    MICROSECONDS = 1000 * 1000,
    ALARM_STEP_US = 100 * 1000, /* between looks at the alarm */
};

void patience_start(struct store *store)
{
    if (!store->is_connecting) {
        store->waits_since_us = clock_monotonic_us();
        store->wait_until_us = store->patience_us == 0 ? 0
                                                       : store->waits_since_us + store->patience_us;
    }
}

/* How long the wait may still last: 0 when it is over, -1 when it may last for ever. With an alarm,
 * at most a step: nothing wakes a sleeper when it goes off. */
static int64_t time_left_us(const struct store *store)
{
    int64_t now_us = clock_monotonic_us();
    int64_t left_us = -1;

    if (store->wait_until_us != 0) {
        left_us = store->wait_until_us > now_us ? store->wait_until_us - now_us : 0;
    }
    if (store->alarm == NULL) {
        return left_us;
    }
    if (atomic_load(store->alarm) && now_us - store->waits_since_us >= STORE_ALARM_US) {
        return 0;
    }
    return left_us < 0 || left_us > ALARM_STEP_US ? ALARM_STEP_US : left_us;
}

bool patience_is_over(const struct store *store)
{
    return time_left_us(store) == 0;
}

/* Wait until the socket is ready for any of `events`; false when the wait is over before. */
static bool wait_for_socket(const struct store *store, const PGconn *connection, short events)
{
    struct pollfd wanted = {.fd = PQsocket(connection), .events = events};
    int64_t left_us;
    int ready;

    if (wanted.fd < 0) {
        return true; /* a broken connection fails when it is read */
    }
    do {
        left_us = time_left_us(store);
        if (left_us == 0) {
            return false;
        }
        ready = poll(&wanted, 1, left_us < 0 ? -1 : (int)(left_us / 1000 + 1));
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    return true; /* so does a socket that cannot be polled */
}

bool patience_is_quiet(const struct store *store)
{
    struct pollfd wanted = {.fd = PQsocket(store->connection), .events = POLLIN};

    return wanted.fd >= 0 && poll(&wanted, 1, 0) == 0;
}

static void note_given_up(struct store *store)
{
    bool by_alarm = store->wait_until_us == 0 || clock_monotonic_us() < store->wait_until_us;

    store->is_given_up = true;
    store->given_up_after_us = by_alarm ? STORE_ALARM_US : store->patience_us;
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
            note_given_up(store);
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
    int length = PQgetCopyData(store->connection, row, 1);

    if (length == 0) {
        patience_start(store);
    }
    for (; length == 0; length = PQgetCopyData(store->connection, row, 1)) {
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
    note_given_up(store);
}

int patience_failure(const struct store *store, struct error *err)
{
    bool in_seconds = store->given_up_after_us % MICROSECONDS == 0;

    return error_set(err, ERROR_UNAVAILABLE, "the database did not answer within %" PRId64 " %s",
                     store->given_up_after_us / (in_seconds ? MICROSECONDS : 1000),
                     in_seconds ? "s" : "ms");
}
