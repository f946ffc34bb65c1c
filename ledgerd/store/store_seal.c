/* store_seal - see store_seal.h. */
#include "ledgerd/store/store_seal.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/connection.h"
#include "ledgerd/store/patience.h"
#include "ledgerd/store/query.h"
#include "ledgerd/store/wire.h"

enum {
    SQL_BYTES = 1024,
    PAGE_SEALS_MAX =
        4096, /* links of a transfer or two each: bounds a page where `total` does not */
    /* Where the values of a row stand: every column but the last two has one of fixed size. */
    COUNT_BYTES = 2,
    LENGTH_BYTES = 4,
    XID_AT = COUNT_BYTES + LENGTH_BYTES,
    TRANSFER_AT = XID_AT + 8 + LENGTH_BYTES,
    MONTH_AT = TRANSFER_AT + 8 + LENGTH_BYTES,
    ENTRY_AT = MONTH_AT + 4 + LENGTH_BYTES,
    DEBIT_AT = ENTRY_AT + 8 + LENGTH_BYTES,
    CREDIT_AT = DEBIT_AT + 4 + LENGTH_BYTES,
    AMOUNT_AT = CREDIT_AT + 4 + LENGTH_BYTES,
    SOURCE_AT = AMOUNT_AT + 8 + LENGTH_BYTES,
    CHARGES_AT = SOURCE_AT + 4 + LENGTH_BYTES,
    BOOKED_AT = CHARGES_AT + 8 + LENGTH_BYTES,
    KIND_AT = BOOKED_AT + 8 + LENGTH_BYTES,
    ROW_BYTES_MIN = KIND_AT,
    COLUMNS = 13,           /* of STORE_SEAL_COLUMNS */
    COPY_HEADER_BYTES = 19, /* signature, flags and the length of no extension */
};

/* COPY takes no parameters: a place is written into its text, as numbers. */
#define PLACE "('%" PRIu64 "'::xid8, '%" PRId64 "'::bigint)"
#define SELECT_ROWS "COPY (SELECT " STORE_SEAL_COLUMNS " FROM ledger.transfer WHERE "
#define AS_BINARY ") TO STDOUT (FORMAT binary)"

int store_seal_lock(struct store *store, bool wait, bool *locked, struct error *err)
{
    struct query query;
    struct rows rows;

    if (wait) {
        *locked = true;
        return query_execute(store, "SELECT pg_advisory_xact_lock(" STORE_LOCK_KEY_SEAL ")", err);
    }
    query_init(&query, "SELECT pg_try_advisory_xact_lock(" STORE_LOCK_KEY_SEAL ")");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *locked = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

static int decode_seal(const struct rows *rows, size_t row, struct store_seal *seal,
                       struct error *err)
{
    *seal = (struct store_seal){
        .n = rows_i64(rows, row, 0),
        .last = {(uint64_t)rows_i64(rows, row, 1), rows_i64(rows, row, 2)},
        .transfers = rows_i64(rows, row, 3),
        .total = rows_i64(rows, row, 4),
        .sealed_at = rows_instant(rows, row, 5),
        .closes = rows_is_null(rows, row, 7) ? NULL : rows_bytes(rows, row, 7),
        .closes_length = rows_length(rows, row, 7),
        .leaves = rows_bytes(rows, row, 8),
        .leaves_length = rows_length(rows, row, 8),
    };
    if (rows_length(rows, row, 6) != SEAL_HASH_BYTES) {
        return error_set(err, ERROR_VERIFY, "seal %" PRId64 ": its head is no SHA-256", seal->n);
    }
    memcpy(seal->head, rows_bytes(rows, row, 6), SEAL_HASH_BYTES);
    return 0;
}

#define SEAL_COLUMNS "n, last_xid, last_transfer, transfers, total, sealed_at, head, closes"

int store_seal_last(struct store *store, struct store_seal *seal, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT " SEAL_COLUMNS ", ''::bytea FROM ledger.seal ORDER BY n DESC "
                       "LIMIT 1");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (rows_count(&rows) == 0) {
        *seal = (struct store_seal){.last = SEAL_START, .sealed_at = INSTANT_NONE};
    } else {
        result = decode_seal(&rows, 0, seal, err);
        seal->leaves = NULL;
        seal->closes = NULL;
    }
    rows_release(&rows);
    return result;
}

int store_seal_horizon(struct store *store, uint64_t *oldest, uint64_t *next, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT pg_snapshot_xmin(s), pg_snapshot_xmax(s) "
                       "FROM pg_current_snapshot() s");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *oldest = (uint64_t)rows_i64(&rows, 0, 0);
    *next = (uint64_t)rows_i64(&rows, 0, 1);
    rows_release(&rows);
    return 0;
}

