/* zone - see zone.h. Looking things up in a zone's table; zone_file.c makes the table. */
#include "ledgerd/base/zone.h"

#include "ledgerd/base/civil.h"

enum { OFFSET_MAX_SECONDS = 26 * 3600 }; /* more than any zone is away from UTC */

/* Number of transitions at or before `seconds`: the regime in force then, 0 before the first. */
static size_t regime_at(const struct zone *zone, int64_t seconds)
{
    size_t low = 0, high = zone->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle].at_seconds <= seconds) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int32_t regime_offset(const struct zone *zone, size_t regime)
{
    return regime == 0 ? zone->first_offset_seconds : zone->transitions[regime - 1].offset_seconds;
}

int32_t zone_offset_at(const struct zone *zone, struct instant t)
{
    return regime_offset(zone, regime_at(zone, civil_floor_divide(t.us, INSTANT_SECOND_US)));
}

/* Regimes are tried in the order of time: the first that shows the wall time is the earlier one. */
struct instant zone_from_local(const struct zone *zone, int64_t local_us)
{
    int64_t local_seconds = civil_floor_divide(local_us, INSTANT_SECOND_US);
    int64_t fraction_us = local_us - local_seconds * INSTANT_SECOND_US;

    for (size_t regime = regime_at(zone, local_seconds - OFFSET_MAX_SECONDS);; regime++) {
        int64_t seconds = local_seconds - regime_offset(zone, regime);

        if (regime == zone->count || seconds < zone->transitions[regime].at_seconds) {
            return (struct instant){seconds * INSTANT_SECOND_US + fraction_us};
        }
        if (local_seconds - regime_offset(zone, regime + 1) <
            zone->transitions[regime].at_seconds) { /* skipped by the jump */
            return instant_from_seconds(zone->transitions[regime].at_seconds);
        }
    }
}

/* Write `value` with leading zeros. Returns where to go on. */
static char *put_digits(char *at, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

/* Years that have no four digits are those of INSTANT_NEVER and its like; they keep a sortable
 * form. */
static char *put_year(char *at, int year)
{
    if (year >= 0 && year <= 9999) {
        return put_digits(at, year, 4);
    }
    *at = year < 0 ? '-' : '+';
    return put_digits(at + 1, year < 0 ? -(int64_t)year : year, 6);
}

static char *put_fraction(char *at, int64_t us)
{
    if (us == 0) {
        return at;
    }
    *at++ = '.';
    return us % 1000 == 0 ? put_digits(at, us / 1000, 3) : put_digits(at, us, 6);
}

static char *put_offset(char *at, const struct zone *zone, int32_t offset_minutes)
{
    int32_t size = offset_minutes < 0 ? -offset_minutes : offset_minutes;

    if (zone->count == 0 && zone->first_offset_seconds == 0) {
        *at = 'Z';
        return at + 1;
    }
    *at = offset_minutes < 0 ? '-' : '+';
    at = put_digits(at + 1, size / 60, 2);
    *at = ':';
    return put_digits(at + 1, size % 60, 2);
}

char *zone_format(const struct zone *zone, struct instant t, char *out)
{
    int32_t offset_minutes = zone_offset_at(zone, t) / 60; /* RFC 3339 has no seconds there */
    int64_t seconds = civil_floor_divide(t.us, INSTANT_SECOND_US);
    int64_t local = seconds + (int64_t)offset_minutes * 60;
    int64_t days = civil_floor_divide(local, CIVIL_DAY_SECONDS);
    int64_t of_day = local - days * CIVIL_DAY_SECONDS;
    struct civil_date date = civil_from_days(days);
    char *at = put_year(out, date.year);

    *at = '-';
    at = put_digits(at + 1, date.month, 2);
    *at = '-';
    at = put_digits(at + 1, date.day, 2);
    *at = 'T';
    at = put_digits(at + 1, of_day / 3600, 2);
    *at = ':';
    at = put_digits(at + 1, of_day / 60 % 60, 2);
    *at = ':';
    at = put_digits(at + 1, of_day % 60, 2);
    at = put_fraction(at, t.us - seconds * INSTANT_SECOND_US);
    at = put_offset(at, zone, offset_minutes);
    *at = '\0';
    return out;
}
