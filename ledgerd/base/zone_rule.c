/* zone_rule - see zone_rule.h. */
#include "ledgerd/base/zone_rule.h"

#include "ledgerd/base/civil.h"

enum { DEFAULT_TIME_SECONDS = 2 * 3600, SUMMER_SECONDS = 3600, HOURS_MAX = 167 };

struct cursor {
    const char *at;
    const char *end;
};

static char peek(const struct cursor *cursor)
{
    return cursor->at < cursor->end ? *cursor->at : '\0';
}

static bool eat(struct cursor *cursor, char c)
{
    if (peek(cursor) != c) {
        return false;
    }
    cursor->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* One to three digits with a value in [least, most]. */
static bool eat_number(struct cursor *cursor, int least, int most, int *value)
{
    int digits = 0;

    *value = 0;
    while (digits < 3 && is_digit(peek(cursor))) {
        *value = *value * 10 + (*cursor->at++ - '0');
        digits++;
    }
    return digits > 0 && *value >= least && *value <= most;
}

/* An abbreviation: letters, or anything of letters, digits and signs within <>. */
static bool eat_name(struct cursor *cursor)
{
    const char *from;
    bool quoted = eat(cursor, '<');

    for (from = cursor->at; cursor->at < cursor->end; cursor->at++) {
        char c = *cursor->at;
        if (!is_letter(c) && !(quoted && (is_digit(c) || c == '+' || c == '-'))) {
            break;
        }
    }
    return cursor->at - from >= 3 && (!quoted || eat(cursor, '>'));
}

/* [+-]h[hh][:mm[:ss]] */
static bool eat_time(struct cursor *cursor, int32_t *seconds)
{
    int sign = eat(cursor, '-') ? -1 : 1;
    int hours, minutes = 0, rest = 0;

    if (sign > 0) {
        (void)eat(cursor, '+');
    }
    if (!eat_number(cursor, 0, HOURS_MAX, &hours)) {
        return false;
    }
    if (eat(cursor, ':')) {
        if (!eat_number(cursor, 0, 59, &minutes) ||
            (eat(cursor, ':') && !eat_number(cursor, 0, 59, &rest))) {
            return false;
        }
    }
    *seconds = sign * (hours * 3600 + minutes * 60 + rest);
    return true;
}

static bool eat_date(struct cursor *cursor, struct zone_rule_date *date)
{
    bool good;

    if (!eat(cursor, ',')) {
        return false;
    }
    if (eat(cursor, 'M')) {
        date->form = ZONE_RULE_MONTH_WEEKDAY;
        good = eat_number(cursor, 1, 12, &date->month) && eat(cursor, '.') &&
               eat_number(cursor, 1, 5, &date->week) && eat(cursor, '.') &&
               eat_number(cursor, 0, 6, &date->weekday);
    } else if (eat(cursor, 'J')) {
        date->form = ZONE_RULE_JULIAN;
        good = eat_number(cursor, 1, 365, &date->day);
    } else {
        date->form = ZONE_RULE_DAY_OF_YEAR;
        good = eat_number(cursor, 0, 365, &date->day);
    }
    date->time_seconds = DEFAULT_TIME_SECONDS;
    return good && (!eat(cursor, '/') || eat_time(cursor, &date->time_seconds));
}

int zone_rule_parse(const char *text, size_t length, struct zone_rule *rule)
{
    struct cursor cursor = {text, text + length};
    int32_t west;

    *rule = (struct zone_rule){0};
    if (!eat_name(&cursor) || !eat_time(&cursor, &west)) {
        return -1;
    }
    rule->standard_offset_seconds = -west; /* POSIX counts to the west */
    if (cursor.at == cursor.end) {
        return 0;
    }
    rule->has_summer = true;
    rule->summer_offset_seconds = rule->standard_offset_seconds + SUMMER_SECONDS;
    if (!eat_name(&cursor)) {
        return -1;
    }
    if (peek(&cursor) != ',') {
        if (!eat_time(&cursor, &west)) {
            return -1;
        }
        rule->summer_offset_seconds = -west;
    }
    if (!eat_date(&cursor, &rule->summer_begins) || !eat_date(&cursor, &rule->summer_ends) ||
        cursor.at != cursor.end) {
        return -1;
    }
    return 0;
}

/* Day number on which the date falls in `year`. */
static int64_t date_day(const struct zone_rule_date *date, int year)
{
    enum { THURSDAY = 4 }; /* 1970-01-01 */
    int64_t first;
    int day, length;

    switch (date->form) {
    case ZONE_RULE_JULIAN:
        first = civil_to_days(year, 1, 1) + date->day - 1;
        return first + (date->day >= 60 && civil_month_length(year, 2) == 29);
    case ZONE_RULE_DAY_OF_YEAR:
        return civil_to_days(year, 1, 1) + date->day;
    case ZONE_RULE_MONTH_WEEKDAY:
        break;
    }
    first = civil_to_days(year, date->month, 1);
    length = civil_month_length(year, date->month);
    day = (int)((date->weekday - (first + THURSDAY) % 7 + 7) % 7) + (date->week - 1) * 7;
    while (day >= length) { /* week 5 is the last, which may be the fourth */
        day -= 7;
    }
    return first + day;
}

int64_t zone_rule_summer_begins(const struct zone_rule *rule, int year)
{
    return date_day(&rule->summer_begins, year) * CIVIL_DAY_SECONDS +
           rule->summer_begins.time_seconds - rule->standard_offset_seconds;
}

int64_t zone_rule_summer_ends(const struct zone_rule *rule, int year)
{
    return date_day(&rule->summer_ends, year) * CIVIL_DAY_SECONDS + rule->summer_ends.time_seconds -
           rule->summer_offset_seconds;
}
