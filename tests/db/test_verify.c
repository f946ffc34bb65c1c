/* Verify: a book that is right proves itself, and every kind of damage is found by the check that
 * is there for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/rates_apply.h"
#include "ledgerd/flow/verify.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

/* A job over a month's edge that was amended to another length and user, a short one, one that
 * moved to another project, one that is still running, and tokens that a service earns. */
static const char first_seen[] =
    "{\"source\":\"slurm:x\",\"id\":\"1\",\"project\":\"hp1\",\"user\":\"u1\",\"class\":\"gpu\","
    "\"start\":\"2027-06-30T22:00:00+09:00\",\"end\":\"2027-07-01T02:00:00+09:00\","
    "\"meters\":{\"gpu\":\"4\",\"cpu\":\"72\"},\"seen\":\"2027-07-02T00:00:00+09:00\"}\n"
    "{\"source\":\"slurm:x\",\"id\":\"2\",\"project\":\"hp1\",\"user\":\"u1\",\"class\":\"cpu\","
    "\"start\":\"2027-06-12T00:00:00+09:00\",\"end\":\"2027-06-12T00:00:07+09:00\","
    "\"meters\":{\"cpu\":\"3\"}}\n"
    "{\"source\":\"slurm:x\",\"id\":\"3\",\"project\":\"hp1\",\"user\":\"u2\",\"class\":\"gpu\","
    "\"start\":\"2027-06-12T00:00:00+09:00\",\"end\":\"2027-06-12T05:00:00+09:00\","
    "\"meters\":{\"gpu\":\"1\"},\"seen\":\"2027-07-02T00:00:00+09:00\"}\n"
    "{\"source\":\"slurm:x\",\"id\":\"4\",\"project\":\"gen1\",\"user\":\"u3\",\"class\":\"gpu\","
    "\"start\":\"2027-07-01T00:00:00+09:00\",\"end\":\"2027-07-01T05:00:00+09:00\","
    "\"state\":\"running\",\"meters\":{\"gpu\":\"1\"}}\n"
    "{\"source\":\"gateway:x\",\"id\":\"r1\",\"project\":\"hp1\",\"user\":\"u1\",\"class\":\"m\","
    "\"start\":\"2027-06-12T00:00:00+09:00\",\"end\":\"2027-06-12T00:00:00+09:00\","
    "\"meters\":{\"input_tokens\":\"1234\",\"output_tokens\":\"4321\"}}\n"
    "{\"source\":\"slurm:x\",\"id\":\"5\",\"project\":\"svc\",\"user\":\"ops\",\"class\":\"gpu\","
    "\"start\":\"2027-06-12T00:00:00+09:00\",\"end\":\"2027-06-13T00:00:00+09:00\","
    "\"meters\":{\"gpu\":\"8\"}}\n";

static const char amended[] =
    "{\"source\":\"slurm:x\",\"id\":\"1\",\"project\":\"hp1\",\"user\":\"u9\",\"class\":\"gpu\","
    "\"start\":\"2027-06-30T22:00:00+09:00\",\"end\":\"2027-07-01T01:00:00+09:00\","
    "\"meters\":{\"gpu\":\"4\",\"cpu\":\"72\"},\"seen\":\"2027-07-03T00:00:00+09:00\"}\n"
    "{\"source\":\"slurm:x\",\"id\":\"3\",\"project\":\"gen1\",\"user\":\"u2\",\"class\":\"gpu\","
    "\"start\":\"2027-06-12T00:00:00+09:00\",\"end\":\"2027-06-12T06:00:00+09:00\","
    "\"meters\":{\"gpu\":\"1\"},\"seen\":\"2027-07-03T00:00:00+09:00\"}\n";

