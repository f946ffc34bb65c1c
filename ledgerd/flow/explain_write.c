/* explain_write - an explanation as a document and as text. See explain.h.
 *
 * The text is made from the document, so that the two cannot say different things.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/rate_refund.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/explain.h"
#include "ledgerd/flow/record_json.h"
#include "ledgerd/flow/text_table.h"
#include "ledgerd/store/store_quarantine.h"

static json_t *record_document(const struct explanation *explanation)
{
    struct strbuf text = STRBUF_INIT;
    json_t *document;

    record_json_write(&explanation->booked->stored.record, &explanation->catalog->zone, &text);
    document = json_loads(text.data, 0, NULL);
    strbuf_release(&text);
    return document;
}

/* --- rule, card, arithmetic ------------------------------------------------------------------ */

static json_t *prices_document(const struct ratecard_price *prices, size_t count)
{
    json_t *document = json_object();
    char text[DECIMAL_TEXT_BYTES];

    for (size_t i = 0; i < count; i++) {
        json_object_set_new(document, prices[i].meter,
                            json_string(decimal_format(prices[i].price, text)));
    }
    return document;
}

static json_t *decimal_document(struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];

    return json_string(decimal_format(value, text));
}

static json_t *rule_document(const struct ratecard_rule *rule, int number)
{
    return json_pack(
        "{s:i, s:s, s:s, s:s, s:o, s:o, s:{s:o, s:o, s:o}, s:o}", "index", number, "source",
        rule->source, "class", rule->klass, "combine", rule->combine == COMBINE_MAX ? "max" : "sum",
        "per_hour", prices_document(rule->per_hour, rule->per_hour_count), "per_million",
        prices_document(rule->per_million, rule->per_million_count), "basis", "elapsed",
        decimal_document(rule->elapsed_weight), "requested",
        decimal_document(rule->requested_weight), "min_seconds",
        decimal_document(rule->min_seconds), "discount", decimal_document(rule->discount));
}

static json_t *parts_document(const struct rate_parts *parts)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "elapsed", document_points(parts->elapsed), "minimum",
                     document_points(parts->minimum), "requested",
                     document_points(parts->requested), "counts", document_points(parts->counts));
}

/* The row of the card's refund table for the record's outcome. */
static void add_refund_rule(json_t *document, const struct ratecard *card, const char *outcome)
{
    const struct ratecard_refund *refund = ratecard_refund_for(card, outcome);

    if (refund != NULL) {
        json_object_set_new(document, "refund_rule",
                            json_pack("{s:s, s:o, s:o}", "outcome", refund->outcome, "fraction",
                                      decimal_document(refund->fraction), "max_seconds",
                                      decimal_document(refund->max_seconds)));
    }
}

static void add_rating(json_t *document, const struct explanation *explanation)
{
    const struct explained_record *booked = explanation->booked;
    const struct ratecard *card = explanation->card;
    int rule = booked->charges[booked->charge_count - 1].rule;

    if (card == NULL) {
        return;
    }
    json_object_set_new(
        document, "card",
        json_pack("{s:s, s:I, s:o}", "name", card->name, "number", (json_int_t)card->number,
                  "effective_from",
                  document_instant(&explanation->catalog->zone, card->effective_from)));
    if (rule >= 0 && (size_t)rule < card->rule_count) {
        json_object_set_new(document, "rule", rule_document(&card->rules[rule], rule));
    }
    if (explanation->has_parts) {
        json_object_set_new(document, "arithmetic", parts_document(&explanation->parts));
    }
    add_refund_rule(document, card, booked->stored.record.outcome);
}

/* --- charges, months, grants --------------------------------------------------------------------
 */

static json_t *charge_document(const struct explanation *explanation,
                               const struct explained_charge *charge)
{
    const struct zone *zone = &explanation->catalog->zone;

    return json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:I, s:o, s:o, s:o, s:o}", "version",
        charge->version, "month", document_month(charge->month), "last",
        document_instant(zone, charge->last), "project", document_text(charge->project), "points",
        document_points(charge->points), "list_points", document_points(charge->list_points),
        "card", charge->card_no, "rule", charge->rule, "transfer", (json_int_t)charge->transfer,
        "debit", document_text(charge->debit), "credit", document_text(charge->credit), "booked_in",
        document_month(charge->booked_in), "booked_at", document_instant(zone, charge->booked_at));
}

static json_t *refund_document(const struct explanation *explanation,
                               const struct explained_refund *refund)
{
    const struct zone *zone = &explanation->catalog->zone;

    return json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "version", refund->version, "by",
        refund->is_manual ? "hand" : "card", "month", document_month(refund->month), "last",
        document_instant(zone, refund->last), "project", document_text(refund->project), "points",
        document_points(refund->points), "grant",
        refund->grant != 0 ? json_integer((json_int_t)refund->grant) : json_null(), "transfer",
        (json_int_t)refund->transfer, "debit", document_text(refund->debit), "credit",
        document_text(refund->credit), "booked_at", document_instant(zone, refund->booked_at));
}

