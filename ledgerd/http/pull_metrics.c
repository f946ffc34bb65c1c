/* pull_metrics - see pull_metrics.h. */
#include "ledgerd/http/pull_metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/pull_board.h"
#include "ledgerd/http/metrics.h"
#include "ledgerd/store/store_gauges.h"

/* NAME{source="…"[,LABEL="VALUE"]} and a blank; a source's name is the administrator's, and escaped
 * all the same. */
static void add_name(struct strbuf *out, const char *name, const char *source, const char *label,
                     const char *value)
{
    strbuf_printf(out, "%s{source=\"", name);
    for (const char *at = source; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            strbuf_add_char(out, '\\');
        }
        strbuf_add_char(out, *at);
    }
    strbuf_add_char(out, '"');
    if (label != NULL) {
        strbuf_printf(out, ",%s=\"%s\"", label, value);
    }
    strbuf_add_string(out, "} ");
}

static void add_seconds(struct strbuf *out, int64_t us)
{
    us = us > 0 ? us : 0;
    strbuf_printf(out, "%" PRId64 ".%06" PRId64 "\n", us / 1000000, us % 1000000);
}

/* --- from the book -----------------------------------------------------------------------------
 */

static void render_since(const struct store_gauges *gauges, struct instant now, const char *name,
                         const char *help, size_t instant_at, struct strbuf *out)
{
    metrics_describe(out, name, "gauge", help);
    for (size_t i = 0; i < gauges->pull_count; i++) {
        const struct store_pull *pull = &gauges->pulls[i];
        const struct instant *at = (const struct instant *)((const char *)pull + instant_at);

        if (instant_is_set(*at)) {
            add_name(out, name, pull->source, NULL, NULL);
            add_seconds(out, now.us - at->us);
        }
    }
}

static void render_standing(const struct store_gauges *gauges, struct strbuf *out)
{
    struct instant now = clock_now();

    render_since(gauges, now, "ledger_pull_age_seconds", "Since the source was last read well",
                 offsetof(struct store_pull, last_good), out);
    render_since(gauges, now, "ledger_pull_read_through_age_seconds",
                 "Since the end of the latest work that is read for certain",
                 offsetof(struct store_pull, read_through), out);
    render_since(gauges, now, "ledger_pull_failing_seconds",
                 "Since the source could not be read; there only while it cannot",
                 offsetof(struct store_pull, failing_since), out);
    metrics_describe(
        out, "ledger_pull_stale", "gauge",
        "1 if what the source confirmed stands no longer: its holds' deadlines stand still");
    for (size_t i = 0; i < gauges->pull_count; i++) {
        const struct store_pull *pull = &gauges->pulls[i];

        if (!instant_is_set(pull->fresh_until)) {
            continue; /* it confirms no holds */
        }
        add_name(out, "ledger_pull_stale", pull->source, NULL, NULL);
        strbuf_printf(out, "%d\n", instant_compare(pull->fresh_until, now) < 0 ? 1 : 0);
    }
}

/* --- from the process --------------------------------------------------------------------------
 */

struct board { /* what was read of it */
    size_t count;
    struct pull_figures figures[PULL_BOARD_SOURCES_MAX];
};

struct series { /* one figure of each source */
    const char *label, *value;
    size_t at; /* of a uint64_t in struct pull_figures */
};

static void render_series(const struct board *board, const char *name, const char *type,
                          const char *help, const struct series *series, size_t count,
                          struct strbuf *out)
{
    metrics_describe(out, name, type, help);
    for (size_t i = 0; i < board->count; i++) {
        for (size_t k = 0; k < count; k++) {
            const char *figures = (const char *)&board->figures[i];
            const uint64_t *figure = (const uint64_t *)(figures + series[k].at);

            add_name(out, name, board->figures[i].source, series[k].label, series[k].value);
            strbuf_printf(out, "%" PRIu64 "\n", *figure);
        }
    }
}

#define FIGURE(field) offsetof(struct pull_figures, field)
#define RENDER(board, name, type, help, series, out) \
    render_series(board, name, type, help, series, sizeof(series) / sizeof *(series), out)

static void render_rounds(const struct board *board, struct strbuf *out)
{
    static const struct series rounds[] = {{NULL, NULL, FIGURE(rounds)}};
    static const struct series failures[] = {{NULL, NULL, FIGURE(failures)}};
    static const struct series jobs[] = {{"state", "pending", FIGURE(pending_jobs)},
                                         {"state", "running", FIGURE(running_jobs)},
                                         {"state", "unread", FIGURE(unread_jobs)}};
    static const struct series records[] = {{"fate", "booked", FIGURE(booked)},
                                            {"fate", "amended", FIGURE(amended)},
                                            {"fate", "duplicate", FIGURE(duplicate)},
                                            {"fate", "quarantined", FIGURE(quarantined)},
                                            {"fate", "skipped", FIGURE(skipped)}};

    RENDER(board, "ledger_pull_rounds_total", "counter", "Rounds of reading the source", rounds,
           out);
    RENDER(board, "ledger_pull_failures_total", "counter", "Rounds that failed", failures, out);
    metrics_describe(out, "ledger_pull_round_seconds", "gauge", "How long the last round took");
    for (size_t i = 0; i < board->count; i++) {
        add_name(out, "ledger_pull_round_seconds", board->figures[i].source, NULL, NULL);
        add_seconds(out, board->figures[i].round_us);
    }
    RENDER(board, "ledger_pull_jobs", "gauge",
           "Live jobs that the last round saw, array tasks each; unread: not understood", jobs,
           out);
    RENDER(board, "ledger_pull_records_total", "counter", "Records read, by fate", records, out);
}

static void render_holds(const struct board *board, struct strbuf *out)
{
    static const struct series holds[] = {{"what", "confirmed", FIGURE(holds_confirmed)},
                                          {"what", "released", FIGURE(holds_released)},
                                          {"what", "started", FIGURE(holds_started)},
                                          {"what", "refused", FIGURE(holds_refused)}};
    static const struct series commands[] = {{"result", "done", FIGURE(commands)},
                                             {"result", "failed", FIGURE(commands_failed)}};
    static const struct series unheld[] = {{NULL, NULL, FIGURE(unheld_jobs)}};

    RENDER(board, "ledger_slurm_holds_total", "counter",
           "Holds of jobs that were confirmed, released, taken when seen, refused then", holds,
           out);
    RENDER(board, "ledger_slurm_commands_total", "counter",
           "Jobs held back, let go or requeued by Slurm's own commands", commands, out);
    RENDER(board, "ledger_slurm_unheld_jobs", "gauge", "Jobs that run without a hold", unheld, out);
    metrics_describe(out, "ledger_slurm_unheld_points", "gauge",
                     "What these can cost: the most that can be overspent by them");
    for (size_t i = 0; i < board->count; i++) {
        char text[POINTS_TEXT_BYTES];

        add_name(out, "ledger_slurm_unheld_points", board->figures[i].source, NULL, NULL);
        strbuf_printf(out, "%s\n", points_format(board->figures[i].unheld, text));
    }
}

void pull_metrics_render(struct engine *engine, struct strbuf *out)
{
    struct store_gauges gauges;
    struct board board;

    engine_gauges(engine, &gauges);
    if (gauges.pull_count > 0) {
        render_standing(&gauges, out);
    }
    board.count = pull_board_read(engine_pulls(engine), board.figures);
    if (board.count > 0) {
        render_rounds(&board, out);
        render_holds(&board, out);
    }
}
