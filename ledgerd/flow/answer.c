/* The decision on one request, and its JSON. The text is written straight into the buffer: this
 * runs for every check that ledgerd answers. */
#include "ledgerd/flow/answer.h"

#include <inttypes.h>
#include <string.h>

#include "ledgerd/flow/limit.h"

enum {
    ANSWER_JSON_BYTES = 1000,  /* of a usual decision: one growth of the buffer */
    ANSWER_DETAIL_BYTES = 200, /* of a usual sentence, likewise */
    ANSWER_KEY_BYTES = 24,     /* the longest key of an amount, with what stands around it */
};

static int share_cap_left(const struct answer_question *question, struct points *left,
                          struct error *err)
{
    struct points supply = question->has_share_total ? question->share_supply : POINTS_ZERO;
    struct points spent = question->has_share_total ? question->share_spent : POINTS_ZERO;
    if (points_subtract(supply, spent, left) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "share %s: supply and spending overflow",
                         question->project->share);
    }
    return 0;
}

static int take_bounds(const struct answer_question *question, struct answer *answer,
                       struct error *err)
{
    answer->question.bounds = answer->bounds;
    return limit_bounds(question->catalog, question->project, question->user, &question->limits,
                        question->now, answer->bounds, &answer->question.bound_count, err);
}

static int known_project(const struct answer_question *question, struct answer *answer,
                         struct error *err)
{
    const struct catalog_project *project = question->project;
    const struct policy *policy = policies_at(&question->catalog->policies, question->now);
    struct decide_question *asked = &answer->question;

    answer->position = question->position;
    answer->position.overdraft = project->overdraft;
    answer->position.grant_count = project->grant_count;
    answer->position.grants = project->grants;
    if (balance_at(&answer->position, question->now, &asked->balance, NULL) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "project %s: its balance overflows", project->id);
    }
    asked->project_known = true;
    asked->project_closed = project->is_closed;
    asked->is_service = project->is_service;
    asked->membership_required = policy != NULL && policy->require_membership;
    asked->is_member = asked->membership_required && catalog_is_member(project, question->user);
    asked->share = project->share;
    asked->overdraft = project->overdraft;
    answer->available = asked->balance.available;
    if (project->is_service) {
        asked->requested = POINTS_ZERO;
        return 0;
    }
    if (project->limit_count > 0 && take_bounds(question, answer, err) < 0) {
        return -1;
    }
    asked->has_share_cap = true;
    return share_cap_left(question, &asked->share_cap_available, err);
}

int answer_make(const struct answer_question *question, struct answer *answer, struct error *err)
{
    answer->question = (struct decide_question){.project = question->project_name,
                                                .unresolved = question->unresolved,
                                                .rated = question->rated,
                                                .stale = question->stale,
                                                .requested = question->requested};
    answer->position = (struct balance_position){0};
    answer->available = POINTS_ZERO;
    if (question->project != NULL && known_project(question, answer, err) < 0) {
        return -1;
    }
    decide(&answer->question, &answer->decision);
    return 0;
}

static void short_detail(const struct answer *answer, const char *who, const char *whose,
                         struct points available, struct strbuf *out)
{
    char has[POINTS_TEXT_BYTES];
    char asked[POINTS_TEXT_BYTES];
    const char *const words[] = {who,
                                 " ",
                                 whose,
                                 " has ",
                                 points_format(available, has),
                                 " points available and ",
                                 points_format(answer->question.requested, asked),
                                 " are asked for"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        strbuf_add_string(out, words[i]);
    }
}

static void limit_detail(const struct answer_question *question, const struct answer *answer,
                         enum decide_limit limit, struct strbuf *out)
{
    static const char *const periods[] = {[LIMIT_DAY] = "today",
                                          [LIMIT_MONTH] = "this month",
                                          [LIMIT_FISCAL_YEAR] = "this fiscal year",
                                          [LIMIT_TOTAL] = "altogether"};
    const struct decide_bound *bound = NULL;
    char texts[3][POINTS_TEXT_BYTES];

