/* parse - strict readers of text: the whole text or an error, no locale, no silent default.
 *
 * All take a pointer and a length, because input is cut from larger buffers.  Each returns 0, or -1
 * and leaves the output alone.
 */
#ifndef LEDGERD_BASE_PARSE_H
#define LEDGERD_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/instant.h"

/* Decimal integer without sign, white space or leading '+'; fails beyond `max`. */
int parse_u64(const char *text, size_t length, uint64_t max, uint64_t *value);

/* RFC 3339 with offset: 2027-06-01T00:00:00[.f...](Z|+hh:mm|-hh:mm); 'T' may be 't' or a space.
 * Digits past the sixth of the fraction are cut. Leap second :60 is read as :59.999999. Fails
 * outside [1970-01-01, 9999-01-01) UTC. */
int parse_rfc3339(const char *text, size_t length, struct instant *value);

/* The same shape without an offset: date and time of some zone, as microseconds of local time
 * (a naive count as if the zone were UTC). A date alone is midnight. Years 1969 to 9999. */
int parse_naive_time(const char *text, size_t length, int64_t *local_us);

/* Durations of contract section 1: 250ms, 30s, 15m, 1h, 2d, to microseconds. */
int parse_duration(const char *text, size_t length, int64_t *us);

/* The longest duration that parse_duration accepts: a century, far from any overflow. */
#define PARSE_DURATION_MAX_US (INT64_C(36525) * 86400 * INSTANT_SECOND_US)

/* True if the bytes are well-formed UTF-8 (no overlong forms, no surrogates). */
bool parse_is_utf8(const char *text, size_t length);

/* Bytes (1 to 4) of the well-formed UTF-8 character that text begins with; 0 if there is none. */
size_t parse_utf8_character(const char *text, size_t length);

#define PARSE_UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, stands for bytes that are no text */

/* `text` matches `pattern`, in which '*' stands for any run of characters. Linear in the worst case
 * times the number of stars; bounded by the callers' name limits. */
bool parse_glob(const char *pattern, const char *text);

#endif
