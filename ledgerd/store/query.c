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
#include "ledgerd/store/wire.h"

void query_init(struct query *query, const char *sql)
{
    memset(query, 0, sizeof *query);
    query->sql = sql;
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

int query_run(struct store *store, struct query *query, struct rows *rows, int64_t *affected,
              struct error *err)
{
    PGresult *result;

    store->sqlstate[0] = '\0';
    if (query->failed) {
        query_release(query);
        return error_set(err, ERROR_INTERNAL, "a statement's parameters did not fit into memory");
    }
    result = PQexecParams(store->connection, query->sql, query->count, query->types,
                          (const char *const *)query->values, query->lengths, query->formats, 1);
    query_release(query);
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

int query_execute(struct store *store, const char *sql, struct error *err)
{
    PGresult *result = PQexec(store->connection, sql);
    int status = 0;

    store->sqlstate[0] = '\0';
    if (!is_success(result)) {
        status = query_failure(store, result, err);
    }
    PQclear(result);
    return status;
}
