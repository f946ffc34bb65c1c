/* limit - the periods for which spending is limited, and which of them a charge counts in.
 *
 * A period is known by its first day. A charge belongs to the month that the month rule gave it, so
 * to that month's fiscal year; and to the day of its last instant.
 */
#ifndef LEDGERD_CORE_LIMIT_H
#define LEDGERD_CORE_LIMIT_H

#include <stdint.h>

#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"

enum limit_period { LIMIT_DAY, LIMIT_MONTH, LIMIT_FISCAL_YEAR, LIMIT_TOTAL };
enum { LIMIT_PERIODS = 4 };

/* "day", "month", "fiscal_year", "total". */
const char *limit_period_text(enum limit_period period);
int limit_period_parse(const char *text, enum limit_period *period); /* 0 or -1 */

/* First day of the period in which a charge of `month` counts whose last instant is `last`, in days
 * since 1970-01-01; of a total 0: no book begins before. */
int32_t limit_since(enum limit_period period, const struct calendar *calendar, struct month month,
                    struct instant last);

/* First day of the period that holds t. */
int32_t limit_since_at(enum limit_period period, const struct calendar *calendar, struct instant t);

/* The period that holds t; a total has no edges (INSTANT_NONE, INSTANT_NEVER). */
struct period limit_period_at(enum limit_period period, const struct calendar *calendar,
                              struct instant t);

#endif