    for (size_t i = 0; bound == NULL && i < answer->decision.violated_count; i++) {
        const struct decide_violation *violation = &answer->decision.violated[i];
        bound = violation->limit == limit ? violation->bound : NULL;
    }
    if (bound == NULL) { /* the reason is not this limit's */
        return;
    }
    if (limit == LIMIT_USER) {
        strbuf_printf(out, "user %s in ", bound->name);
    }
    strbuf_printf(out,
                  "project %s may spend %s points %s, of which %s are left, and %s are asked for",
                  question->project_name, points_format(bound->points, texts[0]),
                  periods[bound->period], points_format(bound->available, texts[1]),
                  points_format(answer->question.requested, texts[2]));
}

void answer_write_detail(const struct answer_question *question, const struct answer *answer,
                         struct strbuf *out)
{
    const char *project = question->project_name;
    const struct decide_question *asked = &answer->question;

    switch (answer->decision.reason) {
    case DECIDE_ALLOWED:
        if (asked->is_service) {
            strbuf_printf(out, "%s is a service: its own work needs no points", project);
        } else {
            short_detail(answer, "project", project, answer->available, out);
        }
        break;
    case DECIDE_UNKNOWN_PROJECT:
        if (question->unknown_detail != NULL) {
            strbuf_add_string(out, question->unknown_detail);
        } else {
            strbuf_printf(out, "there is no project %s", project);
        }
        break;
    case DECIDE_PROJECT_CLOSED:
        strbuf_printf(out, "project %s is closed", project);
        break;
    case DECIDE_NOT_A_MEMBER:
        if (question->user[0] == '\0') {
            strbuf_printf(out, "project %s is open to its members only and no user is named",
                          project);
        } else {
            strbuf_printf(out, "user %s is not a member of project %s", question->user, project);
        }
        break;
    case DECIDE_UNKNOWN_USER:
    case DECIDE_UNKNOWN_JOB:
    case DECIDE_NO_TIME_LIMIT:
    case DECIDE_NO_RATE:
        strbuf_add_string(out, question->unrated_detail != NULL ? question->unrated_detail
                                                                : "the request has no price");
        break;
    case DECIDE_STALE:
        strbuf_add_string(out, "what is known of the book is too old to decide");
        break;
    case DECIDE_NO_ACTIVE_GRANT:
        strbuf_printf(out, "project %s has no grant that is valid now", project);
        break;
    case DECIDE_INSUFFICIENT_POINTS:
        short_detail(answer, "project", project, answer->available, out);
        break;
    case DECIDE_PROJECT_LIMIT:
        limit_detail(question, answer, LIMIT_PROJECT, out);
        break;
    case DECIDE_USER_LIMIT:
        limit_detail(question, answer, LIMIT_USER, out);
        break;
    case DECIDE_SHARE_CAP:
        short_detail(answer, "share", asked->share, asked->share_cap_available, out);
        break;
    }
}

/* Printing by format would be half the cost of a check. */
#define ADD_TEXT(out, key, value) add_text(out, ",\"" key "\":", sizeof(key) + 3, value)
#define ADD_POINTS(out, key, value) add_points(out, ",\"" key "\":\"", sizeof(key) + 4, value)

static void add_text(struct strbuf *out, const char *key, size_t key_length, const char *value)
{
    strbuf_add(out, key, key_length);
    strbuf_add_json_string(out, value);
}

static void add_points(struct strbuf *out, const char *key, size_t key_length, struct points value)
{
    char text[ANSWER_KEY_BYTES + POINTS_TEXT_BYTES];
    size_t length = key_length;

    memcpy(text, key, key_length);
    length += strlen(points_format(value, text + length));
    text[length++] = '"';
    strbuf_add(out, text, length);
}

static void add_bound(struct strbuf *out, const struct decide_bound *bound)
{
    ADD_TEXT(out, "period", limit_period_text(bound->period));
    ADD_POINTS(out, "points", bound->points);
    ADD_POINTS(out, "charged", bound->charged);
    ADD_POINTS(out, "accrued", bound->accrued);
    ADD_POINTS(out, "held", bound->held);
}

