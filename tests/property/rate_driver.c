/* rate_driver - rates records for the property tests: one JSON case a line in, one JSON answer a
 * line out.
 *
 *   in:  {"timezone","fiscal_year_start","month_rule","cards":[...],"record":{...}}
 *   out: {"points","list_points","card","rule","slices":[{"month","points","list_points"}]}
 *        or {"error":"<reason>"}, "malformed_card" for a card that cannot be used
 *
 * Every answer is flushed, so that a test may wait for it before it writes the next case.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/rate.h"
#include "ledgerd/flow/ratecard_doc.h"

struct zones { /* tables read so far; tests use few */
    size_t count;
    struct zone zones[64];
};

static const struct zone *zone_get(struct zones *zones, const char *name, struct error *err)
{
    for (size_t i = 0; i < zones->count; i++) {
        if (strcmp(zones->zones[i].name, name) == 0) {
            return &zones->zones[i];
        }
    }
    if (zones->count == sizeof zones->zones / sizeof zones->zones[0]) {
        error_set_reason(err, ERROR_INPUT, "malformed", "too many zones");
        return NULL;
    }
    if (zone_load(name, &zones->zones[zones->count], err) != 0) {
        return NULL;
    }
    return &zones->zones[zones->count++];
}

static int malformed(struct error *err, const char *what)
{
    return error_set_reason(err, ERROR_INPUT, "malformed", "record: %s", what);
}

static int read_text(const json_t *record, const char *key, struct usage_arena *arena,
                     const char **text, struct error *err)
{
    const json_t *value = json_object_get(record, key);

    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value)) {
        return malformed(err, key);
    }
    *text = usage_keep(arena, json_string_value(value), json_string_length(value),
                       USAGE_NAME_BYTES);
    return 0;
}

static int read_time(const json_t *record, const char *key, struct instant *t, struct error *err)
{
    const json_t *value = json_object_get(record, key);

    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value) ||
        parse_rfc3339(json_string_value(value), json_string_length(value), t) != 0) {
        return malformed(err, key);
    }
    return 0;
}

static int value_decimal(const json_t *value, struct decimal *decimal)
{
    if (json_is_integer(value)) {
        return json_integer_value(value) < 0
                   ? -1
                   : decimal_from_u64((unsigned long long)json_integer_value(value), decimal);
    }
    return json_is_string(value)
               ? decimal_parse(json_string_value(value), json_string_length(value), decimal)
               : -1;
}

static int read_decimal(const json_t *record, const char *key, struct decimal *decimal, bool *there,
                        struct error *err)
{
    const json_t *value = json_object_get(record, key);

    *there = value != NULL && !json_is_null(value);
    return *there && value_decimal(value, decimal) != 0 ? malformed(err, key) : 0;
}

static int read_meters(const json_t *record, struct usage_arena *arena, struct usage_record *usage,
                       struct error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(record, "meters"), key, value)
    {
        struct decimal quantity;
        const char *name = usage_keep(arena, key, strlen(key), USAGE_NAME_BYTES);

        if (value_decimal(value, &quantity) != 0 || usage_add_meter(usage, name, quantity) != 0) {
            return malformed(err, key);
        }
    }
    json_object_foreach(json_object_get(record, "attributes"), key, value)
    {
        const char *text = json_string_value(value);
        const char *name = usage_keep(arena, key, strlen(key), USAGE_NAME_BYTES);

        if (text == NULL ||
            usage_add_attribute(
                usage, name, usage_keep(arena, text, strlen(text), USAGE_ATTRIBUTE_BYTES)) != 0) {
            return malformed(err, key);
        }
    }
    return 0;
}

static int read_record(const json_t *record, struct usage_arena *arena, struct usage_record *usage,
                       struct error *err)
{
    const char *state = "final";
    bool there;

    usage_clear(usage, arena);
    if (read_text(record, "source", arena, &usage->source, err) != 0 ||
        read_text(record, "id", arena, &usage->id, err) != 0 ||
        read_text(record, "project", arena, &usage->project, err) != 0 ||
        read_text(record, "user", arena, &usage->user, err) != 0 ||
        read_text(record, "class", arena, &usage->klass, err) != 0 ||
        read_text(record, "qos", arena, &usage->qos, err) != 0 ||
        read_text(record, "outcome", arena, &usage->outcome, err) != 0 ||
        read_text(record, "state", arena, &state, err) != 0 ||
        read_time(record, "start", &usage->start, err) != 0 ||
        read_time(record, "end", &usage->end, err) != 0 ||
        read_time(record, "submitted", &usage->submitted, err) != 0 ||
        read_decimal(record, "elapsed_seconds", &usage->elapsed_seconds, &usage->has_elapsed,
                     err) != 0 ||
        read_decimal(record, "requested_seconds", &usage->requested_seconds, &there, err) != 0 ||
        read_meters(record, arena, usage, err) != 0) {
        return -1;
    }
    if (usage_state_parse(state, strlen(state), &usage->state) != 0) {
        return malformed(err, "state");
    }
    if (!instant_is_set(usage->start) || !instant_is_set(usage->end)) {
        return malformed(err, "start and end");
    }
    return usage_validate(usage, err);
}

