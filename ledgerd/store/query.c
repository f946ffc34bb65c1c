/* query - statements: binding, running, and making errors of what the database says. See
 * query.h. */
#include "ledgerd/store/query.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/civil.h"
#include "ledgerd/store/connection.h"
#include "ledgerd/store/patience.h"
#include "ledgerd/store/query_send.h"
#include "ledgerd/store/wire.h"

enum { UUID_BYTES = 16 };

void query_init(struct query *query, const char *sql)
{
    memset(query, 0, sizeof *query);
    query->sql = sql;
}

void query_init_named(struct query *query, const char *name, const char *sql)
{
    query_init(query, sql);
    query->name = name;
}

void query_release(struct query *query)
{
    for (int i = 0; i < query->count; i++) {
        free(query->values[i]);
        query->values[i] = NULL;
    }
    query->count = 0;
}

void query_take(struct query *query, Oid type, char *value, size_t length)
{
    int i = query->count;

    if (i >= QUERY_PARAMETERS_MAX || length > WIRE_VALUE_BYTES_MAX) {
        query->failed = true;
        free(value);
        return;
    }
    query->types[i] = type;
    query->values[i] = value;
    query->lengths[i] = (int)length;
    query->formats[i] = 1;
    query->count++;
}

static void take_copy(struct query *query, Oid type, const void *bytes, size_t length)
{
    char *copy = malloc(length + 1);

    if (copy == NULL) {
        query->failed = true;
        return;
    }
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    query_take(query, type, copy, length);
}

void query_text(struct query *query, const char *text)
{
    if (text == NULL) {
        query_take(query, OID_TEXT, NULL, 0);
    } else {
        take_copy(query, OID_TEXT, text, strlen(text));
    }
}

void query_bytes(struct query *query, const void *bytes, size_t length)
{
    if (bytes == NULL) {
        query_take(query, OID_BYTEA, NULL, 0);
    } else {
        take_copy(query, OID_BYTEA, bytes, length);
    }
}

void query_uuid(struct query *query, const unsigned char *bytes)
{
    if (bytes == NULL) {
        query_take(query, OID_UUID, NULL, 0);
    } else {
        take_copy(query, OID_UUID, bytes, UUID_BYTES);
    }
}

void query_i64(struct query *query, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);

    take_copy(query, OID_INT8, &wire, sizeof wire);
}

void query_i32(struct query *query, int32_t value)
{
    uint32_t wire = htonl((uint32_t)value);

    take_copy(query, OID_INT4, &wire, sizeof wire);
}

void query_bool(struct query *query, bool value)
{
    char wire = value ? 1 : 0;

    take_copy(query, OID_BOOL, &wire, 1);
}

void query_instant(struct query *query, struct instant value)
{
    uint64_t wire = htobe64((uint64_t)wire_from_instant(value));

    if (instant_is_set(value)) {
        take_copy(query, OID_TIMESTAMPTZ, &wire, sizeof wire);
    } else {
        query_take(query, OID_TIMESTAMPTZ, NULL, 0);
    }
}

void query_month(struct query *query, struct month month)
{
    uint32_t wire = htonl((uint32_t)wire_from_month(month));

    take_copy(query, OID_DATE, &wire, sizeof wire);
}

void query_points(struct query *query, struct points value)
{
    query_i64(query, value.micro);
}

static void keep_sqlstate(struct store *store, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    snprintf(store->sqlstate, sizeof store->sqlstate, "%s", state != NULL ? state : "");
}

/* The database's state is the cause, not the statement: out of space, shutting down, a standby
 * after a failover. */
static bool is_unavailable(const char *sqlstate)
{
    return strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "53", 2) == 0 ||
           strncmp(sqlstate, "57P", 3) == 0 || strncmp(sqlstate, "58", 2) == 0 ||
           strcmp(sqlstate, "25006") == 0 || strcmp(sqlstate, "55P03") == 0;
}

int query_failure(struct store *store, const PGresult *result, struct error *err)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    keep_sqlstate(store, result);
    if (store->is_given_up) {
        return patience_failure(store, err);
    }
    if (message == NULL) { /* made by libpq itself: the connection is gone or memory is */
        return error_set(err, ERROR_UNAVAILABLE, "the connection to the database broke");
    }
    return error_set(err,
                     is_unavailable(store->sqlstate) || !store_is_connected(store)
                         ? ERROR_UNAVAILABLE
                         : ERROR_INTERNAL,
                     "the database says: %s", message);
}

