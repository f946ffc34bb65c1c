/* TZif files of any bytes: refused, or a table on which every look-up is sound. */
#include <stdint.h>
#include <stdlib.h>

#include "ledgerd/core/calendar.h"

/* Instants around each transition go to the wall clock and back. */
static void try_zone(const struct zone *zone)
{
    struct calendar calendar = {.zone = zone, .fiscal_month = 4, .fiscal_day = 1};

    for (size_t i = 0; i < zone->count; i++) {
        int64_t at = zone->transitions[i].at_seconds;

        if (i > 0 && at <= zone->transitions[i - 1].at_seconds) {
            abort();
        }
        if (at < 100000000 || at > INT64_C(200000000000)) {
            continue; /* beyond what records may hold */
        }
        for (int64_t beside = -1; beside <= 1; beside++) {
            struct instant t = instant_from_seconds(at + beside), back;
            int64_t shown = t.us + zone_offset_at(zone, t) * INSTANT_SECOND_US;

            back = zone_from_local(zone, shown);
            if (back.us > t.us ||
                back.us + zone_offset_at(zone, back) * INSTANT_SECOND_US != shown) {
                abort();
            }
            (void)calendar_month_of(&calendar, t);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct zone zone;

    if (zone_parse("fuzz", bytes, length, &zone, NULL) == 0) {
        try_zone(&zone);
    }
    return 0;
}
