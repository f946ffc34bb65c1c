/* holds - POST /v1/holds, what becomes of a hold, and lists of holds.
 *
 * A hold is asked for in the server's thread and decided by the committer with all others that have
 * come meanwhile; its connection is suspended until then. Everything else about a hold goes through
 * the workers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/hold_document.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/hold_group.h"
#include "ledgerd/flow/hold_info.h"
#include "ledgerd/http/ask_input.h"
#include "ledgerd/http/hold_input.h"
#include "ledgerd/http/loop.h"
#include "ledgerd/http/portal.h"
#include "ledgerd/http/route.h"

/* --- making ----------------------------------------------------------------------------------- */

/* What the user of a Slurm job is to know, from a decision of which nothing else is at hand. */
static const char *const job_members[] = {"partition", "qos", "downgraded_to", "user_message"};

static void add_job_members(const char *decision, bool only_message, struct strbuf *out)
{
    json_t *document = json_loads(decision, 0, NULL);

    for (size_t i = 0; i < sizeof(job_members) / sizeof(job_members[0]); i++) {
        const char *text = json_string_value(json_object_get(document, job_members[i]));

        if (text != NULL && (!only_message || strcmp(job_members[i], "user_message") == 0)) {
            strbuf_printf(out, ",\"%s\":", job_members[i]);
            strbuf_add_json_string(out, text);
        }
    }
    json_decref(document);
}

struct hold_call { /* one POST /v1/holds, from the question to the answer */
    struct hold_ticket ticket;
    enum hold_submitted submitted;
    json_t *body;
    struct usage_record shape;
};

static void call_release(void *work)
{
    struct hold_call *call = work;

    hold_outcome_release(&call->ticket.outcome);
    json_decref(call->body);
    free(call);
}

static void ticket_done(struct hold_ticket *ticket)
{
    struct request *request = ticket->owner;

    request->service->resume(request);
}

static void start_call(struct request *request)
{
    struct hold_call *call = request->later.work;
    enum hold_submitted submitted = request->loop != NULL
                                        ? loop_submit(request->loop, &call->ticket)
                                        : hold_group_submit(request->service->holds, &call->ticket);

    if (submitted != HOLD_TAKEN) { /* else the request may be over already */
        call->submitted = submitted;
        request->service->resume(request);
    }
}

static void reply_503(struct reply *reply, const char *code, const char *detail)
{
    reply_problem(reply, 503, code, detail);
    reply_header(reply, "x-should-retry", "false");
}

static void reply_not_taken(enum hold_submitted submitted, struct reply *reply)
{
    switch (submitted) {
    case HOLD_KEY_IN_FLIGHT:
        reply_problem(reply, 409, "key_in_flight",
                      "a hold with this Idempotency-Key is being made at this moment");
        break;
    case HOLD_QUEUE_FULL:
        reply_503(reply, "busy", "too many holds wait to be made");
        break;
    case HOLD_DATABASE_AWAY:
    case HOLD_TAKEN:
        reply_503(reply, "unavailable", "the database is away: no hold can be made");
        break;
    }
}

static void reply_refused(const struct service *service, const struct hold_call *call,
                          struct reply *reply)
{
    const struct hold_outcome *outcome = &call->ticket.outcome;
    unsigned status = (unsigned)decide_reason_status(outcome->reason);
    struct strbuf members = STRBUF_INIT;

    strbuf_add_string(&members, ",\"decision\":");
    strbuf_add_string(&members, outcome->decision.data);
    if (check_asks_slurm(&call->ticket.request.check)) {
        add_job_members(outcome->decision.data, true, &members);
        ask_want_news(service, &call->ticket.request.check.ask, outcome->reason);
    }
    reply_refusal(reply, status, decide_reason_text(outcome->reason), outcome->detail.data,
                  members.data);
    strbuf_release(&members);
    if (status == 402 || status == 503) {
        reply_header(reply, "x-should-retry", "false");
    }
}

