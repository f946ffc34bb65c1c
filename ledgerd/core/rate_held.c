/* rate_held - what a held meter comes to by physical month, whatever was paid for it. */
#include "ledgerd/core/rate.h"

/* quantity x E x part/W, in micro unit-seconds, cut towards zero */
static int held_until(const struct usage_record *record, struct decimal quantity, int64_t part_us,
                      __int128 *micro_seconds)
{
    int64_t whole_us = record->end.us - record->start.us;
    struct exact amount;
    int result;

    exact_init(&amount);
    exact_set_decimal(&amount, quantity);
    if (!record->has_elapsed) {
        exact_multiply_i64(&amount, part_us);
    } else {
        exact_multiply_decimal(&amount, record->elapsed_seconds);
        exact_multiply_i64(&amount, INSTANT_SECOND_US);
        if (part_us != whole_us) {
            exact_multiply_i64(&amount, part_us);
            exact_divide_i64(&amount, whole_us);
        }
    }
    result = exact_truncate(&amount, micro_seconds);
    exact_release(&amount);
    return result;
}

int rate_held_whole(const struct usage_record *record, struct decimal quantity,
                    __int128 *micro_seconds)
{
    return held_until(record, quantity, record->end.us - record->start.us, micro_seconds);
}

int rate_held_time(const struct usage_record *record, const char *meter,
                   const struct calendar *calendar, struct held_slice *slices, size_t max)
{
    const struct decimal *quantity = usage_meter(record, meter);
    struct instant last = {record->end.us - (record->end.us > record->start.us)};
    int last_number = calendar_month_of(calendar, last).number;
    struct month month = calendar_month_of(calendar, record->start);
    __int128 before = 0, until = 0;
    size_t count = 0;

    for (; quantity != NULL && month.number <= last_number; month.number++) {
        struct instant edge = month.number < last_number ? calendar_month(calendar, month).to
                                                         : record->end;

        if (count == max ||
            held_until(record, *quantity, edge.us - record->start.us, &until) != 0) {
            return -1;
        }
        slices[count++] = (struct held_slice){month, until - before};
        before = until;
    }
    return (int)count;
}
