/* Amounts and decimals of any bytes: what is read is written back to the same value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/decimal.h"
#include "ledgerd/core/points.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *text = (const char *)bytes;
    char out[DECIMAL_TEXT_BYTES > POINTS_TEXT_BYTES ? DECIMAL_TEXT_BYTES : POINTS_TEXT_BYTES];
    struct decimal decimal, decimal_again;
    struct points points, points_again;

    if (decimal_parse(text, length, &decimal) == 0) {
        decimal_format(decimal, out);
        if (decimal_parse(out, strlen(out), &decimal_again) != 0 ||
            !decimal_equal(decimal, decimal_again)) {
            abort();
        }
    }
    if (points_parse_signed(text, length, &points) == POINTS_OK) {
        points_format(points, out);
        if (points_parse_signed(out, strlen(out), &points_again) != POINTS_OK ||
            points.micro != points_again.micro) {
            abort();
        }
        if (points_parse(text, length, &points_again) != POINTS_OK && text[0] != '-') {
            abort();
        }
    }
    return 0;
}
