/* meter_use - see meter_use.h. */
#include "ledgerd/flow/meter_use.h"

#include <string.h>

#include "ledgerd/core/rate.h"

enum { HELD_DECIMALS = 6, COUNT_DECIMALS = 9 };

static bool is_held(const struct ratecard_rule *rule, const char *meter)
{
    if (rate_meter_is_standard(meter)) {
        return true;
    }
    for (size_t i = 0; i < rule->per_hour_count; i++) {
        if (strcmp(rule->per_hour[i].meter, meter) == 0) {
            return true;
        }
    }
    return false;
}

static __int128 count_amount(struct decimal quantity)
{
    __int128 amount = (__int128)quantity.mantissa;

    for (unsigned scale = quantity.scale; scale < COUNT_DECIMALS; scale++) {
        amount *= 10;
    }
    return amount;
}

/* The months in which the record starts and has its last instant. */
struct span {
    struct month first;
    struct month last;
};

static int use_held(const struct usage_record *record, struct decimal quantity,
                    struct meter_use *use, const struct span *span, const struct calendar *calendar,
                    meter_use_fn *each, void *context)
{
    struct held_slice slices[CHARGE_SLICES_MAX];
    int count = 1;

    if (span->first.number == span->last.number) { /* nearly always */
        slices[0].month = span->first;
        if (rate_held_whole(record, quantity, &slices[0].micro_seconds) != 0) {
            return -1;
        }
    } else {
        count = rate_held_time(record, use->meter, calendar, slices, CHARGE_SLICES_MAX);
    }
    for (int i = 0; i < count; i++) {
        use->month = slices[i].month;
        use->amount = slices[i].micro_seconds;
        if (use->amount != 0 && each(context, use) != 0) {
            return -1;
        }
    }
    return count < 0 ? -1 : 0;
}

int meter_use_each(const struct usage_record *record, const struct ratecard_rule *rule,
                   const struct calendar *calendar, meter_use_fn *each, void *context)
{
    struct instant last = {record->end.us - (record->end.us > record->start.us)};
    struct span span = {.last = calendar_month_of(calendar, last)};

    span.first = instant_compare(record->start, last) == 0
                     ? span.last
                     : calendar_month_of(calendar, record->start);
    for (size_t i = 0; i < record->meter_count; i++) {
        struct meter_use use = {.meter = record->meters[i].name, .month = span.last};
        struct decimal quantity = record->meters[i].quantity;

        if (decimal_is_zero(quantity)) {
            continue;
        }
        use.is_held = is_held(rule, use.meter);
        if (use.is_held) {
            if (use_held(record, quantity, &use, &span, calendar, each, context) != 0) {
                return -1;
            }
            continue;
        }
        use.amount = count_amount(quantity);
        if (each(context, &use) != 0) {
            return -1;
        }
    }
    return 0;
}

char *meter_use_format(__int128 amount, bool held, char *out)
{
    unsigned __int128 rest = amount < 0 ? -(unsigned __int128)amount : (unsigned __int128)amount;
    int decimals = held ? HELD_DECIMALS : COUNT_DECIMALS;
    char digits[METER_USE_TEXT_BYTES];
    int count = 0;
    char *at = out;

    while (rest > 0 || count <= decimals) {
        digits[count++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    if (amount < 0) {
        *at++ = '-';
    }
    while (count > 0) {
        *at++ = digits[--count];
        if (count == decimals) {
            *at++ = '.';
        }
    }
    *at = '\0';
    return out;
}
