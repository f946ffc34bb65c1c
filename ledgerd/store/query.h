/* query - a statement with its parameters, and the rows that it gave. Internal to this folder.
 *
 * Parameters are always bound, never spliced.  A query is filled in order ($1, $2, …), run once,
 * and released.  The first failure (out of memory, too many parameters) is remembered and reported
 * by query_run, so that callers add parameters without a check on each.
 */
#ifndef LEDGERD_STORE_QUERY_H
#define LEDGERD_STORE_QUERY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

enum { QUERY_PARAMETERS_MAX = 32 };

struct query {
    const char *sql;
    const char *name; /* borrowed for as long as the store lives; NULL: not prepared */
    int count;
    Oid types[QUERY_PARAMETERS_MAX];
    char *values[QUERY_PARAMETERS_MAX]; /* owned, binary format */
    int lengths[QUERY_PARAMETERS_MAX];
    int formats[QUERY_PARAMETERS_MAX];
    bool failed;
};

struct rows { /* results in binary format */
    PGresult *result;
};

void query_init(struct query *query, const char *sql);

/* The same for a statement that is run again and again: each connection parses it once, under this
 * name (a string constant), and its parameters must always be of the same types. */
void query_init_named(struct query *query, const char *name, const char *sql);

void query_release(struct query *query);

void query_text(struct query *query, const char *text);                  /* NULL is SQL null */
void query_bytes(struct query *query, const void *bytes, size_t length); /* NULL likewise */
void query_uuid(struct query *query, const unsigned char *bytes); /* 16 of them; NULL likewise */
void query_i64(struct query *query, int64_t value);
void query_i32(struct query *query, int32_t value);
void query_bool(struct query *query, bool value);
void query_instant(struct query *query,
                   struct instant value); /* INSTANT_NONE is null, INSTANT_NEVER infinity */
void query_month(struct query *query, struct month month);   /* date, the first day */
void query_points(struct query *query, struct points value); /* bigint, micro-points */

/* Array parameters, for set-wise statements over unnest($1, $2, …). NULL texts and INSTANT_NONE
 * are SQL nulls. */
void query_text_array(struct query *query, const char *const *texts, size_t count);
void query_i64_array(struct query *query, const int64_t *values, size_t count);
void query_i32_array(struct query *query, const int32_t *values, size_t count);
void query_instant_array(struct query *query, const struct instant *values, size_t count);
void query_month_array(struct query *query, const struct month *values, size_t count);
void query_bytes_array(struct query *query, const void *const *bytes, const size_t *lengths,
                       size_t count); /* bytea[] */
void query_bool_array(struct query *query, const bool *values, size_t count);
void query_uuid_array(struct query *query, const unsigned char (*values)[16], size_t count);

/* Run it and release it. With rows NULL, results are thrown away. *affected (may be NULL) gets the
 * command's row count. Errors: a raised constraint becomes ERROR_INTERNAL with the database's own
 * sentence unless the caller's intent says otherwise; a lost connection ERROR_UNAVAILABLE. The
 * SQLSTATE of the last failure is kept in the store. */
int query_run(struct store *store, struct query *query, struct rows *rows, int64_t *affected,
              struct error *err);

/* Run several in one trip to the server, in order, and release them; rows[count] get what each
 * gave. When one fails, those behind it are not run and there are no rows. */
enum { QUERY_TRIP_MAX = 4 };
int query_run_all(struct store *store, struct query *queries, size_t count, struct rows *rows,
                  struct error *err);

/* As query_run, and commit the transaction in the same round trip: the last act of the work that
 * store_transact runs, which then commits nothing more. Not for work that may be a part of
 * another. A connection lost meanwhile leaves store_transact's doubt. */
int query_run_and_commit(struct store *store, struct query *query, struct rows *rows,
                         int64_t *affected, struct error *err);

/* Run SQL (one statement or several) that has no parameters; rows are thrown away. */
int query_execute(struct store *store, const char *sql, struct error *err);

/* Make *err of a result that failed (COPY, say) or never came (NULL), and keep its SQLSTATE. Always
 * returns -1. */
int query_failure(struct store *store, const PGresult *result, struct error *err);

const char *store_sqlstate(
    const struct store *store); /* of the last failed statement, "" if none */
PGconn *store_connection(struct store *store);
bool store_in_transaction(const struct store *store);

void rows_release(struct rows *rows);
size_t rows_count(const struct rows *rows);
bool rows_is_null(const struct rows *rows, size_t row, int column);
const char *rows_text(const struct rows *rows, size_t row,
                      int column); /* text, valid until release; "" for null */
char *rows_copy(const struct rows *rows, size_t row,
                int column); /* free() it; NULL for null or out of memory */
size_t rows_length(const struct rows *rows, size_t row, int column);
const void *rows_bytes(const struct rows *rows, size_t row, int column);
int64_t rows_i64(const struct rows *rows, size_t row,
                 int column); /* int2, int4, int8; 0 for null */
bool rows_bool(const struct rows *rows, size_t row, int column);
struct instant rows_instant(const struct rows *rows, size_t row,
                            int column); /* null: INSTANT_NONE; infinity: NEVER/NONE */
struct month rows_month(const struct rows *rows, size_t row, int column); /* from a date */
struct points rows_points(const struct rows *rows, size_t row, int column);

#endif