/* All refunds; their sum is added to *total. */
static json_t *refunds_document(const struct explanation *explanation, struct points *total)
{
    const struct explained_record *booked = explanation->booked;
    json_t *refunds = json_array();

    for (size_t i = 0; i < booked->refund_count; i++) {
        points_add(*total, booked->refunds[i].points, total);
        json_array_append_new(refunds, refund_document(explanation, &booked->refunds[i]));
    }
    return refunds;
}

static int compare_charge_months(const void *a, const void *b)
{
    const struct explained_charge *const *x = a;
    const struct explained_charge *const *y = b;

    return (*x)->month.number - (*y)->month.number;
}

/* Sums by month over all versions: what the record costs now.  The whole is added to *total. */
static json_t *months_document(const struct explained_record *booked, struct points *total,
                               struct points *list_total)
{
    const struct explained_charge **sorted = calloc(booked->charge_count + 1, sizeof *sorted);
    json_t *months = json_array();

    for (size_t i = 0; sorted != NULL && i < booked->charge_count; i++) {
        sorted[i] = &booked->charges[i];
    }
    if (sorted != NULL) {
        qsort(sorted, booked->charge_count, sizeof *sorted, compare_charge_months);
    }
    for (size_t i = 0; sorted != NULL && i < booked->charge_count;) {
        struct month month = sorted[i]->month;
        struct points points = POINTS_ZERO;
        struct points list_points = POINTS_ZERO;

        for (; i < booked->charge_count && sorted[i]->month.number == month.number; i++) {
            points_add(points, sorted[i]->points, &points);
            points_add(list_points, sorted[i]->list_points, &list_points);
        }
        points_add(*total, points, total);
        points_add(*list_total, list_points, list_total);
        json_array_append_new(months, json_pack("{s:o, s:o, s:o}", "month", document_month(month),
                                                "points", document_points(points), "list_points",
                                                document_points(list_points)));
    }
    free(sorted);
    return months;
}

