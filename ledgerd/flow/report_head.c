/* Parts of reports. */
#include "ledgerd/flow/report_head.h"

#include "ledgerd/flow/document.h"
#include "ledgerd/store/store_report.h"

struct sources {
    const struct zone *zone;
    json_t *last_record;
};

static int source_take(void *context, const char *source, struct instant last_record,
                       struct error *err)
{
    struct sources *sources = context;
    if (json_object_set_new(sources->last_record, source,
                            document_instant(sources->zone, last_record)) < 0) {
        return error_set(err, ERROR_INTERNAL, "out of memory for the report");
    }
    return 0;
}

json_t *report_completeness(struct store *store, const struct catalog *catalog, struct month month,
                            struct error *err)
{
    struct sources sources = {.zone = &catalog->zone, .last_record = json_object()};
    int64_t quarantined = 0;
    int64_t skipped = 0;
    if (store_report_sources(store, source_take, &sources, err) < 0 ||
        store_report_unbooked(store, month, &quarantined, &skipped, err) < 0) {
        json_decref(sources.last_record);
        return NULL;
    }
    json_t *document = json_pack("{s:o, s:I, s:I}", "last_record", sources.last_record,
                                 "quarantined", (json_int_t)quarantined, "skipped",
                                 (json_int_t)skipped);
    if (document == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory for the report");
    }
    return document;
}

json_t *report_promise_document(const struct report_share_row *row)
{
    char text[DECIMAL_TEXT_BYTES];
    return json_string(
        decimal_format(row->promise != NULL ? row->promise->fraction : DECIMAL_ZERO, text));
}
