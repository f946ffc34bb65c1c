/* Grants: pools are never over-granted, keys answer once, and what a grant paid follows from its
 * time. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/balance_read.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/project.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define POINT INT64_C(1000000)

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "grant");
    book_agree(book);
    book_add_project(book, "hp1", "hpci");
    book_add_project(book, "gen1", "general");
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

static struct grant_request request_of(const char *project, const char *points)
{
    return (struct grant_request){.act = book_act("2027-06-10"),
                                  .project = project,
                                  .points = book_points(points),
                                  .from = INSTANT_NONE,
                                  .to = INSTANT_NONE};
}

static void assert_refused(struct book *book, const struct grant_request *request,
                           enum error_code code, const char *reason)
{
    int64_t before = testdb_int(book->conninfo, "SELECT count(*) FROM ledger.audit");
    struct grant_result result;
    struct error err = {0};

    assert_int_equal(grant_make(book->store, request, &result, &err), -1);
    assert_int_equal(err.code, code);
    assert_string_equal(err.reason, reason);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.audit"), before);
}

static void a_grant_is_valid_from_now_to_the_end_of_the_fiscal_year(void **state)
{
    struct book *book = *state;
    struct grant_request request = request_of("hp1", "1000");
    struct grant_result result;
    struct error err = {0};

    assert_int_equal(grant_make(book->store, &request, &result, &err), 0);
    assert_int_equal(result.grant.from.us, book_time("2027-06-10").us);
    assert_int_equal(result.grant.to.us, book_time("2028-04-01").us);
    assert_int_equal(result.grant.fiscal_year, 2027);
    assert_int_equal(result.grant.state, GRANT_ACTIVE);
    assert_int_equal(result.grant.remaining.micro, 1000 * POINT);
    assert_int_equal(result.pool_left.micro, (4147200 - 1000) * POINT);
    assert_int_equal(book_balance(book, "project/hp1"), 1000 * POINT);
    assert_int_equal(book_balance(book, "pool/hpci/2027"), (4147200 - 1000) * POINT);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.transfer t "
                                                "WHERE kind = 'grant' AND month = '2027-06-01' "
                                                "AND grant_id IS NOT NULL"),
                     1);
    assert_int_equal(testdb_int(book->conninfo, "SELECT posted_micro FROM ledger.project_position "
                                                "WHERE project_id = 'hp1'"),
                     1000 * POINT);
}

static void a_pool_is_never_over_granted(void **state)
{
    struct book *book = *state;
    struct grant_request request = request_of("gen1", "518400.000001");
    struct grant_result result;
    struct error err = {0};

    assert_int_equal(grant_make(book->store, &request, &result, &err), -1);
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_string_equal(err.reason, "over_pool");
    assert_non_null(strstr(err.text, "general/2027"));
    assert_non_null(strstr(err.text, "518400.000000"));
    assert_non_null(strstr(err.text, "518400.000001"));
    request.points = book_points("518400");
    assert_int_equal(grant_make(book->store, &request, &result, &err), 0);
    assert_int_equal(result.pool_left.micro, 0);
    request.points = book_points("0.000001");
    assert_refused(book, &request, ERROR_REFUSED, "over_pool");
    assert_int_equal(book_balance(book, "pool/general/2027"), 0);
}

static void a_year_without_supply_grants_nothing(void **state)
{
    struct book *book = *state;
    struct grant_request request = request_of("hp1", "1");

    request.from = book_time("2029-06-01");
    assert_refused(book, &request, ERROR_REFUSED, "over_pool");
}

static void an_overgrant_factor_moves_the_limit(void **state)
{
    static const char policy[] = "{\"policy\":\"tight\",\"timezone\":\"Asia/Tokyo\","
                                 "\"effective_from\":\"2027-06-05T00:00:00+09:00\","
                                 "\"shares\":[{\"share\":\"hpci\",\"fraction\":\"0.80\"},"
                                 "{\"share\":\"general\",\"fraction\":\"0.10\"},{\"share\":"
                                 "\"industry\",\"fraction\":\"0.10\"}],"
                                 "\"overgrant\":{\"general\":\"0.5\",\"hpci\":\"1.25\"}}";
    struct book *book = *state;
    struct grant_request half = request_of("gen1", "259200");
    struct grant_request more = request_of("hp1", "5184000");
    struct grant_result result;
    struct error err = {0};

    book_apply_policy(book, policy, "2027-06-02");
    assert_int_equal(grant_make(book->store, &half, &result, &err), 0);
    half.points = book_points("0.000001");
    assert_refused(book, &half, ERROR_REFUSED, "over_pool");
    assert_int_equal(grant_make(book->store, &more, &result, &err), 0);
    more.points = book_points("0.000001");
    assert_refused(book, &more, ERROR_REFUSED, "over_pool");
}

static void what_cannot_be_a_grant_is_refused(void **state)
{
    struct book *book = *state;
    struct grant_request request = request_of("hp1", "1");
    struct manual_act act = book_act("2027-06-10");
    struct project_request close = {.act = act, .project = "gen1"};
    struct error err = {0};
    bool unchanged;

    request.from = book_time("2028-03-01");
    request.to = book_time("2028-04-02");
    assert_refused(book, &request, ERROR_ARGUMENT, ""); /* two fiscal years */
    request.to = request.from;
    assert_refused(book, &request, ERROR_ARGUMENT, "");
    request = request_of("hp1", "0");
    assert_refused(book, &request, ERROR_ARGUMENT, "");
    request = request_of("nobody", "1");
    assert_refused(book, &request, ERROR_REFUSED, "unknown_project");
    book_add_service(book, "svc", "gateway:*/m");
    request = request_of("svc", "1");
    assert_refused(book, &request, ERROR_REFUSED, "is_service");
    assert_int_equal(project_close(book->store, &close, &unchanged, &err), 0);
    request = request_of("gen1", "1");
    assert_refused(book, &request, ERROR_REFUSED, "project_closed");
}

