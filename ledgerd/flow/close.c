/* close - see close.h. */
#include "ledgerd/flow/close.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/close_gates.h"
#include "ledgerd/flow/digest.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/report.h"
#include "ledgerd/flow/report_head.h"

static const char *const gate_texts[] = {
    [CLOSE_GATE_OVER] = "month_over",   [CLOSE_GATE_ORDER] = "order",
    [CLOSE_GATE_SOURCES] = "sources",   [CLOSE_GATE_QUARANTINE] = "quarantine",
    [CLOSE_GATE_VERIFIED] = "verified",
};

const char *close_gate_text(enum close_gate_kind kind)
{
    return gate_texts[kind];
}

struct closing {
    struct store *store;
    const struct close_request *request;
    struct close_result *result;
    struct strbuf accepted; /* what was let through by name */
    struct strbuf digests;  /* of the statements, by project */
    char trouble[CLOSE_DETAIL_BYTES];
};

static bool gates_are_open(const struct close_gate *gates)
{
    bool open = true;

    for (int i = 0; i < CLOSE_GATES; i++) {
        open = open && gates[i].ok;
    }
    return open;
}

/* What is stored of a month that is closed. */
static int read_closed(struct store *store, struct closing *closing, struct error *err)
{
    struct close_result *result = closing->result;
    json_t *document;

    if (report_stored(store, closing->request->month, NULL, &document, err) != 0) {
        return -1;
    }
    result->is_closed = document != NULL;
    if (document != NULL) {
        char *text = NULL;
        const char *digest = json_string_value(json_object_get(document, "digest"));

        snprintf(result->digest, sizeof result->digest, "%s", digest != NULL ? digest : "");
        json_decref(document);
        if (store_close_read(store, closing->request->month, NULL, &text, &result->closed_at,
                             err) != 0) {
            return -1;
        }
        free(text);
    }
    return 0;
}

/* See whether it is closed, else look at the gates. */
static int look(struct store *store, void *context, struct error *err)
{
    struct closing *closing = context;
    struct catalog *catalog;
    int result;

    strbuf_clear(&closing->accepted);
    if (read_closed(store, closing, err) != 0) {
        return -1;
    }
    if (closing->result->is_closed) {
        return 0;
    }
    catalog = catalog_load(store, err);
    if (catalog == NULL) {
        return -1;
    }
    result = close_gates(store, catalog, closing->request, closing->result->gates,
                         &closing->accepted, err);
    catalog_destroy(catalog);
    return result;
}

/* --- running work ----------------------------------------------------------------------------- */

/* Work that was rated when it was seen can be rated now, unless its project or rule is gone. */
static void take_fate(void *context, const struct ingest_item *item)
{
    struct closing *closing = context;

    if (item->fate == INGEST_QUARANTINED && closing->trouble[0] == '\0') {
        snprintf(closing->trouble, sizeof closing->trouble, "%s %s: %s: %s", item->source, item->id,
                 item->reason, item->detail);
    }
}

static int post_running(struct store *store, struct closing *closing, struct instant end,
                        struct error *err)
{
    const struct close_request *request = closing->request;
    struct ingest_options options = {
        .format = "ledger",
        .conf = request->conf,
        .now = request->act.now,
        .is_closing = true,
        .closing = request->month,
        .item = take_fate,
        .context = closing,
    };
    struct ingest_counts counts = {0};
    struct strbuf records = STRBUF_INIT;
    size_t count;
    int result = store_close_running(store, end, &records, &count, err);

    closing->trouble[0] = '\0';
    if (result == 0 && count > 0) {
        result = ingest_bytes(store, records.data, records.length, &options, &counts, err);
    }
    strbuf_release(&records);
    if (result == 0 && closing->trouble[0] != '\0') {
        return error_set_reason(err, ERROR_REFUSED, "running_unrated",
                                "running work that cannot be rated: %s", closing->trouble);
    }
    closing->result->running = (size_t)counts.booked;
    closing->result->posted = counts.points;
    return result;
}

/* --- what is stored --------------------------------------------------------------------------- */

static int take_statement(void *context, const char *project, const json_t *statement,
                          struct error *err)
{
    struct closing *closing = context;
    const char *digest = json_string_value(json_object_get(statement, "digest"));
    struct strbuf text = STRBUF_INIT;
    int result = document_write(statement, &text, err);

    if (result == 0) {
        result = store_close_statement(closing->store, closing->request->month, project, digest,
                                       text.data, err);
    }
    strbuf_release(&text);
    strbuf_printf(&closing->digests, "%s %s\n", digest, project);
    closing->result->statements++;
    return result;
}

