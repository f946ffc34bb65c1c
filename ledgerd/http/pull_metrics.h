/* pull_metrics - how the sources fare that ledgerd reads by itself, for /metrics.
 *
 * How far a source is read and since when it cannot be stands in the book and is the same from
 * every ledgerd; what rounds did, and which jobs they saw, is told by the process that made them.
 */
#ifndef LEDGERD_HTTP_PULL_METRICS_H
#define LEDGERD_HTTP_PULL_METRICS_H

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/engine.h"

/* Append the metrics of all sources; nothing if there are none. */
void pull_metrics_render(struct engine *engine, struct strbuf *out);

#endif
