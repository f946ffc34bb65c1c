/* instant - a point in time, to the microsecond, without a zone.
 *
 * The value counts microseconds since 1970-01-01T00:00:00Z, as PostgreSQL resolves them.  Nothing
 * here reads a clock: clock.h is the only place that does.
 */
#ifndef LEDGERD_BASE_INSTANT_H
#define LEDGERD_BASE_INSTANT_H

#include <stdbool.h>
#include <stdint.h>

struct instant {
    int64_t us;
};

#define INSTANT_SECOND_US INT64_C(1000000)
#define INSTANT_NEVER ((struct instant){INT64_MAX}) /* later than every instant of a record */
#define INSTANT_NONE ((struct instant){INT64_MIN})  /* not given */

/* Instants of records, cards and policies lie in [1970-01-01, 9999-01-01). */
#define INSTANT_LIMIT_US (INT64_C(253370764800) * INSTANT_SECOND_US)

static inline bool instant_is_set(struct instant t)
{
    return t.us != INT64_MIN;
}
static inline struct instant instant_from_seconds(int64_t seconds)
{
    return (struct instant){seconds * INSTANT_SECOND_US};
}
static inline int instant_compare(struct instant a, struct instant b)
{
    return (a.us > b.us) - (a.us < b.us);
}
static inline struct instant instant_min(struct instant a, struct instant b)
{
    return a.us < b.us ? a : b;
}
static inline struct instant instant_max(struct instant a, struct instant b)
{
    return a.us > b.us ? a : b;
}

#endif
