/* What waits may not hold all there is, and is held back while its project has run dry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledgerd/flow/hold.h"
#include "ledgerd/store/store_slurm.h"
#include "tests/lib/keeping.h"

/* --- jobs that wait --------------------------------------------------------------------------- */

static void what_waits_holds_no_more_than_its_share(void **state)
{
    struct fixture *f = *state;
    struct hold_request request;
    struct slurm_job_row jobs[] = {job_of(1, "running", "k1"), job_of(2, "pending", "k2"),
                                   job_of(3, "pending", "k3")};

    configure(f, "pending_share = 0.3");
    begin(f, later(0));
    request = request_of("k1", "20");
    request.is_waiting = true;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    request = request_of("k2", "20");
    request.is_waiting = true;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE); /* 40 of 100 would wait */
    assert_int_equal(held_points(f, "k2", later(0)), 0);
    go_round(f, jobs, 2, later(1)); /* the first one runs by now */
    assert_int_equal(f->figures.started, 0);
    request = request_of("k3", "30");
    request.is_waiting = true;
    assert_int_equal(place(f, &request, later(1)), HOLD_MADE);
    assert_int_equal(held_points(f, "k3", later(1)), 30);
    request = request_of("k4", "1");
    request.is_waiting = true;
    assert_int_equal(place(f, &request, later(1)), HOLD_MADE);
    assert_int_equal(held_points(f, "k4", later(1)), 0);
    make(f, "k5", "1", later(1)); /* does not wait */
    assert_int_equal(held_points(f, "k5", later(1)), 1);
    jobs[1].state = "running";
    go_round(f, jobs, 3, later(2));
    assert_int_equal(f->figures.started, 1);
    assert_int_equal(held_points(f, "c/2@1812596340", later(2)), 1);
}

static void a_group_counts_what_it_lets_wait(void **state)
{
    struct fixture *f = *state;
    struct hold_request requests[] = {request_of("k1", "20"), request_of("k2", "20"),
                                      request_of("k3", "10")};
    const struct hold_knowledge nothing = {0};
    struct hold_outcome outcomes[3];
    struct error err = {0};

    configure(f, "pending_share = 0.3");
    begin(f, later(0));
    for (int i = 0; i < 3; i++) {
        requests[i].is_waiting = true;
    }
    assert_int_equal(
        hold_place(f->book.store, f->desk, &nothing, requests, 3, later(0), outcomes, &err), 0);
    assert_int_equal(outcomes[0].hold.points.micro, 20 * POINTS_MICRO);
    assert_int_equal(outcomes[1].hold.points.micro, 0);
    assert_int_equal(outcomes[2].hold.points.micro, 10 * POINTS_MICRO);
    for (int i = 0; i < 3; i++) {
        hold_outcome_release(&outcomes[i]);
    }
}

static void what_waits_for_too_long_is_held_again_at_its_start(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k")};

    configure(f, "pending_ttl = 2h");
    make(f, "k", "5", later(0));
    for (int minute = 1; minute < 120; minute += 20) {
        go_round(f, jobs, 1, later(minute));
        assert_int_equal(held_points(f, "k", later(minute)), 5);
    }
    go_round(f, jobs, 1, later(120));
    assert_int_equal(f->figures.released, 1);
    assert_int_equal(f->figures.started, 0);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold_event WHERE "
                                 "result::json->>'why' = 'waited'"),
                     1);
    go_round(f, jobs, 1, later(121));
    assert_int_equal(f->figures.started, 0);
    jobs[0].state = "running";
    go_round(f, jobs, 1, later(122));
    assert_int_equal(f->figures.started, 1);
    assert_int_equal(held_points(f, "c/1@1812596340", later(122)), 1);
}

/* --- enforcement ------------------------------------------------------------------------------ */

struct commands { /* a program in the place of scontrol, which writes down how it was called */
    char dir[64];
    char program[96];
    char log[96];
};

static void commands_make(struct commands *commands, const char *then)
{
    snprintf(commands->dir, sizeof commands->dir, "/tmp/ledger-keep.XXXXXX");
    assert_non_null(mkdtemp(commands->dir));
    snprintf(commands->program, sizeof commands->program, "%s/scontrol", commands->dir);
    snprintf(commands->log, sizeof commands->log, "%s/log", commands->dir);
    FILE *script = fopen(commands->program, "w");
    assert_non_null(script);
    fprintf(script, "#!/bin/sh\necho \"$*\" >> %s\n%s\n", commands->log, then);
    fclose(script);
    chmod(commands->program, 0755);
}

/* What was called since the last look, with ';' after each. */
static void assert_called(const struct commands *commands, const char *expected)
{
    char text[1024] = "";
    FILE *log = fopen(commands->log, "r");
    size_t length = log != NULL ? fread(text, 1, sizeof text - 1, log) : 0;

    for (size_t i = 0; i < length; i++) {
        text[i] = text[i] == '\n' ? ';' : text[i];
    }
    if (log != NULL) {
        fclose(log);
        unlink(commands->log);
    }
    assert_string_equal(text, expected);
}

static void commands_remove(const struct commands *commands)
{
    unlink(commands->program);
    unlink(commands->log);
    rmdir(commands->dir);
}

