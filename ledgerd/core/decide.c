/* decide - see decide.h. */
#include "ledgerd/core/decide.h"

static void violate(struct decide_answer *answer, enum decide_limit limit, const char *name,
                    struct points available)
{
    if (answer->violated_count < DECIDE_VIOLATED_MAX) {
        answer->violated[answer->violated_count++] = (struct decide_violation){
            .limit = limit, .name = name, .available = available};
    }
}

static void violate_bound(struct decide_answer *answer, const struct decide_bound *bound)
{
    if (answer->violated_count < DECIDE_VIOLATED_MAX) {
        answer->violated[answer->violated_count++] = (struct decide_violation){
            .limit = bound->limit,
            .name = bound->name,
            .available = bound->available,
            .bound = bound};
    }
}

/* The first reason stands; later ones only add the limits that they name. */
static void refuse(struct decide_answer *answer, enum decide_reason reason)
{
    if (answer->allowed) {
        answer->allowed = false;
        answer->reason = reason;
    }
}

/* Who asks, whatever it costs. */
static void decide_standing(const struct decide_question *question, struct decide_answer *answer)
{
    if (question->unresolved == DECIDE_UNKNOWN_USER || question->unresolved == DECIDE_UNKNOWN_JOB) {
        refuse(answer, question->unresolved);
    } else if (!question->project_known) {
        refuse(answer, DECIDE_UNKNOWN_PROJECT);
    } else if (question->project_closed) {
        refuse(answer, DECIDE_PROJECT_CLOSED);
    } else if (question->membership_required && !question->is_member && !question->is_service) {
        refuse(answer, DECIDE_NOT_A_MEMBER);
    }
}

/* What it costs against what the site lets the project, or the user within it, spend. */
static void decide_bounds(const struct decide_question *question, enum decide_limit limit,
                          enum decide_reason reason, struct decide_answer *answer)
{
    for (size_t i = 0; i < question->bound_count; i++) {
        const struct decide_bound *bound = &question->bounds[i];

        if (bound->limit == limit && points_compare(question->requested, bound->available) > 0) {
            refuse(answer, reason);
            violate_bound(answer, bound);
        }
    }
}

/* What it costs against what there is. */
static void decide_limits(const struct decide_question *question, struct decide_answer *answer)
{
    if (!question->balance.has_active_grant && points_is_zero(question->overdraft)) {
        refuse(answer, DECIDE_NO_ACTIVE_GRANT);
        violate(answer, LIMIT_GRANT, question->project, POINTS_ZERO);
    }
    if (points_compare(question->requested, question->balance.available) > 0) {
        refuse(answer, DECIDE_INSUFFICIENT_POINTS);
        violate(answer, LIMIT_PROJECT, question->project, question->balance.available);
    }
    decide_bounds(question, LIMIT_PROJECT, DECIDE_PROJECT_LIMIT, answer);
    decide_bounds(question, LIMIT_USER, DECIDE_USER_LIMIT, answer);
    if (question->has_share_cap &&
        points_compare(question->requested, question->share_cap_available) > 0) {
        refuse(answer, DECIDE_SHARE_CAP);
        violate(answer, LIMIT_SHARE, question->share, question->share_cap_available);
    }
}

void decide(const struct decide_question *question, struct decide_answer *answer)
{
    answer->allowed = true;
    answer->reason = DECIDE_ALLOWED;
    answer->violated_count = 0;
    decide_standing(question, answer);
    if (!answer->allowed || question->is_service) {
        return; /* a service pays for its own machine time: yes, with 0 points */
    }
    if (!question->rated) {
        refuse(answer, question->unresolved == DECIDE_NO_TIME_LIMIT ? DECIDE_NO_TIME_LIMIT
                                                                    : DECIDE_NO_RATE);
        return; /* nothing to compare with what there is */
    }
    if (question->stale) {
        refuse(answer, DECIDE_STALE);
    }
    decide_limits(question, answer);
}

static const struct {
    const char *text;
    int status;
} reasons[] = {
    [DECIDE_ALLOWED] = {NULL, 200},
    [DECIDE_UNKNOWN_USER] = {"unknown_user", 403},
    [DECIDE_UNKNOWN_JOB] = {"unknown_job", 404},
    [DECIDE_UNKNOWN_PROJECT] = {"unknown_project", 404},
    [DECIDE_PROJECT_CLOSED] = {"project_closed", 403},
    [DECIDE_NOT_A_MEMBER] = {"not_a_member", 403},
    [DECIDE_NO_TIME_LIMIT] = {"no_time_limit", 403},
    [DECIDE_NO_RATE] = {"no_rate", 403},
    [DECIDE_STALE] = {"stale", 503},
    [DECIDE_NO_ACTIVE_GRANT] = {"no_active_grant", 402},
    [DECIDE_INSUFFICIENT_POINTS] = {"insufficient_points", 402},
    [DECIDE_PROJECT_LIMIT] = {"project_limit", 402},
    [DECIDE_USER_LIMIT] = {"user_limit", 402},
    [DECIDE_SHARE_CAP] = {"share_cap", 402},
};

const char *decide_reason_text(enum decide_reason reason)
{
    return reasons[reason].text;
}

int decide_reason_status(enum decide_reason reason)
{
    return reasons[reason].status;
}

const char *decide_limit_text(enum decide_limit limit)
{
    static const char *const texts[] = {
        [LIMIT_PROJECT] = "project",
        [LIMIT_USER] = "user",
        [LIMIT_SHARE] = "share",
        [LIMIT_GRANT] = "grant",
    };

    return texts[limit];
}