static int put_on_list(struct closing *closing, int64_t *audit_n, struct error *err)
{
    const struct close_request *request = closing->request;
    struct strbuf detail = STRBUF_INIT;
    char month[MONTH_TEXT_BYTES], points[POINTS_TEXT_BYTES];
    int result;

    strbuf_printf(&detail, "digest %s; %zu running records, %s points posted of them%s",
                  closing->result->digest, closing->result->running,
                  points_format(closing->result->posted, points), closing->accepted.data);
    result = detail.failed
                 ? error_set(err, ERROR_INTERNAL, "out of memory")
                 : manual_record(closing->store, &request->act, "close",
                                 month_format(request->month, month), detail.data, audit_n, err);
    strbuf_release(&detail);
    return result;
}

static int insert(struct closing *closing, const char *report, struct error *err)
{
    struct close_result *result = closing->result;
    char digests[DIGEST_TEXT_BYTES];
    struct month_close close = {
        .month = closing->request->month,
        .closed_at = closing->request->act.now,
        .statements = result->statements,
        .statements_digest = digests,
        .digest = result->digest,
        .report = report,
    };

    if (closing->digests.failed) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (digest_text(closing->digests.data, closing->digests.length, digests, err) != 0 ||
        put_on_list(closing, &close.audit_n, err) != 0) {
        return -1;
    }
    return store_close_insert(closing->store, &close, err);
}

static int store_reports(struct closing *closing, struct error *err)
{
    const struct close_request *request = closing->request;
    struct strbuf text = STRBUF_INIT;
    json_t *report;
    int result = -1;

    closing->result->statements = 0;
    strbuf_clear(&closing->digests);
    report = report_close(closing->store, request->month, request->act.now, take_statement, closing,
                          err);
    if (report != NULL && document_write(report, &text, err) == 0) {
        snprintf(closing->result->digest, sizeof closing->result->digest, "%s",
                 json_string_value(json_object_get(report, "digest")));
        result = insert(closing, text.data, err);
    }
    strbuf_release(&text);
    json_decref(report);
    return result;
}

/* --- the close -------------------------------------------------------------------------------- */

static int refuse(const struct closing *closing, struct error *err)
{
    const struct close_result *result = closing->result;
    char month[MONTH_TEXT_BYTES];

    for (int i = 0; i < CLOSE_GATES; i++) {
        if (!result->gates[i].ok) {
            return error_set_reason(err, ERROR_REFUSED, "month_open",
                                    "%s cannot be closed yet: %s: %.300s",
                                    month_format(closing->request->month, month), gate_texts[i],
                                    result->gates[i].detail);
        }
    }
    return 0;
}

/* Under both locks no record and no transfer moves until the month is closed. */
static int close_now(struct store *store, void *context, struct error *err)
{
    struct closing *closing = context;
    struct instant now = closing->request->act.now;
    struct catalog *catalog;
    struct period period;

    if (store_lock_records(store, true, err) != 0 || store_lock_booking(store, err) != 0 ||
        look(store, closing, err) != 0) {
        return -1;
    }
    if (closing->result->is_closed) { /* by another one, meanwhile */
        closing->result->was_closed = true;
        return 0;
    }
    catalog = catalog_load(store, err);
    if (catalog == NULL) {
        return -1;
    }
    period = calendar_month(&catalog->calendar, closing->request->month);
    catalog_destroy(catalog);
    if (refuse(closing, err) != 0 || post_running(store, closing, period.to, err) != 0 ||
        expire_due(store, now, err) != 0) {
        return -1;
    }
    return store_reports(closing, err);
}

static int check_all(struct closing *closing, struct error *err)
{
    struct close_result *result = closing->result;

    if (store_transact(closing->store, STORE_UNLOCKED, look, closing, err) != 0) {
        return -1;
    }
    if (result->is_closed) {
        result->was_closed = true;
        return 0;
    }
    if (close_gate_verified(closing->request, &result->gates[CLOSE_GATE_VERIFIED], err) != 0) {
        return -1;
    }
    result->gates_open = gates_are_open(result->gates);
    return 0;
}

static int close_checked(struct closing *closing, struct error *err)
{
    struct close_result *result = closing->result;

    if (check_all(closing, err) != 0) {
        return -1;
    }
    if (result->was_closed || closing->request->only_check) {
        return 0;
    }
    if (refuse(closing, err) != 0 ||
        store_transact(closing->store, STORE_UNLOCKED, close_now, closing, err) != 0) {
        return -1;
    }
    if (!result->was_closed) {
        result->is_closed = true;
        result->closed_at = closing->request->act.now;
    }
    return 0;
}

int close_month(struct store *store, const struct close_request *request,
                struct close_result *result, struct error *err)
{
    struct closing closing = {.store = store,
                              .request = request,
                              .result = result,
                              .accepted = STRBUF_INIT,
                              .digests = STRBUF_INIT};
    int status;

    *result = (struct close_result){.closed_at = INSTANT_NONE};
    if (manual_check(&request->act, err) != 0) {
        return -1;
    }
    status = close_checked(&closing, err);
    strbuf_release(&closing.accepted);
    strbuf_release(&closing.digests);
    return status;
}
