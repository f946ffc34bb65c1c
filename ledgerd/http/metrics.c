/* metrics - render the counters; see metrics.h. */
#include "ledgerd/http/metrics.h"

#include <inttypes.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/core/decide.h"
#include "ledgerd/flow/engine_position.h"
#include "ledgerd/http/pull_metrics.h"
#include "ledgerd/store/store_gauges.h"

void metrics_describe(struct strbuf *out, const char *name, const char *type, const char *help)
{
    strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void render_requests(struct metrics *metrics, const char *const *route_names,
                            size_t route_count, struct strbuf *out)
{
    metrics_describe(out, "ledger_http_requests_total", "counter",
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
    metrics_describe(out, "ledger_http_request_microseconds_total", "counter",
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
    metrics_describe(out, "ledger_decisions_total", "counter",
                     "Checks answered, by reason (allowed or why not)");
    for (unsigned reason = 0; reason <= DECIDE_SHARE_CAP; reason++) {
        const char *name = reason == DECIDE_ALLOWED
                               ? "allowed"
                               : decide_reason_text((enum decide_reason)reason);
        strbuf_printf(out, "ledger_decisions_total{reason=\"%s\"} %" PRIu64 "\n", name,
                      atomic_load(&metrics->decisions[reason]));
    }
}

static void render_callers(struct metrics *metrics, struct strbuf *out)
{
    metrics_describe(out, "ledger_callers_refused_total", "counter",
                     "Requests of callers who could not say who they are (401, after too many of "
                     "them 429), or may not (403)");
    strbuf_printf(out, "ledger_callers_refused_total{status=\"401\"} %" PRIu64 "\n",
                  atomic_load(&metrics->callers_unknown));
    strbuf_printf(out, "ledger_callers_refused_total{status=\"403\"} %" PRIu64 "\n",
                  atomic_load(&metrics->callers_forbidden));
    strbuf_printf(out, "ledger_callers_refused_total{status=\"429\"} %" PRIu64 "\n",
                  atomic_load(&metrics->callers_limited));
}

static void render_records(struct metrics *metrics, struct strbuf *out)
{
    metrics_describe(out, "ledger_records_total", "counter",
                     "Usage records posted over HTTP, by fate");
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

    metrics_describe(out, "ledger_view_age_microseconds", "gauge",
                     "Age of what checks are answered from");
    strbuf_printf(out, "ledger_view_age_microseconds %" PRId64 "\n", health.age_us);
    metrics_describe(out, "ledger_view_stale", "gauge", "1 if that is older than max_staleness");
    strbuf_printf(out, "ledger_view_stale %d\n", health.stale ? 1 : 0);
    metrics_describe(out, "ledger_view_refreshes_total", "counter",
                     "Looks at the database that succeeded");
    strbuf_printf(out, "ledger_view_refreshes_total %" PRIu64 "\n", health.refreshes);
    metrics_describe(out, "ledger_view_failures_total", "counter",
                     "Looks at the database that failed");
    strbuf_printf(out, "ledger_view_failures_total %" PRIu64 "\n", health.failures);
}

static void render_hold_counts(const struct hold_group_figures *figures, struct strbuf *out)
{
    metrics_describe(
        out, "ledger_holds_total", "counter",
        "Holds asked for over HTTP, by result (made, repeated, key_differs, or why refused)");
    strbuf_printf(out, "ledger_holds_total{result=\"made\"} %" PRIu64 "\n", figures->made);
    strbuf_printf(out, "ledger_holds_total{result=\"repeated\"} %" PRIu64 "\n", figures->repeated);
    strbuf_printf(out, "ledger_holds_total{result=\"key_differs\"} %" PRIu64 "\n",
                  figures->differed);
    for (unsigned reason = DECIDE_ALLOWED + 1; reason < HOLD_GROUP_REASONS; reason++) {
        strbuf_printf(out, "ledger_holds_total{result=\"%s\"} %" PRIu64 "\n",
                      decide_reason_text((enum decide_reason)reason), figures->refused[reason]);
    }
    metrics_describe(out, "ledger_hold_groups_total", "counter",
                     "Groups of holds committed together");
    strbuf_printf(out, "ledger_hold_groups_total %" PRIu64 "\n", figures->groups);
    metrics_describe(out, "ledger_hold_group_requests_total", "counter",
                     "Requests decided in these groups");
    strbuf_printf(out, "ledger_hold_group_requests_total %" PRIu64 "\n", figures->requests);
    metrics_describe(out, "ledger_hold_group_failures_total", "counter",
                     "Groups that could not be decided: the database was away or refused");
    strbuf_printf(out, "ledger_hold_group_failures_total %" PRIu64 "\n", figures->failures);
    metrics_describe(out, "ledger_hold_alone_total", "counter",
                     "Holds that came alone and were tried in one statement, by whether that did");
    strbuf_printf(out, "ledger_hold_alone_total{result=\"made\"} %" PRIu64 "\n", figures->alone);
    strbuf_printf(out, "ledger_hold_alone_total{result=\"missed\"} %" PRIu64 "\n", figures->missed);
}

static void render_gauges(struct engine *engine, struct strbuf *out)
{
    struct engine_reading reading;
    struct store_gauges gauges;
    char text[POINTS_TEXT_BYTES];
    size_t lapsed;

    engine_gauges(engine, &gauges);
    engine_enter(engine, &reading);
    struct points held = engine_held_in_all(reading.view, clock_now(), &lapsed);
    engine_leave(engine, &reading);
    metrics_describe(out, "ledger_open_holds", "gauge",
                     "Holds before their deadline, counted up to 10000");
    strbuf_printf(out, "ledger_open_holds %" PRId64 "\n", gauges.open_holds);
    metrics_describe(out, "ledger_held_points", "gauge", "Points held");
    strbuf_printf(out, "ledger_held_points %s\n", points_format(held, text));
    metrics_describe(out, "ledger_lapsed_holds", "gauge",
                     "Holds past their deadline which the sweep has not noted yet");
    strbuf_printf(out, "ledger_lapsed_holds %zu\n", lapsed);
    metrics_describe(out, "ledger_overspend_bound_points", "gauge",
                     "What running work has cost beyond its holds: the most that can be overspent");
    strbuf_printf(out, "ledger_overspend_bound_points %s\n", points_format(gauges.uncovered, text));
}

static void render_holds(struct engine *engine, const struct hold_group *holds, struct strbuf *out)
{
    struct hold_group_figures figures;

    hold_group_read_figures(holds, &figures);
    render_hold_counts(&figures, out);
    render_gauges(engine, out);
}

void metrics_render(struct metrics *metrics, struct engine *engine, const struct hold_group *holds,
                    const char *const *route_names, size_t route_count, struct strbuf *out)
{
    render_requests(metrics, route_names, route_count, out);
    render_callers(metrics, out);
    render_decisions(metrics, out);
    render_records(metrics, out);
    render_holds(engine, holds, out);
    render_engine(engine, out);
    pull_metrics_render(engine, out);
}
