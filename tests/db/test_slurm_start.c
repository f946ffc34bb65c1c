/* Slurm's jobs that have no hold get one once they run, or as soon as they are seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/store/store_position.h"
#include "ledgerd/store/store_slurm.h"
#include "tests/lib/keeping.h"
#include "tests/lib/testdb.h"

/* --- jobs without a hold ---------------------------------------------------------------------- */

static void hold_jobs(struct fixture *f, const char *when)
{
    char policy[1024];
    const char *at = strstr(book_policy_json, "\"supply\"");

    snprintf(policy, sizeof policy, "%.*s\"holds\":{\"slurm\":\"%s\",\"gateway\":\"request\"}}",
             (int)(at - book_policy_json), book_policy_json, when);
    char *name = strstr(policy, "test-2027");
    memcpy(name, "then", 4);
    char *date = strstr(policy, "06-01T");
    memcpy(date, "06-02T", 6);
    book_apply_policy(&f->book, policy, "2027-06-01");
}

static void a_job_that_is_to_be_held_at_its_start_is_held_then(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k"), job_of(2, "pending", "")};

    hold_jobs(f, "start");
    make(f, "k", "0", later(0));
    go_round(f, jobs, 2, later(1));
    assert_int_equal(f->figures.started, 0);
    jobs[0].state = jobs[1].state = "running";
    go_round(f, jobs, 2, later(2));
    assert_int_equal(f->figures.started, 2);
    assert_int_equal(held_points(f, "c/1@1812596340", later(2)), 1);
    assert_int_equal(held_points(f, "c/2@1812596340", later(2)), 1);
    go_round(f, jobs, 2, later(3));
    assert_int_equal(f->figures.started, 0);
    assert_int_equal(f->figures.unheld_jobs, 0);
    tell_gone(f, &jobs[0], false);
    tell_gone(f, &jobs[1], false);
    go_round(f, jobs, 0, later(4));
    assert_int_equal(f->figures.released, 0);
    import(f, "1@1812596340", "c/1@1812596340");
    import(f, "2@1812596340", "c/2@1812596340");
    go_round(f, jobs, 0, later(5));
    assert_int_equal(find(f, "c/1@1812596340", later(5)).state, HOLD_SETTLED);
    assert_int_equal(find(f, "c/2@1812596340", later(5)).state, HOLD_SETTLED);
    assert_int_equal(find(f, "k", later(5)).state, HOLD_RELEASED); /* the record was another's */
}

static void by_policy_nothing_is_held(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", ""), job_of(2, "pending", "")};

    hold_jobs(f, "none");
    go_round(f, jobs, 2, later(1));
    assert_int_equal(f->figures.started + f->figures.unheld_jobs, 0);
}

static void a_job_that_came_while_ledgerd_was_away_is_held_when_it_is_seen(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", ""), job_of(2, "pending", "foreign")};

    jobs[0].tasks = 6;
    jobs[0].at_once = 2;
    go_round(f, jobs, 2, later(1));
    assert_int_equal(f->figures.started, 2);
    assert_int_equal(held_points(f, "c/1_*@1812596340", later(1)), 2);
    assert_int_equal(find(f, "c/1_*@1812596340", later(1)).parts, 6);
    assert_int_equal(held_points(f, "c/2@1812596340", later(1)), 1);
}

static void tasks_split_off_belong_to_the_hold_of_their_array(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", ""), job_of(7, "running", "")};

    jobs[0].tasks = 3;
    go_round(f, jobs, 1, later(1));
    jobs[0].tasks = 2;
    jobs[0].array_job_id = jobs[1].array_job_id = 1;
    jobs[1].array_task = 1;
    go_round(f, jobs, 2, later(2));
    assert_int_equal(f->figures.started + f->figures.cancelled_parts, 0);
    assert_int_equal(held_points(f, "c/1_*@1812596340", later(2)), 3);
    go_round(f, &jobs[1], 1, later(3)); /* the rest was cancelled */
    assert_int_equal(held_points(f, "c/1_*@1812596340", later(3)), 1);
    jobs[1].hold_key = "";
    tell_gone(f, &jobs[1], true); /* a task is told by its own number, its array by its */
    go_round(f, jobs, 0, later(4));
    assert_int_equal(f->figures.released, 1); /* it was not given back as that before */
    assert_int_equal(find(f, "c/1_*@1812596340", later(4)).state, HOLD_RELEASED);
}

/* Else it would be given back after a minute in which its record is not yet there. */
static void a_hold_taken_at_a_start_has_been_confirmed(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "")};

    go_round(f, jobs, 1, later(1));
    assert_int_equal(f->figures.started, 1);
    go_round(f, jobs, 0, later(5));
    assert_int_equal(f->figures.released, 0);
    assert_int_equal(held_points(f, "c/1@1812596340", later(5)), 1);
    tell_gone(f, &jobs[0], true); /* found by its number, there is no comment */
    go_round(f, jobs, 0, later(6));
    assert_int_equal(find(f, "c/1@1812596340", later(6)).state, HOLD_RELEASED);
}