static int by_effective_from(const void *a, const void *b)
{
    return instant_compare((*(struct ratecard *const *)a)->effective_from,
                           (*(struct ratecard *const *)b)->effective_from);
}

static int read_cards(const json_t *list, struct ratecards *cards, struct error *err)
{
    cards->cards = calloc(json_array_size(list) + 1, sizeof *cards->cards);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *text = json_dumps(json_array_get(list, i), 0);
        int result = ratecard_doc_parse(text, strlen(text), &cards->cards[cards->count], err);

        free(text);
        if (result != 0) {
            strcpy(err->reason, "malformed_card");
            return -1;
        }
        cards->count++;
    }
    qsort(cards->cards, cards->count, sizeof *cards->cards, by_effective_from);
    return 0;
}

static void write_amounts(struct strbuf *out, struct points points, struct points list_points)
{
    char text[POINTS_TEXT_BYTES];

    strbuf_printf(out, "\"points\":\"%s\",", points_format(points, text));
    strbuf_printf(out, "\"list_points\":\"%s\"", points_format(list_points, text));
}

static void write_charge(struct strbuf *out, const struct charge *charge)
{
    char month[MONTH_TEXT_BYTES];

    strbuf_add_char(out, '{');
    write_amounts(out, charge->points, charge->list_points);
    strbuf_add_string(out, ",\"card\":");
    strbuf_add_json_string(out, charge->card == NULL ? NULL : charge->card->name);
    strbuf_printf(out, ",\"rule\":%d,\"slices\":[", charge->rule);
    for (size_t i = 0; i < charge->slice_count; i++) {
        const struct charge_slice *slice = &charge->slices[i];

        strbuf_printf(out, "%s{\"month\":\"%s\",", i == 0 ? "" : ",",
                      month_format(slice->month, month));
        write_amounts(out, slice->points, slice->list_points);
        strbuf_add_char(out, '}');
    }
    strbuf_add_string(out, "]}");
}

static int case_rate(const json_t *input, struct zones *zones, struct usage_arena *arena,
                     struct charge *charge, struct ratecards *cards, struct error *err)
{
    const char *timezone = json_string_value(json_object_get(input, "timezone"));
    const char *month_rule = json_string_value(json_object_get(input, "month_rule"));
    struct calendar calendar = {.fiscal_month = 4, .fiscal_day = 1};
    struct usage_record record;
    enum month_rule rule = MONTH_SPLIT;

    calendar.zone = zone_get(zones, timezone != NULL ? timezone : "UTC", err);
    if (calendar.zone == NULL || read_cards(json_object_get(input, "cards"), cards, err) != 0 ||
        read_record(json_object_get(input, "record"), arena, &record, err) != 0) {
        return -1;
    }
    if (month_rule != NULL && month_rule_parse(month_rule, strlen(month_rule), &rule) != 0) {
        return malformed(err, "month_rule");
    }
    return rate_record(&record, cards, &calendar, rule, charge, err);
}

static void case_answer(const char *line, struct zones *zones, struct usage_arena *arena,
                        struct charge *charge, struct strbuf *out)
{
    json_t *input = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    struct error err = {0};
    struct ratecards cards = {0};

    strbuf_clear(out);
    if (input == NULL) {
        error_set_reason(&err, ERROR_INPUT, "malformed", "the case is not JSON");
    } else if (case_rate(input, zones, arena, charge, &cards, &err) == 0) {
        write_charge(out, charge);
    }
    if (err.code != ERROR_NONE) {
        strbuf_add_string(out, "{\"error\":");
        strbuf_add_json_string(out, err.reason);
        strbuf_add_string(out, ",\"detail\":");
        strbuf_add_json_string(out, err.text);
        strbuf_add_char(out, '}');
    }
    ratecards_release(&cards);
    json_decref(input);
}

int main(void)
{
    static struct zones zones;
    static struct usage_arena arena;
    struct strbuf out = STRBUF_INIT;
    struct charge charge = {0};
    char *line = NULL;
    size_t capacity = 0;

    while (getline(&line, &capacity, stdin) > 0) {
        case_answer(line, &zones, &arena, &charge, &out);
        puts(out.data);
        fflush(stdout);
    }
    charge_release(&charge);
    strbuf_release(&out);
    free(line);
    return 0;
}