static void reply_hold(struct request *request, const struct hold_call *call, struct reply *reply)
{
    const struct hold_outcome *outcome = &call->ticket.outcome;
    struct engine_catalog *catalog = engine_catalog_borrow(request->service->engine);
    struct strbuf *out = &reply->body;

    reply_json(reply, outcome->fate == HOLD_MADE ? 201 : 200);
    strbuf_add_char(out, '{');
    hold_write_members(&outcome->hold, &engine_catalog_of(catalog)->zone, out);
    if (outcome->fate == HOLD_MADE) {
        strbuf_add(out, outcome->job.data, outcome->job.length);
    } else if (check_asks_slurm(&call->ticket.request.check)) {
        add_job_members(outcome->decision.data, false, out);
    }
    strbuf_add_string(out, ",\"decision\":");
    strbuf_add_string(out, outcome->decision.data);
    strbuf_add_string(out, "}\n");
    engine_catalog_return(catalog);
}

static void finish_call(struct request *request)
{
    const struct hold_call *call = request->later.work;
    const struct hold_outcome *outcome = &call->ticket.outcome;
    struct reply *reply = &request->reply;

    if (call->submitted != HOLD_TAKEN) {
        reply_not_taken(call->submitted, reply);
    } else if (call->ticket.err.code != ERROR_NONE) {
        reply_error(reply, &call->ticket.err);
    } else if (outcome->fate == HOLD_KEY_DIFFERS) {
        reply_problem(reply, 422, "key_differs",
                      "this Idempotency-Key was used for another request");
    } else if (outcome->fate == HOLD_REFUSED) {
        reply_refused(request->service, call, reply);
    } else {
        reply_hold(request, call, reply);
    }
}

void handle_hold_post(struct request *request, struct reply *reply)
{
    struct error err = {0};
    json_t *body = hold_input_body(request, false, &err);
    struct hold_call *call = body == NULL ? NULL : malloc(sizeof(*call));

    if (call == NULL) {
        json_decref(body);
        if (err.code == ERROR_NONE) {
            error_set(&err, ERROR_INTERNAL, "out of memory");
        }
        reply_error(reply, &err);
        return;
    }
    call->ticket = (struct hold_ticket){
        .done = ticket_done,
        .owner = request,
        .outcome = {.decision = STRBUF_INIT, .detail = STRBUF_INIT, .job = STRBUF_INIT}};
    call->submitted = HOLD_TAKEN;
    call->body = body;
    if (hold_input_question(request, body, &call->shape, &call->ticket.request, &err) != 0) {
        call_release(call);
        reply_error(reply, &err);
        return;
    }
    request->later = (struct request_later){
        .start = start_call, .finish = finish_call, .release = call_release, .work = call};
}

/* --- reading ---------------------------------------------------------------------------------- */

void handle_hold(struct request *request, struct reply *reply)
{
    struct hold_info hold;
    struct error err = {0};

    if (hold_find(request->store, request_part(request, 2), clock_now(), &hold, &err) != 0 ||
        (!role_scope_has(request->scope, hold.project) &&
         hold_unknown(request_part(request, 2), &err) != 0)) {
        reply_error(reply, &err);
        return;
    }
    struct engine_catalog *catalog = engine_catalog_borrow(request->service->engine);
    reply_json(reply, 200);
    strbuf_add_char(&reply->body, '{');
    hold_write_members(&hold, &engine_catalog_of(catalog)->zone, &reply->body);
    strbuf_add_string(&reply->body, "}\n");
    engine_catalog_return(catalog);
}