static void add_violated(struct strbuf *out, const struct decide_answer *decision)
{
    strbuf_add_string(out, ",\"violated\":[");
    for (size_t i = 0; i < decision->violated_count; i++) {
        const struct decide_violation *violation = &decision->violated[i];
        strbuf_printf(out, "%s{\"limit\":\"%s\"", i > 0 ? "," : "",
                      decide_limit_text(violation->limit));
        ADD_TEXT(out, "name", violation->name);
        ADD_POINTS(out, "available", violation->available);
        if (violation->bound != NULL) {
            add_bound(out, violation->bound);
        }
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, ']');
}

static void add_detail(struct strbuf *out, const struct answer_question *question,
                       const struct answer *answer)
{
    struct strbuf detail = STRBUF_INIT;

    strbuf_reserve(&detail, ANSWER_DETAIL_BYTES);
    answer_write_detail(question, answer, &detail);
    ADD_TEXT(out, "detail", detail.failed ? NULL : detail.data);
    strbuf_release(&detail);
}

/* A time limit that would fit, and the QOS that it would have instead. */
static void add_suggest(struct strbuf *out, const struct answer_job *job)
{
    if (job == NULL || (job->suggest_seconds == 0 && job->downgraded_to == NULL)) {
        strbuf_add_string(out, ",\"suggest\":null");
        return;
    }
    strbuf_add_string(out, ",\"suggest\":{\"qos\":");
    strbuf_add_json_string(out, job->downgraded_to);
    if (job->suggest_seconds > 0) {
        strbuf_printf(out, ",\"seconds\":\"%" PRId64 "\"}", job->suggest_seconds);
    } else {
        strbuf_add_string(out, ",\"seconds\":null}");
    }
}

static void add_job(struct strbuf *out, const struct answer_job *job)
{
    if (job == NULL) {
        return;
    }
    ADD_TEXT(out, "account", job->account[0] != '\0' ? job->account : NULL);
    ADD_TEXT(out, "partition", job->partition[0] != '\0' ? job->partition : NULL);
    ADD_TEXT(out, "qos", job->qos[0] != '\0' ? job->qos : NULL);
    ADD_TEXT(out, "downgraded_to", job->downgraded_to);
    ADD_TEXT(out, "user_message", job->message);
}

void answer_write_json(const struct answer_question *question, const struct answer *answer,
                       const char *decision_id, struct strbuf *out)
{
    const struct policy *policy = policies_at(&question->catalog->policies, question->now);
    const struct ratecard *card = ratecards_at(&question->catalog->cards, question->now);
    char as_of[INSTANT_TEXT_BYTES];

    strbuf_reserve(out, ANSWER_JSON_BYTES);
    strbuf_add_string(out, answer->decision.allowed ? "{\"allowed\":true" : "{\"allowed\":false");
    ADD_TEXT(out, "reason", decide_reason_text(answer->decision.reason));
    add_detail(out, question, answer);
    ADD_TEXT(out, "project", question->project_name);
    ADD_TEXT(out, "share", answer->question.share);
    ADD_TEXT(out, "user", question->user[0] != '\0' ? question->user : NULL);
    ADD_POINTS(out, "requested", answer->question.requested);
    ADD_POINTS(out, "available", answer->available);
    ADD_POINTS(out, "posted", answer->position.posted);
    ADD_POINTS(out, "held", answer->position.held);
    ADD_POINTS(out, "accrued", answer->position.accrued);
    ADD_POINTS(out, "overdraft", answer->position.overdraft);
    add_violated(out, &answer->decision);
    add_suggest(out, question->job);
    ADD_TEXT(out, "as_of", zone_format(&question->catalog->zone, question->as_of, as_of));
    ADD_TEXT(out, "policy", policy != NULL ? policy->name : NULL);
    ADD_TEXT(out, "rate_card", card != NULL ? card->name : NULL);
    add_job(out, question->job);
    ADD_TEXT(out, "decision_id", decision_id);
    strbuf_add_char(out, '}');
}

static void add_known(struct strbuf *out, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        strbuf_printf(out, ",\"%s\":", name);
        strbuf_add_json_string(out, text);
    }
}

void answer_write_job(const struct answer_job *job, struct strbuf *out)
{
    if (job != NULL) {
        add_known(out, "partition", job->partition);
        add_known(out, "qos", job->qos);
        add_known(out, "downgraded_to", job->downgraded_to);
        add_known(out, "user_message", job->message);
    }
}
