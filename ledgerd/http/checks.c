/* checks - GET /v1/check, POST /v1/checks and the decisions that they leave. */
#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/check.h"
#include "ledgerd/http/ask_input.h"
#include "ledgerd/http/check_input.h"
#include "ledgerd/http/route.h"
#include "ledgerd/store/store_hold.h"

enum { CHECKS_MAX = 1000 }; /* in one call, contract section 7 */

/* Write the decision's JSON; a refusal is kept to be looked up. */
static void write_decision(struct service *service, const struct check_result *result,
                           struct strbuf *out)
{
    char id[DECISION_ID_BYTES];
    size_t start = out->length;

    decisions_next_id(service->decisions, id);
    answer_write_json(&result->question, &result->answer, id, out);
    if (!result->answer.decision.allowed && !out->failed) {
        decisions_keep(service->decisions, id, out->data + start, out->length - start);
    }
    atomic_fetch_add_explicit(&service->metrics.decisions[result->answer.decision.reason], 1,
                              memory_order_relaxed);
}

/* Decide one question and write its decision. */
static int decide_one(struct service *service, const struct engine_reading *reading,
                      const struct check_request *check, struct strbuf *out, struct error *err)
{
    struct check_result result;

    if (check_decide(reading, service->conf, check, clock_now(), &result, err) != 0) {
        return -1;
    }
    if (check_asks_slurm(check)) {
        ask_want_news(service, &check->ask, result.answer.decision.reason);
    }
    write_decision(service, &result, out);
    return 0;
}

void handle_check(struct request *request, struct reply *reply)
{
    struct usage_record shape;
    struct check_request check;
    struct engine_reading reading;
    struct error err = {0};

    check_request_init(&check, &shape);
    check.scope = request->scope;
    if (check_input_from_query(request, &check, &err) != 0) {
        reply_error(reply, &err);
        return;
    }
    reply_json(reply, 200);
    engine_enter(request->service->engine, &reading);
    int result = decide_one(request->service, &reading, &check, &reply->body, &err);
    engine_leave(request->service->engine, &reading);
    if (result != 0) {
        reply_error(reply, &err);
        return;
    }
    strbuf_add_char(&reply->body, '\n');
}

/* Decide the array's questions in order. On error nothing of the body counts. */
static int decide_all(const struct request *request, json_t *array, struct strbuf *out,
                      struct error *err)
{
    struct service *service = request->service;
    struct engine_reading reading;
    int result = 0;

    engine_enter(service->engine, &reading);
    strbuf_add_char(out, '[');
    for (size_t i = 0; i < json_array_size(array) && result == 0; i++) {
        struct usage_record shape;
        struct check_request check;

        check_request_init(&check, &shape);
        check.scope = request->scope;
        if (i > 0) {
            strbuf_add_char(out, ',');
        }
        result = check_input_from_json(json_array_get(array, i), &check, err);
        if (result == 0) {
            result = decide_one(service, &reading, &check, out, err);
        }
        if (result != 0) {
            error_prefix(err, "check %zu", i);
        }
    }
    strbuf_add_string(out, "]\n");
    engine_leave(service->engine, &reading);
    return result;
}

void handle_checks(struct request *request, struct reply *reply)
{
    struct error err = {0};
    json_error_t where;
    json_t *array = json_loadb(request->body.data, request->body.length, JSON_REJECT_DUPLICATES,
                               &where);

    if (array == NULL) {
        char text[256];
        snprintf(text, sizeof(text), "the body is no JSON document: line %d: %s", where.line,
                 where.text);
        reply_problem(reply, 400, "bad_input", text);
    } else if (!json_is_array(array) || json_array_size(array) > CHECKS_MAX) {
        reply_problem(reply, 400, "bad_input", "the body must be an array of at most 1000 checks");
    } else {
        reply_json(reply, 200);
        if (decide_all(request, array, &reply->body, &err) != 0) {
            reply_error(reply, &err);
        }
    }
    json_decref(array);
}

/* The decision of a hold, "d_h" and its number, is in the book. */
static void read_decision(struct request *request, struct reply *reply, const char *digits)
{
    struct error err = {0};
    char *decision = NULL;
    uint64_t number;

    if (parse_u64(digits, strlen(digits), INT64_MAX, &number) != 0) {
        number = 0;
    }
    if (store_find_decision(request->store, (int64_t)number, &decision, &err) != 0) {
        reply_error(reply, &err);
    } else if (decision == NULL) {
        reply_problem(reply, 404, "unknown_decision", "there is no such decision of a hold");
    } else {
        reply_json(reply, 200);
        strbuf_add_string(&reply->body, decision);
        strbuf_add_char(&reply->body, '\n');
    }
    free(decision);
}

void handle_decision(struct request *request, struct reply *reply)
{
    const char *id = request_part(request, 2);

    if (request->store != NULL) {
        read_decision(request, reply, id + strlen("d_h"));
        return;
    }
    if (strncmp(id, "d_h", 3) == 0) {
        return; /* the ring has none of these */
    }
    reply_json(reply, 200);
    if (!decisions_find(request->service->decisions, id, &reply->body)) {
        reply_problem(reply, 404, "unknown_decision",
                      "no such decision is kept: refused checks are, the last 100,000 of them");
        return;
    }
    strbuf_add_char(&reply->body, '\n');
}
