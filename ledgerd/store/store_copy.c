/* store_copy - see store_copy.h.
 *
 * Binary COPY: a signature, then for each row its number of columns (16 bits) and for each column
 * its length (32 bits, -1 for null) and bytes, all in network order, then a trailer.
 *
 * The columns with patched numbers come first in usage_record and charge, each of fixed size, so
 * that their places are constants; in record_identity they come last.
 */
#include "ledgerd/store/store_copy.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/patience.h"
#include "ledgerd/store/query.h"
#include "ledgerd/store/store_record.h"
#include "ledgerd/store/wire.h"

enum {
    COUNT_BYTES = 2, /* the number of columns, at a row's start */
    I16_BYTES = 4 + 2,
    I32_BYTES = 4 + 4,
    I64_BYTES = 4 + 8, /* a length and a value */
    ROWS_BYTES = 1024 * 1024,
    TEXT_BYTES_MAX = 4096,    /* room made at once for a row's fixed parts */
    SEND_BYTES = 1024 * 1024, /* handed to libpq at once: it copies, so memory stays bounded */
    IDENTITY_COLUMNS = 6,
    USAGE_COLUMNS = 21,
    CHARGE_COLUMNS = 13,
    /* usage_record and charge: record_no, month, version, source_no */
    RECORD_AT = COUNT_BYTES + 4,
    VERSION_AT = COUNT_BYTES + I64_BYTES + I32_BYTES + 4,
    SOURCE_AT = COUNT_BYTES + I64_BYTES + I32_BYTES + I16_BYTES + 4,
    /* charge: …, card_no, rule, transfer_id */
    TRANSFER_AT = SOURCE_AT + 4 + 2 * I32_BYTES + 4,
    /* record_identity: source_no, …, record_no, version, month */
    IDENTITY_SOURCE_AT = COUNT_BYTES + 4,
    IDENTITY_RECORD_FROM_END = 8 + I16_BYTES + I32_BYTES,
};

void copy_rows_clear(struct copy_rows *rows)
{
    rows->length = 0;
    rows->failed = false;
}

void copy_rows_release(struct copy_rows *rows)
{
    free(rows->bytes);
    if (rows->text.data != NULL) {
        strbuf_release(&rows->text);
    }
    *rows = (struct copy_rows){0};
}

static bool reserve(struct copy_rows *rows, size_t more)
{
    size_t wanted;
    char *bytes;

    if (rows->failed) {
        return false;
    }
    if (rows->capacity - rows->length >= more) {
        return true;
    }
    wanted = rows->capacity + rows->capacity / 2 + more + ROWS_BYTES;
    bytes = realloc(rows->bytes, wanted);
    if (bytes == NULL) {
        rows->failed = true;
        return false;
    }
    rows->bytes = bytes;
    rows->capacity = wanted;
    return true;
}

/* The put_ functions write where room was made. */
static char *put_u16(char *at, uint16_t value)
{
    uint16_t wire = htons(value);

    memcpy(at, &wire, sizeof wire);
    return at + sizeof wire;
}

static char *put_u32(char *at, uint32_t value)
{
    uint32_t wire = htonl(value);

    memcpy(at, &wire, sizeof wire);
    return at + sizeof wire;
}

static char *put_u64(char *at, uint64_t value)
{
    uint64_t wire = htobe64(value);

    memcpy(at, &wire, sizeof wire);
    return at + sizeof wire;
}

static char *put_i16(char *at, int value)
{
    return put_u16(put_u32(at, 2), (uint16_t)value);
}

static char *put_i32(char *at, int32_t value)
{
    return put_u32(put_u32(at, 4), (uint32_t)value);
}

static char *put_i64(char *at, int64_t value)
{
    return put_u64(put_u32(at, 8), (uint64_t)value);
}

static char *put_null(char *at)
{
    return put_u32(at, UINT32_MAX);
}

