/* document - JSON values in the house's forms: points as decimal strings, times in the site's zone.
 *
 * All return a new reference, or NULL when memory is out; json_pack and the _new functions of
 * jansson take such a NULL and fail as a whole, so that a document is checked once, when it is
 * complete.
 */
#ifndef LEDGERD_FLOW_DOCUMENT_H
#define LEDGERD_FLOW_DOCUMENT_H

#include <jansson.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"

/* "1234.500000", "2027-06-01T00:00:00+09:00" (null for INSTANT_NONE), "2027-06". */
json_t *document_points(struct points value);
json_t *document_instant(const struct zone *zone, struct instant t);
json_t *document_month(struct month month);

/* A string (null for NULL); bytes that are not UTF-8, and NULs, become U+FFFD. */
json_t *document_text(const char *text);
json_t *document_bytes(const char *bytes, size_t length);

/* The value's text for people: strings as they are, null as "-", booleans as yes and no, arrays and
 * members ("name=value") joined by blanks. Appended to out. */
void document_show(const json_t *value, struct strbuf *out);

/* Append the document, indented, in its own order, with a newline. ERROR_INTERNAL if memory is out
 * or `document` is NULL. */
int document_write(const json_t *document, struct strbuf *out, struct error *err);

#endif
