/* Decisions: the first reason in the order of precedence, and every limit that stands in the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/core/decide.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct decide_bound bounds[4]; /* of the project and of the user, two each */

static struct decide_question good_question(void)
{
    static const struct decide_bound good[] = {
        {LIMIT_PROJECT, "hp270001", LIMIT_DAY, {200}, {100}, {0}, {0}, {100}},
        {LIMIT_PROJECT, "hp270001", LIMIT_TOTAL, {900}, {100}, {0}, {0}, {800}},
        {LIMIT_USER, "u1", LIMIT_MONTH, {150}, {20}, {10}, {20}, {100}},
        {LIMIT_USER, "u1", LIMIT_FISCAL_YEAR, {100}, {0}, {0}, {0}, {100}},
    };

    memcpy(bounds, good, sizeof bounds);
    return (struct decide_question){
        .bound_count = COUNT(bounds),
        .bounds = bounds,
        .project_known = true,
        .is_member = true,
        .rated = true,
        .project = "hp270001",
        .share = "hpci",
        .requested = {100},
        .balance = {.available = {100}, .has_active_grant = true},
        .has_share_cap = true,
        .share_cap_available = {100},
    };
}

/* Make one thing wrong; they are in the order of precedence. */
static void spoil(struct decide_question *question, enum decide_reason reason)
{
    switch (reason) {
    case DECIDE_UNKNOWN_USER:
        question->unresolved = reason;
        break;
    case DECIDE_UNKNOWN_JOB: /* a request names a user or a job, not both */
        break;
    case DECIDE_UNKNOWN_PROJECT:
        question->project_known = false;
        break;
    case DECIDE_PROJECT_CLOSED:
        question->project_closed = true;
        break;
    case DECIDE_NOT_A_MEMBER:
        question->membership_required = true;
        question->is_member = false;
        break;
    case DECIDE_NO_TIME_LIMIT:
        question->rated = false;
        if (question->unresolved == DECIDE_ALLOWED) {
            question->unresolved = reason;
        }
        break;
    case DECIDE_NO_RATE:
        question->rated = false;
        break;
    case DECIDE_STALE:
        question->stale = true;
        break;
    case DECIDE_NO_ACTIVE_GRANT:
        question->balance.has_active_grant = false;
        break;
    case DECIDE_INSUFFICIENT_POINTS:
        question->balance.available.micro = 99;
        break;
    case DECIDE_SHARE_CAP:
        question->share_cap_available.micro = 99;
        break;
    case DECIDE_PROJECT_LIMIT:
        bounds[0].available.micro = 99;
        break;
    case DECIDE_USER_LIMIT:
        bounds[2].available.micro = 99;
        break;
    case DECIDE_ALLOWED:
        break;
    }
}

static const enum decide_reason reasons[] = {
    DECIDE_UNKNOWN_USER,  DECIDE_UNKNOWN_PROJECT, DECIDE_PROJECT_CLOSED,
    DECIDE_NOT_A_MEMBER,  DECIDE_NO_TIME_LIMIT,   DECIDE_NO_RATE,
    DECIDE_STALE,         DECIDE_NO_ACTIVE_GRANT, DECIDE_INSUFFICIENT_POINTS,
    DECIDE_PROJECT_LIMIT, DECIDE_USER_LIMIT,      DECIDE_SHARE_CAP};

static void the_first_reason_stands(void **state)
{
    struct decide_question question = good_question();
    struct decide_answer answer;

    (void)state;
    decide(&question, &answer);
    assert_true(answer.allowed);
    assert_int_equal(answer.reason, DECIDE_ALLOWED);
    assert_int_equal(answer.violated_count, 0);
    for (size_t first = 0; first < COUNT(reasons); first++) {
        for (size_t second = first; second < COUNT(reasons); second++) {
            question = good_question();
            spoil(&question, reasons[second]);
            spoil(&question, reasons[first]);
            decide(&question, &answer);
            assert_false(answer.allowed);
            assert_int_equal(answer.reason, reasons[first]);
        }
    }
}

static void every_limit_is_named_with_its_number(void **state)
{
    struct decide_question question = good_question();
    struct decide_answer answer;

    (void)state;
    spoil(&question, DECIDE_STALE);
    spoil(&question, DECIDE_INSUFFICIENT_POINTS);
    spoil(&question, DECIDE_SHARE_CAP);
    decide(&question, &answer);
    assert_int_equal(answer.violated_count, 2);
    assert_int_equal(answer.violated[0].limit, LIMIT_PROJECT);
    assert_string_equal(answer.violated[0].name, "hp270001");
    assert_int_equal(answer.violated[0].available.micro, 99);
    assert_int_equal(answer.violated[1].limit, LIMIT_SHARE);
    assert_string_equal(answer.violated[1].name, "hpci");
    assert_string_equal(decide_limit_text(LIMIT_PROJECT), "project");
    assert_string_equal(decide_limit_text(LIMIT_SHARE), "share");
}

