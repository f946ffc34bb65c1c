/* tokens_sse - the answer of a model as a stream of server-sent events.
 *
 * Usage comes in four ways, the first that is there counts:
 *
 *     closing    chunks whose choices are empty: completions add up, the prompt counts once
 *     events     usage of responses and messages: the largest of each count
 *     running    totals so far beside the text: the largest of each choice
 *     timings    llama-server's own count per chunk: what an aborted stream still tells
 */
#ifndef IMPORTERS_TOKENS_SSE_H
#define IMPORTERS_TOKENS_SSE_H

#include "importers/tokens.h"

struct sse;

/* NULL if out of memory. */
struct sse *sse_create(void);
void sse_destroy(struct sse *sse); /* accepts NULL */

/* True if the input begins with an event stream. */
bool sse_begins(const char *text, size_t length);

/* The next stream as an item: 1, 0, -1, as importer_next. */
int sse_next(struct sse *sse, struct importer *importer, struct import_item *item,
             struct error *err);

#endif
