/* zone - a named time zone as a value: its UTC-offset transitions.
 *
 * C has no handle for a zone, and TZ is process-global, so the zone's TZif file (RFC 8536) is read
 * once into a plain table that pure code can use.  Instants after the last transition follow the
 * footer's POSIX rule, which zone_load expands up to the year 2200.
 */
#ifndef LEDGERD_BASE_ZONE_H
#define LEDGERD_BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"

enum { ZONE_NAME_BYTES = 64, ZONE_TRANSITIONS_MAX = 2000 };

struct zone {
    char name[ZONE_NAME_BYTES]; /* as in the policy: "Asia/Tokyo" */
    size_t count;
    int32_t first_offset_seconds; /* east of UTC, before the first transition */
    struct {
        int64_t at_seconds; /* UTC */
        int32_t offset_seconds;
    } transitions[ZONE_TRANSITIONS_MAX];
};

/* Read the zone `name` from the system's zoneinfo folder ("UTC" needs no file). Names with "..", a
 * leading '/' or odd characters are refused. Fails with ERROR_INPUT and names the zone. */
int zone_load(const char *name, struct zone *zone, struct error *err);

/* Parse the bytes of a TZif file (versions 2 to 4). Exposed for tests and fuzzing. */
int zone_parse(const char *name, const unsigned char *bytes, size_t length, struct zone *zone,
               struct error *err);

/* Seconds east of UTC in force at t. */
int32_t zone_offset_at(const struct zone *zone, struct instant t);

/* The instant at which the zone's wall clock shows `local_us` (naive microseconds, see
 * parse_naive_time). In a gap: the instant of the jump; where the hour repeats: the earlier one. */
struct instant zone_from_local(const struct zone *zone, int64_t local_us);

/* Write t as RFC 3339 with the zone's offset; fraction only if not zero (3 or 6 digits).
 * `out` needs INSTANT_TEXT_BYTES. Returns out. */
enum { INSTANT_TEXT_BYTES = 40 };
char *zone_format(const struct zone *zone, struct instant t, char *out);

#endif