int store_seal_insert(struct store *store, const struct store_seal *seal, struct error *err)
{
    struct query query;
    char xid[24];

    snprintf(xid, sizeof xid, "%" PRIu64, seal->last.xid);
    query_init(&query, "INSERT INTO ledger.seal (n, last_xid, last_transfer, transfers, total, "
                       "sealed_at, head, leaves, closes) "
                       "VALUES ($1, $2::text::xid8, $3, $4, $5, $6, $7, $8, $9)");
    query_i64(&query, seal->n);
    query_text(&query, xid);
    query_i64(&query, seal->last.transfer_id);
    query_i64(&query, seal->transfers);
    query_i64(&query, seal->total);
    query_instant(&query, seal->sealed_at);
    query_bytes(&query, seal->head, SEAL_HASH_BYTES);
    query_bytes(&query, seal->leaves, seal->leaves_length);
    query_bytes(&query, seal->closes, seal->closes_length);
    return query_run(store, &query, NULL, NULL, err);
}

static uint64_t get_u64(const char *at)
{
    uint64_t wire;

    memcpy(&wire, at, sizeof wire);
    return be64toh(wire);
}

static uint32_t get_u32(const char *at)
{
    uint32_t wire;

    memcpy(&wire, at, sizeof wire);
    return be32toh(wire);
}

/* Where belongs_to is null the row is hashed without it: as rows were before there was one. */
static size_t drop_own_month(char *bytes, size_t length)
{
    const uint16_t without = htobe16(COLUMNS - 1);

    if (get_u32(bytes + length - LENGTH_BYTES) != UINT32_MAX) {
        return length;
    }
    memcpy(bytes, &without, sizeof without);
    return length - LENGTH_BYTES;
}

struct copying { /* rows on their way */
    seal_row_fn *each;
    void *context;
    bool has_header;
    int32_t wire_month; /* of the row before, and what it is: most rows have the same */
    struct month month;
};

static struct month month_of(struct copying *copying, int32_t wire)
{
    if (wire != copying->wire_month) {
        copying->wire_month = wire;
        copying->month = wire_to_month(wire);
    }
    return copying->month;
}

/* One message of the COPY: the header may stand before the row. Calls `each` for a row. */
static int take_message(struct copying *copying, char *bytes, size_t length, struct error *err)
{
    struct seal_row row;

    if (!copying->has_header) {
        if (length < COPY_HEADER_BYTES) {
            return error_set(err, ERROR_INTERNAL, "the database sent rows without their header");
        }
        copying->has_header = true;
        bytes += COPY_HEADER_BYTES;
        length -= COPY_HEADER_BYTES;
    }
    if (length <= COUNT_BYTES) {
        return 0; /* the trailer, or nothing behind the header */
    }
    if (length < ROW_BYTES_MIN) {
        return error_set(err, ERROR_INTERNAL, "the database sent a transfer that is cut off");
    }
    length = drop_own_month(bytes, length);
    row = (struct seal_row){
        .place = {get_u64(bytes + XID_AT), (int64_t)get_u64(bytes + TRANSFER_AT)},
        .month = month_of(copying, (int32_t)get_u32(bytes + MONTH_AT)),
        .entry_id = (int64_t)get_u64(bytes + ENTRY_AT),
        .booked_at = wire_to_instant((int64_t)get_u64(bytes + BOOKED_AT)),
        .debit_account = (int32_t)get_u32(bytes + DEBIT_AT),
        .credit_account = (int32_t)get_u32(bytes + CREDIT_AT),
        .amount = {(int64_t)get_u64(bytes + AMOUNT_AT)},
        .source_no = (int32_t)get_u32(bytes + SOURCE_AT),
        .kind = bytes + KIND_AT,
        .kind_length = get_u32(bytes + KIND_AT - LENGTH_BYTES),
        .bytes = bytes,
        .length = length,
    };
    if (row.kind_length > length - KIND_AT) {
        return error_set(err, ERROR_INTERNAL, "the database sent a transfer that is cut off");
    }
    return copying->each(copying->context, &row, err);
}

/* The rest of a COPY that is given up is read and thrown away, so that the connection can go on. */
static int take_rows(struct store *store, seal_row_fn *each, void *context, struct error *err)
{
    struct copying copying = {.each = each, .context = context, .month = wire_to_month(0)};
    char *message;
    int length, status = 0;
    PGresult *result;

    while ((length = patience_copy_row(store, &message)) > 0) {
        if (status == 0) {
            status = take_message(&copying, message, (size_t)length, err);
        }
        PQfreemem(message);
    }
    while ((result = patience_result(store)) != NULL) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK && status == 0) {
            status = query_failure(store, result, err);
        }
        PQclear(result);
    }
    return length < -1 && status == 0 ? query_failure(store, NULL, err) : status;
}

