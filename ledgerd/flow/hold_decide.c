/* hold_decide - a group's requests, one after the other; see hold_placing.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/flow/answer.h"
#include "ledgerd/flow/hold_placing.h"
#include "ledgerd/flow/share_totals.h"

enum { DECISION_ID_BYTES = 32 };

struct deciding {
    struct answer_question question;
    struct answer answer;
    struct error unrated;
    struct store_share_total *share; /* of the fiscal year; NULL if there is none */
};

/* --- what is asked for ------------------------------------------------------------------------ */

static void find_price(const struct placing *placing, struct asked *asked,
                       struct deciding *deciding)
{
    const struct hold_request *request = asked->request;
    struct answer_question *question = &deciding->question;
    struct points price;

    if (asked->slurm != NULL) {
        slurm_question(&asked->slurm->resolution, question);
        asked->klass = asked->slurm->resolution.klass;
        return;
    }
    if (request->check.has_points) {
        question->requested = request->check.points;
        question->rated = true;
        return;
    }
    struct usage_record shape = *request->check.shape; /* pricing writes into it */
    struct check_request check = request->check;
    check.shape = &shape;
    question->rated = check_price(placing->catalog, placing->desk->conf, &check, placing->now,
                                  &price, &deciding->unrated) == 0;
    asked->klass = shape.klass;
    if (question->rated) { /* a shape is priced for each part */
        question->rated = check_price_parts(price, request->parts, request->at_once,
                                            &question->requested, &deciding->unrated) == 0;
    }
    question->unrated_detail = question->rated ? NULL : deciding->unrated.text;
}

/* --- what is there ---------------------------------------------------------------------------- */

static struct points user_lapsed(const struct placing *placing, const struct place *place,
                                 const char *user)
{
    struct points sum = POINTS_ZERO;

    for (size_t i = 0; i < placing->look.lapsed.count; i++) {
        const struct look_row *row = &placing->look.lapsed.rows[i];

        if (strcmp(row->project, place->name) == 0 && strcmp(row->user, user) == 0) {
            sum.micro += row->points.micro;
        }
    }
    return sum;
}

/* What the group has taken so far counts as held: lapsed is less by it. */
static struct limit_knowledge limits_of(const struct placing *placing, const struct place *place,
                                        const char *user)
{
    struct limit_knowledge known = {.sums = place->sums,
                                    .lapsed = {place->lapsed.micro - place->grown.micro}};
    size_t count;
    const struct catalog_limit *limits = catalog_limits(place->project, user, &count);

    if (*user != '\0' && count > 0) {
        known.user_lapsed.micro = user_lapsed(placing, place, user).micro -
                                  place->limit_grown[limits - place->project->limits].micro;
    }
    return known;
}

static int find_position(const struct placing *placing, const struct asked *asked,
                         struct answer_question *question, struct error *err)
{
    const struct place *place = asked->place;
    struct points accrued = place->position.accrued;
    struct points held;

    if (points_subtract(place->position.held, place->lapsed, &held) != POINTS_OK ||
        points_add(held, place->grown, &held) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "project %s: what it holds overflows", place->name);
    }
    if (points_compare(asked->request->accrued, accrued) <= 0) { /* it may have gone meanwhile */
        accrued.micro -= asked->request->accrued.micro;
    }
    question->project = place->project;
    question->position = (struct balance_position){.posted = place->position.posted,
                                                   .held = held,
                                                   .accrued = accrued,
                                                   .draw_count = place->draw_count,
                                                   .draws = place->draws};
    if (place->project->limit_count > 0) {
        question->limits = limits_of(placing, place, question->user);
    }
    return 0;
}

static int find_share(const struct placing *placing, struct deciding *deciding, struct error *err)
{
    struct answer_question *question = &deciding->question;
    const struct catalog_project *project = question->project;
    const struct store_share_total *total;

    if (project->share == NULL) {
        return 0;
    }
    total = share_totals_at(placing->shares, placing->share_count, placing->catalog, project->share,
                            placing->now);
    if (total == NULL) {
        return 0;
    }
    deciding->share = &placing->shares[total - placing->shares];
    question->has_share_total = true;
    question->share_supply = total->supply;
    if (points_add(total->spent, total->held, &question->share_spent) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "share %s: spending and holds overflow",
                         project->share);
    }
    return 0;
}

/* --- what becomes of it ----------------------------------------------------------------------- */

static void take_points(struct deciding *deciding, struct place *place, const char *user,
                        struct points points)
{
    const char *const subjects[] = {"", user};

    place->grown.micro += points.micro; /* no more than was available: it fits */
    if (deciding->share != NULL) {
        deciding->share->held.micro += points.micro;
    }
    for (size_t s = 0; place->limit_grown != NULL && s < (*user != '\0' ? 2 : 1); s++) {
        size_t count;
        const struct catalog_limit *limits = catalog_limits(place->project, subjects[s], &count);

        for (size_t i = 0; i < count; i++) {
            place->limit_grown[limits - place->project->limits + (ptrdiff_t)i].micro +=
                points.micro;
        }
    }
}

