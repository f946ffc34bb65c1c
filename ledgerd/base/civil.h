/* civil - days, months and years of the proleptic Gregorian calendar, as numbers.
 *
 * Pure arithmetic on dates without zone or time: zone.h and core/calendar.h put them together with
 * offsets.  Day 0 is 1970-01-01.  Valid for years -200000 to 200000.
 * Source of the formulas: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
 */
#ifndef LEDGERD_BASE_CIVIL_H
#define LEDGERD_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

enum { CIVIL_DAY_SECONDS = 86400 };

struct civil_date {
    int year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
};

/* Days since 1970-01-01 of a date; month must be 1..12, day may be any (0 is the day before the
 * 1st). */
int64_t civil_to_days(int year, int month, int day);

/* The date of a day number. */
struct civil_date civil_from_days(int64_t days);

/* Number of days in a month. */
int civil_month_length(int year, int month);

/* "2027-06-01T12:00:00" of seconds since 1970, in UTC. Returns out. */
enum { CIVIL_TEXT_BYTES = 32 };
char *civil_format_utc(int64_t seconds, char out[CIVIL_TEXT_BYTES]);

/* Quotient rounded down, for divisor > 0: days of negative seconds are right. */
static inline int64_t civil_floor_divide(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

#endif