static int compare_draw_order(const void *a, const void *b)
{
    const struct balance_grant *x = *(const struct balance_grant *const *)a;
    const struct balance_grant *y = *(const struct balance_grant *const *)b;
    int order = instant_compare(x->to, y->to);

    if (order == 0) {
        order = instant_compare(x->from, y->from);
    }
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

/* The grants valid at an instant, in the order in which charges draw on them. */
static json_t *grants_at(const struct explanation *explanation,
                         const struct catalog_project *project, struct instant t)
{
    const struct balance_grant **valid = calloc(project->grant_count + 1, sizeof *valid);
    json_t *grants = json_array();
    size_t count = 0;

    for (size_t i = 0; valid != NULL && i < project->grant_count; i++) {
        const struct balance_grant *grant = &project->grants[i];

        if (instant_compare(grant->from, t) <= 0 && instant_compare(t, grant->to) < 0 &&
            !points_is_zero(grant->points)) {
            valid[count++] = grant;
        }
    }
    if (count > 1) {
        qsort(valid, count, sizeof *valid, compare_draw_order);
    }
    for (size_t i = 0; i < count; i++) {
        const struct zone *zone = &explanation->catalog->zone;

        json_array_append_new(grants, json_pack("{s:I, s:o, s:o}", "id", (json_int_t)valid[i]->id,
                                                "from", document_instant(zone, valid[i]->from),
                                                "to", document_instant(zone, valid[i]->to)));
    }
    free(valid);
    return grants;
}

/* For each slice of the current version: which grants pay it, first to last. */
static json_t *drawn_document(const struct explanation *explanation)
{
    const struct explained_record *booked = explanation->booked;
    json_t *drawn = json_array();

    for (size_t i = 0; i < booked->charge_count; i++) {
        const struct explained_charge *charge = &booked->charges[i];
        const struct catalog_project *project = catalog_project(explanation->catalog,
                                                                charge->project);

        if (project == NULL || charge->version != booked->stored.version ||
            points_is_zero(charge->points)) {
            continue;
        }
        json_array_append_new(
            drawn, json_pack("{s:o, s:o, s:o}", "month", document_month(charge->month), "last",
                             document_instant(&explanation->catalog->zone, charge->last), "grants",
                             grants_at(explanation, project, charge->last)));
    }
    return drawn;
}

static json_t *versions_document(const struct explanation *explanation)
{
    const struct explained_record *booked = explanation->booked;
    const struct zone *zone = &explanation->catalog->zone;
    json_t *versions = json_array();

    for (size_t i = 0; i < booked->version_count; i++) {
        const struct explained_version *version = &booked->versions[i];

        json_array_append_new(versions,
                              json_pack("{s:i, s:o, s:o, s:o, s:o}", "version", version->version,
                                        "seen", document_instant(zone, version->seen), "end",
                                        document_instant(zone, version->end), "project",
                                        document_text(version->project), "outcome",
                                        document_text(version->outcome)));
    }
    return versions;
}

static json_t *document_hold(int64_t number)
{
    return json_sprintf("h_%lld", (long long)number);
}

static json_t *holds_document(const struct explanation *explanation)
{
    const struct zone *zone = &explanation->catalog->zone;
    json_t *holds = json_array();

    for (size_t i = 0; i < explanation->holds.count; i++) {
        const struct explained_hold *hold = &explanation->holds.holds[i];

        json_array_append_new(
            holds,
            json_pack("{s:o, s:o, s:s, s:o, s:s, s:o, s:b, s:o, s:o}", "hold",
                      document_hold(hold->hold), "key",
                      *hold->key != '\0' ? document_text(hold->key) : json_null(), "state",
                      hold->state, "points", document_points(hold->points), "event", hold->kind,
                      "at", document_instant(zone, hold->at), "ended_part", hold->is_end, "charged",
                      document_points(hold->charged), "freed", document_points(hold->freed)));
    }
    return holds;
}

static void add_booked(json_t *document, const struct explanation *explanation)
{
    const struct explained_record *booked = explanation->booked;
    const char *hold = booked->stored.record.hold;
    struct points total = POINTS_ZERO;
    struct points list_total = POINTS_ZERO;
    struct points refunded = POINTS_ZERO;
    json_t *charges = json_array();

    for (size_t i = 0; i < booked->charge_count; i++) {
        json_array_append_new(charges, charge_document(explanation, &booked->charges[i]));
    }
    json_object_set_new(document, "record", record_document(explanation));
    json_object_set_new(document, "content", json_string(booked->content));
    json_object_set_new(document, "version", json_integer(booked->stored.version));
    json_object_set_new(document, "hold", *hold != '\0' ? document_text(hold) : json_null());
    json_object_set_new(document, "holds", holds_document(explanation));
    if (booked->charge_count > 0) {
        add_rating(document, explanation);
    }
    json_object_set_new(document, "months", months_document(booked, &total, &list_total));
    json_object_set_new(document, "points", document_points(total));
    json_object_set_new(document, "list_points", document_points(list_total));
    json_object_set_new(document, "charges", charges);
    json_object_set_new(document, "refunds", refunds_document(explanation, &refunded));
    json_object_set_new(document, "refunded", document_points(refunded));
    json_object_set_new(document, "grants", drawn_document(explanation));
    json_object_set_new(document, "versions", versions_document(explanation));
}

static json_t *accrual_document(const struct explanation *explanation)
{
    const struct explained_accrual *accrual = explanation->accrual;
    const struct zone *zone = &explanation->catalog->zone;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "project", document_text(accrual->project),
        "start", document_instant(zone, accrual->start), "end",
        document_instant(zone, accrual->end), "points", document_points(accrual->points),
        "list_points", document_points(accrual->list_points), "card", accrual->card_no, "hold",
        explanation->hold != 0 ? document_hold(explanation->hold) : json_null(), "covered",
        document_points(explanation->covered), "record", json_loads(accrual->record, 0, NULL));
}

static json_t *quarantine_document(const struct explanation *explanation)
{
    const struct quarantine_entry *entry = explanation->in_quarantine;
    const struct zone *zone = &explanation->catalog->zone;

    return json_pack("{s:I, s:o, s:o, s:s, s:o, s:o}", "n", (json_int_t)entry->n, "reason",
                     document_text(entry->reason), "detail", document_text(entry->detail), "state",
                     quarantine_state_text(entry->state), "since",
                     document_instant(zone, entry->since), "ended_at",
                     document_instant(zone, entry->ended_at));
}

static const char *state_text(const struct explanation *explanation)
{
    if (explanation->booked != NULL) {
        return explanation->booked->stored.is_running ? "running" : "booked";
    }
    return explanation->accrual != NULL ? "running" : "quarantined";
}

static json_t *explanation_document(const struct explanation *explanation)
{
    json_t *document = json_object();

    json_object_set_new(document, "state", json_string(state_text(explanation)));
    json_object_set_new(document, "project", document_text(explain_project(explanation)));
    if (explanation->booked != NULL) {
        add_booked(document, explanation);
    }
    json_object_set_new(document, "accrual",
                        explanation->accrual != NULL ? accrual_document(explanation) : json_null());
    json_object_set_new(document, "quarantine",
                        explanation->in_quarantine != NULL ? quarantine_document(explanation)
                                                           : json_null());
    return document;
}

