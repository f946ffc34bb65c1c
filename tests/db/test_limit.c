/* Limits: what counts against them, in which period, and that the order of things is no matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/store/store_position.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "limit");
    book_agree(book);
    book_add_project(book, "hp1", "hpci");
    book_add_project(book, "hp2", "hpci");
    book_add_service(book, "svc", "gateway:*/m");
    *state = book;
    return 0;
}

/* The detail of the check of limits' sums; "" if it is well. */
static void verify_limits(struct book *book, char *detail, size_t size)
{
    struct verify_options options = {.rerate_every = 1};
    struct verify_result result;
    struct error err = {0};
    struct store *store = store_open(book->conninfo, STORE_REPORT, &err);
    bool found = false;

    if (store == NULL || verify_book(store, &options, &result, &err) != 0) {
        fail_msg("%s", err.text);
    }
    store_close(store);
    for (size_t i = 0; i < result.check_count; i++) {
        if (strcmp(result.checks[i].name, "limits_match") == 0) {
            found = true;
            snprintf(detail, size, "%s", result.checks[i].ok ? "" : result.checks[i].detail);
        }
    }
    assert_true(found);
}

static int teardown(void **state)
{
    struct book *book = *state;
    char detail[VERIFY_DETAIL_BYTES];

    verify_limits(book, detail, sizeof detail);
    assert_string_equal(detail, "");
    book_close(book);
    free(book);
    return 0;
}

