/* civil - see civil.h. Years begin in March here, so that the leap day is a year's last. */
#include "ledgerd/base/civil.h"

#include <stdio.h>

enum { DAYS_PER_ERA = 146097, YEARS_PER_ERA = 400, DAYS_TO_EPOCH = 719468 };

int64_t civil_to_days(int year, int month, int day)
{
    int64_t march_year = (int64_t)year - (month <= 2);
    int64_t era = civil_floor_divide(march_year, YEARS_PER_ERA);
    int64_t year_of_era = march_year - era * YEARS_PER_ERA;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
}

struct civil_date civil_from_days(int64_t days)
{
    int64_t shifted = days + DAYS_TO_EPOCH;
    int64_t era = civil_floor_divide(shifted, DAYS_PER_ERA);
    int day_of_era = (int)(shifted - era * DAYS_PER_ERA);
    int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
                      365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int march_month = (5 * day_of_year + 2) / 153;
    int month = march_month + (march_month < 10 ? 3 : -9);

    return (struct civil_date){
        .year = (int)(year_of_era + era * YEARS_PER_ERA) + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
    };
}

int civil_month_length(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return lengths[month - 1] + (month == 2 && leap);
}

char *civil_format_utc(int64_t seconds, char out[CIVIL_TEXT_BYTES])
{
    int64_t days = civil_floor_divide(seconds, CIVIL_DAY_SECONDS);
    struct civil_date date = civil_from_days(days);
    int rest = (int)(seconds - days * CIVIL_DAY_SECONDS);

    snprintf(out, CIVIL_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d", date.year, date.month,
             date.day, rest / 3600, rest / 60 % 60, rest % 60);
    return out;
}
