/* metrics - counters for Prometheus, kept without locks. */
#ifndef LEDGERD_HTTP_METRICS_H
#define LEDGERD_HTTP_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/hold_group.h"

enum { METRICS_ROUTES_MAX = 48, METRICS_STATUS_CLASSES = 6, METRICS_REASONS_MAX = 16 };

struct metrics {
    _Atomic uint64_t
        requests[METRICS_ROUTES_MAX][METRICS_STATUS_CLASSES]; /* by route and status / 100 */
    _Atomic uint64_t request_us[METRICS_ROUTES_MAX];
    _Atomic uint64_t decisions[METRICS_REASONS_MAX]; /* by decide_reason */
    _Atomic uint64_t callers_unknown, callers_forbidden, callers_limited;
    _Atomic uint64_t records_booked, records_amended, records_duplicate, records_quarantined;
};

/* The lines before a metric: what it is. */
void metrics_describe(struct strbuf *out, const char *name, const char *type, const char *help);

/* Append the text exposition: counters here, the engine's health, what is held and pulled, and the
 * given route names (one for each of requests[], NULL where there is none). */
void metrics_render(struct metrics *metrics, struct engine *engine, const struct hold_group *holds,
                    const char *const *route_names, size_t route_count, struct strbuf *out);

#endif