/* A job of GPUs at one point an hour. `seen` orders versions. */
static void job(struct book *book, const char *id, const char *user, const char *from,
                const char *to, const char *state, int gpus, const char *seen)
{
    char line[512];
    struct ingest_options options = {
        .format = "ledger", .source = "slurm:x", .now = book_time("2028-06-01")};
    struct ingest_counts counts = {0};
    struct error err = {0};

    snprintf(line, sizeof line,
             "{\"source\":\"slurm:x\",\"id\":\"%s\",\"project\":\"hp1\",\"user\":\"%s\","
             "\"class\":\"gpu\",\"start\":\"%s+09:00\",\"end\":\"%s+09:00\",\"state\":\"%s\","
             "\"meters\":{\"gpu\":\"%d\"},\"seen\":\"%s+09:00\"}\n",
             id, user, from, to, state, gpus, seen);
    if (ingest_bytes(book->store, line, strlen(line), &options, &counts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(counts.booked + counts.amended, 1);
}

static void set(struct book *book, const char *user, enum limit_period period, const char *points)
{
    struct limit_request request = {.act = book_act("2027-05-02"),
                                    .project = "hp1",
                                    .user = user,
                                    .period = period,
                                    .points = book_points(points)};
    struct error err = {0};
    bool unchanged;

    if (limit_set(book->store, &request, &unchanged, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void set_every_period(struct book *book)
{
    for (int i = 0; i < LIMIT_PERIODS; i++) {
        set(book, NULL, (enum limit_period)i, "1000");
        set(book, "u1", (enum limit_period)i, "500");
    }
}

/* What the limits of hp1 say at `now`: charged, or charged+accrued, by day, month, fiscal year,
 * total; the whole project's, then u1's. */
static void assert_uses(struct book *book, const char *now, const char *expected)
{
    struct limit_rows rows = {0};
    struct error err = {0};
    struct strbuf out = STRBUF_INIT;
    char text[POINTS_TEXT_BYTES];

    assert_int_equal(limit_list(book->store, "hp1", book_time(now), &rows, &err), 0);
    assert_int_equal(rows.count, 2 * LIMIT_PERIODS);
    for (size_t i = 0; i < rows.count; i++) {
        const struct decide_bound *bound = &rows.rows[i].bound;

        assert_int_equal(bound->available.micro,
                         bound->points.micro - bound->charged.micro - bound->accrued.micro);
        strbuf_printf(&out, "%s%lld",
                      i == LIMIT_PERIODS ? " | "
                      : i > 0            ? " "
                                         : "",
                      (long long)bound->charged.micro / 1000000);
        if (!points_is_zero(bound->accrued)) {
            strbuf_printf(&out, "+%.*s", (int)strcspn(points_format(bound->accrued, text), "."),
                          text);
        }
    }
    assert_string_equal(out.data, expected);
    strbuf_release(&out);
    limit_rows_release(&rows);
}

static void book_jobs_at_edges(struct book *book)
{
    /* Over the end of a month, a leap February, a fiscal year; at the last instant before one. */
    job(book, "1", "u1", "2027-06-30T22:00:00", "2027-07-01T01:00:00", "final", 4,
        "2028-05-01T00:00:00");
    job(book, "2", "u2", "2028-02-28T23:00:00", "2028-03-01T01:00:00", "final", 1,
        "2028-05-01T00:00:00");
    job(book, "3", "u1", "2028-03-31T23:00:00", "2028-04-01T02:00:00", "final", 1,
        "2028-05-01T00:00:00");
    job(book, "4", "", "2027-06-30T20:00:00", "2027-07-01T00:00:00", "final", 1,
        "2028-05-01T00:00:00");
}

static void assert_uses_at_edges(struct book *book)
{
    static const struct {
        const char *now;
        const char *uses;
    } rows[] = {
        {"2027-06-29T23:59:59+09:00", "0 12 43 45 | 0 8 13 15"},
        {"2027-06-30T00:00:00+09:00", "12 12 43 45 | 8 8 13 15"},
        {"2027-06-30T23:59:59.999999+09:00", "12 12 43 45 | 8 8 13 15"},
        {"2027-07-01T00:00:00+09:00", "4 4 43 45 | 4 4 13 15"},
        {"2027-06-30T15:00:00Z", "4 4 43 45 | 4 4 13 15"},
        {"2027-08-15T00:00:00+09:00", "0 0 43 45 | 0 0 13 15"},
        /* One slice, one day: that of its last instant. */
        {"2028-02-28T23:30:00+09:00", "0 25 43 45 | 0 0 13 15"},
        {"2028-02-29T12:00:00+09:00", "25 25 43 45 | 0 0 13 15"},
        {"2028-03-01T00:30:00+09:00", "1 2 43 45 | 0 1 13 15"},
        {"2028-03-31T23:59:59+09:00", "1 2 43 45 | 1 1 13 15"},
        {"2028-04-01T00:00:00+09:00", "2 2 2 45 | 2 2 2 15"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_uses(book, rows[i].now, rows[i].uses);
    }
}

static void charges_count_in_the_period_that_they_belong_to(void **state)
{
    struct book *book = *state;

    set_every_period(book);
    book_jobs_at_edges(book);
    assert_uses_at_edges(book);
}

static void a_limit_set_later_counts_what_was_charged_before(void **state)
{
    struct book *book = *state;

    book_jobs_at_edges(book);
    set_every_period(book);
    assert_uses_at_edges(book);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.limit_use "
                                                "JOIN ledger.project_limit USING (limit_no) "
                                                "WHERE project_id <> 'hp1'"),
                     0);
}

static void an_amendment_moves_the_sums_of_both_users_and_readers_see_it(void **state)
{
    struct book *book = *state;
    struct store_positions positions = {0};
    struct error err = {0};

    set_every_period(book);
    job(book, "1", "u1", "2027-06-10T00:00:00", "2027-06-10T02:00:00", "final", 1,
        "2027-06-11T00:00:00");
    assert_uses(book, "2027-06-10T12:00:00+09:00", "2 2 2 2 | 2 2 2 2");
    assert_int_equal(store_read_positions(book->store, 0, &positions, &err), 0);
    int64_t mark = positions.mark;
    store_positions_release(&positions);
    /* The same points of another user: no transfer moves anything. */
    job(book, "1", "u2", "2027-06-10T00:00:00", "2027-06-10T02:00:00", "final", 1,
        "2027-06-12T00:00:00");
    assert_uses(book, "2027-06-10T12:00:00+09:00", "2 2 2 2 | 0 0 0 0");
    assert_int_equal(store_read_positions(book->store, mark, &positions, &err), 0);
    assert_int_equal(positions.count, 1);
    assert_string_equal(positions.positions[0].project, "hp1");
    store_positions_release(&positions);
    job(book, "1", "u1", "2027-06-10T00:00:00", "2027-06-11T03:00:00", "final", 1,
        "2027-06-13T00:00:00");
    assert_uses(book, "2027-06-10T12:00:00+09:00", "0 27 27 27 | 0 27 27 27");
    assert_uses(book, "2027-06-11T12:00:00+09:00", "27 27 27 27 | 27 27 27 27");
}

static void running_work_counts_where_it_would_be_charged_now(void **state)
{
    struct book *book = *state;

    set_every_period(book);
    job(book, "1", "u1", "2028-03-31T21:00:00", "2028-03-31T23:00:00", "running", 1,
        "2028-03-31T23:00:00");
    assert_uses(book, "2028-03-31T23:30:00+09:00", "0+2 0+2 0+2 0+2 | 0+2 0+2 0+2 0+2");
    assert_uses(book, "2028-04-01T00:30:00+09:00", "0 0 0 0+2 | 0 0 0 0+2");
    job(book, "1", "u1", "2028-03-31T21:00:00", "2028-04-01T05:00:00", "running", 1,
        "2028-04-01T05:00:00");
    assert_uses(book, "2028-04-01T06:00:00+09:00", "0+5 0+5 0+5 0+8 | 0+5 0+5 0+5 0+8");
    job(book, "1", "u1", "2028-03-31T21:00:00", "2028-04-01T06:00:00", "final", 1,
        "2028-04-01T06:00:00");
    assert_uses(book, "2028-04-01T07:00:00+09:00", "6 6 6 9 | 6 6 6 9");
    assert_uses(book, "2028-03-31T23:30:00+09:00", "3 3 3 9 | 3 3 3 9");
}

static void work_seen_running_before_limits_were_known_counts_whole(void **state)
{
    struct book *book = *state;

    job(book, "1", "u1", "2027-06-30T21:00:00", "2027-07-01T05:00:00", "running", 1,
        "2027-07-01T05:00:00");
    testdb_exec(book->conninfo,
                "UPDATE ledger.accrual SET month = NULL, month_micro = NULL, year_micro = NULL");
    set_every_period(book);
    assert_uses(book, "2027-07-01T06:00:00+09:00", "0+8 0+8 0+8 0+8 | 0+8 0+8 0+8 0+8");
    assert_uses(book, "2027-06-30T23:00:00+09:00", "0 0 0+8 0+8 | 0 0 0+8 0+8");
}

static void acts_are_on_the_audit_list_if_they_changed_something(void **state)
{
    struct book *book = *state;
    struct limit_request request = {.act = book_act("2027-05-02"),
                                    .project = "hp1",
                                    .user = "u1",
                                    .period = LIMIT_DAY,
                                    .points = book_points("5")};
    struct error err = {0};
    bool unchanged;
    int64_t cleared;

    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), 0);
    assert_false(unchanged);
    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), 0);
    assert_true(unchanged);
    request.points = book_points("0");
    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), 0);
    assert_false(unchanged);
    request.all_periods = true;
    assert_int_equal(limit_clear(book->store, &request, &cleared, &err), 0);
    assert_int_equal(cleared, 1);
    assert_int_equal(limit_clear(book->store, &request, &cleared, &err), 0);
    assert_int_equal(cleared, 0);
    char *acts = testdb_text(book->conninfo,
                             "SELECT string_agg(verb || ' ' || subject || ' ' || detail, '; ' "
                             "ORDER BY n) FROM ledger.audit WHERE verb LIKE 'limit%'");
    assert_string_equal(acts, "limit set hp1 u1: 5.000000 by day, until now none; "
                              "limit set hp1 u1: 0.000000 by day, until now 5.000000; "
                              "limit clear hp1 u1: every period");
    free(acts);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.limit_use"), 0);
}

