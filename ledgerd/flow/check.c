/* check - from a request and the engine's view to a decision; see check.h. */
#include "ledgerd/flow/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/core/rate.h"
#include "ledgerd/flow/engine_position.h"
#include "ledgerd/flow/hold_parts.h"

void check_request_init(struct check_request *request, struct usage_record *shape)
{
    *request = (struct check_request){
        .project = "", .user = "", .shape = shape, .ask = SLURM_ASK_NONE};
    shape->source = shape->id = shape->project = shape->user = shape->klass = "";
    shape->outcome = shape->qos = shape->hold = "";
    shape->meter_count = 0;
    shape->attribute_count = 0;
}

static int validate_text(const char *what, const char *text, size_t limit, struct error *err)
{
    return usage_is_clean(text, strlen(text), limit)
               ? 0
               : error_set(err, ERROR_ARGUMENT, "%s: must be plain text of at most %zu bytes", what,
                           limit);
}

static int validate_names(const struct check_request *request, struct error *err)
{
    const struct slurm_ask *ask = &request->ask;
    const struct {
        const char *what;
        const char *text;
        size_t limit;
    } texts[] = {
        {"cluster", ask->cluster, USAGE_SOURCE_BYTES - strlen("slurm:")},
        {"account", ask->account, USAGE_NAME_BYTES},
        {"partition", ask->partition, SLURM_LIST_BYTES},
        {"modifies", ask->modifies, USAGE_NAME_BYTES},
        {"project", request->project, USAGE_NAME_BYTES},
        {"user", request->user, USAGE_NAME_BYTES},
        {"qos", request->shape->qos, USAGE_NAME_BYTES},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (validate_text(texts[i].what, texts[i].text, texts[i].limit, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int validate_ask(const struct check_request *request, struct error *err)
{
    const struct slurm_ask *ask = &request->ask;

    if (validate_names(request, err) != 0) {
        return -1;
    }
    if (ask->nodes > SLURM_COUNT_MAX || ask->parts > SLURM_COUNT_MAX ||
        ask->at_once > SLURM_COUNT_MAX) {
        return error_set(err, ERROR_ARGUMENT, "nodes, parts and at_once are at most %d",
                         SLURM_COUNT_MAX);
    }
    if (*ask->modifies != '\0') {
        return !request->has_points && (ask->has_seconds || ask->is_unlimited)
                   ? 0
                   : error_set(err, ERROR_ARGUMENT, "modifies: needs seconds, the new time limit");
    }
    if (ask->uid < 0 && *request->user == '\0') {
        return error_set(err, ERROR_ARGUMENT, "with a cluster either uid or user is needed");
    }
    if (request->has_points && request->has_shape) {
        return error_set(err, ERROR_ARGUMENT, "ask either for points or for a job's meters");
    }
    return 0;
}

int check_request_validate(const struct check_request *request, struct error *err)
{
    if (check_asks_slurm(request) && request->scope != NULL) {
        return error_set_reason(err, ERROR_REFUSED, "forbidden",
                                "a question by cluster is not for who sees one project");
    }
    if (check_asks_slurm(request)) {
        return validate_ask(request, err);
    }
    if (request->project[0] == '\0') {
        return error_set(err, ERROR_ARGUMENT, "project is missing");
    }
    if (request->has_points == request->has_shape) {
        return error_set(err, ERROR_ARGUMENT,
                         "ask either for points or for a shape (source, class, seconds, meters)");
    }
    if (request->has_shape &&
        (request->shape->source[0] == '\0' || request->shape->klass[0] == '\0')) {
        return error_set(err, ERROR_ARGUMENT, "a shape needs source and class");
    }
    return 0;
}

/* Seconds with up to six decimals as microseconds; finer ones are rounded up, in the ledger's
 * favour. */
static int seconds_to_us(struct decimal seconds, int64_t *us)
{
    unsigned __int128 value = seconds.mantissa;
    unsigned scale = seconds.scale;

    for (; scale > 6; scale--) {
        value = (value + 9) / 10;
    }
    for (; scale < 6; scale++) {
        value *= 10;
    }
    if (value > (unsigned __int128)INSTANT_LIMIT_US) {
        return -1;
    }
    *us = (int64_t)value;
    return 0;
}

static int rate_shape(const struct catalog *catalog, const struct check_request *request,
                      struct instant now, struct points *price, struct error *err)
{
    struct usage_record record = *request->shape;
    const struct policy *policy = policies_at(&catalog->policies, now);
    struct charge charge = {0};
    int64_t us;

    if (seconds_to_us(request->seconds, &us) != 0) {
        return error_set(err, ERROR_INPUT, "seconds: more than a record may last");
    }
    record.id = "to come"; /* errors name the record by it */
    record.start = now;
    record.end = (struct instant){now.us + us};
    record.state = USAGE_FINAL;
    record.has_elapsed = true;
    record.elapsed_seconds = request->seconds;
    record.requested_seconds = request->seconds;
    record.submitted = now;
    record.basis = USAGE_REPORTED;
    record.seen = INSTANT_NONE;
    int result = rate_record(&record, &catalog->cards, &catalog->calendar,
                             policy != NULL ? policy->month_rule : MONTH_SPLIT, &charge, err);
    if (result == 0) {
        *price = charge.points;
    }
    charge_release(&charge);
    return result;
}

int64_t check_whole_seconds(struct decimal seconds)
{
    unsigned __int128 unit = 1;

    for (unsigned i = 0; i < seconds.scale; i++) {
        unit *= 10;
    }
    return (int64_t)((seconds.mantissa + unit - 1) / unit);
}

int check_price_parts(struct points price, int64_t parts, int64_t at_once, struct points *all,
                      struct error *err)
{
    int64_t micro;

    if (__builtin_mul_overflow(price.micro, hold_slots(parts, at_once), &micro)) {
        return error_set(err, ERROR_INPUT, "the price of %" PRId64 " parts is too large", parts);
    }
    *all = (struct points){micro};
    return 0;
}

static int find_share(const struct engine_view *view, struct answer_question *question,
                      struct error *err)
{
    const struct catalog *catalog = view->catalog;

    if (question->project == NULL || question->project->share == NULL) {
        return 0;
    }
    int fiscal_year = calendar_fiscal_year_of(&catalog->calendar, question->now);
    for (size_t i = 0; i < view->share_count; i++) {
        if (view->shares[i].fiscal_year == fiscal_year &&
            strcmp(view->shares[i].share, question->project->share) == 0) {
            question->has_share_total = true;
            question->share_supply = view->shares[i].supply;
            question->share_spent = view->shares[i].spent;
        }
    }
    struct points held = engine_share_held(view, question->project->share, question->now);
    if (points_add(question->share_spent, held, &question->share_spent) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "share %s: spending and holds overflow",
                         question->project->share);
    }
    return 0;
}

int check_price(const struct catalog *catalog, const struct conf *conf,
                const struct check_request *request, struct instant now, struct points *price,
                struct error *err)
{
    if (request->has_points) {
        *price = request->points;
        return 0;
    }
    request->shape->klass = catalog_resolve_class(conf, request->shape->source,
                                                  request->shape->klass);
    return rate_shape(catalog, request, now, price, err);
}

static void find_price(const struct catalog *catalog, const struct conf *conf,
                       const struct check_request *request, struct check_result *result)
{
    struct answer_question *question = &result->question;
    struct error why = {0};

    if (check_price(catalog, conf, request, question->now, &question->requested, &why) == 0) {
        question->rated = true;
        return;
    }
    snprintf(result->unrated_detail, sizeof(result->unrated_detail), "%s", why.text);
    question->unrated_detail = result->unrated_detail;
}

void check_begin(const struct catalog *catalog, const struct conf *conf,
                 const struct check_request *request, struct instant now,
                 struct check_result *result)
{
    struct answer_question *question = &result->question;

    *question = (struct answer_question){
        .catalog = catalog,
        .project_name = request->project,
        .user = request->user,
        .now = now,
    };
    if (check_asks_slurm(request)) {
        slurm_resolve(catalog, conf, request, NULL, now, &result->resolution);
        slurm_question(&result->resolution, question);
        return; /* nobody with a scope asks so: what completes it tells of other projects */
    }
    question->project = request->has_shape
                            ? catalog_resolve_project(catalog, conf, request->shape->source,
                                                      request->project)
                            : catalog_project(catalog, request->project);
    if (question->project != NULL && !role_scope_has(request->scope, question->project->id)) {
        question->project = NULL;
    }
    find_price(catalog, conf, request, result);
}

int check_finish(const struct check_request *request, struct check_result *result,
                 struct error *err)
{
    if (answer_make(&result->question, &result->answer, err) != 0) {
        return -1;
    }
    if (check_asks_slurm(request)) {
        slurm_note_make(&result->resolution, &result->question, &result->answer, &result->note);
        result->question.job = &result->note.job;
    }
    return 0;
}

int check_decide(const struct engine_reading *reading, const struct conf *conf,
                 const struct check_request *request, struct instant now,
                 struct check_result *result, struct error *err)
{
    struct answer_question *question = &result->question;

    check_begin(reading->view->catalog, conf, request, now, result);
    question->as_of = reading->as_of;
    question->stale = reading->stale;
    if (question->project != NULL) {
        question->position = engine_position(reading->view, question->project, now);
        question->limits = engine_limits(reading->view, question->project, question->user, now);
    }
    return find_share(reading->view, question, err) != 0 ? -1 : check_finish(request, result, err);
}