static void ingest(struct book *book, const char *lines)
{
    struct ingest_options options = {
        .format = "ledger", .source = "slurm:x", .now = book_time("2027-07-05")};
    struct ingest_counts counts = {0};
    struct error err = {0};

    if (ingest_bytes(book->store, lines, strlen(lines), &options, &counts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(counts.quarantined, 0);
}

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "verify");
    book_agree(book);
    book_add_project(book, "hp1", "hpci");
    book_add_project(book, "gen1", "general");
    book_add_service(book, "svc", "gateway:*/m");
    book_grant(book, "hp1", "1000", "2027-06-01", "2028-04-01");
    ingest(book, first_seen);
    ingest(book, amended);
    book_grant(book, "hp1", "5", "2027-06-12", "2027-06-20");
    book_grant(book, "gen1", "50", "2027-07-01", "2028-04-01");
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

static void verify(struct book *book, int64_t every, struct verify_result *result)
{
    struct verify_options options = {.rerate_every = every};
    struct error err = {0};
    struct store *store = store_open(book->conninfo, STORE_REPORT, &err);

    if (store == NULL || verify_book(store, &options, result, &err) != 0) {
        fail_msg("%s", err.text);
    }
    store_close(store);
}

static void assert_book_is_right(struct book *book)
{
    struct verify_result result = {0};

    verify(book, 1, &result);
    for (size_t i = 0; i < result.check_count; i++) {
        if (!result.checks[i].ok) {
            fail_msg("%s: %s", result.checks[i].name, result.checks[i].detail);
        }
        assert_string_not_equal(result.checks[i].detail, "");
    }
    assert_true(result.ok);
}

static void a_book_that_is_right_proves_itself(void **state)
{
    struct book *book = *state;
    struct verify_result result = {0};

    assert_book_is_right(book);
    verify(book, 1, &result);
    assert_int_equal(result.records, 5);
    assert_int_equal(result.transfers,
                     testdb_int(book->conninfo, "SELECT count(*) FROM ledger.transfer"));
    assert_true(result.transfers > 5);
}

static void an_empty_book_proves_itself(void **state)
{
    struct book book;

    (void)state;
    book_open(&book, "empty");
    assert_book_is_right(&book);
    book_close(&book);
}

/* Damage of one thing, and the check that must see it. Others may see it too. */
static const struct {
    const char *check;
    const char *damage;
} damages[] = {
    {"transfer_totals_match", "UPDATE ledger.transfer SET amount_micro = amount_micro + 1 "
                              "WHERE kind = 'grant'"},
    {"transfer_totals_match", "UPDATE ledger.transfer_total SET amount_micro = amount_micro + 1 "
                              "WHERE kind = 'mint'"},
    {"transfer_totals_match", "DELETE FROM ledger.transfer_total WHERE kind = 'grant'"},
    {"accounts_sum_to_zero", "DELETE FROM ledger.account WHERE name = 'pool/industry/2027'"},
    {"positions_match", "UPDATE ledger.project_position SET posted_micro = posted_micro - 1 "
                        "WHERE project_id = 'gen1'"},
    {"positions_match", "UPDATE ledger.project_position SET accrued_micro = accrued_micro - 1 "
                        "WHERE project_id = 'gen1'"},
    {"positions_match", "DELETE FROM ledger.accrual"},
    {"charges_match_transfers", "UPDATE ledger.charge SET points_micro = points_micro + 1 "
                                "WHERE class = 'm'"},
    {"charges_match_transfers", "DELETE FROM ledger.transfer WHERE kind = 'charge' AND transfer_id "
                                "= (SELECT min(transfer_id) FROM ledger.transfer WHERE kind = "
                                "'charge')"},
    {"charges_match_transfers", "UPDATE ledger.charge SET transfer_id = transfer_id + 1 "
                                "WHERE class = 'm'"},
    {"charges_match_transfers", "DELETE FROM ledger.charge WHERE class = 'm'"},
    {"charges_match_transfers", "UPDATE ledger.transfer SET kind = 'charge' WHERE kind = 'grant'"},
    {"charges_match_transfers", "UPDATE ledger.transfer SET kind = 'move' WHERE kind = 'charge'"},
    {"charges_match_transfers", "UPDATE ledger.charge SET project_id = 'gen1' WHERE class = 'm'"},
    {"charges_match_transfers", "UPDATE ledger.transfer SET charges = charges + 1 "
                                "WHERE kind = 'charge'"},
    {"charges_match_transfers", /* a sum of zero needs no transfer, but this one names one */
     "WITH c AS (UPDATE ledger.charge SET points_micro = 0 WHERE class = 'm' RETURNING "
     "transfer_id) DELETE FROM ledger.transfer t USING c WHERE t.transfer_id = c.transfer_id"},
    {"adjusted_months_are_closed", "UPDATE ledger.transfer SET belongs_to = month - interval "
                                   "'1 month' WHERE kind = 'grant'"},
    {"unmoved_charges_are_zero", "UPDATE ledger.charge SET transfer_id = 0 WHERE class = 'm'"},
    {"usage_totals_match", "UPDATE ledger.usage_total SET list_micro = list_micro + 1"},
    {"usage_totals_match", "DELETE FROM ledger.usage_total WHERE class = 'm'"},
    {"draws_match", "UPDATE ledger.project_draw SET points_micro = points_micro + 1 "
                    "WHERE project_id = 'hp1'"},
    {"draws_match", "DELETE FROM ledger.project_draw WHERE project_id = 'svc'"},
    {"draws_match", "UPDATE ledger.charge SET last_at = last_at - interval '40 days'"},
    {"versions_are_complete", "DELETE FROM ledger.usage_record WHERE id = '1' AND version = 1"},
    {"versions_are_complete", "DELETE FROM ledger.record_identity WHERE id = '2'"},
    {"versions_are_complete", "INSERT INTO ledger.usage_record SELECT * FROM ledger.usage_record "
                              "WHERE id = '2'"},
    {"identities_are_current",
     "UPDATE ledger.record_identity SET month = month - interval '1 month' "
     "WHERE id = '2'"},
    {"identities_are_current", "UPDATE ledger.usage_record SET id = '22' WHERE id = '2'"},
    {"charged_once", "DELETE FROM ledger.charge WHERE class = 'm'"},
    {"charged_once", "UPDATE ledger.charge SET record_no = 4711 WHERE class = 'm'"},
    {"supply_is_minted_once", "UPDATE ledger.supply_share SET points_micro = points_micro + 1 "
                              "WHERE share = 'hpci'"},
    {"supply_is_minted_once",
     "INSERT INTO ledger.transfer SELECT transfer_id + 1000000, month, "
     "entry_id, debit_account, credit_account, amount_micro, kind, source_no, "
     "charges, grant_id, booked_at FROM ledger.transfer WHERE kind = 'mint'"},
    {"grants_match_transfers", "UPDATE ledger.project_grant SET points_micro = points_micro + 1"},
    {"grants_match_transfers", "UPDATE ledger.project_grant SET project_id = 'gen1' "
                               "WHERE project_id = 'hp1'"},
    {"grants_match_transfers", "INSERT INTO ledger.grant_change (grant_id, n, kind, points_micro, "
                               "changed_at) SELECT min(grant_id), 1, 'revoke', 1, now() "
                               "FROM ledger.project_grant"},
    {"pools_not_overgranted", "UPDATE ledger.transfer_total SET amount_micro = 9000000000000 "
                              "WHERE kind = 'grant'"},
    {"records_rate_the_same", "UPDATE ledger.usage_record SET meters = 'gpu=5' "
                              "WHERE id = '3' AND version = 2"},
    {"records_rate_the_same",
     "UPDATE ledger.usage_record SET end_at = end_at + interval '1 second' "
     "WHERE id = '5'"},
    {"records_rate_the_same", "UPDATE ledger.usage_record SET user_name = 'nobody' WHERE id = '5'"},
    {"records_rate_the_same", "UPDATE ledger.usage_record SET class = 'unpriced' WHERE id = '5'"},
    {"records_rate_the_same", "UPDATE ledger.charge SET month = '2027-07-01' WHERE class = 'm'"},
    {"meter_totals_match", "UPDATE ledger.meter_total SET amount = amount + 0.000001 "
                           "WHERE meter = 'gpu'"},
    {"meter_totals_match", "DELETE FROM ledger.meter_total WHERE meter = 'output_tokens'"},
    {"meter_totals_match",
     "INSERT INTO ledger.meter_total SELECT month, project_id, source_no, class, "
     "'made_up', false, 1 FROM ledger.meter_total LIMIT 1"},
};

static bool finds(const struct verify_result *result, const char *check)
{
    for (size_t i = 0; i < result->check_count; i++) {
        if (strcmp(result->checks[i].name, check) == 0) {
            return !result->checks[i].ok;
        }
    }
    fail_msg("there is no check %s", check);
    return false;
}

/* The rows of the book as they are, in tables of their own, so that damage can be undone. */
static void keep_aside(struct book *book)
{
    testdb_exec(book->conninfo,
                "DO $$ DECLARE t text; BEGIN CREATE SCHEMA aside; "
                "FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = "
                "'ledger'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition LOOP "
                "EXECUTE format('CREATE TABLE aside.%I AS TABLE ledger.%I', t, t); "
                "END LOOP; END $$");
}

static void put_back(struct book *book)
{
    testdb_exec(
        book->conninfo,
        "SET session_replication_role = replica; DO $$ DECLARE t text; BEGIN "
        "FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = "
        "'aside'::regnamespace AND c.relkind = 'r' LOOP "
        "EXECUTE format('DELETE FROM ledger.%I', t); "
        "EXECUTE format('INSERT INTO ledger.%I OVERRIDING SYSTEM VALUE TABLE aside.%I', t, t); "
        "END LOOP; END $$");
}

/* Without triggers and foreign keys, as someone with the files in hand would. */
static void do_damage(struct book *book, const char *sql)
{
    char *statement = NULL;

    assert_true(asprintf(&statement, "SET session_replication_role = replica; %s", sql) > 0);
    testdb_exec(book->conninfo, statement);
    free(statement);
}

static void every_damage_is_found_by_its_check(void **state)
{
    struct book *book = *state;

    keep_aside(book);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct verify_result result = {0};

        do_damage(book, damages[i].damage);
        verify(book, 1, &result);
        if (!finds(&result, damages[i].check) || result.ok) {
            fail_msg("%s did not see: %s", damages[i].check, damages[i].damage);
        }
        put_back(book);
    }
    assert_book_is_right(book);
}