static bool is_success(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool query_is_prepared(const struct store *store, const char *name)
{
    for (size_t i = 0; i < store->prepared_count; i++) {
        if (strcmp(store->prepared[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Parse a named statement, once a connection. */
static int prepare_once(struct store *store, const struct query *query, struct error *err)
{
    PGresult *result = NULL;
    int status = 0;

    if (query_is_prepared(store, query->name)) {
        return 0;
    }
    if (store->prepared_count == STORE_PREPARED_MAX) {
        return error_set(err, ERROR_INTERNAL, "statement %s: too many are prepared", query->name);
    }
    if (PQsendPrepare(store->connection, query->name, query->sql, query->count, query->types) ==
        1) {
        result = patience_last_result(store);
    }
    if (is_success(result)) {
        store->prepared[store->prepared_count++] = query->name;
    } else {
        status = query_failure(store, result, err);
    }
    PQclear(result);
    return status;
}

/* Send a query whose name, if any, is prepared. 1, or 0 when the connection is broken. */
static int send_query(struct store *store, const struct query *query)
{
    const char *const *values = (const char *const *)query->values;

    if (query->name != NULL) {
        return PQsendQueryPrepared(store->connection, query->name, query->count, values,
                                   query->lengths, query->formats, 1);
    }
    return PQsendQueryParams(store->connection, query->sql, query->count, query->types, values,
                             query->lengths, query->formats, 1);
}

/* Start the wait for a query, with everything in place to send it. */
static int begin_query(struct store *store, const struct query *query, struct error *err)
{
    store->sqlstate[0] = '\0';
    if (query->failed) {
        return error_set(err, ERROR_INTERNAL, "a statement's parameters did not fit into memory");
    }
    if (store->has_sent_commit) {
        return error_set(err, ERROR_INTERNAL, "a statement was run behind its own commit");
    }
    patience_start(store);
    return query->name == NULL ? 0 : prepare_once(store, query, err);
}

/* Give a good result to the caller, or make an error of it. Takes the result. */
static int take_result(struct store *store, PGresult *result, struct rows *rows, int64_t *affected,
                       struct error *err)
{
    if (!is_success(result)) {
        query_failure(store, result, err);
        PQclear(result);
        return -1;
    }
    if (affected != NULL) {
        *affected = strtoll(PQcmdTuples(result), NULL, 10);
    }
    if (rows != NULL) {
        rows->result = result;
    } else {
        PQclear(result);
    }
    return 0;
}

/* Queries that go to the server at once, and what comes back. */
struct trip {
    bool begins; /* BEGIN before them, COMMIT behind them */
    bool commits;
    size_t count;
    const struct query *queries;
    PGresult *results[QUERY_TRIP_MAX + 2]; /* NULL where none could be had */
};

static size_t trip_length(const struct trip *trip)
{
    return trip->begins + trip->count + trip->commits;
}

static int send_words(struct store *store, const char *sql)
{
    return PQsendQueryParams(store->connection, sql, 0, NULL, NULL, NULL, NULL, 1);
}

static bool send_trip(struct store *store, const struct trip *trip)
{
    bool sent = PQenterPipelineMode(store->connection) == 1 &&
                (!trip->begins || send_words(store, STORE_BEGIN_WRITING) == 1);

    for (size_t i = 0; sent && i < trip->count; i++) {
        sent = send_query(store, &trip->queries[i]) == 1;
    }
    return sent && (!trip->commits || send_words(store, "COMMIT") == 1) &&
           PQpipelineSync(store->connection) == 1;
}

/* Send it, and take every result. When a statement fails, the server skips those behind it. */
static void run_trip(struct store *store, struct trip *trip)
{
    trip->begins = store->begin_unsent;
    store->begin_unsent = false;
    if (!send_trip(store, trip)) {
        patience_give_up(store);
        return;
    }
    for (size_t i = 0; i < trip_length(trip); i++) {
        trip->results[i] = patience_result(store);
        PQclear(patience_result(store)); /* the NULL that ends each */
    }
    PQclear(patience_result(store)); /* the synchronisation */
    if (store_is_connected(store) && PQexitPipelineMode(store->connection) != 1) {
        patience_give_up(store);
    }
}

/* Give the results of the queries to the caller, or make an error of the first that failed. */
static int take_trip(struct store *store, struct trip *trip, struct rows *rows, int64_t *affected,
                     struct error *err)
{
    size_t length = trip_length(trip);
    size_t failed = 0;
    int status = 0;

    while (failed < length && is_success(trip->results[failed])) {
        failed++;
    }
    if (failed < length) {
        status = query_failure(store, trip->results[failed], err);
    }
    for (size_t i = 0; i < length; i++) {
        bool is_query = i >= trip->begins && i < trip->begins + trip->count;
        if (status != 0 || !is_query) {
            PQclear(trip->results[i]);
        } else {
            take_result(store, trip->results[i], rows == NULL ? NULL : &rows[i - trip->begins],
                        affected, err);
        }
    }
    return status;
}

int query_run_all(struct store *store, struct query *queries, size_t count, struct rows *rows,
                  struct error *err)
{
    struct trip trip = {.count = count, .queries = queries};
    int status = 0;

    if (count > QUERY_TRIP_MAX) {
        status = error_set(err, ERROR_INTERNAL, "too many statements for one trip");
    }
    for (size_t i = 0; status == 0 && i < count; i++) {
        status = begin_query(store, &queries[i], err);
    }
    if (status == 0) {
        run_trip(store, &trip);
        status = take_trip(store, &trip, rows, NULL, err);
    }
    for (size_t i = 0; i < count; i++) {
        query_release(&queries[i]);
    }
    return status;
}

int query_run(struct store *store, struct query *query, struct rows *rows, int64_t *affected,
              struct error *err)
{
    int status = begin_query(store, query, err);

    if (status == 0 && store->begin_unsent) {
        struct trip trip = {.count = 1, .queries = query};
        run_trip(store, &trip);
        status = take_trip(store, &trip, rows, affected, err);
    } else if (status == 0) {
        PGresult *result = send_query(store, query) == 1 ? patience_last_result(store) : NULL;
        status = take_result(store, result, rows, affected, err);
    }
    query_release(query);
    return status;
}

int query_send(struct store *store, struct query *query, struct error *err)
{
    int status = begin_query(store, query, err);

    if (status == 0 && send_query(store, query) != 1) {
        status = query_failure(store, NULL, err);
    }
    query_release(query);
    return status;
}

bool query_is_back(struct store *store)
{
    if (patience_is_over(store) || PQconsumeInput(store->connection) != 1) {
        return true;
    }
    while (PQisBusy(store->connection) == 0) {
        PGresult *result = PQgetResult(store->connection);
        if (result == NULL) {
            return true;
        }
        PQclear(store->come);
        store->come = result;
    }
    return false;
}

int query_answer(struct store *store, struct rows *rows, int64_t *affected, struct error *err)
{
    PGresult *result = patience_last_result(store);

    if (result == NULL && !store->is_given_up) {
        result = store->come;
    } else {
        PQclear(store->come);
    }
    store->come = NULL;
    return take_result(store, result, rows, affected, err);
}

int query_run_and_commit(struct store *store, struct query *query, struct rows *rows,
                         int64_t *affected, struct error *err)
{
    struct trip trip = {.commits = true, .count = 1, .queries = query};
    int status = begin_query(store, query, err);

    if (status == 0 && !store->in_transaction) {
        status = error_set(err, ERROR_INTERNAL, "a commit was asked for outside a transaction");
    }
    if (status == 0) {
        store->has_sent_commit = true;
        run_trip(store, &trip);
        status = take_trip(store, &trip, rows, affected, err);
        if (status != 0) {
            store_doubt(store, err);
            store->has_sent_commit = !store_is_connected(store);
        }
    }
    query_release(query);
    return status;
}

int query_execute(struct store *store, const char *sql, struct error *err)
{
    PGresult *result = NULL;
    int status = 0;

    store->sqlstate[0] = '\0';
    if (store->begin_unsent) {
        store->begin_unsent = false;
        if (query_execute(store, STORE_BEGIN_WRITING, err) != 0) {
            return -1;
        }
    }
    result = patience_execute(store, sql);
    if (!is_success(result)) {
        status = query_failure(store, result, err);
    }
    PQclear(result);
    return status;
}
