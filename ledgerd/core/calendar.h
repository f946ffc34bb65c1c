/* calendar - the site's days, months and fiscal years as half-open intervals of instants.
 *
 * Lengths are never assumed: every edge is computed from the wall clock of the site's zone.
 */
#ifndef LEDGERD_CORE_CALENDAR_H
#define LEDGERD_CORE_CALENDAR_H

#include <stddef.h>

#include "ledgerd/base/instant.h"
#include "ledgerd/base/zone.h"

struct month {  /* a calendar month of the site's zone, 2027-06; compared by its number */
    int number; /* year * 12 + (month - 1) */
};

struct calendar {
    const struct zone *zone; /* borrowed, outlives the calendar */
    int fiscal_month;        /* first month of the fiscal year, 1..12 (4) */
    int fiscal_day;          /* its day; only 1 is supported: months nest in fiscal years */
};

struct period { /* [from, to) */
    struct instant from;
    struct instant to;
};

enum { MONTH_TEXT_BYTES = 16 };

/* The month that holds t; the interval of a month; the interval of the day that holds t. */
struct month calendar_month_of(const struct calendar *calendar, struct instant t);
struct period calendar_month(const struct calendar *calendar, struct month month);
struct period calendar_day_of(const struct calendar *calendar, struct instant t);

/* Fiscal year N begins in the calendar year N. */
int calendar_fiscal_year_of(const struct calendar *calendar, struct instant t);
int calendar_fiscal_year_of_month(const struct calendar *calendar, struct month month);
struct period calendar_fiscal_year(const struct calendar *calendar, int fiscal_year);
struct month calendar_fiscal_year_first_month(const struct calendar *calendar, int fiscal_year);

/* "2027-06" (years 1970 to 9998); returns 0 or -1. */
int month_parse(const char *text, size_t length, struct month *month);
char *month_format(struct month month, char *out); /* needs MONTH_TEXT_BYTES; returns out */
static inline struct month month_make(int year, int month_of_year)
{
    return (struct month){year * 12 + month_of_year - 1};
}

#endif
