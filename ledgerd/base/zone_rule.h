/* zone_rule - the POSIX rule at the end of a TZif file, which goes on where its table stops.
 *
 * "CET-1CEST,M3.5.0,M10.5.0/3": standard time, and (optionally) summer time with the two dates on
 * which they change. RFC 8536 section 3.3 widens the time of day to -167..167 hours.
 */
#ifndef LEDGERD_BASE_ZONE_RULE_H
#define LEDGERD_BASE_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zone_rule_form {
    ZONE_RULE_JULIAN,       /* Jn: day 1..365, 29 February is never counted */
    ZONE_RULE_DAY_OF_YEAR,  /* n: day 0..365 */
    ZONE_RULE_MONTH_WEEKDAY /* Mm.w.d: weekday d (0 Sunday) of week w (5: the last) of month m */
};

struct zone_rule_date {
    enum zone_rule_form form;
    int day;
    int month, week, weekday;
    int32_t time_seconds; /* after local midnight, by the offset in force before the change */
};

struct zone_rule {
    int32_t standard_offset_seconds; /* east of UTC */
    bool has_summer;
    int32_t summer_offset_seconds;
    struct zone_rule_date summer_begins, summer_ends;
};

/* Read the rule. Returns 0, or -1 with *rule undefined. */
int zone_rule_parse(const char *text, size_t length, struct zone_rule *rule);

/* UTC seconds at which summer time begins and ends in `year`. */
int64_t zone_rule_summer_begins(const struct zone_rule *rule, int year);
int64_t zone_rule_summer_ends(const struct zone_rule *rule, int year);

#endif
