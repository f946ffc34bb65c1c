/* Policies and rate cards: what they mint, what they refuse, and that nothing is booked by half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/audit.h"
#include "ledgerd/flow/policy_apply.h"
#include "ledgerd/flow/rates_apply.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "policy");
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

/* Replaces the first `from` in the standard policy by `to`. The caller frees it. */
static char *policy_with(const char *from, const char *to)
{
    const char *at = strstr(book_policy_json, from);
    char *json = NULL;

    assert_non_null(at);
    assert_true(asprintf(&json, "%.*s%s%s", (int)(at - book_policy_json), book_policy_json, to,
                         at + strlen(from)) > 0);
    return json;
}

static int apply(struct book *book, const char *json, bool retroactive,
                 struct policy_apply_result *result, struct error *err)
{
    struct policy_apply_request request = {.act = book_act("2027-05-01"),
                                           .json = json,
                                           .length = strlen(json),
                                           .retroactive = retroactive};

    return policy_apply(book->store, &request, result, err);
}

static void assert_nothing_changed(struct book *book)
{
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.policy"), 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.transfer"), 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.audit"), 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.entry"), 0);
}

static void supply_is_split_80_10_10(void **state)
{
    struct book *book = *state;
    struct policy_apply_result result;
    struct error err = {0};

    assert_int_equal(apply(book, book_policy_json, false, &result, &err), 0);
    assert_false(result.unchanged);
    assert_int_equal(result.mint_count, 1);
    assert_int_equal(result.mints[0].total.micro, INT64_C(5184000000000));
    policy_apply_result_release(&result);
    assert_int_equal(book_balance(book, "pool/hpci/2027"), INT64_C(4147200000000));
    assert_int_equal(book_balance(book, "pool/general/2027"), INT64_C(518400000000));
    assert_int_equal(book_balance(book, "pool/industry/2027"), INT64_C(518400000000));
    assert_int_equal(book_balance(book, "supply"), -INT64_C(5184000000000));
}

static void a_full_year_is_split_4976640(void **state)
{
    struct book *book = *state;
    char *json = policy_with("\"7200\"", "\"8640\"");

    book_apply_policy(book, json, "2027-05-01");
    free(json);
    assert_int_equal(book_balance(book, "pool/hpci/2027"), INT64_C(4976640000000));
    assert_int_equal(book_balance(book, "pool/general/2027"), INT64_C(622080000000));
    assert_int_equal(book_balance(book, "pool/industry/2027"), INT64_C(622080000000));
}

static void the_same_policy_again_mints_nothing(void **state)
{
    struct book *book = *state;
    struct policy_apply_result result;
    struct error err = {0};
    char *json = policy_with("{\"policy\"", "{\n  \"policy\"");

    book_apply_policy(book, book_policy_json, "2027-05-01");
    assert_int_equal(apply(book, json, false, &result, &err), 0);
    free(json);
    assert_true(result.unchanged);
    assert_int_equal(result.mint_count, 0);
    policy_apply_result_release(&result);
    assert_int_equal(book_balance(book, "supply"), -INT64_C(5184000000000));
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.audit"), 1);
}

static void malformed_policies_leave_no_trace(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"\"0.80\"", "\"0.90\""},                         /* adds up to 1.1 */
        {"\"0.80\"", "\"-0.80\""},                        /* negative */
        {"\"0.80\"", "0.8"},                              /* a JSON real */
        {"\"7200\"", "\"7200.0000000001\""},              /* too many digits */
        {"Asia/Tokyo", "Asia/Nowhere"},                   /* no such zone */
        {"\"share\":\"hpci\"", "\"share\":\"service\""},  /* would share spent/service */
        {"\"fiscal_year\":2027", "\"fiscal_year\":2026"}, /* supply outside its year */
        {"2028-04-01T00:00:00", "2027-05-01T00:00:00"},   /* ends before it begins */
        {"\"policy\":\"test-2027\"", "\"policy\":\"test-2027\",\"colour\":\"red\""},
        {"}]}", "}]"}, /* cut off */
    };
    struct book *book = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct policy_apply_result result;
        struct error err = {0};
        char *json = policy_with(cases[i].from, cases[i].to);

        assert_int_equal(apply(book, json, false, &result, &err), -1);
        assert_int_equal(err.code, ERROR_INPUT);
        assert_string_not_equal(err.text, "");
        free(json);
    }
    assert_nothing_changed(book);
}

static void refuse(struct book *book, const char *from, const char *to, const char *reason)
{
    struct policy_apply_result result;
    struct error err = {0};
    char *json = policy_with(from, to);

    assert_int_equal(apply(book, json, false, &result, &err), -1);
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_string_equal(err.reason, reason);
    free(json);
}