static void describe(const struct new_hold *made, struct instant now, struct hold_info *hold)
{
    *hold = (struct hold_info){.number = made->number,
                               .points = made->points,
                               .held = made->points,
                               .parts = made->parts,
                               .state = HOLD_OPEN,
                               .made_at = now,
                               .expires_at = made->expires_at,
                               .ended_at = INSTANT_NONE};
    snprintf(hold->id, sizeof hold->id, "h_%" PRId64, made->number);
    snprintf(hold->key, sizeof hold->key, "%s", made->key);
    snprintf(hold->project, sizeof hold->project, "%s", made->project);
    snprintf(hold->user, sizeof hold->user, "%s", made->user);
    snprintf(hold->ref_kind, sizeof hold->ref_kind, "%s", made->ref_kind);
    snprintf(hold->ref_id, sizeof hold->ref_id, "%s", made->ref_id);
}

/* What the decision takes: a job may be let through for nothing, by policy or because enough is
 * held for work that waits. */
static struct points points_of(const struct placing *placing, const struct asked *asked,
                               const struct deciding *deciding)
{
    const struct points asked_for = deciding->answer.question.requested;
    bool is_free = asked->slurm != NULL && (asked->slurm->resolution.holds_nothing ||
                                            asked->slurm->note.job.downgraded_to != NULL);

    return is_free || placing_is_capped(placing, asked, deciding->answer.available,
                                        deciding->question.position.held, asked_for)
               ? POINTS_ZERO
               : asked_for;
}

static void make_hold(struct placing *placing, struct asked *asked, struct deciding *deciding,
                      int64_t number)
{
    const struct hold_request *request = asked->request;
    struct new_hold *made = &placing->holds[placing->hold_count++];

    *made = (struct new_hold){
        .number = number,
        .key = request->key,
        .key_hash = asked->key,
        .request = asked->body,
        .project = asked->place->name,
        .user = deciding->question.user,
        .klass = asked->klass != NULL ? asked->klass : "",
        .ref_kind = request->ref_kind,
        .ref_id = request->ref_id,
        .source = request->source != NULL ? request->source : "",
        .points = points_of(placing, asked, deciding),
        .parts = request->parts,
        .at_once = request->at_once,
        .expires_at = {placing->now.us + request->ttl_us},
        .decision = asked->outcome->decision.data,
    };
    asked->outcome->fate = HOLD_MADE;
    describe(made, placing->now, &asked->outcome->hold);
    take_points(deciding, asked->place, made->user, made->points);
    if (request->is_waiting) {
        asked->place->waiting.micro += made->points.micro;
    }
}

static int write_outcome(struct placing *placing, struct asked *asked, struct deciding *deciding,
                         struct error *err)
{
    struct hold_outcome *outcome = asked->outcome;
    char id[DECISION_ID_BYTES];
    int64_t number = placing->next_number++;

    snprintf(id, sizeof id, "d_h%" PRId64, number);
    answer_write_json(&deciding->question, &deciding->answer, id, &outcome->decision);
    answer_write_detail(&deciding->question, &deciding->answer, &outcome->detail);
    answer_write_job(deciding->question.job, &outcome->job);
    if (outcome->decision.failed || outcome->detail.failed || outcome->job.failed) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    outcome->reason = deciding->answer.decision.reason;
    outcome->available = deciding->answer.available;
    if (deciding->answer.decision.allowed && asked->place != NULL) {
        make_hold(placing, asked, deciding, number);
        return 0;
    }
    outcome->fate = HOLD_REFUSED;
    if (!asked->request->is_unrecorded) {
        placing->refusals[placing->refusal_count++] = (struct new_refusal){
            .number = number, .decision = outcome->decision.data};
    }
    return 0;
}

/* A hold that this group has made with the same key. */
static const struct asked *find_twin(const struct placing *placing, const struct asked *asked)
{
    for (const struct asked *earlier = placing->asked;
         *asked->request->key != '\0' && earlier < asked; earlier++) {
        if (earlier->outcome->fate == HOLD_MADE && !earlier->is_known &&
            *earlier->request->key != '\0' &&
            memcmp(earlier->key, asked->key, sizeof asked->key) == 0) {
            return earlier;
        }
    }
    return NULL;
}

static int repeat(const struct asked *twin, struct asked *asked, struct error *err)
{
    struct hold_outcome *outcome = asked->outcome;
    bool is_same = memcmp(twin->body, asked->body, sizeof asked->body) == 0;

    outcome->fate = is_same ? HOLD_REPEATED : HOLD_KEY_DIFFERS;
    outcome->hold = twin->outcome->hold;
    if (is_same) {
        strbuf_add(&outcome->decision, twin->outcome->decision.data,
                   twin->outcome->decision.length);
    }
    return outcome->decision.failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

int placing_decide(struct placing *placing, struct asked *asked, struct error *err)
{
    const struct asked *twin = find_twin(placing, asked);
    struct deciding deciding = {
        .question = {.catalog = placing->catalog,
                     .project_name = asked->request->check.project,
                     .user = asked->request->check.user,
                     .now = placing->now,
                     .as_of = placing->now},
    };

    if (twin != NULL) {
        return repeat(twin, asked, err);
    }
    find_price(placing, asked, &deciding);
    if (asked->place != NULL && (find_position(placing, asked, &deciding.question, err) != 0 ||
                                 find_share(placing, &deciding, err) != 0)) {
        return -1;
    }
    if (answer_make(&deciding.question, &deciding.answer, err) != 0) {
        return -1;
    }
    if (asked->slurm != NULL) {
        slurm_note_make(&asked->slurm->resolution, &deciding.question, &deciding.answer,
                        &asked->slurm->note);
        deciding.question.job = &asked->slurm->note.job;
    }
    return write_outcome(placing, asked, &deciding, err);
}