static void clearing_one_period_or_one_user_leaves_the_others(void **state)
{
    struct book *book = *state;
    struct limit_request request = {
        .act = book_act("2027-05-02"), .project = "hp1", .user = "u1", .period = LIMIT_MONTH};
    struct error err = {0};
    int64_t cleared;

    set_every_period(book);
    book_jobs_at_edges(book);
    assert_int_equal(limit_clear(book->store, &request, &cleared, &err), 0);
    assert_int_equal(cleared, 1);
    request.user = NULL;
    request.all_periods = true;
    assert_int_equal(limit_clear(book->store, &request, &cleared, &err), 0);
    assert_int_equal(cleared, 4);
    char *left = testdb_text(book->conninfo, "SELECT string_agg(user_name || ' ' || period, ',' "
                                             "ORDER BY limit_no) FROM ledger.project_limit");
    assert_string_equal(left, "u1 day,u1 fiscal_year,u1 total");
    free(left);
}

static void what_cannot_be_limited_is_refused(void **state)
{
    struct book *book = *state;
    struct limit_request request = {.act = book_act("2027-05-02"), .project = "svc"};
    struct limit_rows rows;
    struct error err = {0};
    int64_t cleared;
    bool unchanged;

    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), -1);
    assert_string_equal(err.reason, "is_service");
    request.project = "nobody";
    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), -1);
    assert_string_equal(err.reason, "unknown_project");
    assert_int_equal(limit_clear(book->store, &request, &cleared, &err), -1);
    assert_string_equal(err.reason, "unknown_project");
    assert_int_equal(limit_list(book->store, "nobody", book_time("2027-06-01"), &rows, &err), -1);
    assert_string_equal(err.reason, "unknown_project");
    request.project = "hp1";
    request.user = "";
    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    request.user = "a\nb";
    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), -1);
    request.user = NULL;
    request.points.micro = -1;
    assert_int_equal(limit_set(book->store, &request, &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.project_limit"), 0);
}

static void verify_names_a_sum_that_is_not_its_charges(void **state)
{
    struct book *book = *state;
    char detail[VERIFY_DETAIL_BYTES];

    set_every_period(book);
    book_jobs_at_edges(book);
    testdb_exec(book->conninfo,
                "UPDATE ledger.limit_use u SET charged_micro = charged_micro - 1 "
                "FROM ledger.project_limit l WHERE l.limit_no = u.limit_no "
                "AND user_name = 'u1' AND period = 'month' AND since = '2028-03-01'");
    verify_limits(book, detail, sizeof detail);
    assert_non_null(strstr(detail, "project hp1, user u1, by month from 2028-03-01"));
    testdb_exec(book->conninfo, "DELETE FROM ledger.limit_use WHERE since = '2028-03-01'");
    verify_limits(book, detail, sizeof detail);
    assert_string_not_equal(detail, "");
    testdb_exec(book->conninfo, "DELETE FROM ledger.project_limit");
}

int main(void)
{
#define LIMIT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIMIT_TEST(charges_count_in_the_period_that_they_belong_to),
        LIMIT_TEST(a_limit_set_later_counts_what_was_charged_before),
        LIMIT_TEST(an_amendment_moves_the_sums_of_both_users_and_readers_see_it),
        LIMIT_TEST(running_work_counts_where_it_would_be_charged_now),
        LIMIT_TEST(work_seen_running_before_limits_were_known_counts_whole),
        LIMIT_TEST(acts_are_on_the_audit_list_if_they_changed_something),
        LIMIT_TEST(clearing_one_period_or_one_user_leaves_the_others),
        LIMIT_TEST(what_cannot_be_limited_is_refused),
        LIMIT_TEST(verify_names_a_sum_that_is_not_its_charges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