static void an_applied_policy_never_changes(void **state)
{
    struct book *book = *state;

    book_apply_policy(book, book_policy_json, "2027-05-01");
    refuse(book, "\"count\":720", "\"count\":721", "policy_differs");
    refuse(book, "test-2027", "test-other", "policy_date_taken");
}

static void a_later_policy_keeps_what_is_minted(void **state)
{
    static const char later[] =
        "{\"policy\":\"test-2028\",\"timezone\":\"Asia/Tokyo\","
        "\"effective_from\":\"2028-01-01T00:00:00+09:00\","
        "\"shares\":[{\"share\":\"hpci\",\"fraction\":\"0.90\"},"
        "{\"share\":\"general\",\"fraction\":\"0.05\"},{\"share\":\"industry\",\"fraction\":\"0."
        "05\"}],"
        "\"supply\":[{\"id\":\"fy2027-gpu\",\"fiscal_year\":2027,"
        "\"from\":\"2027-06-01T00:00:00+09:00\",\"to\":\"2028-04-01T00:00:00+09:00\","
        "\"resource\":\"gpu\",\"count\":720,\"hours\":\"7200\",\"points_per_hour\":\"1\"},"
        "{\"id\":\"early\",\"fiscal_year\":2027,"
        "\"from\":\"2027-12-01T00:00:00+09:00\",\"to\":\"2028-04-01T00:00:00+09:00\","
        "\"resource\":\"gpu\",\"count\":1,\"hours\":\"1000\",\"points_per_hour\":\"1\"},"
        "{\"id\":\"fy2028\",\"fiscal_year\":2028,"
        "\"from\":\"2028-04-01T00:00:00+09:00\",\"to\":\"2029-04-01T00:00:00+09:00\","
        "\"resource\":\"gpu\",\"count\":1,\"hours\":\"1000\",\"points_per_hour\":\"1\"}]}";
    struct book *book = *state;
    struct policy_apply_result result;
    struct error err = {0};

    book_apply_policy(book, book_policy_json, "2027-05-01");
    assert_int_equal(apply(book, later, false, &result, &err), 0);
    assert_int_equal(result.mint_count, 2);
    policy_apply_result_release(&result);
    /* What begins in December is split by the fractions of December. */
    assert_int_equal(book_balance(book, "pool/hpci/2027"), INT64_C(4147200000000) + 800000000);
    assert_int_equal(book_balance(book, "pool/hpci/2028"), 900000000);
    assert_int_equal(book_balance(book, "pool/general/2028"), 50000000);
}

static void a_minted_supply_cannot_be_changed_by_a_later_policy(void **state)
{
    struct book *book = *state;
    struct policy_apply_result result;
    struct error err = {0};
    char *json = policy_with("2027-06-01T00:00:00+09:00\",\"shares",
                             "2027-07-01T00:00:00+09:00\",\"shares");
    char *changed = strstr(json, "720");

    book_apply_policy(book, book_policy_json, "2027-05-01");
    memcpy(changed, "721", 3);
    assert_int_equal(apply(book, json, false, &result, &err), -1);
    assert_string_equal(err.reason, "supply_differs");
    free(json);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.policy"), 1);
}

static void zone_and_fiscal_year_are_fixed_by_the_first_policy(void **state)
{
    static const char other_zone[] = "{\"policy\":\"p\",\"timezone\":\"Europe/Paris\","
                                     "\"effective_from\":\"2027-07-01T00:00:00+09:00\","
                                     "\"shares\":[{\"share\":\"hpci\",\"fraction\":\"1\"}]}";
    static const char other_year[] =
        "{\"policy\":\"p\",\"timezone\":\"Asia/Tokyo\",\"fiscal_year_start\":\"01-01\","
        "\"effective_from\":\"2027-07-01T00:00:00+09:00\","
        "\"shares\":[{\"share\":\"hpci\",\"fraction\":\"1\"}]}";
    struct book *book = *state;
    struct policy_apply_result result;
    struct error err = {0};

    book_apply_policy(book, book_policy_json, "2027-05-01");
    assert_int_equal(apply(book, other_zone, false, &result, &err), -1);
    assert_string_equal(err.reason, "calendar_fixed");
    assert_int_equal(apply(book, other_year, false, &result, &err), -1);
    assert_string_equal(err.reason, "calendar_fixed");
}