static int read_holds(struct request *request, struct reply *reply, const struct catalog *catalog,
                      const struct catalog_project *project, struct error *err)
{
    const char *cursor = request_argument(request, "cursor");
    struct strbuf *out = &reply->body;
    struct hold_infos holds = {0};
    uint64_t after = 0;
    int limit;

    if (portal_limit(request, &limit, err) != 0) {
        return -1;
    }
    if (cursor != NULL && parse_u64(cursor, strlen(cursor), INT64_MAX, &after) != 0) {
        return error_set(err, ERROR_ARGUMENT, "cursor: not one that an earlier page gave");
    }
    if (hold_list(request->store, project->id, (int64_t)after, (size_t)limit, clock_now(), &holds,
                  err) != 0) {
        return -1;
    }
    reply_json(reply, 200);
    strbuf_add_string(out, "{\"holds\":[");
    for (size_t i = 0; i < holds.count; i++) {
        strbuf_add_string(out, i > 0 ? ",{" : "{");
        hold_write_members(&holds.holds[i], &catalog->zone, out);
        strbuf_add_char(out, '}');
    }
    if (holds.next != 0) {
        strbuf_printf(out, "],\"next\":\"%" PRId64 "\"}\n", holds.next);
    } else {
        strbuf_add_string(out, "],\"next\":null}\n");
    }
    hold_infos_release(&holds);
    return 0;
}

void handle_project_holds(struct request *request, struct reply *reply)
{
    portal_answer(request, reply, read_holds);
}

/* --- ending ----------------------------------------------------------------------------------- */

/* One of the acts below: 0 or -1 with *err. */
typedef int hold_act(struct request *request, json_t *body, struct hold_end_result *result,
                     struct error *err);

static void answer_act(struct request *request, struct reply *reply, bool body_may_be_empty,
                       hold_act *act)
{
    struct hold_end_result result = {0};
    struct error err = {0};
    json_t *body = hold_input_body(request, body_may_be_empty, &err);

    if (body == NULL || act(request, body, &result, &err) != 0) {
        reply_error(reply, &err);
    } else {
        struct engine_catalog *catalog = engine_catalog_borrow(request->service->engine);
        reply_json(reply, 200);
        hold_write_result(&result, &engine_catalog_of(catalog)->zone, &reply->body);
        strbuf_add_char(&reply->body, '\n');
        engine_catalog_return(catalog);
        engine_wake(request->service->engine);
    }
    json_decref(body);
}

static int settle(struct request *request, json_t *body, struct hold_end_result *result,
                  struct error *err)
{
    struct hold_settle_request settlement = {
        .name = request_part(request, 2),
        .key = hold_input_key(request),
        .conf = request->service->conf,
        .now = clock_now(),
    };

    if (hold_input_settlement(body, &settlement.points, &settlement.is_final, err) != 0) {
        return -1;
    }
    if (!settlement.is_final && settlement.key[0] == '\0') {
        return error_set(err, ERROR_ARGUMENT,
                         "a settlement of a part (final: false) needs an Idempotency-Key");
    }
    struct engine_catalog *catalog = engine_catalog_borrow(request->service->engine);
    settlement.catalog = engine_catalog_of(catalog);
    int status = hold_settle(request->store, &settlement, result, err);
    engine_catalog_return(catalog);
    return status;
}

static int release(struct request *request, json_t *body, struct hold_end_result *result,
                   struct error *err)
{
    (void)body;
    return hold_release(request->store, request_part(request, 2), clock_now(), result, err);
}

static int extend(struct request *request, json_t *body, struct hold_end_result *result,
                  struct error *err)
{
    int64_t ttl_us;

    if (hold_input_ttl(body, &ttl_us, err) != 0) {
        return -1;
    }
    return hold_extend(request->store, request_part(request, 2), ttl_us, clock_now(), result, err);
}

void handle_hold_settle(struct request *request, struct reply *reply)
{
    answer_act(request, reply, false, settle);
}

void handle_hold_release(struct request *request, struct reply *reply)
{
    answer_act(request, reply, true, release);
}

void handle_hold_extend(struct request *request, struct reply *reply)
{
    answer_act(request, reply, false, extend);
}
