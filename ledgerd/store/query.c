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
#include "ledgerd/store/wire.h"

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

/* Parse a named statement, once a connection. */
static int prepare_once(struct store *store, const struct query *query, struct error *err)
{
    PGresult *result = NULL;
    int status = 0;

    for (size_t i = 0; i < store->prepared_count; i++) {
        if (strcmp(store->prepared[i], query->name) == 0) {
            return 0;
        }
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

int query_run(struct store *store, struct query *query, struct rows *rows, int64_t *affected,
              struct error *err)
{
    int status = begin_query(store, query, err);

    if (status == 0) {
        PGresult *result = send_query(store, query) == 1 ? patience_last_result(store) : NULL;
        status = take_result(store, result, rows, affected, err);
    }
    query_release(query);
    return status;
}

/* Send a query and COMMIT together, and take both results; the second is NULL when either could not
 * be sent or taken. When the first fails, the server skips the second. */
static void run_pipelined(struct store *store, const struct query *query, PGresult *results[2])
{
    results[0] = results[1] = NULL;
    if (PQenterPipelineMode(store->connection) != 1 || send_query(store, query) != 1 ||
        PQsendQueryParams(store->connection, "COMMIT", 0, NULL, NULL, NULL, NULL, 1) != 1 ||
        PQpipelineSync(store->connection) != 1) {
        patience_give_up(store);
        return;
    }
    for (int i = 0; i < 2; i++) {
        results[i] = patience_result(store);
        PQclear(patience_result(store)); /* the NULL that ends each */
    }
    PQclear(patience_result(store)); /* the synchronisation */
    if (store_is_connected(store) && PQexitPipelineMode(store->connection) != 1) {
        patience_give_up(store);
    }
}

int query_run_and_commit(struct store *store, struct query *query, struct rows *rows,
                         int64_t *affected, struct error *err)
{
    PGresult *results[2];
    int status = begin_query(store, query, err);

    if (status == 0 && !store->in_transaction) {
        status = error_set(err, ERROR_INTERNAL, "a commit was asked for outside a transaction");
    }
    if (status != 0) {
        query_release(query);
        return -1;
    }
    store->has_sent_commit = true;
    run_pipelined(store, query, results);
    query_release(query);
    if (is_success(results[0]) && !is_success(results[1])) {
        PQclear(results[0]);
        results[0] = results[1];
        results[1] = NULL;
    }
    status = take_result(store, results[0], rows, affected, err);
    PQclear(results[1]);
    if (status != 0) {
        store_doubt(store, err);
        store->has_sent_commit = !store_is_connected(store);
    }
    return status;
}

int query_execute(struct store *store, const char *sql, struct error *err)
{
    PGresult *result = patience_execute(store, sql);
    int status = 0;

    store->sqlstate[0] = '\0';
    if (!is_success(result)) {
        status = query_failure(store, result, err);
    }
    PQclear(result);
    return status;
}