static void the_same_key_answers_the_first_result(void **state)
{
    struct book *book = *state;
    struct grant_request request = request_of("hp1", "10");
    struct grant_result first, again;
    struct error err = {0};

    request.key = "call-1";
    assert_int_equal(grant_make(book->store, &request, &first, &err), 0);
    assert_false(first.repeated);
    request.act.now = book_time("2027-06-11"); /* "from now" given a day later is the same call */
    assert_int_equal(grant_make(book->store, &request, &again, &err), 0);
    assert_true(again.repeated);
    assert_int_equal(again.grant.id, first.grant.id);
    assert_int_equal(again.grant.from.us, first.grant.from.us);
    assert_int_equal(book_balance(book, "project/hp1"), 10 * POINT);
    request.points = book_points("11");
    assert_refused(book, &request, ERROR_REFUSED, "key_differs");
}

static void a_loan_moves_the_lenders_pool_to_the_borrowers(void **state)
{
    struct book *book = *state;
    struct grant_request all = request_of("gen1", "518400");
    struct grant_request more = request_of("gen1", "100");
    struct grant_result result;
    struct error err = {0};

    assert_int_equal(grant_make(book->store, &all, &result, &err), 0);
    assert_refused(book, &more, ERROR_REFUSED, "over_pool");
    more.lend_from = "industry";
    assert_int_equal(grant_make(book->store, &more, &result, &err), 0);
    assert_int_equal(result.pool_left.micro, 0);
    assert_int_equal(book_balance(book, "pool/industry/2027"), 518300 * POINT);
    assert_int_equal(book_balance(book, "pool/general/2027"), 0);
    assert_int_equal(book_balance(book, "project/gen1"), 518500 * POINT);
    more.points = book_points("518300.000001"); /* more than the lender has left */
    assert_refused(book, &more, ERROR_REFUSED, "over_pool");
    more.lend_from = "general";
    assert_refused(book, &more, ERROR_ARGUMENT, "");
    more.lend_from = "moon";
    assert_refused(book, &more, ERROR_REFUSED, "unknown_share");
}

static int revoke(struct book *book, int64_t id, const char *points, struct grant_result *result,
                  struct error *err)
{
    struct grant_revoke_request request = {
        .act = book_act("2027-08-10"), .id = id, .has_points = points != NULL};

    if (points != NULL) {
        request.points = book_points(points);
    }
    return grant_revoke(book->store, &request, result, err);
}

static void a_revocation_takes_back_no_more_than_remains(void **state)
{
    struct book *book = *state;
    int64_t id = book_grant(book, "hp1", "100", "2027-06-10", "2028-04-01");
    struct grant_result result;
    struct error err = {0};

    assert_int_equal(revoke(book, id, "100.000001", &result, &err), -1);
    assert_string_equal(err.reason, "over_remaining");
    assert_int_equal(revoke(book, id, "30", &result, &err), 0);
    assert_int_equal(result.grant.points.micro, 70 * POINT);
    assert_int_equal(result.grant.state, GRANT_ACTIVE);
    assert_int_equal(result.pool_left.micro, (4147200 - 70) * POINT);
    assert_int_equal(revoke(book, id, NULL, &result, &err), 0);
    assert_int_equal(result.grant.remaining.micro, 0);
    assert_int_equal(result.grant.state, GRANT_REVOKED);
    assert_int_equal(book_balance(book, "project/hp1"), 0);
    assert_int_equal(book_balance(book, "pool/hpci/2027"), 4147200 * POINT);
    /* It counts in the month in which it was made. */
    assert_int_equal(testdb_int(book->conninfo, "SELECT sum(amount_micro) FROM ledger.transfer "
                                                "WHERE kind = 'revoke' AND month = '2027-08-01'"),
                     100 * POINT);
    assert_int_equal(revoke(book, id, NULL, &result, &err), -1);
    assert_string_equal(err.reason, "grant_over");
    assert_int_equal(revoke(book, 4711, NULL, &result, &err), -1);
    assert_string_equal(err.reason, "unknown_grant");
}

