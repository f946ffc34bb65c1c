/* close_gates - see close_gates.h. */
#include "ledgerd/flow/close_gates.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/flow/verify.h"
#include "ledgerd/store/store_verify.h"

enum { RERATED = 20000 }; /* records that the gate rates again, about: verify itself does all */

static void pass(struct close_gate *gate, const char *why)
{
    gate->ok = true;
    snprintf(gate->detail, sizeof gate->detail, "%s", why);
}

/* What stands in the way, one after the other as far as there is room. */
static void stop(struct close_gate *gate, const char *why)
{
    size_t used = gate->ok ? 0 : strlen(gate->detail);

    gate->ok = false;
    snprintf(gate->detail + used, sizeof gate->detail - used, "%s%s", used > 0 ? "; " : "", why);
}

static void look_over(const struct close_request *request, const struct zone *zone,
                      struct period period, struct close_gate *gate)
{
    char text[INSTANT_TEXT_BYTES], why[CLOSE_DETAIL_BYTES];

    if (instant_compare(request->act.now, period.to) >= 0) {
        pass(gate, "the month is over");
        return;
    }
    snprintf(why, sizeof why, "the month ends at %s", zone_format(zone, period.to, text));
    stop(gate, why);
}

static int look_order(struct store *store, const struct catalog *catalog,
                      const struct close_request *request, struct close_gate *gate,
                      struct error *err)
{
    char text[MONTH_TEXT_BYTES], why[CLOSE_DETAIL_BYTES];
    struct month due, first;
    struct instant running;

    if (store_closed_through(store, &due, err) != 0 ||
        store_close_first(store, &first, &running, err) != 0) {
        return -1;
    }
    due.number++;
    if (due.number == MONTH_NONE.number + 1) {
        due = first.number != MONTH_NONE.number ? first : request->month;
        if (instant_compare(running, INSTANT_NEVER) < 0) {
            struct month began = calendar_month_of(&catalog->calendar, running);

            due = began.number < due.number ? began : due;
        }
    }
    if (request->month.number <= due.number) {
        pass(gate, "no earlier month is open");
        return 0;
    }
    snprintf(why, sizeof why, "%s is open, and closes first", month_format(due, text));
    stop(gate, why);
    return 0;
}

/* --- sources -------------------------------------------------------------------------------- */

struct sources {
    const struct close_request *request;
    const struct zone *zone;
    struct instant end; /* of the month */
    struct close_gate *gate;
    struct strbuf *accepted;
    size_t quiet_found; /* of those that are accepted */
};