static char *put_instant(char *at, struct instant t)
{
    return instant_is_set(t) ? put_i64(at, wire_from_instant(t)) : put_null(at);
}

static char *put_bytes(char *at, const void *bytes, size_t length)
{
    at = put_u32(at, (uint32_t)length);
    memcpy(at, bytes, length);
    return at + length;
}

static char *put_text(char *at, const char *text)
{
    return put_bytes(at, text, strlen(text));
}

static char *put_decimal(char *at, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];

    return put_text(at, decimal_format(value, text));
}

/* Close a row that was written up to `at`. */
static void end_row(struct copy_rows *rows, const char *at)
{
    rows->length = (size_t)(at - rows->bytes);
}

void copy_add_identity(struct copy_rows *rows, const char *id, const unsigned char content[16],
                       struct month month)
{
    char *at;

    if (!reserve(rows, TEXT_BYTES_MAX)) {
        return;
    }
    at = put_u16(rows->bytes + rows->length, IDENTITY_COLUMNS);
    at = put_i32(at, 0);
    at = put_text(at, id);
    at = put_bytes(at, content, 16);
    at = put_i64(at, 0);
    at = put_i16(at, 1);
    end_row(rows, put_i32(at, wire_from_month(month)));
}

/* A column whose text is built by the one function that knows its form. */
static void add_built(struct copy_rows *rows,
                      void (*build)(struct strbuf *, const struct usage_record *),
                      const struct usage_record *record)
{
    if (rows->text.data == NULL) {
        strbuf_init(&rows->text);
    }
    strbuf_clear(&rows->text);
    build(&rows->text, record);
    if (rows->text.failed || !reserve(rows, rows->text.length + TEXT_BYTES_MAX)) {
        rows->failed = true;
    } else {
        end_row(rows, put_bytes(rows->bytes + rows->length, rows->text.data, rows->text.length));
    }
}

void copy_add_usage(struct copy_rows *rows, const struct usage_record *record, const char *project,
                    const char *klass, const struct copy_months *months)
{
    char *at;

    if (!reserve(rows, TEXT_BYTES_MAX)) {
        return;
    }
    at = put_u16(rows->bytes + rows->length, USAGE_COLUMNS);
    at = put_i64(at, 0);
    at = put_i32(at, wire_from_month(months->month));
    at = put_i16(at, 1);
    at = put_i32(at, 0);
    at = put_text(at, record->id);
    at = put_text(at, project);
    at = put_text(at, record->user);
    at = put_text(at, klass);
    at = put_instant(at, record->start);
    at = put_instant(at, record->end);
    at = put_instant(at, record->submitted);
    at = put_instant(at, record->seen);
    at = put_text(at, record->outcome);
    at = put_text(at, usage_basis_text(record->basis));
    at = put_text(at, record->qos);
    at = record->has_elapsed ? put_decimal(at, record->elapsed_seconds) : put_null(at);
    end_row(rows, put_decimal(at, record->requested_seconds));
    add_built(rows, store_record_add_meters, record);
    add_built(rows, store_record_add_attributes, record);
    if (!rows->failed) {
        at = put_text(rows->bytes + rows->length, record->hold);
        end_row(rows, months->is_running ? put_i32(at, wire_from_month(months->booked_through))
                                         : put_null(at));
    }
}

void copy_add_charge(struct copy_rows *rows, const struct copy_charge *charge)
{
    char *at;

    if (!reserve(rows, TEXT_BYTES_MAX)) {
        return;
    }
    at = put_u16(rows->bytes + rows->length, CHARGE_COLUMNS);
    at = put_i64(at, 0);
    at = put_i32(at, wire_from_month(charge->month));
    at = put_i16(at, 1);
    at = put_i32(at, 0);
    at = put_i32(at, charge->card_no);
    at = put_i32(at, charge->rule);
    at = put_i64(at, 0);
    at = put_instant(at, charge->last);
    at = put_i64(at, charge->points.micro);
    at = put_i64(at, charge->list_points.micro);
    at = put_text(at, charge->project);
    at = put_text(at, charge->user);
    end_row(rows, put_text(at, charge->klass));
}