static int extend(struct book *book, int64_t id, const char *to, struct grant_result *result,
                  struct error *err)
{
    struct grant_extend_request request = {
        .act = book_act("2027-08-10"), .id = id, .to = book_time(to)};

    return grant_extend(book->store, &request, result, err);
}

static void an_extension_stays_in_the_fiscal_year(void **state)
{
    struct book *book = *state;
    int64_t id = book_grant(book, "hp1", "100", "2027-06-10", "2027-09-01");
    struct grant_result result;
    struct error err = {0};

    assert_int_equal(extend(book, id, "2027-08-31", &result, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(extend(book, id, "2028-04-02", &result, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(extend(book, id, "2028-01-01", &result, &err), 0);
    assert_int_equal(result.grant.to.us, book_time("2028-01-01").us);
    assert_int_equal(extend(book, id, "2028-04-01", &result, &err), 0);
    assert_int_equal(result.grant.to.us, book_time("2028-04-01").us);
    id = book_grant(book, "hp1", "100", "2027-06-10", "2027-07-01");
    assert_int_equal(extend(book, id, "2027-12-01", &result, &err), -1); /* gone since July */
    assert_string_equal(err.reason, "grant_over");
}

/* Charges as an import leaves them behind, of which only the time and the amount matter here. */
static void charge(struct book *book, const char *project, const char *last, int64_t points)
{
    char sql[2048];

    snprintf(
        sql, sizeof sql,
        "INSERT INTO ledger.source (name, last_record_at) VALUES ('slurm:x', '2027-10-01') "
        "ON CONFLICT DO NOTHING; SELECT ledger.ensure_month('%s'); "
        "INSERT INTO ledger.charge VALUES (1, date_trunc('month', date '%s'), 1, 1, 1, 0, 1, "
        "'%sT12:00:00+09:00', %lld, %lld, '%s', 'u', 'gpu'); "
        "INSERT INTO ledger.project_draw AS d SELECT '%s', coalesce((SELECT max(edge) FROM "
        "ledger.grant_edge WHERE project_id = '%s' AND edge <= '%sT12:00:00+09:00'), '-infinity'), "
        "%lld ON CONFLICT (project_id, since) DO UPDATE SET points_micro = d.points_micro + "
        "excluded.points_micro",
        last, last, last, (long long)(points * POINT), (long long)(points * POINT), project,
        project, project, last, (long long)(points * POINT));
    testdb_exec(book->conninfo, sql);
}

static void a_new_edge_cuts_the_segment_that_it_falls_into(void **state)
{
    struct book *book = *state;
    struct grant_infos grants;
    struct error err = {0};

    book_grant(book, "hp1", "100", "2027-06-01", "2028-04-01");
    charge(book, "hp1", "2027-06-20", 10);
    charge(book, "hp1", "2027-07-20", 20);
    charge(book, "hp1", "2027-08-20", 40);
    /* Ends earlier, so it is drawn first; what July cost moves over to it. */
    book_grant(book, "hp1", "25", "2027-07-01", "2027-08-01");
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.project_draw"), 3);
    assert_int_equal(testdb_int(book->conninfo, "SELECT points_micro FROM ledger.project_draw "
                                                "WHERE since = '2027-07-01 00:00:00+09'"),
                     20 * POINT);
    assert_int_equal(testdb_int(book->conninfo, "SELECT points_micro FROM ledger.project_draw "
                                                "WHERE since = '2027-08-01 00:00:00+09'"),
                     40 * POINT);
    assert_int_equal(grant_list(book->store, "hp1", book_time("2027-07-31"), &grants, &err), 0);
    assert_int_equal(grants.count, 2);
    assert_int_equal(grants.grants[0].remaining.micro, 50 * POINT);
    assert_int_equal(grants.grants[1].remaining.micro, 5 * POINT);
    grant_infos_release(&grants);
}

static void an_extension_cuts_too(void **state)
{
    struct book *book = *state;
    struct grant_result result;
    struct error err = {0};
    int64_t id = book_grant(book, "hp1", "100", "2027-06-01", "2027-07-01");

    charge(book, "hp1", "2027-07-20", 20);
    charge(book, "hp1", "2027-08-20", 40);
    struct grant_extend_request request = {
        .act = book_act("2027-06-20"), .id = id, .to = book_time("2027-08-01")};
    assert_int_equal(grant_extend(book->store, &request, &result, &err), 0);
    assert_int_equal(result.grant.remaining.micro, 80 * POINT);
    assert_int_equal(testdb_int(book->conninfo, "SELECT points_micro FROM ledger.project_draw "
                                                "WHERE since = '2027-08-01 00:00:00+09'"),
                     40 * POINT);
}

static void the_balance_shows_what_is_there(void **state)
{
    struct book *book = *state;
    struct balance_sheet sheet;
    struct overdraft_request overdraft = {
        .act = book_act("2027-06-10"), .project = "hp1", .overdraft = {5 * POINT}};
    struct error err = {0};
    bool unchanged;

    book_grant(book, "hp1", "100", "2027-06-01", "2028-04-01");
    book_grant(book, "hp1", "50", "2027-09-01", "2028-04-01");
    assert_int_equal(overdraft_set(book->store, &overdraft, &unchanged, &err), 0);
    assert_false(unchanged);
    assert_int_equal(overdraft_set(book->store, &overdraft, &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(balance_read(book->store, "hp1", book_time("2027-06-10"), &sheet, &err), 0);
    assert_int_equal(sheet.posted.micro, 150 * POINT);
    assert_int_equal(sheet.granted.micro, 150 * POINT);
    assert_int_equal(sheet.balance.available.micro, 105 * POINT); /* the second one is to come */
    assert_int_equal(sheet.grants.count, 2);
    assert_int_equal(sheet.grants.grants[1].state, GRANT_FUTURE);
    balance_sheet_release(&sheet);
    assert_int_equal(balance_read(book->store, "nobody", book_time("2027-06-10"), &sheet, &err),
                     -1);
    assert_string_equal(err.reason, "unknown_project");
}

static void every_grant_is_in_the_catalog_with_its_edges(void **state)
{
    struct book *book = *state;
    struct error err = {0};
    struct catalog *catalog;
    const struct catalog_project *project;
    struct grant_result result;
    int64_t version;
    int64_t id = book_grant(book, "hp1", "100", "2027-06-01", "2027-09-01");

    book_grant(book, "hp1", "100", "2027-06-01", "2027-07-01");
    catalog = catalog_load(book->store, &err);
    assert_non_null(catalog);
    project = catalog_project(catalog, "hp1");
    assert_int_equal(project->grant_count, 2);
    assert_int_equal(project->edge_count, 3);
    assert_int_equal(project->edges[1].us, book_time("2027-07-01").us);
    version = catalog->version;
    catalog_destroy(catalog);
    assert_int_equal(extend(book, id, "2027-10-01", &result, &err), 0);
    catalog = catalog_load(book->store, &err);
    assert_true(catalog->version > version);
    assert_int_equal(catalog_project(catalog, "hp1")->edge_count, 4); /* the old end stays one */
    catalog_destroy(catalog);
}

/* Each thread with a connection of its own grants 1000 points until it is refused. */
static void *grant_until_refused(void *context)
{
    struct book *book = context;
    struct error err = {0};
    struct store *store = store_open(book->conninfo, STORE_DAEMON, &err);
    struct grant_request request = request_of("gen1", "10000");
    struct grant_result result;

    while (store != NULL && grant_make(store, &request, &result, &err) == 0) {
    }
    store_close(store);
    return strcmp(err.reason, "over_pool") == 0 ? context : NULL;
}

static void racing_grants_do_not_over_grant(void **state)
{
    struct book *book = *state;
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, grant_until_refused, book), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, book);
    }
    assert_int_equal(book_balance(book, "project/gen1"), 510000 * POINT);
    assert_int_equal(book_balance(book, "pool/general/2027"), 8400 * POINT);
}

#define BOOK_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(a_grant_is_valid_from_now_to_the_end_of_the_fiscal_year),
        BOOK_TEST(a_pool_is_never_over_granted),
        BOOK_TEST(a_year_without_supply_grants_nothing),
        BOOK_TEST(an_overgrant_factor_moves_the_limit),
        BOOK_TEST(what_cannot_be_a_grant_is_refused),
        BOOK_TEST(the_same_key_answers_the_first_result),
        BOOK_TEST(a_loan_moves_the_lenders_pool_to_the_borrowers),
        BOOK_TEST(a_revocation_takes_back_no_more_than_remains),
        BOOK_TEST(an_extension_stays_in_the_fiscal_year),
        BOOK_TEST(a_new_edge_cuts_the_segment_that_it_falls_into),
        BOOK_TEST(an_extension_cuts_too),
        BOOK_TEST(the_balance_shows_what_is_there),
        BOOK_TEST(every_grant_is_in_the_catalog_with_its_edges),
        BOOK_TEST(racing_grants_do_not_over_grant),
    };

    return cmocka_run_group_tests_name("grant", tests, NULL, NULL);
}
