/* reconcile - see reconcile.h. */
#include "ledgerd/flow/reconcile.h"

#include <stdio.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/reconcile_read.h"

static const int64_t HOUR_US = 3600 * INSTANT_SECOND_US;

struct reconciliation {
    struct store *store;
    const struct catalog *catalog;
    const struct reconcile_options *options;
    char source[USAGE_SOURCE_BYTES + 1];
    struct reconcile_span span;
    struct instant rolled_up_to; /* INSTANT_NONE: not known */
    uint64_t never_started;
    struct reconcile_counts counts;
    bool sums_agree;
};

/* The whole hours of the time that slurmdbd has rolled up; none leaves the span's INSTANT_NONE.
 * Hours are UTC's: where slurmdbd's zone has an offset of half an hour, sreport's are not. */
static void choose_hours(struct reconciliation *r)
{
    struct instant to = r->options->to;
    struct instant known = instant_is_set(r->rolled_up_to) ? r->rolled_up_to : r->options->now;

    to = instant_min(to, known);
    to.us -= to.us % HOUR_US;
    struct instant from = {r->options->from.us + HOUR_US - 1};
    from.us -= from.us % HOUR_US;
    if (instant_compare(from, to) < 0) {
        r->span.used_from = from;
        r->span.used_to = to;
    }
}

static int read_sreport(struct reconciliation *r, struct error *err)
{
    if (r->options->skip_sreport) {
        return 0;
    }
    if (reconcile_read_rollup(r->options, &r->rolled_up_to, err) != 0) {
        return -1;
    }
    choose_hours(r);
    return instant_is_set(r->span.used_to)
               ? reconcile_read_sreport(r->store, r->options, r->span.used_from, r->span.used_to,
                                        err)
               : 0;
}

struct totals { /* context of add_total */
    json_t *list;
    bool with_sreport;
    bool *agree;
};

static int add_total(void *context, const struct reconcile_total *total, struct error *err)
{
    struct totals *totals = context;
    bool is_sum = total->account == NULL;
    json_t *row = json_pack("{s:o, s:s, s:s, s:s}", "account",
                            is_sum ? json_null() : document_text(total->account), "meter",
                            total->meter, "book", total->book, "sacct", total->sacct);

    if (totals->with_sreport) {
        json_object_set_new(row, "sreport", json_string(total->sreport));
    }
    if (json_object_set_new(row, "agrees", json_boolean(!total->differs)) != 0 ||
        json_array_append_new(totals->list, row) != 0) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    *totals->agree = *totals->agree && !total->differs;
    return 0;
}

static json_t *ended_document(struct reconciliation *r, struct error *err)
{
    struct totals totals = {json_array(), false, &r->sums_agree};

    if (store_reconcile_ended(r->store, &r->span, add_total, &totals, err) != 0) {
        json_decref(totals.list);
        return NULL;
    }
    return totals.list;
}

/* What stands between the hours that are compared and the time that was asked for. */
static json_t *used_note(const struct reconciliation *r)
{
    char from[INSTANT_TEXT_BYTES], to[INSTANT_TEXT_BYTES], text[200];
    const struct zone *zone = &r->catalog->zone;

    if (!instant_is_set(r->span.used_to)) {
        return json_string("slurmdbd has rolled up no whole hour of this time yet");
    }
    if (instant_compare(r->span.used_from, r->options->from) == 0 &&
        instant_compare(r->span.used_to, r->options->to) == 0) {
        return json_null();
    }
    snprintf(text, sizeof text,
             "sreport knows whole hours that are rolled up: compared are those from %s to %s",
             zone_format(zone, r->span.used_from, from), zone_format(zone, r->span.used_to, to));
    return json_string(text);
}

static json_t *used_document(struct reconciliation *r, struct error *err)
{
    struct totals totals = {json_array(), true, &r->sums_agree};
    const struct zone *zone = &r->catalog->zone;

    if (r->options->skip_sreport) {
        json_decref(totals.list);
        return json_null();
    }
    if (instant_is_set(r->span.used_to) &&
        store_reconcile_used(r->store, &r->span, add_total, &totals, err) != 0) {
        json_decref(totals.list);
        return NULL;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o}", "from",
                     document_instant(zone, r->span.used_from), "to",
                     document_instant(zone, r->span.used_to), "rolled_up_to",
                     document_instant(zone, r->rolled_up_to), "note", used_note(r),
                     "suspended_across", (json_int_t)r->counts.suspended, "hours", totals.list);
}

static json_t *jobs_document(const struct reconciliation *r)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "slurm", (json_int_t)r->counts.ended_slurm, "book",
                     (json_int_t)r->counts.ended_book, "running", (json_int_t)r->counts.running,
                     "never_started", (json_int_t)r->never_started);
}

static json_t *kinds_document(const struct reconciliation *r, bool *agree)
{
    json_t *kinds = json_object();

    for (int kind = 0; kind < RECONCILE_KINDS; kind++) {
        json_object_set_new(kinds, reconcile_kind_text((enum reconcile_kind)kind),
                            json_integer((json_int_t)r->counts.kinds[kind]));
        *agree = *agree && r->counts.kinds[kind] == 0;
    }
    return kinds;
}

static json_t *make_document(struct reconciliation *r, struct error *err)
{
    const struct zone *zone = &r->catalog->zone;
    json_t *differences = reconcile_differences(r->store, r->catalog, &r->span, r->options->limit,
                                                err);
    json_t *ended = differences != NULL ? ended_document(r, err) : NULL;
    json_t *used = ended != NULL ? used_document(r, err) : NULL;
    bool agree = r->sums_agree;

    if (used == NULL) {
        json_decref(ended);
        json_decref(differences);
        return NULL;
    }
    json_t *kinds = kinds_document(r, &agree);
    json_t *document = json_pack(
        "{s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "cluster", r->options->cluster, "from",
        document_instant(zone, r->options->from), "to", document_instant(zone, r->options->to),
        "agrees", agree, "jobs", jobs_document(r), "differing", kinds, "differences", differences,
        "ended", ended, "used", used);
    if (document == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return document;
}

json_t *reconcile_slurm(struct store *store, const struct catalog *catalog,
                        const struct reconcile_options *options, struct error *err)
{
    struct reconciliation r = {
        .store = store,
        .catalog = catalog,
        .options = options,
        .span = {.from = options->from,
                 .to = options->to,
                 .first = calendar_month_of(&catalog->calendar, options->from),
                 .used_from = INSTANT_NONE,
                 .used_to = INSTANT_NONE},
        .rolled_up_to = INSTANT_NONE,
        .sums_agree = true};

    snprintf(r.source, sizeof r.source, "slurm:%s", options->cluster);
    r.span.source = r.source;
    if (store_reconcile_begin(store, err) != 0 ||
        reconcile_read_sacct(store, options, r.source, &r.never_started, err) != 0 ||
        read_sreport(&r, err) != 0 || store_reconcile_pair(store, &r.span, err) != 0 ||
        store_reconcile_counts(store, &r.span, &r.counts, err) != 0) {
        return NULL;
    }
    return make_document(&r, err);
}
