/* array - how many tasks --array asks for, counted as slurmctld counts them.
 *
 *     1-10,20-30:2%3     tasks 1 to 10 and every second one from 20 to 30, three at a time
 *
 * Slurm sets a bit an index, so an index that is named twice is one task.  It skips empty elements
 * and blanks before numbers, takes brackets, and heeds the first % wherever it stands.  Nothing
 * else is an array; Slurm would refuse it after us.
 */
#include "ledger_job.h"

#include <stdlib.h>
#include <string.h>

/* Bits set in all, so that "0-3999999" repeated a thousand times cannot keep the controller busy.
 */
#define WORK_MAX (INT64_C(4) * LEDGER_ARRAY_INDEX_MAX)

struct range {
    int64_t first, last, step;
};

static const char *skip_char(const char *text, char c)
{
    return *text == c ? text + 1 : text;
}

/* A number as strtol reads it: blanks before it are skipped. NULL if there is none or it is above
 * the bound. */
static const char *read_index(const char *text, int64_t *value)
{
    const char *digit;

    text += strspn(text, " \t");
    digit = text;
    for (*value = 0; *digit >= '0' && *digit <= '9'; digit++) {
        *value = *value * 10 + (*digit - '0');
        if (*value > LEDGER_ARRAY_INDEX_MAX) {
            return NULL;
        }
    }
    return digit == text ? NULL : digit;
}

/* One element up to its comma. Returns the comma or the end, or NULL. */
static const char *read_range(const char *text, struct range *range)
{
    range->step = 1;
    text = read_index(skip_char(text, '['), &range->first);
    if (text == NULL) {
        return NULL;
    }
    text = skip_char(text, ']');
    range->last = range->first;
    if (*text == '-') {
        text = read_index(text + 1, &range->last);
        if (text == NULL) {
            return NULL;
        }
        text = skip_char(text, ']');
        if (*text == ':') {
            text = read_index(text + 1, &range->step);
            if (text == NULL || range->step == 0) {
                return NULL;
            }
            text = skip_char(text, ']');
        }
    }
    if (range->last < range->first || (*text != '\0' && *text != ',' && *text != '%')) {
        return NULL;
    }
    return text + strcspn(text, ",");
}

/* The number behind the first %, 0 if there is none: as many as there are. */
static int64_t read_at_once(const char *array)
{
    const char *percent = strchr(array, '%');
    int64_t value;

    if (percent == NULL) {
        return 0;
    }
    return read_index(percent + 1, &value) != NULL ? value : 0;
}

static int64_t range_count(const struct range *range)
{
    return (range->last - range->first) / range->step + 1;
}

/* Read every element; visit may be NULL. Sums up what they have and the largest index. */
static enum ledger_shape_result each_range(const char *array, unsigned char *bits, int64_t *count,
                                           int64_t *ranges, int64_t *largest)
{
    *count = *ranges = *largest = 0;
    for (const char *text = array; *text != '\0'; text = skip_char(text, ',')) {
        struct range range;

        if (*text == ',') {
            continue;
        }
        text = read_range(text, &range);
        if (text == NULL) {
            return LEDGER_SHAPE_BAD_ARRAY;
        }
        *ranges += 1;
        *count += range_count(&range);
        *largest = range.last > *largest ? range.last : *largest;
        if (*count > WORK_MAX) {
            return LEDGER_SHAPE_TOO_LARGE;
        }
        for (int64_t i = range.first; bits != NULL && i <= range.last; i += range.step) {
            bits[i / 8] |= (unsigned char)(1U << (i % 8));
        }
    }
    return *ranges > 0 ? LEDGER_SHAPE_OK : LEDGER_SHAPE_BAD_ARRAY;
}

/* The count of several ranges, which may overlap. */
static enum ledger_shape_result count_distinct(const char *array, int64_t largest, int64_t *count)
{
    size_t bytes = (size_t)largest / 8 + 1;
    unsigned char *bits = calloc(bytes, 1);
    int64_t ignored;
    enum ledger_shape_result result;

    if (bits == NULL) {
        return LEDGER_SHAPE_NO_MEMORY;
    }
    result = each_range(array, bits, &ignored, &ignored, &largest);
    *count = 0;
    for (size_t i = 0; i < bytes; i++) {
        *count += __builtin_popcount(bits[i]);
    }
    free(bits);
    return result;
}

enum ledger_shape_result ledger_array_count(const char *array, int64_t *parts, int64_t *at_once)
{
    int64_t count;
    int64_t ranges;
    int64_t largest;
    int64_t limit;
    enum ledger_shape_result result = each_range(array, NULL, &count, &ranges, &largest);

    if (result == LEDGER_SHAPE_OK && ranges > 1) {
        result = count_distinct(array, largest, &count);
    }
    if (result != LEDGER_SHAPE_OK) {
        return result;
    }
    limit = read_at_once(array);
    *parts = count;
    *at_once = limit < count ? limit : 0;
    return LEDGER_SHAPE_OK;
}