static void a_job_that_cannot_be_held_is_counted_and_asked_for_again(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", ""), job_of(2, "running", "")};

    make(f, "most", "98.5", later(0));
    testdb_exec(f->book.conninfo, "UPDATE ledger.hold SET source = ''");
    jobs[0].limit_seconds = 2 * 3600;
    for (int minute = 1; minute < 4; minute++) {
        go_round(f, jobs, 2, later(minute));
        assert_int_equal(f->figures.start_refused, 1);
        assert_int_equal(f->figures.unheld_jobs, 1);
        assert_int_equal(f->figures.unheld.micro, 2 * POINTS_MICRO);
    }
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold_refusal"), 0);
    book_grant(&f->book, "ml", "2", "2027-06-01", "2028-04-01");
    go_round(f, jobs, 2, later(5));
    assert_int_equal(f->figures.started, 1);
    assert_int_equal(f->figures.unheld_jobs, 0);
    jobs[0].limit_seconds = -1; /* of another job by then; nobody can price it */
    jobs[0].job_id = 9;
    go_round(f, jobs, 2, later(6));
    assert_int_equal(f->figures.unheld_jobs, 1);
    assert_int_equal(f->figures.unheld.micro, 0);
}

/* What it has cost so far is a part of its price. */
static void a_job_that_runs_already_is_held_if_the_rest_of_it_fits(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "")};

    jobs[0].limit_seconds = 100 * 3600; /* all that the project has */
    import_job(f, "1@1812596340", "", "running", 1, later(1));
    assert_int_equal(ask_book(f, "SELECT accrued_micro FROM ledger.project_position "
                                 "WHERE project_id = 'ml'"),
                     POINTS_MICRO);
    go_round(f, jobs, 1, later(1));
    assert_int_equal(f->figures.started, 1);
    import_job(f, "1@1812596340", "c/1@1812596340", "running", 2, later(2));
    assert_int_equal(held_points(f, "c/1@1812596340", later(2)), 98);
}

/* Live jobs are asked for first: what has ended since is booked already, and has ended its hold. */
static void a_job_that_has_ended_meanwhile_is_not_held_again(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "k"), job_of(2, "running", "")};

    make(f, "k", "1", later(0));
    go_round(f, jobs, 1, later(0));
    import(f, "1@1812596340", "k");
    go_round(f, jobs, 2, later(1));
    assert_int_equal(f->figures.started, 1);
    assert_int_equal(f->figures.unheld_jobs + f->figures.start_refused, 0);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold WHERE state = 'open'"), 1);
    assert_int_equal(held_points(f, "c/2@1812596340", later(1)), 1);
}

static void a_downgraded_job_runs_without_points(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "k")};

    make(f, "k", "0", later(0));
    testdb_exec(f->book.conninfo,
                "UPDATE ledger.hold SET decision = '{\"downgraded_to\":\"low\"}'");
    go_round(f, jobs, 1, later(1));
    assert_int_equal(f->figures.started + f->figures.unheld_jobs, 0);
    testdb_exec(f->book.conninfo, "UPDATE ledger.hold SET decision = '{\"downgraded_to\":null}'");
    go_round(f, jobs, 1, later(2));
    assert_int_equal(f->figures.started, 1);
}

static void a_service_and_what_is_free_need_no_hold(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", ""), job_of(2, "running", ""),
                                   job_of(3, "running", "")};

    jobs[0].account = "svc";
    jobs[1].account = "nobody";
    jobs[2].limit_seconds = 0;
    go_round(f, jobs, 3, later(1));
    assert_int_equal(f->figures.started + f->figures.unheld_jobs, 0);
}

static void a_job_whose_hold_is_gone_gets_another_one(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "")};
    struct hold_end_result result;
    struct error err = {0};

    go_round(f, jobs, 1, later(1));
    assert_int_equal(hold_release(f->book.store, "key:c/1@1812596340", later(2), &result, &err), 0);
    go_round(f, jobs, 1, later(3));
    assert_int_equal(f->figures.started, 1);
    assert_int_equal(held_points(f, "c/1@1812596340/2", later(3)), 1);
    assert_int_equal(hold_release(f->book.store, "key:c/1@1812596340/2", later(4), &result, &err),
                     0);
    go_round(f, jobs, 1, later(5));
    assert_int_equal(held_points(f, "c/1@1812596340/3", later(5)), 1);
}

static void a_hold_that_a_crash_left_unnoted_is_found_again(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "")};

    go_round(f, jobs, 1, later(1));
    testdb_exec(f->book.conninfo, "UPDATE ledger.slurm_job SET start_key = ''");
    jobs[0].limit_seconds = 7200; /* changed since */
    go_round(f, jobs, 1, later(1));
    assert_int_equal(f->figures.started, 0);
    assert_int_equal(held_points(f, "c/1@1812596340", later(1)), 1);
    go_round(f, jobs, 1, later(2));
    assert_int_equal(f->figures.started + f->figures.unheld_jobs + f->figures.released, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_that_is_to_be_held_at_its_start_is_held_then),
        TEST(by_policy_nothing_is_held),
        TEST(a_job_that_came_while_ledgerd_was_away_is_held_when_it_is_seen),
        TEST(tasks_split_off_belong_to_the_hold_of_their_array),
        TEST(a_hold_taken_at_a_start_has_been_confirmed),
        TEST(a_job_that_cannot_be_held_is_counted_and_asked_for_again),
        TEST(a_job_that_runs_already_is_held_if_the_rest_of_it_fits),
        TEST(a_job_that_has_ended_meanwhile_is_not_held_again),
        TEST(a_downgraded_job_runs_without_points),
        TEST(a_service_and_what_is_free_need_no_hold),
        TEST(a_job_whose_hold_is_gone_gets_another_one),
        TEST(a_hold_that_a_crash_left_unnoted_is_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