static int copy_out(struct store *store, const char *sql, seal_row_fn *each, void *context,
                    struct error *err)
{
    PGresult *result = patience_execute(store, sql);
    int status = 0;

    if (PQresultStatus(result) != PGRES_COPY_OUT) {
        status = query_failure(store, result, err);
    }
    PQclear(result);
    return status == 0 ? take_rows(store, each, context, err) : -1;
}

int store_seal_next_rows(struct store *store, struct seal_place after, int64_t most,
                         seal_row_fn *each, void *context, struct error *err)
{
    char sql[SQL_BYTES];

    snprintf(sql, sizeof sql,
             SELECT_ROWS "(xid, transfer_id) > " PLACE
                         " AND xid < pg_snapshot_xmin(pg_current_snapshot()) "
                         "ORDER BY xid, transfer_id, month LIMIT %" PRId64 AS_BINARY,
             after.xid, after.transfer_id, most);
    return copy_out(store, sql, each, context, err);
}

int store_seal_rows(struct store *store, struct seal_place after, struct seal_place last,
                    seal_row_fn *each, void *context, struct error *err)
{
    char sql[SQL_BYTES];

    snprintf(sql, sizeof sql,
             SELECT_ROWS "(xid, transfer_id) > " PLACE
                         " AND (xid, transfer_id) <= " PLACE AS_BINARY,
             after.xid, after.transfer_id, last.xid, last.transfer_id);
    return copy_out(store, sql, each, context, err);
}

/* A close's columns but for its report, which its digest stands for, in a form that no setting of
 * the session changes. */
#define CLOSE_ROW                                                                           \
    "concat_ws('|', to_char(month, 'YYYY-MM-DD'), extract(epoch FROM closed_at), audit_n, " \
    "transfers, moved_micro, statements, statements_digest, digest, xid)"
#define CLOSE_NUMBER "(extract(year FROM month) * 12 + extract(month FROM month) - 1)::bigint"

int store_seal_closes(struct store *store, int64_t after, struct strbuf *closes, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT string_agg(int8send(" CLOSE_NUMBER ") || sha256(convert_to(" CLOSE_ROW
               ", 'UTF8')), ''::bytea ORDER BY month) FROM ledger.month_close "
               "WHERE " CLOSE_NUMBER " > $1");
    query_i64(&query, after);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (!rows_is_null(&rows, 0, 0)) {
        strbuf_add(closes, rows_bytes(&rows, 0, 0), rows_length(&rows, 0, 0));
    }
    rows_release(&rows);
    return closes->failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

int store_seal_closed(struct store *store, int64_t *month, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT closes FROM ledger.seal WHERE closes IS NOT NULL "
                       "ORDER BY n DESC LIMIT 1");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *month = -1;
    if (rows_count(&rows) > 0) {
        const char *closes = rows_bytes(&rows, 0, 0);

        *month = (int64_t)get_u64(closes + rows_length(&rows, 0, 0) - SEAL_LEAF_BYTES);
    }
    rows_release(&rows);
    return 0;
}

void seal_page_release(struct seal_page *page)
{
    PQclear(page->rows);
    free(page->seals);
    *page = (struct seal_page){0};
}

#define SELECT_PAGE(leaves)                                                  \
    "SELECT " SEAL_COLUMNS ", " leaves " FROM ledger.seal WHERE n > $1 AND " \
    "(total <= $2 OR n = (SELECT min(n) FROM ledger.seal WHERE n > $1)) "    \
    "ORDER BY n LIMIT $3"

static int read_page(struct store *store, const char *sql, const struct store_seal *after,
                     int64_t transfers, struct seal_page *page, struct error *err)
{
    struct query query;
    struct rows rows;

    seal_page_release(page);
    query_init(&query, sql);
    query_i64(&query, after->n);
    query_i64(&query, after->total < INT64_MAX - transfers ? after->total + transfers : INT64_MAX);
    query_i64(&query, PAGE_SEALS_MAX);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    page->rows = rows.result;
    page->seals = calloc(rows_count(&rows) + 1, sizeof *page->seals);
    if (page->seals == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (; page->count < rows_count(&rows); page->count++) {
        if (decode_seal(&rows, page->count, &page->seals[page->count], err) != 0) {
            return -1;
        }
    }
    return 0;
}

int store_seal_page(struct store *store, const struct store_seal *after, int64_t transfers,
                    struct seal_page *page, struct error *err)
{
    return read_page(store, SELECT_PAGE("leaves"), after, transfers, page, err);
}

int store_seal_page_heads(struct store *store, const struct store_seal *after, int64_t transfers,
                          struct seal_page *page, struct error *err)
{
    return read_page(store, SELECT_PAGE("''::bytea"), after, transfers, page, err);
}
