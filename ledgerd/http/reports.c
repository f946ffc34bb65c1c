/* reports - GET /v1/shares, a project's statement, and the month: the documents that ledger-report
 * renders. */
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/report.h"
#include "ledgerd/http/portal.h"
#include "ledgerd/http/route.h"

/* Answer with the document, and let go of it; NULL answers with the error that explains it. */
static void answer_document(struct reply *reply, json_t *document, struct error *err)
{
    reply_json(reply, 200);
    if (document == NULL || document_write(document, &reply->body, err) != 0) {
        reply_error(reply, err);
    }
    json_decref(document);
}

static int read_statement(struct request *request, struct reply *reply,
                          const struct catalog *catalog, const struct catalog_project *project,
                          struct error *err)
{
    struct instant now = clock_now();
    struct month month;

    if (portal_month(request, &catalog->calendar, now, &month, err) != 0) {
        return -1;
    }
    answer_document(reply, report_statement(request->store, project->id, month, now, err), err);
    return 0;
}

void handle_project_statement(struct request *request, struct reply *reply)
{
    portal_answer(request, reply, read_statement);
}

void handle_shares(struct request *request, struct reply *reply)
{
    const char *text = request_argument(request, "fiscal_year");
    struct engine_catalog *borrowed = engine_catalog_borrow(request->service->engine);
    const struct catalog *catalog = engine_catalog_of(borrowed);
    struct instant now = clock_now();
    struct error err = {0};
    uint64_t year = (uint64_t)calendar_fiscal_year_of(&catalog->calendar, now);

    engine_catalog_return(borrowed);
    if (text != NULL && (parse_u64(text, strlen(text), 9998, &year) != 0 || year < 1970)) {
        reply_problem(reply, 400, "bad_argument", "fiscal_year must be a year such as 2027");
        return;
    }
    answer_document(reply, report_shares(request->store, (int)year, now, &err), &err);
}

void handle_report_monthly(struct request *request, struct reply *reply)
{
    const char *format = request_argument(request, "format");
    struct engine_catalog *borrowed = engine_catalog_borrow(request->service->engine);
    struct instant now = clock_now();
    struct error err = {0};
    struct month month;
    int result = portal_month(request, &engine_catalog_of(borrowed)->calendar, now, &month, &err);

    engine_catalog_return(borrowed);
    if (result != 0) {
        reply_error(reply, &err);
    } else if (format != NULL && strcmp(format, "json") != 0) {
        reply_problem(reply, 400, "bad_argument", "format: only json is served yet");
    } else {
        answer_document(reply, report_month(request->store, month, now, &err), &err);
    }
}