static void every_violated_limit_of_the_site_is_listed_the_projects_first(void **state)
{
    struct decide_question question = good_question();
    struct decide_answer answer;

    (void)state;
    for (size_t i = 0; i < COUNT(bounds); i++) {
        bounds[i].available.micro = 99 - (int64_t)i;
    }
    /* In any order of the question. */
    struct decide_bound swapped = bounds[0];
    bounds[0] = bounds[3];
    bounds[3] = swapped;
    spoil(&question, DECIDE_SHARE_CAP);
    decide(&question, &answer);
    assert_int_equal(answer.reason, DECIDE_PROJECT_LIMIT);
    assert_int_equal(answer.violated_count, 5);
    assert_ptr_equal(answer.violated[0].bound, &bounds[1]);
    assert_ptr_equal(answer.violated[1].bound, &bounds[3]);
    assert_ptr_equal(answer.violated[2].bound, &bounds[0]);
    assert_ptr_equal(answer.violated[3].bound, &bounds[2]);
    assert_int_equal(answer.violated[1].limit, LIMIT_PROJECT);
    assert_int_equal(answer.violated[1].available.micro, 99);
    assert_int_equal(answer.violated[3].limit, LIMIT_USER);
    assert_string_equal(answer.violated[3].name, "u1");
    assert_null(answer.violated[4].bound);
}

static void a_limit_may_be_reached_to_the_last_micro_point(void **state)
{
    struct decide_question question = good_question();
    struct decide_answer answer;

    (void)state;
    decide(&question, &answer);
    assert_true(answer.allowed);
    question.requested.micro = 0;
    bounds[2].available.micro = 0;
    decide(&question, &answer);
    assert_true(answer.allowed);
    bounds[2].available.micro = -1; /* what ran was booked: over the limit, nothing may run */
    decide(&question, &answer);
    assert_int_equal(answer.reason, DECIDE_USER_LIMIT);
}

static void an_overdraft_stands_in_for_a_grant(void **state)
{
    struct decide_question question = good_question();
    struct decide_answer answer;

    (void)state;
    spoil(&question, DECIDE_NO_ACTIVE_GRANT);
    question.overdraft.micro = 1;
    decide(&question, &answer);
    assert_true(answer.allowed);
}

static void a_service_is_always_answered_yes(void **state)
{
    struct decide_question question = good_question();
    struct decide_answer answer;

    (void)state;
    question.is_service = true;
    for (size_t i = 3; i < COUNT(reasons); i++) {
        spoil(&question, reasons[i]);
    }
    decide(&question, &answer);
    assert_true(answer.allowed);
    spoil(&question, DECIDE_PROJECT_CLOSED);
    decide(&question, &answer);
    assert_int_equal(answer.reason, DECIDE_PROJECT_CLOSED);
}

static void reasons_have_the_contracts_names_and_statuses(void **state)
{
    static const struct {
        enum decide_reason reason;
        int status;
        const char *text;
    } rows[] = {
        {DECIDE_UNKNOWN_USER, 403, "unknown_user"},
        {DECIDE_UNKNOWN_JOB, 404, "unknown_job"},
        {DECIDE_NO_TIME_LIMIT, 403, "no_time_limit"},
        {DECIDE_UNKNOWN_PROJECT, 404, "unknown_project"},
        {DECIDE_PROJECT_CLOSED, 403, "project_closed"},
        {DECIDE_NOT_A_MEMBER, 403, "not_a_member"},
        {DECIDE_NO_RATE, 403, "no_rate"},
        {DECIDE_STALE, 503, "stale"},
        {DECIDE_NO_ACTIVE_GRANT, 402, "no_active_grant"},
        {DECIDE_INSUFFICIENT_POINTS, 402, "insufficient_points"},
        {DECIDE_PROJECT_LIMIT, 402, "project_limit"},
        {DECIDE_USER_LIMIT, 402, "user_limit"},
        {DECIDE_SHARE_CAP, 402, "share_cap"},
    };

    (void)state;
    assert_null(decide_reason_text(DECIDE_ALLOWED));
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(decide_reason_text(rows[i].reason), rows[i].text);
        assert_int_equal(decide_reason_status(rows[i].reason), rows[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_reason_stands),
        cmocka_unit_test(every_limit_is_named_with_its_number),
        cmocka_unit_test(every_violated_limit_of_the_site_is_listed_the_projects_first),
        cmocka_unit_test(a_limit_may_be_reached_to_the_last_micro_point),
        cmocka_unit_test(an_overdraft_stands_in_for_a_grant),
        cmocka_unit_test(a_service_is_always_answered_yes),
        cmocka_unit_test(reasons_have_the_contracts_names_and_statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
