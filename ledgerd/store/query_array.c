/* query_array - array parameters, for statements over unnest($1, $2, …).
 *
 * Binary form of a one-dimensional array: dimensions, has-null flag, element type, length, lower
 * bound; then each element as its length (-1 for null) and its bytes.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/wire.h"

enum { HEADER_BYTES = 20, LENGTH_BYTES = 4 };

struct array {
    char *bytes;
    size_t length;
};

static void put_i32(struct array *array, int32_t value)
{
    uint32_t wire = htonl((uint32_t)value);

    memcpy(array->bytes + array->length, &wire, sizeof wire);
    array->length += sizeof wire;
}

/* Room for the whole array; an empty one has no dimension. */
static int array_begin(struct query *query, struct array *array, Oid element, size_t count,
                       size_t element_bytes)
{
    array->length = 0;
    array->bytes = NULL;
    if (element_bytes < WIRE_VALUE_BYTES_MAX && count < WIRE_VALUE_BYTES_MAX) {
        array->bytes = malloc(HEADER_BYTES + count * LENGTH_BYTES + element_bytes);
    }
    if (array->bytes == NULL) {
        query->failed = true;
        return -1;
    }
    put_i32(array, count > 0 ? 1 : 0);
    put_i32(array, 1); /* there may be nulls */
    put_i32(array, (int32_t)element);
    if (count > 0) {
        put_i32(array, (int32_t)count);
        put_i32(array, 1);
    }
    return 0;
}

static void put_element(struct array *array, const void *bytes, size_t length)
{
    put_i32(array, (int32_t)length);
    if (length > 0) {
        memcpy(array->bytes + array->length, bytes, length);
        array->length += length;
    }
}

static void put_null(struct array *array)
{
    put_i32(array, -1);
}

void query_text_array(struct query *query, const char *const *texts, size_t count)
{
    struct array array;
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += texts[i] != NULL ? strlen(texts[i]) : 0;
    }
    if (array_begin(query, &array, OID_TEXT, count, bytes) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (texts[i] != NULL) {
            put_element(&array, texts[i], strlen(texts[i]));
        } else {
            put_null(&array);
        }
    }
    query_take(query, OID_TEXT_ARRAY, array.bytes, array.length);
}

void query_bytes_array(struct query *query, const void *const *bytes, const size_t *lengths,
                       size_t count)
{
    struct array array;
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        total += lengths[i];
    }
    if (array_begin(query, &array, OID_BYTEA, count, total) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        put_element(&array, bytes[i], lengths[i]);
    }
    query_take(query, OID_BYTEA_ARRAY, array.bytes, array.length);
}

void query_i64_array(struct query *query, const int64_t *values, size_t count)
{
    struct array array;

    if (array_begin(query, &array, OID_INT8, count, count * sizeof *values) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t wire = htobe64((uint64_t)values[i]);

        put_element(&array, &wire, sizeof wire);
    }
    query_take(query, OID_INT8_ARRAY, array.bytes, array.length);
}

void query_i32_array(struct query *query, const int32_t *values, size_t count)
{
    struct array array;

    if (array_begin(query, &array, OID_INT4, count, count * sizeof *values) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t wire = htonl((uint32_t)values[i]);

        put_element(&array, &wire, sizeof wire);
    }
    query_take(query, OID_INT4_ARRAY, array.bytes, array.length);
}

void query_bool_array(struct query *query, const bool *values, size_t count)
{
    struct array array;

    if (array_begin(query, &array, OID_BOOL, count, count) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        put_element(&array, values[i] ? "\1" : "\0", 1);
    }
    query_take(query, OID_BOOL_ARRAY, array.bytes, array.length);
}

void query_instant_array(struct query *query, const struct instant *values, size_t count)
{
    struct array array;

    if (array_begin(query, &array, OID_TIMESTAMPTZ, count, count * sizeof *values) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t wire = htobe64((uint64_t)wire_from_instant(values[i]));

        if (instant_is_set(values[i])) {
            put_element(&array, &wire, sizeof wire);
        } else {
            put_null(&array);
        }
    }
    query_take(query, OID_TIMESTAMPTZ_ARRAY, array.bytes, array.length);
}

void query_month_array(struct query *query, const struct month *values, size_t count)
{
    struct array array;

    if (array_begin(query, &array, OID_DATE, count, count * sizeof(int32_t)) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t wire = htonl((uint32_t)wire_from_month(values[i]));

        put_element(&array, &wire, sizeof wire);
    }
    query_take(query, OID_DATE_ARRAY, array.bytes, array.length);
}

void query_uuid_array(struct query *query, const unsigned char (*values)[16], size_t count)
{
    struct array array;

    if (array_begin(query, &array, OID_UUID, count, count * sizeof *values) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        put_element(&array, values[i], sizeof values[i]);
    }
    query_take(query, OID_UUID_ARRAY, array.bytes, array.length);
}