void copy_patch_identity(char *row, char *row_end, int32_t source_no, int64_t record_no)
{
    put_u32(row + IDENTITY_SOURCE_AT, (uint32_t)source_no);
    put_u64(row_end - IDENTITY_RECORD_FROM_END, (uint64_t)record_no);
}

void copy_patch_usage(char *row, int64_t record_no, int version, int32_t source_no)
{
    put_u64(row + RECORD_AT, (uint64_t)record_no);
    put_u16(row + VERSION_AT, (uint16_t)version);
    put_u32(row + SOURCE_AT, (uint32_t)source_no);
}

void copy_patch_charge(char *row, int64_t record_no, int version, int32_t source_no,
                       int64_t transfer_id)
{
    copy_patch_usage(row, record_no, version, source_no);
    put_u64(row + TRANSFER_AT, (uint64_t)transfer_id);
}

static const char *const copy_statements[] = {
    [COPY_IDENTITY] = "COPY ledger.record_identity (source_no, id, content, record_no, version, "
                      "month) FROM STDIN (FORMAT binary)",
    [COPY_USAGE] =
        "COPY ledger.usage_record (record_no, month, version, source_no, id, project_id, "
        "user_name, class, start_at, end_at, submitted_at, seen_at, outcome, basis, qos, "
        "elapsed_seconds, requested_seconds, meters, attributes, hold, booked_through) FROM STDIN "
        "(FORMAT binary)",
    [COPY_CHARGE] =
        "COPY ledger.charge (record_no, month, version, source_no, card_no, rule, transfer_id, "
        "last_at, points_micro, list_micro, project_id, user_name, class) FROM STDIN (FORMAT "
        "binary)",
};

static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
enum { COPY_HEADER_BYTES = 19 };

/* Read what the server says at the end of a COPY, or in the middle of a failed one. */
static int take_results(struct store *store, struct error *err)
{
    int status = 0;
    bool is_over = false;
    PGresult *result;

    while (!is_over && (result = patience_result(store)) != NULL) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK && status == 0) {
            status = query_failure(store, result, err);
        }
        is_over = PQresultStatus(result) == PGRES_COPY_IN; /* it cannot even be ended */
        PQclear(result);
    }
    return store->is_given_up ? query_failure(store, NULL, err) : status;
}

int store_copy_begin(struct store *store, enum copy_table table, struct error *err)
{
    PGresult *result = patience_execute(store, copy_statements[table]);

    if (PQresultStatus(result) != PGRES_COPY_IN) {
        query_failure(store, result, err);
        PQclear(result);
        return -1;
    }
    PQclear(result);
    return store_copy_send(store, copy_header, COPY_HEADER_BYTES, err);
}

int store_copy_send(struct store *store, const char *rows, size_t length, struct error *err)
{
    while (length > 0) {
        size_t part = length < SEND_BYTES ? length : SEND_BYTES;

        patience_start(store);
        if (PQputCopyData(store_connection(store), rows, (int)part) != 1 ||
            patience_flush(store) != 0) {
            if (take_results(store, err) == 0) {
                error_set(err, ERROR_UNAVAILABLE, "the connection to the database broke");
            }
            return -1;
        }
        rows += part;
        length -= part;
    }
    return 0;
}

int store_copy_end(struct store *store, struct error *err)
{
    if (store_copy_send(store, "\377\377", 2, err) != 0) {
        return -1;
    }
    patience_start(store);
    if (PQputCopyEnd(store_connection(store), NULL) != 1) {
        return error_set(err, ERROR_UNAVAILABLE, "the connection to the database broke");
    }
    return take_results(store, err);
}

bool store_is_taken(const struct store *store)
{
    return strcmp(store_sqlstate(store), "23505") == 0;
}
