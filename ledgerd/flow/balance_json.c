/* balance_json - write balances and grants; see balance_json.h. */
#include "ledgerd/flow/balance_json.h"

#include <inttypes.h>

static void write_points(struct strbuf *out, const char *key, struct points points)
{
    char text[POINTS_TEXT_BYTES];

    strbuf_printf(out, ",\"%s\":\"%s\"", key, points_format(points, text));
}

static void write_instant(struct strbuf *out, const char *key, struct instant t,
                          const struct zone *zone)
{
    char text[INSTANT_TEXT_BYTES];

    strbuf_printf(out, ",\"%s\":\"%s\"", key, zone_format(zone, t, text));
}

void grant_json_write(const struct grant_info *grant, const struct zone *zone, struct strbuf *out)
{
    strbuf_printf(out, "{\"id\":%" PRId64 ",\"project\":", grant->id);
    strbuf_add_json_string(out, grant->project);
    strbuf_add_string(out, ",\"share\":");
    strbuf_add_json_string(out, grant->share);
    strbuf_printf(out, ",\"fiscal_year\":%d", grant->fiscal_year);
    write_points(out, "points", grant->points);
    write_points(out, "remaining", grant->remaining);
    write_instant(out, "from", grant->from, zone);
    write_instant(out, "to", grant->to, zone);
    strbuf_printf(out, ",\"state\":\"%s\"}", grant_state_text(grant->state));
}

void balance_json_write(const struct balance_sheet *sheet, const struct zone *zone,
                        struct strbuf *out)
{
    strbuf_add_string(out, "{\"project\":");
    strbuf_add_json_string(out, sheet->project);
    strbuf_add_string(out, ",\"share\":");
    strbuf_add_json_string(out, sheet->share[0] != '\0' ? sheet->share : NULL);
    strbuf_printf(out, ",\"kind\":\"%s\",\"state\":\"%s\"",
                  sheet->is_service ? "service" : "project", sheet->is_closed ? "closed" : "open");
    write_points(out, "posted", sheet->posted);
    write_points(out, "held", sheet->held);
    write_points(out, "accrued", sheet->accrued);
    write_points(out, "available", sheet->balance.available);
    write_points(out, "overdraft", sheet->overdraft);
    write_points(out, "granted", sheet->granted);
    write_points(out, "spent", sheet->spent);
    write_points(out, "refunded", sheet->refunded);
    write_points(out, "expired", sheet->expired);
    strbuf_add_string(out, ",\"grants\":[");
    for (size_t i = 0; i < sheet->grants.count; i++) {
        if (i > 0) {
            strbuf_add_char(out, ',');
        }
        grant_json_write(&sheet->grants.grants[i], zone, out);
    }
    strbuf_add_char(out, ']');
    write_instant(out, "as_of", sheet->as_of, zone);
    strbuf_add_char(out, '}');
}
