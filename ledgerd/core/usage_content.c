/* usage_content - the canonical bytes of a record's content, for hashing.
 *
 * Every field has a fixed place; strings and lists carry their length before them, so that no two
 * different records run together into the same bytes, and a decimal is its mantissa and scale,
 * which are unique for a value:
 *
 *      version | project | user | class | start | end | state | basis | outcome
 *              | elapsed given? | elapsed | requested | submitted | qos
 *              | meter count, (name, quantity)... | attribute count, (name, value)...
 *
 * Numbers are little-endian on every machine. What is kept by hash in a book depends on this
 * layout: another layout needs another version byte.
 */
#include <string.h>

#include "ledgerd/core/usage.h"

enum { CONTENT_VERSION = 1 };

static char *put_u8(char *at, unsigned value)
{
    *at = (char)value;
    return at + 1;
}

static char *put_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(value >> (8 * i));
    }
    return at + 4;
}

static char *put_u64(char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (char)(value >> (8 * i));
    }
    return at + 8;
}

/* No field is longer than its limit (importers cut there), which bounds what is written. */
static char *put_text(char *at, const char *text, size_t limit)
{
    size_t length = strnlen(text, limit);

    at = put_u32(at, (uint32_t)length);
    memcpy(at, text, length);
    return at + length;
}

static char *put_decimal(char *at, struct decimal value)
{
    at = put_u8(at, value.scale);
    at = put_u64(at, (uint64_t)value.mantissa);
    return put_u64(at, (uint64_t)(value.mantissa >> 64));
}

static char *put_instant(char *at, struct instant t)
{
    return put_u64(at, (uint64_t)t.us);
}

size_t usage_content(const struct usage_record *record, char *out)
{
    char *at = put_u8(out, CONTENT_VERSION);

    at = put_text(at, record->project, USAGE_NAME_BYTES);
    at = put_text(at, record->user, USAGE_NAME_BYTES);
    at = put_text(at, record->klass, USAGE_NAME_BYTES);
    at = put_instant(at, record->start);
    at = put_instant(at, record->end);
    at = put_u8(at, record->state);
    at = put_u8(at, record->basis);
    at = put_text(at, record->outcome, USAGE_NAME_BYTES);
    at = put_u8(at, record->has_elapsed);
    at = put_decimal(at, record->has_elapsed ? record->elapsed_seconds : DECIMAL_ZERO);
    at = put_decimal(at, record->requested_seconds);
    at = put_instant(at, record->submitted);
    at = put_text(at, record->qos, USAGE_NAME_BYTES);
    at = put_u32(at, (uint32_t)record->meter_count);
    for (size_t i = 0; i < record->meter_count; i++) {
        at = put_text(at, record->meters[i].name, USAGE_NAME_BYTES);
        at = put_decimal(at, record->meters[i].quantity);
    }
    at = put_u32(at, (uint32_t)record->attribute_count);
    for (size_t i = 0; i < record->attribute_count; i++) {
        at = put_text(at, record->attributes[i].name, USAGE_NAME_BYTES);
        at = put_text(at, record->attributes[i].value, USAGE_ATTRIBUTE_BYTES);
    }
    return (size_t)(at - out);
}
