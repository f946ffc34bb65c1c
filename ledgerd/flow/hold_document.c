/* hold_document - see hold_document.h. */
#include "ledgerd/flow/hold_document.h"

#include <inttypes.h>

#include "ledgerd/flow/hold_info.h"

static void add_text(struct strbuf *out, const char *key, const char *value)
{
    strbuf_printf(out, ",\"%s\":", key);
    strbuf_add_json_string(out, value[0] != '\0' ? value : NULL);
}

static void add_points(struct strbuf *out, const char *key, struct points points)
{
    char text[POINTS_TEXT_BYTES];

    strbuf_printf(out, ",\"%s\":\"%s\"", key, points_format(points, text));
}

static void add_time(struct strbuf *out, const char *key, const struct zone *zone, struct instant t)
{
    char text[INSTANT_TEXT_BYTES];

    add_text(out, key, instant_is_set(t) ? zone_format(zone, t, text) : "");
}

static void add_ref(const struct hold_info *hold, struct strbuf *out)
{
    if (hold->ref_kind[0] == '\0' && hold->ref_id[0] == '\0') {
        strbuf_add_string(out, ",\"ref\":null");
        return;
    }
    strbuf_add_string(out, ",\"ref\":{\"kind\":");
    strbuf_add_json_string(out, hold->ref_kind);
    add_text(out, "id", hold->ref_id);
    strbuf_add_char(out, '}');
}

void hold_write_members(const struct hold_info *hold, const struct zone *zone, struct strbuf *out)
{
    strbuf_add_string(out, "\"hold\":");
    strbuf_add_json_string(out, hold->id);
    add_text(out, "project", hold->project);
    add_text(out, "user", hold->user);
    add_text(out, "key", hold->key);
    add_points(out, "points", hold->points);
    add_points(out, "held", hold->held);
    add_points(out, "freed", hold->freed);
    add_points(out, "charged", hold->charged);
    strbuf_printf(out, ",\"parts\":%" PRId64 ",\"ended_parts\":%" PRId64, hold->parts,
                  hold->ended_parts);
    add_text(out, "state", hold_state_text(hold->state));
    add_time(out, "made_at", zone, hold->made_at);
    add_time(out, "expires_at", zone, hold->expires_at);
    add_time(out, "ended_at", zone, hold->ended_at);
    add_ref(hold, out);
}

void hold_write_result(const struct hold_end_result *result, const struct zone *zone,
                       struct strbuf *out)
{
    char charged[POINTS_TEXT_BYTES];

    strbuf_add_char(out, '{');
    hold_write_members(&result->hold, zone, out);
    strbuf_printf(out, ",\"result\":{\"charged\":\"%s\"", points_format(result->charged, charged));
    add_points(out, "freed", result->freed);
    add_points(out, "overspent", result->overspent);
    strbuf_printf(out, ",\"repeated\":%s}}", result->repeated ? "true" : "false");
}
