/* Policies: supply is split without losing or making a micro-point, and mistakes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/flow/policy_doc.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD                                 \
    "{\"policy\":\"p\",\"timezone\":\"Asia/" \
    "Tokyo\",\"effective_from\":\"2027-06-01T00:00:00+09:00\""
#define SHARES \
    "\"shares\":[{\"share\":\"a\",\"fraction\":\"0.8\"},{\"share\":\"b\",\"fraction\":\"0.2\"}]"
#define POLICY(more) HEAD "," SHARES more "}"
#define SUPPLY(id, year, from, to, count)                                                      \
    "{\"id\":\"" id "\",\"fiscal_year\":" year ",\"from\":\"" from                             \
    "T00:00:00+09:00\",\"to\":\"" to "T00:00:00+09:00\",\"resource\":\"gpu\",\"count\":" count \
    ",\"hours\":\"7200\",\"points_per_hour\":\"1\"}"

static struct policy *parse(const char *text)
{
    struct policy *policy = NULL;
    struct error err;

    if (policy_doc_parse(text, strlen(text), &policy, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return policy;
}

static void defaults_are_those_of_the_contract(void **state)
{
    struct policy *policy = parse(POLICY(""));

    (void)state;
    assert_int_equal(policy->fiscal_month, 4);
    assert_int_equal(policy->fiscal_day, 1);
    assert_int_equal(policy->supply_count, 0);
    assert_int_equal(policy->on_expiry, ON_EXPIRY_VOID);
    assert_int_equal(policy->month_rule, MONTH_SPLIT);
    assert_false(policy->require_membership);
    assert_int_equal(policy->holds_slurm, HOLD_SUBMIT);
    assert_int_equal(policy->holds_gateway, HOLD_REQUEST);
    assert_string_equal(policy->exhausted_slurm, "deny");
    assert_true(decimal_equal(policy->shares[1].overgrant, DECIMAL_ONE));
    policy_destroy(policy);
    policy_destroy(NULL);
}

static void everything_can_be_said(void **state)
{
    struct policy *policy = parse(POLICY(
        ",\"fiscal_year_start\":\"10-01\",\"overgrant\":{\"b\":\"0.95\"},\"on_expiry\":\"pool\","
        "\"month_rule\":\"submit\",\"require_membership\":true,"
        "\"holds\":{\"slurm\":\"start\",\"gateway\":\"none\"},"
        "\"exhausted\":{\"slurm\":\"downgrade:low\",\"gateway\":\"deny\"},"
        "\"supply\":[" SUPPLY("x", "2027", "2027-10-01", "2028-10-01", "\"0.5\"") "]"));
    struct points total;

    (void)state;
    assert_int_equal(policy->fiscal_month, 10);
    assert_int_equal(policy->on_expiry, ON_EXPIRY_POOL);
    assert_int_equal(policy->month_rule, MONTH_SUBMIT);
    assert_true(policy->require_membership);
    assert_int_equal(policy->holds_slurm, HOLD_START);
    assert_int_equal(policy->holds_gateway, HOLD_NONE);
    assert_string_equal(policy->exhausted_slurm, "downgrade:low");
    assert_int_equal(policy_supply_points(&policy->supply[0], &total, NULL), 0);
    assert_true(total.micro == INT64_C(3600000000));
    policy_destroy(policy);
}

static void policies_with_mistakes_are_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "policy: line 1"},
        {HEAD "}", "policy: shares is missing"},
        {HEAD ",\"shares\":[]}", "policy 'p': it names no share"},
        {HEAD ",\"shares\":[{\"share\":\"a\",\"fraction\":\"0.8\"},{\"share\":\"b\",\"fraction\":"
              "\"0.1\"},"
              "{\"share\":\"c\",\"fraction\":\"0.2\"}]}",
         "policy 'p': the fractions of the shares add up to more than 1"},
        {HEAD ",\"shares\":[{\"share\":\"a\",\"fraction\":\"0.999999999\"}]}",
         "policy 'p': the fractions of the shares add up to less than 1"},
        {HEAD ",\"shares\":[{\"share\":\"a\",\"fraction\":\"-0.1\"}]}",
         "policy: shares[0].fraction must be a decimal string"},
        {HEAD ",\"shares\":[{\"share\":\"a\",\"fraction\":1.0}]}",
         "policy: shares[0].fraction is a JSON real"},
        {HEAD ",\"shares\":[{\"share\":\"a\",\"fraction\":\"0.5\"},{\"share\":\"a\",\"fraction\":"
              "\"0.5\"}]}",
         "policy 'p': share 'a' is there twice"},
        {HEAD ",\"shares\":[{\"share\":\"A/b\",\"fraction\":\"1\"}]}", "policy 'p': share 'A/b'"},
        {POLICY(",\"overgrant\":{\"c\":\"1\"}"), "policy: overgrant.c is not a share"},
        {POLICY(",\"overgrant\":{\"b\":\"-1\"}"), "policy: overgrant.b must be a decimal string"},
        {POLICY(",\"fiscal_year_start\":\"04-02\""),
         "policy 'p': a fiscal year starts on the first"},
        {POLICY(",\"fiscal_year_start\":\"13-01\""),
         "policy 'p': a fiscal year starts on the first"},
        {POLICY(",\"fiscal_year_start\":\"4-1\""), "policy: fiscal_year_start must be MM-DD"},
        {POLICY(",\"on_expiry\":\"keep\""), "policy: on_expiry must be \"void\" or \"pool\""},
        {POLICY(",\"month_rule\":\"middle\""), "policy: month_rule must be"},
        {POLICY(",\"require_membership\":\"yes\""),
         "policy: require_membership must be true or false"},
        {POLICY(",\"holds\":{\"slurm\":\"request\"}"), "policy: holds.slurm must be"},
        {POLICY(",\"exhausted\":{\"slurm\":\"downgrade:\"}"), "policy: exhausted.slurm must be"},
        {POLICY(",\"exhausted\":{\"gateway\":\"downgrade:x\"}"),
         "policy: exhausted.gateway must be"},
        {POLICY(",\"share\":1"), "policy: share is not a known key"},
        {POLICY(",\"supply\":[" SUPPLY("x", "2027", "2027-06-01", "2027-06-01", "1") "]"),
         "policy 'p': supply 'x': from must lie before to"},
        {POLICY(",\"supply\":[" SUPPLY("x", "2027", "2027-03-31", "2028-04-01", "1") "]"),
         "policy 'p': supply 'x': it does not lie inside its fiscal year"},
        {POLICY(",\"supply\":[" SUPPLY("x", "2027", "2027-06-01", "2028-04-02", "1") "]"),
         "policy 'p': supply 'x': it does not lie inside its fiscal year"},
        {POLICY(",\"supply\":[" SUPPLY("x", "2027", "2027-06-01", "2028-04-01", "1") "," SUPPLY(
             "x", "2027", "2027-06-01", "2028-04-01", "1") "]"),
         "policy 'p': supply 'x': the id is there twice"},
        {POLICY(",\"supply\":[" SUPPLY("x", "2027", "2027-06-01", "2028-04-01",
                                       "\"0.0000000001\"") "]"),
         "policy: supply[0].count must be a decimal string"},
        {POLICY(",\"supply\":[" SUPPLY("x", "2027", "2027-06-01", "2028-04-01",
                                       "\"0.000000001\"") "]"),
         "policy 'p': supply 'x': count x hours x points_per_hour has more than six decimals"},
        {POLICY(
             ",\"supply\":[" SUPPLY("x", "2027", "2027-06-01", "2028-04-01", "999999999999") "]"),
         "policy 'p': supply 'x': count x hours x points_per_hour is too large"},
        {"{\"policy\":\"p\",\"timezone\":\"Asia/"
         "Tokio\",\"effective_from\":\"2027-06-01T00:00:00+09:00\"," SHARES "}",
         "policy 'p': time zone 'Asia/Tokio'"},
    };
    struct policy *policy = NULL;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (policy_doc_parse(rows[i].text, strlen(rows[i].text), &policy, &err) != -1) {
            fail_msg("taken for a policy: %s", rows[i].text);
        }
        assert_null(policy);
        assert_int_equal(err.code, ERROR_INPUT);
        if (strncmp(err.text, rows[i].message, strlen(rows[i].message)) != 0) {
            fail_msg("wanted '%s...', got '%s'", rows[i].message, err.text);
        }
    }
}

static void shares_of(struct policy *policy, const char *const *fractions, size_t count)
{
    *policy = (struct policy){.name = "p", .share_count = count};
    for (size_t i = 0; i < count; i++) {
        snprintf(policy->shares[i].name, sizeof policy->shares[i].name, "s%zu", i);
        assert_int_equal(
            decimal_parse(fractions[i], strlen(fractions[i]), &policy->shares[i].fraction), 0);
    }
}

static void the_promise_of_80_10_10(void **state)
{
    static const char *const fractions[] = {"0.80", "0.10", "0.10"};
    static const struct {
        const char *hours;
        int64_t parts[3];
    } rows[] = {{"7200", {4147200, 518400, 518400}}, {"8640", {4976640, 622080, 622080}}};
    static struct policy policy;
    struct points total, parts[3];

    (void)state;
    shares_of(&policy, fractions, 3);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy_supply supply = {.count = {720, 0}, .points_per_hour = DECIMAL_ONE};

        decimal_parse(rows[i].hours, 4, &supply.hours);
        assert_int_equal(policy_supply_points(&supply, &total, NULL), 0);
        assert_int_equal(policy_split(&policy, total, parts, NULL), 0);
        for (size_t share = 0; share < 3; share++) {
            assert_true(parts[share].micro == rows[i].parts[share] * POINTS_MICRO);
        }
    }
}

static void no_micro_point_is_lost_or_made(void **state)
{
    static const char *const thirds[] = {"0.333333333", "0.333333334", "0.333333333"};
    static const char *const halves[] = {"0.5", "0.5"};
    static struct policy policy;
    struct points parts[3];
    int64_t total;

    (void)state;
    random_seed(8);
    shares_of(&policy, thirds, 3);
    for (int round = 0; round < 20000; round++) {
        __int128 cut = 0;

        total = (int64_t)(random_bits() >> 1) >> random_below(40);
        total = round == 0 ? INT64_MAX : round == 1 ? INT64_MIN : round % 2 == 0 ? total : -total;
        assert_int_equal(policy_split(&policy, (struct points){total}, parts, NULL), 0);
        assert_true((__int128)parts[0].micro + parts[1].micro + parts[2].micro == total);
        cut = (__int128)total * 333333333 / 1000000000;
        assert_true(parts[0].micro == (int64_t)cut && parts[2].micro == (int64_t)cut);
    }
    shares_of(&policy, halves, 2);
    assert_int_equal(policy_split(&policy, (struct points){-3}, parts, NULL), 0);
    assert_true(parts[0].micro == -2 && parts[1].micro == -1);
}

static void the_policy_in_force(void **state)
{
    static struct policy a = {.effective_from = {10}}, b = {.effective_from = {20}};
    struct policy *list[] = {&a, &b};
    struct policies policies = {2, list};

    (void)state;
    assert_null(policies_at(&policies, (struct instant){9}));
    assert_ptr_equal(policies_at(&policies, (struct instant){19}), &a);
    assert_ptr_equal(policies_at(&policies, (struct instant){20}), &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(everything_can_be_said),
        cmocka_unit_test(policies_with_mistakes_are_refused),
        cmocka_unit_test(the_promise_of_80_10_10),
        cmocka_unit_test(no_micro_point_is_lost_or_made),
        cmocka_unit_test(the_policy_in_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