void explain_write_json(const struct explanation *explanation, struct strbuf *out)
{
    json_t *document = explanation_document(explanation);
    struct error err;

    if (document_write(document, out, &err) != 0) {
        out->failed = true;
    }
    json_decref(document);
}

/* --- text ----------------------------------------------------------------------------------- */

static void write_heading(struct strbuf *out, const char *title)
{
    strbuf_printf(out, "\n%s\n", title);
}

static void write_object(struct strbuf *out, const json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        struct strbuf text = STRBUF_INIT;

        document_show(value, &text);
        if (text.length > 0) {
            strbuf_printf(out, "  %-18s %s\n", name, text.data);
        }
        strbuf_release(&text);
    }
}

static void write_part(struct strbuf *out, const json_t *document, const char *name,
                       const char *title)
{
    const json_t *part = json_object_get(document, name);

    if (json_is_object(part)) {
        write_heading(out, title);
        write_object(out, part);
    }
}

static void write_holds(struct strbuf *out, const json_t *document)
{
    static const struct text_column columns[] = {
        {"hold", "hold", false},        {"state", "state", false},    {"points", "points", true},
        {"event", "by", false},         {"charged", "charged", true}, {"freed", "freed", true},
        {"ended_part", "ended", false}, {"at", "at", false},          {0}};
    const json_t *holds = json_object_get(document, "holds");

    if (json_array_size(holds) > 0) {
        write_heading(out, "holds that it ended or made smaller");
        text_table_write(holds, columns, 2, out);
    }
}

static void write_booked(struct strbuf *out, const json_t *document)
{
    static const struct text_column charges[] = {{"month", "month", false},
                                                 {"version", "version", true},
                                                 {"project", "project", false},
                                                 {"points", "points", true},
                                                 {"list_points", "list points", true},
                                                 {"transfer", "transfer", true},
                                                 {"debit", "from", false},
                                                 {"credit", "to", false},
                                                 {"booked_in", "in", false},
                                                 {"booked_at", "booked", false},
                                                 {0}};
    static const struct text_column refunds[] = {{"month", "month", false},
                                                 {"version", "version", true},
                                                 {"by", "by", false},
                                                 {"project", "project", false},
                                                 {"points", "points", true},
                                                 {"grant", "to grant", true},
                                                 {"transfer", "transfer", true},
                                                 {"debit", "from", false},
                                                 {"credit", "to", false},
                                                 {"booked_at", "booked", false},
                                                 {0}};
    static const struct text_column grants[] = {
        {"month", "month", false}, {"last", "paid as of", false}, {"grants", "grants", false}, {0}};
    static const struct text_column versions[] = {
        {"version", "version", true},  {"seen", "seen", false},       {"end", "end", false},
        {"project", "project", false}, {"outcome", "outcome", false}, {0}};
    static const struct text_column months[] = {{"month", "month", false},
                                                {"points", "points", true},
                                                {"list_points", "list points", true},
                                                {0}};

    write_part(out, document, "card", "rate card");
    write_part(out, document, "rule", "rule");
    write_part(out, document, "arithmetic", "cost before rounding, in points");
    write_part(out, document, "refund_rule", "refund by the card");
    write_heading(out, "months");
    text_table_write(json_object_get(document, "months"), months, 2, out);
    write_heading(out, "charges and their transfers");
    text_table_write(json_object_get(document, "charges"), charges, 2, out);
    if (json_array_size(json_object_get(document, "refunds")) > 0) {
        write_heading(out, "refunds and their transfers");
        text_table_write(json_object_get(document, "refunds"), refunds, 2, out);
    }
    write_holds(out, document);
    write_heading(out, "paid by the first of these grants that has points left");
    text_table_write(json_object_get(document, "grants"), grants, 2, out);
    if (json_array_size(json_object_get(document, "versions")) > 1) {
        write_heading(out, "versions");
        text_table_write(json_object_get(document, "versions"), versions, 2, out);
    }
}

void explain_write_text(const struct explanation *explanation, struct strbuf *out)
{
    static const struct text_column head[] = {
        {"state", "state", false},       {"project", "project", false},
        {"points", "points", false},     {"list_points", "list points", false},
        {"refunded", "refunded", false}, {0}};
    json_t *document = explanation_document(explanation);

    text_fields_write(document, head, out);
    write_part(out, document, "record", "record");
    if (explanation->booked != NULL) {
        write_booked(out, document);
    }
    write_part(out, document, "accrual", "cost so far");
    write_part(out, document, "quarantine", "quarantine");
    json_decref(document);
}
