/* limit - see limit.h. */
#include "ledgerd/core/limit.h"

#include <string.h>

#include "ledgerd/base/civil.h"

static const char *const texts[LIMIT_PERIODS] = {
    [LIMIT_DAY] = "day",
    [LIMIT_MONTH] = "month",
    [LIMIT_FISCAL_YEAR] = "fiscal_year",
    [LIMIT_TOTAL] = "total",
};

const char *limit_period_text(enum limit_period period)
{
    return texts[period];
}

int limit_period_parse(const char *text, enum limit_period *period)
{
    for (int i = 0; i < LIMIT_PERIODS; i++) {
        if (strcmp(text, texts[i]) == 0) {
            *period = (enum limit_period)i;
            return 0;
        }
    }
    return -1;
}

static int32_t month_since(struct month month)
{
    return (int32_t)civil_to_days(month.number / 12, month.number % 12 + 1, 1);
}

/* The date on the wall clock when the day that holds t begins. */
static int32_t day_since(const struct calendar *calendar, struct instant t)
{
    struct instant from = calendar_day_of(calendar, t).from;
    int64_t wall_us = from.us + zone_offset_at(calendar->zone, from) * INSTANT_SECOND_US;

    return (int32_t)civil_floor_divide(wall_us, CIVIL_DAY_SECONDS * INSTANT_SECOND_US);
}

int32_t limit_since(enum limit_period period, const struct calendar *calendar, struct month month,
                    struct instant last)
{
    switch (period) {
    case LIMIT_DAY:
        return day_since(calendar, last);
    case LIMIT_MONTH:
        return month_since(month);
    case LIMIT_FISCAL_YEAR:
        return month_since(calendar_fiscal_year_first_month(
            calendar, calendar_fiscal_year_of_month(calendar, month)));
    case LIMIT_TOTAL:
        break;
    }
    return 0;
}

int32_t limit_since_at(enum limit_period period, const struct calendar *calendar, struct instant t)
{
    return limit_since(period, calendar, calendar_month_of(calendar, t), t);
}

struct period limit_period_at(enum limit_period period, const struct calendar *calendar,
                              struct instant t)
{
    switch (period) {
    case LIMIT_DAY:
        return calendar_day_of(calendar, t);
    case LIMIT_MONTH:
        return calendar_month(calendar, calendar_month_of(calendar, t));
    case LIMIT_FISCAL_YEAR:
        return calendar_fiscal_year(calendar, calendar_fiscal_year_of(calendar, t));
    case LIMIT_TOTAL:
        break;
    }
    return (struct period){INSTANT_NONE, INSTANT_NEVER};
}
