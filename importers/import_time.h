/* import_time - times as sources write them, read fast.
 *
 * A million records hold three million times, most of the same day and of the same stretch between
 * two changes of the zone's offset: both are remembered.  Anything unusual goes through base/parse.
 */
#ifndef IMPORTERS_IMPORT_TIME_H
#define IMPORTERS_IMPORT_TIME_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/instant.h"
#include "ledgerd/base/zone.h"

struct time_reader {
    const struct zone *zone; /* of naive times; NULL is UTC */
    bool has_date;
    char date[10];         /* the last date read, "2027-06-01", … */
    int64_t date_us;       /* … and its midnight as if in UTC */
    int64_t plain_from_us; /* local times in [from, to) are offset_us ahead of UTC */
    int64_t plain_to_us;
    int64_t offset_us;
};

void time_reader_init(struct time_reader *reader, const struct zone *zone);

/* A date and time without offset, in the reader's zone. 0 or -1. */
int time_naive(struct time_reader *reader, const char *text, size_t length, struct instant *t);

/* With an offset (RFC 3339), or naive. 0 or -1. */
int time_any(struct time_reader *reader, const char *text, size_t length, struct instant *t);

/* Seconds since 1970, "1755133833" or "1755133833.25"; digits past the sixth are cut. 0 or -1. */
int time_epoch(const char *text, size_t length, struct instant *t);

/* Nanoseconds since 1970. 0 or -1. */
int time_epoch_nanos(const char *text, size_t length, struct instant *t);

#endif
