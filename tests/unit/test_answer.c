/* Decisions: what is asked about a known or unknown project, and the JSON that callers get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "ledgerd/flow/answer.h"

static const struct instant now = {1811775600000000}; /* 2027-06-01T00:00:00+09:00 */

struct fixture {
    struct catalog catalog;
    struct policy policy;
    struct policy *policies[1];
    struct balance_grant grant;
    struct catalog_member member;
    struct catalog_project project;
    struct answer_question question;
};

static char member_name[] = "alice";
static char project_id[] = "p1";
static char share_name[] = "hpci";

/* Project p1 of share hpci with 10 points granted, 4 spent; the share has 100 left. */
static struct fixture *fixture_make(struct fixture *f)
{
    *f = (struct fixture){0};
    f->policy = (struct policy){.name = "test", .effective_from = {0}};
    f->policies[0] = &f->policy;
    f->catalog.policies = (struct policies){1, f->policies};
    snprintf(f->catalog.zone.name, sizeof f->catalog.zone.name, "UTC");
    f->grant = (struct balance_grant){
        .id = 1, .points = {10000000}, .from = {0}, .to = {now.us + 1000000}};
    f->member = (struct catalog_member){member_name, false};
    f->project = (struct catalog_project){.id = project_id,
                                          .share = share_name,
                                          .grant_count = 1,
                                          .grants = &f->grant,
                                          .member_count = 1,
                                          .members = &f->member};
    static const struct balance_draw draws[] = {{INSTANT_NONE, {4000000}}};
    f->question = (struct answer_question){
        .catalog = &f->catalog,
        .project = &f->project,
        .project_name = project_id,
        .user = "",
        .rated = true,
        .requested = {6000000},
        .position = {.posted = {6000000}, .draw_count = 1, .draws = draws},
        .has_share_total = true,
        .share_supply = {100000000},
        .share_spent = {4000000},
        .now = now,
        .as_of = now,
    };
    return f;
}

static const char *reason_of(const struct answer_question *question, struct answer *answer)
{
    struct error err = {0};
    assert_int_equal(answer_make(question, answer, &err), 0);
    const char *reason = decide_reason_text(answer->decision.reason);
    return reason != NULL ? reason : "allowed";
}

static void each_rule_refuses_with_its_own_reason(void **state)
{
    struct fixture f;
    struct answer answer;

    (void)state;
    assert_string_equal(reason_of(&fixture_make(&f)->question, &answer), "allowed");
    assert_int_equal(answer.available.micro, 6000000);

    f.question.requested.micro++;
    assert_string_equal(reason_of(&f.question, &answer), "insufficient_points");
    f.project.overdraft = (struct points){1};
    assert_string_equal(reason_of(&f.question, &answer), "allowed");

    f.question.share_spent = (struct points){94000000};
    assert_string_equal(reason_of(&f.question, &answer), "share_cap");
    f.question.has_share_total = false; /* no supply: nothing may be spent */
    assert_string_equal(reason_of(&f.question, &answer), "share_cap");

    f.question.now = f.grant.to;
    f.project.overdraft = POINTS_ZERO;
    assert_string_equal(reason_of(&f.question, &answer), "no_active_grant");
    f.question.stale = true;
    assert_string_equal(reason_of(&f.question, &answer), "stale");
    f.question.rated = false;
    assert_string_equal(reason_of(&f.question, &answer), "no_rate");
    f.policy.require_membership = true;
    assert_string_equal(reason_of(&f.question, &answer), "not_a_member");
    f.question.user = "alice";
    assert_string_equal(reason_of(&f.question, &answer), "no_rate");
    f.project.is_closed = true;
    assert_string_equal(reason_of(&f.question, &answer), "project_closed");
    f.question.project = NULL;
    assert_string_equal(reason_of(&f.question, &answer), "unknown_project");
}

static void a_service_needs_no_points(void **state)
{
    struct fixture f;
    struct answer answer;

    (void)state;
    fixture_make(&f);
    f.project.is_service = true;
    f.project.share = NULL;
    f.project.grant_count = 0;
    f.question.rated = false;
    assert_string_equal(reason_of(&f.question, &answer), "allowed");
    assert_int_equal(answer.question.requested.micro, 0);
}

