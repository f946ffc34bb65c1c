/* calendar - see calendar.h.
 *
 * A month begins at the instant at which the wall clock shows its first midnight, and a date read
 * off the wall clock tells the month - save in the rare hour that repeats across a midnight, where
 * the clock goes back into the day before. Days and months do not interleave: near an edge the
 * interval decides, not the clock.
 */
#include "ledgerd/core/calendar.h"

#include "ledgerd/base/civil.h"

#define DAY_US (CIVIL_DAY_SECONDS * INSTANT_SECOND_US)

static struct instant day_start(const struct calendar *calendar, int64_t day)
{
    return zone_from_local(calendar->zone, day * DAY_US);
}

/* The wall clock's day at t. */
static int64_t wall_day(const struct calendar *calendar, struct instant t)
{
    return civil_floor_divide(t.us + zone_offset_at(calendar->zone, t) * INSTANT_SECOND_US, DAY_US);
}

static struct instant month_start(const struct calendar *calendar, int number)
{
    return day_start(calendar, civil_to_days(number / 12, number % 12 + 1, 1));
}

struct month calendar_month_of(const struct calendar *calendar, struct instant t)
{
    struct civil_date date = civil_from_days(wall_day(calendar, t));
    struct month month = month_make(date.year, date.month);

    if (date.day == 1 && instant_compare(t, month_start(calendar, month.number)) < 0) {
        month.number--;
    } else if (date.day >= 28 && instant_compare(t, month_start(calendar, month.number + 1)) >= 0) {
        month.number++;
    }
    return month;
}

struct period calendar_month(const struct calendar *calendar, struct month month)
{
    return (struct period){
        .from = month_start(calendar, month.number),
        .to = month_start(calendar, month.number + 1),
    };
}

struct period calendar_day_of(const struct calendar *calendar, struct instant t)
{
    int64_t day = wall_day(calendar, t);

    if (instant_compare(t, day_start(calendar, day + 1)) >= 0) {
        day++;
    } else if (instant_compare(t, day_start(calendar, day)) < 0) {
        day--;
    }
    return (struct period){
        .from = day_start(calendar, day),
        .to = day_start(calendar, day + 1),
    };
}

int calendar_fiscal_year_of_month(const struct calendar *calendar, struct month month)
{
    return month.number / 12 - (month.number % 12 + 1 < calendar->fiscal_month);
}

int calendar_fiscal_year_of(const struct calendar *calendar, struct instant t)
{
    return calendar_fiscal_year_of_month(calendar, calendar_month_of(calendar, t));
}

struct month calendar_fiscal_year_first_month(const struct calendar *calendar, int fiscal_year)
{
    return month_make(fiscal_year, calendar->fiscal_month);
}

struct period calendar_fiscal_year(const struct calendar *calendar, int fiscal_year)
{
    int first = calendar_fiscal_year_first_month(calendar, fiscal_year).number;

    return (struct period){
        .from = month_start(calendar, first),
        .to = month_start(calendar, first + 12),
    };
}

static int digits_read(const char *text, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

int month_parse(const char *text, size_t length, struct month *month)
{
    int year, month_of_year;

    if (length != 7 || text[4] != '-') {
        return -1;
    }
    year = digits_read(text, 4);
    month_of_year = digits_read(text + 5, 2);
    if (year < 1970 || year > 9998 || month_of_year < 1 || month_of_year > 12) {
        return -1;
    }
    *month = month_make(year, month_of_year);
    return 0;
}

char *month_format(struct month month, char *out)
{
    int year = month.number / 12, month_of_year = month.number % 12 + 1;

    for (int i = 3; i >= 0; i--) {
        out[i] = (char)('0' + year % 10);
        year /= 10;
    }
    out[4] = '-';
    out[5] = (char)('0' + month_of_year / 10);
    out[6] = (char)('0' + month_of_year % 10);
    out[7] = '\0';
    return out;
}