static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static size_t list_count(const char *list)
{
    size_t count = list != NULL && *list != '\0';

    for (; list != NULL && *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

static int look_source(void *context, const char *source, struct instant read_to, struct error *err)
{
    struct sources *sources = context;
    const struct conf_source *known = conf_source_find(sources->request->conf, source);
    struct instant due = {sources->end.us + (known != NULL ? known->lag_us : 0)};
    bool is_quiet = is_listed(sources->request->accept_quiet, source);
    char text[2][INSTANT_TEXT_BYTES], why[CLOSE_DETAIL_BYTES];

    (void)err;
    sources->quiet_found += is_quiet;
    if (instant_is_set(read_to) && instant_compare(read_to, due) >= 0) {
        return 0;
    }
    snprintf(why, sizeof why, "%s was %s%s, it has to be read to %s", source,
             instant_is_set(read_to) ? "read to " : "never read",
             instant_is_set(read_to) ? zone_format(sources->zone, read_to, text[0]) : "",
             zone_format(sources->zone, due, text[1]));
    if (is_quiet) {
        strbuf_printf(sources->accepted, "; quiet: %s", why);
    } else {
        stop(sources->gate, why);
    }
    return 0;
}

/* Notes which configured sources the book has. */
struct met {
    const struct conf *conf;
    bool seen[64];
};

static int meet(void *context, const char *source, struct instant read_to, struct error *err)
{
    struct met *met = context;
    const struct conf_source *known = conf_source_find(met->conf, source);

    (void)read_to;
    (void)err;
    if (known != NULL && (size_t)(known - met->conf->sources) < sizeof met->seen) {
        met->seen[known - met->conf->sources] = true;
    }
    return 0;
}

static int look_sources(struct store *store, struct sources *sources, struct error *err)
{
    const struct close_request *request = sources->request;
    struct met met = {.conf = request->conf};

    pass(sources->gate, "every source was read past the month's end and its lag");
    if (store_close_sources(store, look_source, sources, err) != 0 ||
        store_close_sources(store, meet, &met, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < request->conf->source_count && i < sizeof met.seen; i++) {
        if (!met.seen[i]) {
            look_source(sources, request->conf->sources[i].name, INSTANT_NONE, err);
        }
    }
    if (sources->quiet_found != list_count(request->accept_quiet)) {
        return error_set(err, ERROR_ARGUMENT,
                         "--accept-quiet %s: names a source that the book does not know",
                         request->accept_quiet);
    }
    return 0;
}

/* --- quarantine ------------------------------------------------------------------------------ */

struct entries {
    const struct close_request *request;
    struct close_gate *gate;
    struct strbuf *accepted;
    size_t count;
};

static int look_entry(void *context, int64_t n, const char *source, const char *id,
                      const char *reason, struct error *err)
{
    struct entries *entries = context;
    char why[CLOSE_DETAIL_BYTES];

    (void)err;
    entries->count++;
    snprintf(why, sizeof why, "entry %" PRId64 " (%s %s: %s)", n, source, *id != '\0' ? id : "-",
             reason);
    if (entries->request->accept_quarantine) {
        strbuf_printf(entries->accepted, "; in quarantine: %s", why);
    } else {
        stop(entries->gate, why);
    }
    return 0;
}

static int look_quarantine(struct store *store, const struct close_request *request,
                           struct close_gate *gate, struct strbuf *accepted, struct error *err)
{
    struct entries entries = {.request = request, .gate = gate, .accepted = accepted};
    char why[CLOSE_DETAIL_BYTES];

    pass(gate, "no record of the month is in quarantine");
    if (store_close_entries(store, request->month, look_entry, &entries, err) != 0) {
        return -1;
    }
    if (entries.count > 0 && gate->ok) {
        snprintf(why, sizeof why, "%zu records in quarantine are accepted", entries.count);
        pass(gate, why);
    }
    return 0;
}

int close_gates(struct store *store, const struct catalog *catalog,
                const struct close_request *request, struct close_gate *gates,
                struct strbuf *accepted, struct error *err)
{
    struct period period = calendar_month(&catalog->calendar, request->month);
    struct sources sources = {.request = request,
                              .zone = &catalog->zone,
                              .end = period.to,
                              .gate = &gates[CLOSE_GATE_SOURCES],
                              .accepted = accepted};

    for (size_t i = 0; i < CLOSE_GATE_VERIFIED; i++) {
        gates[i] = (struct close_gate){.ok = true};
    }
    look_over(request, &catalog->zone, period, &gates[CLOSE_GATE_OVER]);
    if (look_order(store, catalog, request, &gates[CLOSE_GATE_ORDER], err) != 0 ||
        look_sources(store, &sources, err) != 0 ||
        look_quarantine(store, request, &gates[CLOSE_GATE_QUARANTINE], accepted, err) != 0) {
        return -1;
    }
    return accepted->failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

/* --- the book -------------------------------------------------------------------------------- */

static int count_records(struct store *store, void *context, struct error *err)
{
    return store_verify_count(store, context, err);
}

static int verify_sampled(struct store *store, struct verify_result *result, struct error *err)
{
    struct verify_options options = {0};
    int64_t records;

    if (store_transact(store, STORE_UNLOCKED, count_records, &records, err) != 0) {
        return -1;
    }
    options.rerate_every = records / RERATED + 1;
    return verify_book(store, &options, result, err);
}

int close_gate_verified(const struct close_request *request, struct close_gate *gate,
                        struct error *err)
{
    struct store *store = store_open(request->conf->database_url, STORE_REPORT, err);
    struct verify_result result;
    char why[CLOSE_DETAIL_BYTES];
    int status = store != NULL ? verify_sampled(store, &result, err) : -1;

    store_close(store);
    if (status != 0) {
        return -1;
    }
    snprintf(why, sizeof why, "%zu checks, all right", result.check_count);
    pass(gate, why);
    for (size_t i = 0; i < result.check_count; i++) {
        if (!result.checks[i].ok) {
            snprintf(why, sizeof why, "%s: %s", result.checks[i].name, result.checks[i].detail);
            stop(gate, why);
        }
    }
    return 0;
}
