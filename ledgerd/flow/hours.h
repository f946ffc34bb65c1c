/* hours - device time of the reports, exact until it is rounded once for show.
 *
 * Roll-ups keep held meters in unit-seconds (gpu: GPU-seconds) with six decimals. Reports show
 * hours with six decimals, rounded half to even. Neither is an amount of points, hence types of
 * their own.
 */
#ifndef LEDGERD_FLOW_HOURS_H
#define LEDGERD_FLOW_HOURS_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/core/exact.h"
#include "ledgerd/core/points.h"

struct unit_seconds {
    int64_t micro; /* 1000 devices for 292 years fit */
};

struct hours {
    int64_t micro;
};

enum { HOURS_TEXT_BYTES = POINTS_TEXT_BYTES };

/* Read a decimal with at most six fraction digits that count, either sign. 0, or -1 if it is none
 * or does not fit. */
int unit_seconds_parse(const char *text, struct unit_seconds *value);

/* Sums and rounding; 0, or -1 with the output untouched when it does not fit. */
int unit_seconds_add(struct unit_seconds *sum, struct unit_seconds more);
int hours_add(struct hours *sum, struct hours more);
int hours_round(const struct exact *exact_hours, struct hours *value);

/* The hours of so many unit-seconds. Always fits. */
struct hours hours_from_unit_seconds(struct unit_seconds value);

/* The exact hours of so many unit-seconds, added to *x. */
void hours_add_exact(struct exact *x, struct unit_seconds value);

/* "12.500000"; `out` needs HOURS_TEXT_BYTES. Returns out. */
char *hours_format(struct hours value, char *out);

/* part / whole with six decimals, rounded half to even: "0.812500"; "0.000000" where whole is not
 * above zero. `out` needs HOURS_TEXT_BYTES. Returns out. */
char *fraction_format(int64_t part, int64_t whole, char *out);

#endif
