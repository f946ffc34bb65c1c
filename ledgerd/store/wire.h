/* wire - PostgreSQL's binary forms of the types that the store uses. Internal to this folder.
 *
 * Time counts from 2000-01-01, in microseconds (timestamptz) or days (date).  Also needed by
 * binary COPY.
 */
#ifndef LEDGERD_STORE_WIRE_H
#define LEDGERD_STORE_WIRE_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/civil.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/store/query.h"

/* From PostgreSQL's pg_type.dat; fixed for ever by its binary upgrades. */
enum wire_oid {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_DATE = 1082,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950,
    OID_BOOL_ARRAY = 1000,
    OID_BYTEA_ARRAY = 1001,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_INT8_ARRAY = 1016,
    OID_DATE_ARRAY = 1182,
    OID_TIMESTAMPTZ_ARRAY = 1185,
    OID_UUID_ARRAY = 2951,
};

#define WIRE_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 in microseconds since 1970 */
enum { WIRE_EPOCH_DAYS = 10957 };              /* the same in days */
enum { WIRE_VALUE_BYTES_MAX = 1 << 29 };       /* half of PostgreSQL's own limit of a value */

/* INSTANT_NEVER is PostgreSQL's infinity, INSTANT_NONE its -infinity. */
static inline int64_t wire_from_instant(struct instant t)
{
    return t.us == INT64_MAX || t.us == INT64_MIN ? t.us : t.us - WIRE_EPOCH_US;
}

static inline struct instant wire_to_instant(int64_t wire)
{
    return (struct instant){wire == INT64_MAX || wire == INT64_MIN ? wire : wire + WIRE_EPOCH_US};
}

static inline int32_t wire_from_month(struct month month)
{
    return (int32_t)(civil_to_days(month.number / 12, month.number % 12 + 1, 1) - WIRE_EPOCH_DAYS);
}

static inline struct month wire_to_month(int32_t wire)
{
    struct civil_date date = civil_from_days((int64_t)wire + WIRE_EPOCH_DAYS);

    return month_make(date.year, date.month);
}

/* Add a parameter whose binary value (malloc'ed, or NULL for null) the query takes over. */
void query_take(struct query *query, Oid type, char *value, size_t length);

#endif