static json_t *document_of(const struct answer_question *question)
{
    struct answer answer;
    struct strbuf out = STRBUF_INIT;
    struct error err = {0};

    assert_int_equal(answer_make(question, &answer, &err), 0);
    answer_write_json(question, &answer, "d_1", &out);
    json_t *document = json_loads(out.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(document);
    strbuf_release(&out);
    return document;
}

static void the_document_carries_the_numbers(void **state)
{
    static const char *const want[][2] = {
        {"project", "p1"},         {"share", "hpci"},         {"requested", "7.000000"},
        {"available", "6.000000"}, {"posted", "6.000000"},    {"held", "0.000000"},
        {"accrued", "0.000000"},   {"overdraft", "0.000000"}, {"reason", "insufficient_points"},
        {"policy", "test"},        {"decision_id", "d_1"},    {"as_of", "2027-05-31T15:00:00Z"},
    };
    struct fixture f;

    (void)state;
    fixture_make(&f)->question.requested.micro = 7000000;
    json_t *document = document_of(&f.question);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const char *text = json_string_value(json_object_get(document, want[i][0]));
        if (text == NULL || strcmp(text, want[i][1]) != 0) {
            fail_msg("%s is %s, not %s", want[i][0], text, want[i][1]);
        }
    }
    assert_true(json_is_false(json_object_get(document, "allowed")));
    assert_true(json_is_null(json_object_get(document, "user")));
    assert_true(json_is_null(json_object_get(document, "rate_card")));
    json_t *violated = json_array_get(json_object_get(document, "violated"), 0);
    assert_string_equal(json_string_value(json_object_get(violated, "limit")), "project");
    assert_string_equal(json_string_value(json_object_get(violated, "available")), "6.000000");
    json_decref(document);
}

static void limits_are_named_with_their_periods_and_numbers(void **state)
{
    static char nobody[] = "";
    struct fixture f;
    struct catalog_limit limits[] = {{1, nobody, LIMIT_TOTAL, {5000000}},
                                     {2, member_name, LIMIT_DAY, {9000000}},
                                     {3, member_name, LIMIT_MONTH, {4000000}}};
    struct store_limit_sum sums[] = {
        {.limit_no = 1, .since = 0, .charged = {1000000}},
        {.limit_no = 2, .since = 20968, .charged = {9000000}}, /* yesterday */
        {.limit_no = 3, .since = 20939, .accrued = {500000}}};

    (void)state;
    fixture_make(&f);
    f.catalog.calendar = (struct calendar){&f.catalog.zone, 4, 1};
    f.project.limit_count = sizeof limits / sizeof limits[0];
    f.project.limits = limits;
    f.question.limits.sums = (struct store_limit_sums){3, sums};
    f.question.user = "alice";
    f.question.requested = (struct points){4000000};
    json_t *document = document_of(&f.question);
    assert_string_equal(json_string_value(json_object_get(document, "reason")), "user_limit");
    assert_string_equal(json_string_value(json_object_get(document, "detail")),
                        "user alice in project p1 may spend 4.000000 points this month, of which "
                        "3.500000 are left, and 4.000000 are asked for");
    json_t *violated = json_object_get(document, "violated");
    assert_int_equal(json_array_size(violated), 1);
    violated = json_array_get(violated, 0);
    assert_string_equal(json_string_value(json_object_get(violated, "limit")), "user");
    assert_string_equal(json_string_value(json_object_get(violated, "name")), "alice");
    assert_string_equal(json_string_value(json_object_get(violated, "period")), "month");
    assert_string_equal(json_string_value(json_object_get(violated, "accrued")), "0.500000");
    json_decref(document);
    f.question.user = "bob"; /* whom no limit names */
    f.question.requested.micro = 4000001;
    document = document_of(&f.question);
    assert_string_equal(json_string_value(json_object_get(document, "reason")), "project_limit");
    json_decref(document);
}

static void hostile_names_stay_inside_their_strings(void **state)
{
    struct fixture f;

    (void)state;
    fixture_make(&f)->question.project = NULL;
    f.question.project_name = "\"}\n\\\x01";
    f.question.user = "x\"y";
    json_t *document = document_of(&f.question);
    assert_string_equal(json_string_value(json_object_get(document, "project")), "\"}\n\\\x01");
    assert_string_equal(json_string_value(json_object_get(document, "user")), "x\"y");
    assert_true(json_is_null(json_object_get(document, "share")));
    json_decref(document);
}

static void numbers_that_do_not_fit_are_an_error(void **state)
{
    struct fixture f;
    struct answer answer;
    struct error err = {0};

    (void)state;
    fixture_make(&f)->question.share_supply = (struct points){INT64_MIN};
    assert_int_equal(answer_make(&f.question, &answer, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_refuses_with_its_own_reason),
        cmocka_unit_test(a_service_needs_no_points),
        cmocka_unit_test(the_document_carries_the_numbers),
        cmocka_unit_test(limits_are_named_with_their_periods_and_numbers),
        cmocka_unit_test(hostile_names_stay_inside_their_strings),
        cmocka_unit_test(numbers_that_do_not_fit_are_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