static void what_lies_before_something_booked_must_be_said_to_be_retroactive(void **state)
{
    struct book *book = *state;
    struct policy_apply_result result;
    struct rates_apply_request rates = {
        .act = book_act("2027-05-01"), .json = book_rates_json, .length = strlen(book_rates_json)};
    struct rates_apply_result rates_result;
    struct error err = {0};

    testdb_exec(book->conninfo, "INSERT INTO ledger.source (name, last_record_at) "
                                "VALUES ('slurm:x', '2027-06-01 00:00:00+09')");
    /* A record that ended when the card begins is not touched by it. */
    assert_int_equal(rates_apply(book->store, &rates, &rates_result, &err), 0);
    testdb_exec(book->conninfo,
                "UPDATE ledger.source SET last_record_at = '2027-06-01 00:00:01+09'");
    assert_int_equal(apply(book, book_policy_json, false, &result, &err), -1);
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_string_equal(err.reason, "retroactive");
    assert_non_null(strstr(err.text, "slurm:x"));
    assert_int_equal(apply(book, book_policy_json, true, &result, &err), 0);
    policy_apply_result_release(&result);
}

static void a_card_that_differs_is_refused(void **state)
{
    struct book *book = *state;
    struct rates_apply_result result;
    struct error err = {0};
    char *json = strdup(book_rates_json);
    struct rates_apply_request request = {
        .act = book_act("2027-05-01"), .json = json, .length = strlen(json)};

    book_apply_rates(book, book_rates_json, "2027-05-01");
    assert_int_equal(rates_apply(book->store, &request, &result, &err), 0);
    assert_true(result.unchanged);
    memcpy(strstr(json, "0.0138"), "0.0139", 6);
    assert_int_equal(rates_apply(book->store, &request, &result, &err), -1);
    assert_string_equal(err.reason, "card_differs");
    memcpy(strstr(json, "test-2027"), "rest-2027", 9);
    assert_int_equal(rates_apply(book->store, &request, &result, &err), -1);
    assert_string_equal(err.reason, "card_date_taken");
    free(json);
}

static void the_document_is_shown_as_it_was_applied(void **state)
{
    struct book *book = *state;
    struct agreed_document document;
    struct error err = {0};

    book_agree(book);
    assert_int_equal(policy_show(book->store, book_time("2027-06-01"), &document, &err), 0);
    assert_string_equal(document.document, book_policy_json);
    assert_string_equal(document.name, "test-2027");
    agreed_document_release(&document);
    assert_int_equal(rates_show(book->store, book_time("2029-06-01"), &document, &err), 0);
    assert_string_equal(document.document, book_rates_json);
    agreed_document_release(&document);
    assert_int_equal(policy_show(book->store, book_time("2027-05-31"), &document, &err), -1);
    assert_string_equal(err.reason, "no_policy");
}

static void every_act_is_on_the_audit_list(void **state)
{
    struct book *book = *state;
    struct audit_rows rows;
    struct error err = {0};

    book_agree(book);
    assert_int_equal(audit_list(book->store, INSTANT_NONE, INSTANT_NONE, &rows, &err), 0);
    assert_int_equal(rows.count, 2);
    assert_string_equal(rows.rows[0].verb, "policy apply");
    assert_string_equal(rows.rows[0].actor, "tester");
    assert_string_equal(rows.rows[0].note, "a test");
    assert_string_equal(rows.rows[1].subject, "test-2027");
    audit_rows_release(&rows);
    assert_int_equal(audit_list(book->store, book_time("2027-05-02"), INSTANT_NONE, &rows, &err),
                     0);
    assert_int_equal(rows.count, 0);
    audit_rows_release(&rows);
}

static void an_act_without_an_actor_is_refused(void **state)
{
    struct book *book = *state;
    struct policy_apply_request request = {.act = {.actor = "", .now = book_time("2027-05-01")},
                                           .json = book_policy_json,
                                           .length = strlen(book_policy_json)};
    struct policy_apply_result result;
    struct error err = {0};

    assert_int_equal(policy_apply(book->store, &request, &result, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_nothing_changed(book);
}

#define BOOK_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(supply_is_split_80_10_10),
        BOOK_TEST(a_full_year_is_split_4976640),
        BOOK_TEST(the_same_policy_again_mints_nothing),
        BOOK_TEST(malformed_policies_leave_no_trace),
        BOOK_TEST(an_applied_policy_never_changes),
        BOOK_TEST(a_later_policy_keeps_what_is_minted),
        BOOK_TEST(a_minted_supply_cannot_be_changed_by_a_later_policy),
        BOOK_TEST(zone_and_fiscal_year_are_fixed_by_the_first_policy),
        BOOK_TEST(what_lies_before_something_booked_must_be_said_to_be_retroactive),
        BOOK_TEST(a_card_that_differs_is_refused),
        BOOK_TEST(the_document_is_shown_as_it_was_applied),
        BOOK_TEST(every_act_is_on_the_audit_list),
        BOOK_TEST(an_act_without_an_actor_is_refused),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
