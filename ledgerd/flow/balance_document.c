/* The balance of a project as JSON. */
#include "ledgerd/flow/balance_document.h"

#include "ledgerd/flow/document.h"

static json_t *grants_document(const struct grant_infos *grants, const struct zone *zone)
{
    json_t *list = json_array();
    for (size_t i = 0; i < grants->count; i++) {
        const struct grant_info *grant = &grants->grants[i];
        json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:s}", "id",
                                              (json_int_t)grant->id, "points",
                                              document_points(grant->points), "remaining",
                                              document_points(grant->remaining), "from",
                                              document_instant(zone, grant->from), "to",
                                              document_instant(zone, grant->to), "state",
                                              grant_state_text(grant->state)));
    }
    return list;
}

json_t *balance_document(const struct balance_sheet *sheet, const struct zone *zone)
{
    const char *share = sheet->is_service ? NULL : sheet->share;
    return json_pack(
        "{s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "project",
        sheet->project, "share", share, "posted", document_points(sheet->posted), "held",
        document_points(sheet->held), "accrued", document_points(sheet->accrued), "available",
        document_points(sheet->balance.available), "overdraft", document_points(sheet->overdraft),
        "granted", document_points(sheet->granted), "spent", document_points(sheet->spent),
        "refunded", document_points(sheet->refunded), "expired", document_points(sheet->expired),
        "grants", grants_document(&sheet->grants, zone), "as_of",
        document_instant(zone, sheet->as_of));
}