static void a_sample_is_rated_and_leaves_out_the_meters(void **state)
{
    struct book *book = *state;
    struct verify_result result = {0};

    verify(book, 1000000, &result);
    assert_true(result.ok);
    for (size_t i = 0; i < result.check_count; i++) {
        assert_string_not_equal(result.checks[i].name, "meter_totals_match");
    }
}

/* What was booked before a retroactive card stays as it was, and is proved by what was known then.
 */
static void a_retroactive_card_breaks_nothing(void **state)
{
    static const char later_lines[] =
        "{\"source\":\"slurm:x\",\"id\":\"77\",\"project\":\"hp1\",\"user\":\"u1\",\"class\":"
        "\"gpu\","
        "\"start\":\"2027-06-30T22:00:00+09:00\",\"end\":\"2027-07-01T02:00:00+09:00\","
        "\"meters\":{\"gpu\":\"4\"}}\n";
    struct book *book = *state;
    char *dearer = strdup(book_rates_json);
    struct rates_apply_request request = {.act = book_act("2027-07-10"),
                                          .json = dearer,
                                          .length = strlen(dearer),
                                          .retroactive = true};
    struct rates_apply_result result;
    struct error err = {0};

    memcpy(strstr(dearer, "2027-06-01"), "2027-06-10", 10);
    memcpy(strstr(dearer, "\"gpu\":\"1\""), "\"gpu\":\"7\"", 9);
    assert_int_equal(rates_apply(book->store, &request, &result, &err), 0);
    memcpy(strstr(dearer, "2027-06-10"), "2027-06-05", 10); /* number 3 lies before number 2 */
    memcpy(strstr(dearer, "test-2027"), "rest-2027", 9);
    assert_int_equal(rates_apply(book->store, &request, &result, &err), 0);
    free(dearer);
    ingest(book, later_lines);
    assert_book_is_right(book);
}

#define BOOK_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(a_book_that_is_right_proves_itself),
        cmocka_unit_test(an_empty_book_proves_itself),
        BOOK_TEST(every_damage_is_found_by_its_check),
        BOOK_TEST(a_sample_is_rated_and_leaves_out_the_meters),
        BOOK_TEST(a_retroactive_card_breaks_nothing),
    };

    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
