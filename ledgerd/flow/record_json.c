/* record_json - see record_json.h. */
#include "ledgerd/flow/record_json.h"

/* A member's name with what separates it from the one before. */
static void add_name(struct strbuf *out, const char *name)
{
    if (out->length > 0 && out->data[out->length - 1] != '{') {
        strbuf_add_char(out, ',');
    }
    strbuf_add_json_string(out, name);
    strbuf_add_char(out, ':');
}

static void add_text(struct strbuf *out, const char *name, const char *text)
{
    if (*text != '\0') {
        add_name(out, name);
        strbuf_add_json_string(out, text);
    }
}

static void add_time(struct strbuf *out, const char *name, struct instant t,
                     const struct zone *zone)
{
    char text[INSTANT_TEXT_BYTES];

    if (instant_is_set(t)) {
        add_name(out, name);
        strbuf_add_json_string(out, zone_format(zone, t, text));
    }
}

static void add_decimal(struct strbuf *out, const char *name, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];

    add_name(out, name);
    strbuf_add_json_string(out, decimal_format(value, text));
}

static void add_meters(struct strbuf *out, const struct usage_record *record)
{
    add_name(out, "meters");
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < record->meter_count; i++) {
        add_decimal(out, record->meters[i].name, record->meters[i].quantity);
    }
    strbuf_add_char(out, '}');
}

static void add_attributes(struct strbuf *out, const struct usage_record *record)
{
    if (record->attribute_count == 0) {
        return;
    }
    add_name(out, "attributes");
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < record->attribute_count; i++) {
        add_name(out, record->attributes[i].name);
        strbuf_add_json_string(out, record->attributes[i].value);
    }
    strbuf_add_char(out, '}');
}

void record_json_write(const struct usage_record *record, const struct zone *zone,
                       struct strbuf *out)
{
    strbuf_add_char(out, '{');
    add_text(out, "source", record->source);
    add_text(out, "id", record->id);
    add_text(out, "project", record->project);
    add_text(out, "user", record->user);
    add_text(out, "class", record->klass);
    add_time(out, "start", record->start, zone);
    add_time(out, "end", record->end, zone);
    add_text(out, "state", usage_state_text(record->state));
    add_text(out, "outcome", record->outcome);
    if (record->has_elapsed) {
        add_decimal(out, "elapsed_seconds", record->elapsed_seconds);
    }
    if (!decimal_is_zero(record->requested_seconds)) {
        add_decimal(out, "requested_seconds", record->requested_seconds);
    }
    add_time(out, "submitted", record->submitted, zone);
    add_text(out, "qos", record->qos);
    add_meters(out, record);
    add_text(out, "hold", record->hold);
    add_text(out, "basis", usage_basis_text(record->basis));
    add_time(out, "seen", record->seen, zone);
    add_attributes(out, record);
    strbuf_add_char(out, '}');
}
