/* import_time - see import_time.h. */
#include "importers/import_time.h"

#include <string.h>

#include "ledgerd/base/parse.h"

enum {
    DATE_BYTES = 10,     /* 2027-06-01 */
    DATE_TIME_BYTES = 19 /* 2027-06-01T00:00:00 */
};

#define DAY_US (86400 * INSTANT_SECOND_US)

void time_reader_init(struct time_reader *reader, const struct zone *zone)
{
    memset(reader, 0, sizeof *reader);
    reader->zone = zone;
}

static bool two_digits(const char *p, int most, int *value)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9') {
        return false;
    }
    *value = (p[0] - '0') * 10 + (p[1] - '0');
    return *value <= most;
}

/* The first 19 bytes, if they are a plain date and time: microseconds as if in UTC. */
static bool plain_time(struct time_reader *reader, const char *text, size_t length, int64_t *us)
{
    int hour, minute, second;

    if (length < DATE_TIME_BYTES || (text[DATE_BYTES] != 'T' && text[DATE_BYTES] != ' ') ||
        text[13] != ':' || text[16] != ':' || !two_digits(text + 11, 23, &hour) ||
        !two_digits(text + 14, 59, &minute) || !two_digits(text + 17, 59, &second)) {
        return false;
    }
    if (!reader->has_date || memcmp(reader->date, text, DATE_BYTES) != 0) {
        if (parse_naive_time(text, DATE_BYTES, &reader->date_us) != 0) {
            reader->has_date = false;
            return false;
        }
        reader->has_date = true;
        memcpy(reader->date, text, DATE_BYTES);
    }
    *us = reader->date_us + (hour * 3600 + minute * 60 + second) * INSTANT_SECOND_US;
    return true;
}

/* Remember the stretch around `local_us` in which the offset does not change, a day off its edges.
 */
static void remember_stretch(struct time_reader *reader, int64_t local_us, struct instant t)
{
    const struct zone *zone = reader->zone;
    int64_t from_us = INT64_MIN / 4, to_us = INT64_MAX / 4;

    for (size_t i = 0; i < zone->count; i++) {
        int64_t at_us = zone->transitions[i].at_seconds * INSTANT_SECOND_US;
        if (at_us <= t.us) {
            from_us = at_us;
        } else {
            to_us = at_us;
            break;
        }
    }
    reader->offset_us = zone_offset_at(zone, t) * INSTANT_SECOND_US;
    reader->plain_from_us = from_us + reader->offset_us + DAY_US;
    reader->plain_to_us = to_us + reader->offset_us - DAY_US;
    if (local_us < reader->plain_from_us || local_us >= reader->plain_to_us) {
        reader->plain_to_us = reader->plain_from_us; /* too near an edge: remember nothing */
    }
}

static struct instant from_local(struct time_reader *reader, int64_t local_us)
{
    struct instant t;

    if (reader->zone == NULL) {
        return (struct instant){local_us};
    }
    if (local_us >= reader->plain_from_us && local_us < reader->plain_to_us) {
        return (struct instant){local_us - reader->offset_us};
    }
    t = zone_from_local(reader->zone, local_us);
    remember_stretch(reader, local_us, t);
    return t;
}

static int in_range(struct instant found, struct instant *t)
{
    if (found.us < 0 || found.us >= INSTANT_LIMIT_US) {
        return -1;
    }
    *t = found;
    return 0;
}

int time_naive(struct time_reader *reader, const char *text, size_t length, struct instant *t)
{
    int64_t local_us;

    if ((length != DATE_TIME_BYTES || !plain_time(reader, text, length, &local_us)) &&
        parse_naive_time(text, length, &local_us) != 0) {
        return -1;
    }
    return in_range(from_local(reader, local_us), t);
}

/* ".123" behind a plain time: microseconds; *at moves behind it. Nothing is 0. */
static bool plain_fraction(const char *text, size_t length, size_t *at, int64_t *us)
{
    int64_t unit = INSTANT_SECOND_US / 10;

    *us = 0;
    if (*at == length || text[*at] != '.') {
        return true;
    }
    for ((*at)++; *at < length && text[*at] >= '0' && text[*at] <= '9'; (*at)++, unit /= 10) {
        *us += (text[*at] - '0') * unit;
    }
    return text[*at - 1] != '.';
}

int time_any(struct time_reader *reader, const char *text, size_t length, struct instant *t)
{
    size_t at = DATE_TIME_BYTES;
    int64_t us, fraction_us;
    int hours, minutes;
    struct instant found;

    if (plain_time(reader, text, length, &us) && plain_fraction(text, length, &at, &fraction_us)) {
        const char *offset = text + at;
        size_t rest = length - at;

        us += fraction_us;
        if (rest == 0) {
            return in_range(from_local(reader, us), t);
        }
        if (rest == 1 && offset[0] == 'Z') {
            return in_range((struct instant){us}, t);
        }
        if (rest == 6 && (offset[0] == '+' || offset[0] == '-') && offset[3] == ':' &&
            two_digits(offset + 1, 23, &hours) && two_digits(offset + 4, 59, &minutes)) {
            int64_t offset_us = (hours * 3600 + minutes * 60) * INSTANT_SECOND_US;
            return in_range((struct instant){offset[0] == '+' ? us - offset_us : us + offset_us},
                            t);
        }
    }
    if (parse_rfc3339(text, length, &found) == 0) {
        return in_range(found, t);
    }
    return time_naive(reader, text, length, t);
}

int time_epoch(const char *text, size_t length, struct instant *t)
{
    const char *point = memchr(text, '.', length);
    size_t whole = point != NULL ? (size_t)(point - text) : length;
    uint64_t seconds;
    int64_t fraction_us;
    size_t at = whole;

    if (parse_u64(text, whole, INSTANT_LIMIT_US / INSTANT_SECOND_US, &seconds) != 0 ||
        !plain_fraction(text, length, &at, &fraction_us) || at != length) {
        return -1;
    }
    return in_range((struct instant){(int64_t)seconds * INSTANT_SECOND_US + fraction_us}, t);
}

int time_epoch_nanos(const char *text, size_t length, struct instant *t)
{
    uint64_t nanos;

    if (parse_u64(text, length, UINT64_MAX, &nanos) != 0) {
        return -1;
    }
    return in_range((struct instant){(int64_t)(nanos / 1000)}, t);
}