static void a_waiting_job_of_a_dry_project_is_held_back_until_a_grant(void **state)
{
    struct fixture *f = *state;
    struct commands commands;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k1"), job_of(2, "pending", ""),
                                   job_of(3, "pending", ""), job_of(4, "running", "")};

    configure(f, "enforce = hold");
    commands_make(&commands, "exit 0");
    f->scontrol = commands.program;
    make(f, "k1", "100", later(0));
    jobs[2].is_held = true; /* by its user */
    go_round(f, jobs, 4, later(1));
    assert_called(&commands, "hold 2;");
    assert_int_equal(f->figures.held_jobs, 1);
    jobs[1].is_held = true;
    go_round(f, jobs, 4, later(2));
    assert_called(&commands, "");
    book_grant(&f->book, "ml", "0.5", "2027-06-01", "2028-04-01"); /* too little to hold it */
    go_round(f, jobs, 4, later(3));
    assert_called(&commands, "release 2;");
    assert_int_equal(f->figures.let_go, 1);
    jobs[1].is_held = false;
    go_round(f, jobs, 4, later(4));
    assert_called(&commands, "");
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.slurm_event WHERE job_id = 2 AND "
                                 "kind IN ('hold', 'release') AND detail LIKE 'project ml has %'"),
                     2);
    commands_remove(&commands);
}

static void whoever_lets_a_job_go_by_hand_has_the_last_word(void **state)
{
    struct fixture *f = *state;
    struct commands commands;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k1"), job_of(2, "pending", "")};

    configure(f, "enforce = hold");
    commands_make(&commands, "exit 0");
    f->scontrol = commands.program;
    make(f, "k1", "100", later(0));
    go_round(f, jobs, 2, later(1));
    assert_called(&commands, "hold 2;");
    go_round(f, jobs, 2, later(2)); /* it is not held any more */
    assert_called(&commands, "");
    commands_remove(&commands);
}

static void a_running_job_of_a_dry_project_is_requeued_if_the_site_says_so(void **state)
{
    struct fixture *f = *state;
    struct commands commands;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k1"), job_of(2, "running", ""),
                                   job_of(3, "pending", ""), job_of(4, "running", "")};

    configure(f, "enforce = requeue:low");
    commands_make(&commands, "exit 0");
    f->scontrol = commands.program;
    make(f, "k1", "100", later(0));
    jobs[2].qos = jobs[3].qos = "low";
    go_round(f, jobs, 4, later(1));
    assert_called(&commands, "requeue 2;update JobId=2 QOS=low;");
    assert_int_equal(f->figures.requeued, 1);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.slurm_event WHERE kind = 'requeue'"),
                     1);
    commands_remove(&commands);
}

/* The last one that was split off has the number of the array, by which Slurm means all of it. */
static void a_task_of_an_array_is_named_as_one(void **state)
{
    struct fixture *f = *state;
    struct commands commands;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k1"), job_of(2, "running", ""),
                                   job_of(3, "pending", ""), job_of(4, "pending", "")};

    configure(f, "enforce = requeue:low");
    commands_make(&commands, "exit 0");
    f->scontrol = commands.program;
    make(f, "k1", "100", later(0));
    jobs[1].array_job_id = jobs[2].array_job_id = 2;
    jobs[1].array_task = 7;
    jobs[2].array_task = 6;
    jobs[3].array_job_id = 4; /* what is to be split off has no numbers of its own */
    jobs[3].tasks = 5;
    go_round(f, jobs, 4, later(1));
    assert_called(&commands, "requeue 2_7;update JobId=2_7 QOS=low;hold 2_6;hold 4;");
    jobs[1].qos = "low";
    jobs[2].is_held = jobs[3].is_held = true;
    book_grant(&f->book, "ml", "0.5", "2027-06-01", "2028-04-01");
    go_round(f, jobs, 4, later(2));
    assert_called(&commands, "release 2_6;release 4;");
    commands_remove(&commands);
}

static void a_command_that_slurm_refused_is_not_tried_again_soon(void **state)
{
    struct fixture *f = *state;
    struct commands commands;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k1"), job_of(2, "pending", "")};

    configure(f, "enforce = hold");
    commands_make(&commands, "echo no such job >&2; exit 1");
    f->scontrol = commands.program;
    make(f, "k1", "100", later(0));
    go_round(f, jobs, 2, later(1));
    assert_called(&commands, "hold 2;");
    assert_int_equal(f->figures.failed, 1);
    assert_int_equal(f->figures.held_jobs, 0);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.slurm_event WHERE kind = 'failed' "
                                 "AND detail LIKE 'scontrol hold: %no such job%'"),
                     1);
    go_round(f, jobs, 2, later(5));
    assert_called(&commands, "");
    go_round(f, jobs, 2, later(12));
    assert_called(&commands, "hold 2;");
    commands_remove(&commands);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_waits_holds_no_more_than_its_share),
        TEST(a_group_counts_what_it_lets_wait),
        TEST(what_waits_for_too_long_is_held_again_at_its_start),
        TEST(a_waiting_job_of_a_dry_project_is_held_back_until_a_grant),
        TEST(whoever_lets_a_job_go_by_hand_has_the_last_word),
        TEST(a_running_job_of_a_dry_project_is_requeued_if_the_site_says_so),
        TEST(a_task_of_an_array_is_named_as_one),
        TEST(a_command_that_slurm_refused_is_not_tried_again_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
