/* The JSON scanner against jansson on any bytes. */
#include "tests/lib/scan_compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct scan_doc doc; /* kept: a tape that was used before must not show */

    if (scan_compare(&doc, (const char *)bytes, length) != NULL) {
        abort();
    }
    return 0;
}
