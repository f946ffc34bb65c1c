/* Parts of reports. */
#include "ledgerd/flow/report_head.h"

#include <stdlib.h>

#include "ledgerd/flow/document.h"
#include "ledgerd/store/store_close.h"
#include "ledgerd/store/store_pull.h"
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

/* Since when sources cannot be read that ledgerd reads by itself: what they hold is not in the
 * report. Nothing is said where all is well. */
static int add_away(struct store *store, const struct zone *zone, json_t *document,
                    struct error *err)
{
    struct store_pull pulls[STORE_PULL_SOURCES_MAX];
    size_t count;
    int result = 0;

    if (store_pull_list(store, pulls, &count, err) < 0) {
        return -1;
    }
    json_t *away = json_object();
    for (size_t i = 0; away != NULL && result == 0 && i < count; i++) {
        if (instant_is_set(pulls[i].failing_since)) {
            result = json_object_set_new(away, pulls[i].source,
                                         document_instant(zone, pulls[i].failing_since));
        }
    }
    result = away == NULL ? -1 : result;
    if (result == 0 && json_object_size(away) > 0) {
        result = json_object_set(document, "away", away);
    }
    json_decref(away);
    return result == 0 ? 0 : error_set(err, ERROR_INTERNAL, "out of memory for the report");
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
    } else if (add_away(store, &catalog->zone, document, err) < 0) {
        json_decref(document);
        document = NULL;
    }
    return document;
}

/* A month before the first one closed has nothing; a project that was added later has none of it.
 */
static int no_report(struct store *store, struct month month, const char *project,
                     struct error *err)
{
    char text[MONTH_TEXT_BYTES];
    struct month closed;
    if (store_closed_through(store, &closed, err) < 0) {
        return -1;
    }
    if (month.number > closed.number) {
        return 0;
    }
    return error_set_reason(err, ERROR_REFUSED, "unknown_report",
                            project != NULL ? "%s is closed, and project %s had no statement in it"
                                            : "%s is closed: the book held nothing then",
                            month_format(month, text), project != NULL ? project : "");
}

int report_stored(struct store *store, struct month month, const char *project, json_t **document,
                  struct error *err)
{
    char *text = NULL;
    json_error_t where;
    *document = NULL;
    if (store_close_read(store, month, project, &text, NULL, err) < 0) {
        return -1;
    }
    if (text == NULL) {
        return no_report(store, month, project, err);
    }
    *document = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    free(text);
    return *document != NULL
               ? 0
               : error_set(err, ERROR_VERIFY, "the stored report is not as it was stored: %s",
                           where.text);
}

json_t *report_promise_document(const struct report_share_row *row)
{
    char text[DECIMAL_TEXT_BYTES];
    return json_string(
        decimal_format(row->promise != NULL ? row->promise->fraction : DECIMAL_ZERO, text));
}
