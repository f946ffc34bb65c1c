/* metrics - render the counters; see metrics.h. */
#include "ledgerd/http/metrics.h"

#include <inttypes.h>

#include "ledgerd/core/decide.h"

static void describe(struct strbuf *out, const char *name, const char *type, const char *help)
{
    strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void render_requests(struct metrics *metrics, const char *const *route_names,
                            size_t route_count, struct strbuf *out)
{
    describe(out, "ledger_http_requests_total", "counter",
             "Requests answered, by route and status class");
    for (size_t i = 0; i < route_count; i++) {
        for (unsigned status = 1; status < METRICS_STATUS_CLASSES; status++) {
            uint64_t count = atomic_load(&metrics->requests[i][status]);
            if (count > 0) {
                strbuf_printf(
                    out, "ledger_http_requests_total{route=\"%s\",status=\"%uxx\"} %" PRIu64 "\n",
                    route_names[i], status, count);
            }
        }
    }
    describe(out, "ledger_http_request_microseconds_total", "counter",
             "Time spent in handlers, by route");
    for (size_t i = 0; i < route_count; i++) {
        uint64_t spent_us = atomic_load(&metrics->request_us[i]);
        if (spent_us > 0) {
            strbuf_printf(out, "ledger_http_request_microseconds_total{route=\"%s\"} %" PRIu64 "\n",
                          route_names[i], spent_us);
        }
    }
}

static void render_decisions(struct metrics *metrics, struct strbuf *out)
{
    describe(out, "ledger_decisions_total", "counter",
             "Checks answered, by reason (allowed or why not)");
    for (unsigned reason = 0; reason <= DECIDE_SHARE_CAP; reason++) {
        const char *name = reason == DECIDE_ALLOWED
                               ? "allowed"
                               : decide_reason_text((enum decide_reason)reason);
        strbuf_printf(out, "ledger_decisions_total{reason=\"%s\"} %" PRIu64 "\n", name,
                      atomic_load(&metrics->decisions[reason]));
    }
}

static void render_records(struct metrics *metrics, struct strbuf *out)
{
    describe(out, "ledger_records_total", "counter", "Usage records posted over HTTP, by fate");
    strbuf_printf(out, "ledger_records_total{fate=\"booked\"} %" PRIu64 "\n",
                  atomic_load(&metrics->records_booked));
    strbuf_printf(out, "ledger_records_total{fate=\"amended\"} %" PRIu64 "\n",
                  atomic_load(&metrics->records_amended));
    strbuf_printf(out, "ledger_records_total{fate=\"duplicate\"} %" PRIu64 "\n",
                  atomic_load(&metrics->records_duplicate));
    strbuf_printf(out, "ledger_records_total{fate=\"quarantined\"} %" PRIu64 "\n",
                  atomic_load(&metrics->records_quarantined));
}

static void render_engine(const struct engine *engine, struct strbuf *out)
{
    struct engine_health health = engine_health(engine);

    describe(out, "ledger_view_age_microseconds", "gauge", "Age of what checks are answered from");
    strbuf_printf(out, "ledger_view_age_microseconds %" PRId64 "\n", health.age_us);
    describe(out, "ledger_view_stale", "gauge", "1 if that is older than max_staleness");
    strbuf_printf(out, "ledger_view_stale %d\n", health.stale ? 1 : 0);
    describe(out, "ledger_view_refreshes_total", "counter", "Looks at the database that succeeded");
    strbuf_printf(out, "ledger_view_refreshes_total %" PRIu64 "\n", health.refreshes);
    describe(out, "ledger_view_failures_total", "counter", "Looks at the database that failed");
    strbuf_printf(out, "ledger_view_failures_total %" PRIu64 "\n", health.failures);
}

void metrics_render(struct metrics *metrics, const struct engine *engine,
                    const char *const *route_names, size_t route_count, struct strbuf *out)
{
    render_requests(metrics, route_names, route_count, out);
    render_decisions(metrics, out);
    render_records(metrics, out);
    render_engine(engine, out);
}
