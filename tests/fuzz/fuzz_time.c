/* Times, durations and months of any bytes: what is read is written back to the same value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/core/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const struct zone utc = {.name = "UTC"};
    const char *text = (const char *)bytes;
    char out[INSTANT_TEXT_BYTES], month_text[MONTH_TEXT_BYTES];
    struct instant t, again;
    struct month month;
    int64_t us;

    if (parse_rfc3339(text, length, &t) == 0) {
        zone_format(&utc, t, out);
        if (parse_rfc3339(out, strlen(out), &again) != 0 || again.us != t.us) {
            abort();
        }
    }
    if (parse_naive_time(text, length, &us) == 0 && zone_from_local(&utc, us).us != us) {
        abort();
    }
    if (parse_duration(text, length, &us) == 0 && (us < 0 || us > PARSE_DURATION_MAX_US)) {
        abort();
    }
    if (month_parse(text, length, &month) == 0 &&
        memcmp(month_format(month, month_text), text, length) != 0) {
        abort();
    }
    return 0;
}
