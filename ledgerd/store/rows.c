/* rows - reading what a statement gave, from its binary form. See query.h. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/wire.h"

void rows_release(struct rows *rows)
{
    PQclear(rows->result);
    rows->result = NULL;
}

size_t rows_count(const struct rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

bool rows_is_null(const struct rows *rows, size_t row, int column)
{
    return PQgetisnull(rows->result, (int)row, column) != 0;
}

const char *rows_text(const struct rows *rows, size_t row, int column)
{
    return PQgetvalue(rows->result, (int)row, column);
}

char *rows_copy(const struct rows *rows, size_t row, int column)
{
    return rows_is_null(rows, row, column) ? NULL : strdup(rows_text(rows, row, column));
}

size_t rows_length(const struct rows *rows, size_t row, int column)
{
    return (size_t)PQgetlength(rows->result, (int)row, column);
}

const void *rows_bytes(const struct rows *rows, size_t row, int column)
{
    return PQgetvalue(rows->result, (int)row, column);
}

int64_t rows_i64(const struct rows *rows, size_t row, int column)
{
    const char *value = PQgetvalue(rows->result, (int)row, column);
    uint64_t wide;
    uint32_t middle;
    uint16_t narrow;

    switch (rows_length(rows, row, column)) {
    case sizeof wide:
        memcpy(&wide, value, sizeof wide);
        return (int64_t)be64toh(wide);
    case sizeof middle:
        memcpy(&middle, value, sizeof middle);
        return (int32_t)ntohl(middle);
    case sizeof narrow:
        memcpy(&narrow, value, sizeof narrow);
        return (int16_t)ntohs(narrow);
    default:
        return 0; /* null */
    }
}

bool rows_bool(const struct rows *rows, size_t row, int column)
{
    return rows_length(rows, row, column) == 1 && *rows_text(rows, row, column) != 0;
}

struct instant rows_instant(const struct rows *rows, size_t row, int column)
{
    if (rows_is_null(rows, row, column)) {
        return INSTANT_NONE;
    }
    return wire_to_instant(rows_i64(rows, row, column));
}

struct month rows_month(const struct rows *rows, size_t row, int column)
{
    return wire_to_month((int32_t)rows_i64(rows, row, column));
}

struct points rows_points(const struct rows *rows, size_t row, int column)
{
    return (struct points){rows_i64(rows, row, column)};
}
