/* authz - a check for proxies that ask with headers (nginx auth_request, Envoy ext_authz).
 *
 * Allowed is 204; refused is 403 with an empty body, because nginx breaks keep-alive on a denial
 * that has one, and turns any other status into 500.  The reason is in a header.
 */
#include <stdatomic.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/check.h"
#include "ledgerd/http/route.h"

void authz_deny(struct reply *reply, unsigned status, const char *reason, const char *detail)
{
    reply->status = status;
    reply_header(reply, "X-Ledger-Reason", reason);
    reply_header(reply, "X-Ledger-Detail", detail);
}

/* The check that the headers ask for. */
static int read_headers(const struct request *request, struct check_request *check,
                        struct error *err)
{
    const char *project = request_header(request, "X-Ledger-Project");
    const char *user = request_header(request, "X-Ledger-User");
    const char *points = request_header(request, "X-Ledger-Points");

    check->project = project != NULL ? project : "";
    check->user = user != NULL ? user : "";
    if (points != NULL) {
        enum points_result result = points_parse(points, strlen(points), &check->points);
        if (result != POINTS_OK) {
            return error_set(err, ERROR_ARGUMENT, "X-Ledger-Points is %s",
                             points_result_text(result));
        }
    }
    check->has_points = true; /* without the header: 0 points, that is, is there anything at all */
    return check_request_validate(check, err);
}

static void answer_headers(struct reply *reply, const struct check_result *result)
{
    char available[POINTS_TEXT_BYTES];

    reply_header(reply, "X-Ledger-Available", points_format(result->answer.available, available));
    if (result->answer.decision.allowed) {
        reply->status = 204;
        return;
    }
    struct strbuf detail = STRBUF_INIT;
    answer_write_detail(&result->question, &result->answer, &detail);
    authz_deny(reply, 403, decide_reason_text(result->answer.decision.reason), detail.data);
    strbuf_release(&detail);
}

void handle_authz(struct request *request, struct reply *reply)
{
    struct service *service = request->service;
    struct usage_record shape;
    struct check_request check;
    struct check_result result;
    struct engine_reading reading;
    struct error err = {0};

    check_request_init(&check, &shape);
    check.scope = request->scope;
    if (read_headers(request, &check, &err) != 0) {
        authz_deny(reply, 403, "bad_argument", err.text);
        return;
    }
    engine_enter(service->engine, &reading);
    if (check_decide(&reading, service->conf, &check, clock_now(), &result, &err) == 0) {
        answer_headers(reply, &result);
        atomic_fetch_add(&service->metrics.decisions[result.answer.decision.reason], 1);
    } else {
        authz_deny(reply, 403, "internal", err.text);
    }
    engine_leave(service->engine, &reading);
}
