/* Holds of Slurm's jobs live as long as the jobs do, and no longer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/slurm_keep.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_keep.h"
#include "ledgerd/store/store_position.h"
#include "ledgerd/store/store_slurm.h"
#include "tests/lib/keeping.h"

/* --- confirmed, given back -------------------------------------------------------------------- */

static void a_hold_lives_as_long_as_its_job(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k")};

    make(f, "k", "1", later(0));
    go_round(f, jobs, 1, later(1));
    assert_int_equal(f->figures.confirmed, 1); /* seen for the first time */
    assert_int_equal(find(f, "k", later(1)).expires_at.us, later(60).us);
    go_round(f, jobs, 1, later(2));
    assert_int_equal(f->figures.confirmed, 0);
    for (int64_t minute = 3; minute < 300; minute += 2) {
        go_round(f, jobs, 1, later(minute));
        assert_int_equal(find(f, "k", later(minute)).state, HOLD_OPEN);
        assert_true(find(f, "k", later(minute)).expires_at.us >= later(minute + 30).us);
    }
    assert_int_equal(find(f, "k", later(300)).state, HOLD_OPEN);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold_event"), 0);
    tell_gone(f, &jobs[0], true);
    go_round(f, jobs, 0, later(301));
    assert_int_equal(f->figures.released, 1);
    assert_int_equal(find(f, "k", later(301)).state, HOLD_RELEASED);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold_event WHERE kind = 'release' "
                                 "AND result::json->>'why' = 'unstarted' "
                                 "AND result::json->>'freed' = '1.000000'"),
                     1);
    struct hold_end_result again;
    struct error err = {0};
    assert_int_equal(hold_release(f->book.store, "key:k", later(302), &again, &err), 0);
    assert_int_equal(again.freed.micro, POINTS_MICRO);
}

static void readers_are_told_of_a_deadline_that_moved(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k")};
    struct store_positions changes;
    struct error err = {0};

    make(f, "k", "1", later(0));
    for (int minute = 1; minute <= 28; minute += 3) { /* never stale */
        go_round(f, jobs, 1, later(minute));
    }
    assert_int_equal(store_read_positions(f->book.store, 0, &changes, &err), 0);
    int64_t mark = changes.mark;
    store_positions_release(&changes);
    go_round(f, jobs, 1, later(31));
    assert_int_equal(f->figures.confirmed, 1);
    assert_int_equal(store_read_positions(f->book.store, mark, &changes, &err), 0);
    assert_int_equal(changes.count, 1);
    store_positions_release(&changes);
}

static void nothing_is_given_back_of_a_job_that_may_still_show_up(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "k")};

    make(f, "k", "1", later(0));
    make(f, "k2", "1", (struct instant){later(1).us - 59 * 1000000});
    go_round(f, jobs, 0, later(1)); /* made 60 s and 59 s before */
    assert_int_equal(f->figures.released, 0);
    go_round(f, jobs, 1, later(1));
    tell_gone(f, &jobs[0], true);
    f->ended_unread = true;
    go_round(f, jobs, 0, later(5)); /* accounting was not asked */
    assert_int_equal(f->figures.released, 0);
    f->ended_unread = false;
    go_round(f, jobs, 0, later(6));
    assert_int_equal(f->figures.released, 2);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold_event WHERE kind = 'release' "
                                 "AND result::json->>'why' = 'gone'"),
                     1); /* that of which nothing was ever heard */
}

static void a_key_counts_for_its_own_project_and_user_alone(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k"), job_of(2, "pending", "k"),
                                   job_of(3, "pending", "k2")};

    book_grant(&f->book, "bio", "10", "2027-06-01", "2028-04-01");
    make(f, "k", "7", later(0));
    make(f, "k2", "5", later(0));
    jobs[0].account = "bio"; /* an account may be changed by an administrator */
    jobs[1].user = "u2";
    go_round(f, jobs, 3, later(5));
    assert_int_equal(find(f, "k", later(5)).state, HOLD_RELEASED);
    assert_int_equal(held_points(f, "k2", later(5)), 5);
    assert_int_equal(f->figures.started, 2); /* holds of their own */
    assert_string_equal(find(f, "c/1@1812596340", later(5)).project, "bio");
    assert_string_equal(find(f, "c/2@1812596340", later(5)).user, "u2");
}

static void tasks_that_were_cancelled_while_they_waited_are_given_back(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = request_of("k", "10");
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k"), job_of(2, "running", "k")};

    request.parts = 10;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    jobs[0].tasks = 9;
    jobs[1].array_task = 1;
    go_round(f, jobs, 2, later(1));
    assert_int_equal(f->figures.cancelled_parts, 0);
    import(f, "9@1", "k"); /* a task has run between two rounds */
    jobs[0].tasks = 5;     /* three were cancelled */
    go_round(f, jobs, 2, later(2));
    assert_int_equal(f->figures.cancelled_parts, 3);
    assert_int_equal(held_points(f, "k", later(2)), 6);
    assert_int_equal(find(f, "k", later(2)).ended_parts, 4);
    assert_int_equal(ask_book(f, "SELECT parts FROM ledger.hold_event WHERE kind = 'cancel'"), 3);
    go_round(f, jobs, 2, later(3));
    assert_int_equal(f->figures.cancelled_parts, 0);
    go_round(f, &jobs[1], 1, later(4));
    assert_int_equal(held_points(f, "k", later(4)), 1);
    import(f, "2@1", "k");
    assert_int_equal(find(f, "k", later(4)).state, HOLD_SETTLED);
}

/* Neither lives nor is said to have ended without a start: records are on their way, or were lost.
 */
static void what_slurm_says_nothing_of_is_waited_for_until_its_deadline(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "k")};

    make(f, "k", "1", later(0));
    go_round(f, jobs, 1, later(1));
    for (int minute = 2; minute < 60; minute++) {
        go_round(f, jobs, 0, later(minute));
        assert_int_equal(f->figures.released + f->figures.confirmed, 0);
        assert_int_equal(held_points(f, "k", later(minute)), 1);
    }
    assert_int_equal(find(f, "k", later(60)).state, HOLD_EXPIRED);
    import(f, "1@1812596340", "k"); /* and still it is charged, and settles */
    assert_int_equal(find(f, "k", later(60)).state, HOLD_SETTLED);
}

/* Two tasks live, then none: slurmctld remembers some of those that ran, accounting learns of them
 * one by one. */
static void tasks_whose_records_come_late_are_ended_by_them(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = request_of("k", "4");
    struct slurm_job_row jobs[] = {job_of(1, "running", "k"), job_of(2, "running", "k"),
                                   job_of(3, "running", "k"), job_of(4, "running", "k")};
    char id[24];

    request.parts = 4;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    go_round(f, jobs, 4, later(1));
    tell_gone(f, &jobs[2], false);
    tell_gone(f, &jobs[3], false);
    go_round(f, jobs, 2, later(2)); /* while others live */
    assert_int_equal(f->figures.cancelled_parts, 0);
    go_round(f, jobs, 0, later(3));
    for (int job = 1; job <= 4; job++) {
        snprintf(id, sizeof id, "%d@1812596340", job);
        import(f, id, "k");
        go_round(f, jobs, 0, later(3 + job));
        assert_int_equal(f->figures.cancelled_parts + f->figures.released, 0);
        assert_int_equal(find(f, "k", later(3 + job)).ended_parts, job);
    }
    assert_int_equal(find(f, "k", later(8)).state, HOLD_SETTLED);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold_event WHERE kind <> 'record'"),
                     0);
}

/* Eight of ten were cancelled before they were split off, in one row, which accounting tells beside
 * slurmctld, round after round. */
static void tasks_that_never_started_are_given_back_once(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = request_of("k", "10");
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k"), job_of(2, "running", "k"),
                                   job_of(3, "running", "k")};

    request.parts = 10;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    jobs[0].tasks = 8;
    jobs[1].array_job_id = jobs[2].array_job_id = 1;
    go_round(f, jobs, 3, later(1));
    assert_int_equal(f->figures.cancelled_parts, 0);
    tell_gone(f, &jobs[0], true);
    tell_gone(f, &jobs[1], false);
    tell_gone(f, &jobs[0], true);
    for (int minute = 2; minute < 5; minute++) {
        go_round(f, jobs, 0, later(minute));
        assert_int_equal(f->figures.cancelled_parts, minute == 2 ? 8 : 0);
        assert_int_equal(held_points(f, "k", later(minute)), 2);
    }
    import(f, "2@1812596340", "k");
    go_round(f, jobs, 0, later(5)); /* of the third nobody has said anything */
    assert_int_equal(f->figures.cancelled_parts + f->figures.released, 0);
    assert_int_equal(held_points(f, "k", later(5)), 1);
    import(f, "3@1812596340", "k");
    assert_int_equal(find(f, "k", later(5)).state, HOLD_SETTLED);
}

/* What leaves no trace is no part of what is told: both are given back. */
static void tasks_cancelled_without_a_trace_and_then_the_rest(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = request_of("k", "11");
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k")};

    request.parts = 11;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    jobs[0].tasks = 11;
    go_round(f, jobs, 1, later(1));
    jobs[0].tasks = 2;
    go_round(f, jobs, 1, later(2));
    assert_int_equal(f->figures.cancelled_parts, 9);
    tell_gone(f, &jobs[0], true);
    go_round(f, jobs, 0, later(3));
    assert_int_equal(find(f, "k", later(3)).state, HOLD_RELEASED);
}

/* The id stays, the time of submission changes: each row is of its own. */
static void a_requeued_job_is_given_back_only_as_it_stands(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row first = job_of(1, "running", "k"), again = first;

    again.state = "pending";
    again.submitted = later(3);
    make(f, "k", "1", later(0));
    go_round(f, &first, 1, later(1));
    tell_gone(f, &first, false); /* it is being requeued */
    go_round(f, &first, 0, later(2));
    assert_int_equal(f->figures.released, 0);
    f->gone_count = 0;
    tell_gone(f, &first, true); /* whatever is said of before */
    go_round(f, &again, 1, later(3));
    assert_int_equal(f->figures.released + f->figures.cancelled_parts, 0);
    f->gone_count = 0;
    tell_gone(f, &again, true); /* cancelled before it ran a second time */
    go_round(f, &again, 0, later(4));
    assert_int_equal(find(f, "k", later(4)).state, HOLD_RELEASED);
}

static void what_became_anothers_is_given_back(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k"), job_of(2, "pending", "k2")};

    book_grant(&f->book, "bio", "10", "2027-06-01", "2028-04-01");
    make(f, "k", "7", later(0));
    make(f, "k2", "7", later(0));
    go_round(f, jobs, 2, later(1));
    jobs[0].account = jobs[1].account = "bio";
    tell_gone(f, &jobs[1], false); /* it has run there by now */
    go_round(f, jobs, 1, later(2));
    assert_int_equal(f->figures.released, 2);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold_event WHERE kind = 'release' "
                                 "AND result::json->>'why' = 'moved'"),
                     2);
}

struct keeping { /* a round's last step, in a thread of its own */
    struct fixture *f;
    struct instant now;
    struct slurm_keep_figures figures;
    struct error err;
    int outcome;
    pthread_t thread;
};

static void *run_keeping(void *argument)
{
    struct keeping *keeping = argument;
    const struct slurm_keep_options options = {.cluster = "c",
                                               .conf = &keeping->f->conf,
                                               .round_began = keeping->now,
                                               .now = keeping->now,
                                               .ended_was_read = true,
                                               .interval_us = MINUTE_US};
    struct store *store = store_open(keeping->f->book.conninfo, STORE_DAEMON, &keeping->err);
    struct hold_desk *desk = hold_desk_create(&keeping->f->conf, &keeping->err);

    keeping->outcome = store == NULL || desk == NULL
                           ? -1
                           : slurm_keep(store, desk, &options, &keeping->figures, &keeping->err);
    hold_desk_destroy(desk);
    store_close(store);
    return NULL;
}

/* Has the positions while the round waits for them, and changes what it has seen. */
static int change_meanwhile(struct store *store, void *context, struct error *err)
{
    struct keeping *keeping = context;
    const struct hold_settle_request part = {
        .name = "key:k2", .points = book_points("1"), .key = "p1", .now = keeping->now};
    const char *project = "ml";
    struct hold_end_result result;

    if (store_lock_positions(store, NULL, 0, &project, 1, err) != 0) {
        return -1;
    }
    pthread_create(&keeping->thread, NULL, run_keeping, keeping);
    while (ask_book(keeping->f, "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                "current_database() AND wait_event_type = 'Lock'") == 0) {
        usleep(1000);
    }
    return hold_release(store, "key:k1", keeping->now, &result, err) != 0
               ? -1
               : hold_settle(store, &part, &result, err);
}

static void what_changed_while_a_lock_was_waited_for_is_judged_again(void **state)
{
    struct fixture *f = *state;
    struct keeping keeping = {.f = f, .now = later(2)};
    struct hold_request array = request_of("k2", "10");
    struct slurm_job_row jobs[] = {job_of(1, "pending", "k2")};
    struct error err = {0};

    array.parts = 10;
    make(f, "k1", "7", later(0));
    assert_int_equal(place(f, &array, later(0)), HOLD_MADE);
    jobs[0].tasks = 5;
    assert_int_equal(store_slurm_jobs_write(f->book.store, "c", jobs, COUNT(jobs), later(2), &err),
                     0);
    assert_int_equal(
        store_transact(f->book.store, STORE_UNLOCKED, change_meanwhile, &keeping, &err), 0);
    pthread_join(keeping.thread, NULL);
    assert_int_equal(keeping.outcome, 0);
    assert_int_equal(keeping.figures.released, 0); /* by somebody else */
    assert_int_equal(keeping.figures.cancelled_parts, 4);
    assert_int_equal(held_points(f, "k2", later(2)), 5);
}

/* Running work has taken the place of a part of what is left. */
static void what_running_work_covers_is_not_held_twice(void **state)
{
    struct fixture *f = *state;
    struct hold_request array = request_of("k", "10");
    struct slurm_job_row jobs[] = {job_of(1, "running", "k")};

    array.parts = 5;
    assert_int_equal(place(f, &array, later(0)), HOLD_MADE);
    import_job(f, "1@1", "k", "running", 1, later(1));
    go_round(f, jobs, 1, later(2));
    assert_int_equal(f->figures.cancelled_parts, 4);
    assert_int_equal(held_points(f, "k", later(2)), 1);
}

static void many_holds_are_kept_in_groups(void **state)
{
    struct fixture *f = *state;
    enum { JOBS = 600 };
    struct slurm_job_row *jobs = calloc(JOBS, sizeof *jobs);
    struct slurm_gone *gone = calloc(JOBS, sizeof *gone);
    char(*keys)[16] = calloc(JOBS, sizeof *keys);

    for (int i = 0; i < JOBS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        jobs[i] = job_of(i + 1, i % 2 ? "pending" : "running", keys[i]);
        make(f, keys[i], "0.1", later(0));
        gone[i] = (struct slurm_gone){.job_id = JOBS - i,
                                      .submitted = later(0),
                                      .tasks = 1,
                                      .never_started = true,
                                      .hold_key = keys[JOBS - i - 1],
                                      .user = "u1",
                                      .account = "ml"};
    }
    go_round(f, jobs, JOBS, later(2));
    assert_int_equal(f->figures.confirmed, JOBS);
    go_round(f, jobs, JOBS / 2, later(4));
    assert_int_equal(f->figures.confirmed, 0);
    assert_int_equal(f->figures.released, 0);
    f->many_gone = gone;
    f->gone_count = JOBS / 2;
    go_round(f, jobs, JOBS / 2, later(5));
    f->many_gone = NULL;
    f->gone_count = 0;
    assert_int_equal(f->figures.released, JOBS / 2);
    assert_int_equal(ask_book(f, "SELECT count(*) FROM ledger.hold WHERE state = 'open'"),
                     JOBS / 2);
    free(keys);
    free(gone);
    free(jobs);
}

/* --- all at once ------------------------------------------------------------------------------ */

enum { RACE_ROUNDS = 25 };

struct racer {
    struct fixture *f;
    int number;
    char failed[ERROR_TEXT_BYTES];
};

/* Submits and ends jobs as fast as it can. */
static void *run_racer(void *argument)
{
    struct racer *racer = argument;
    struct error err = {0};
    struct store *store = store_open(racer->f->book.conninfo, STORE_DAEMON, &err);
    struct hold_desk *desk = hold_desk_create(&racer->f->conf, &err);

    for (int i = 0; store != NULL && desk != NULL && i < RACE_ROUNDS && *err.text == '\0'; i++) {
        const struct hold_knowledge nothing = {0};
        const struct ingest_options options = {
            .format = "ledger", .source = SOURCE, .now = later(1)};
        struct ingest_counts counts = {0};
        struct hold_outcome outcome = {0};
        char key[16];
        char line[512];

        snprintf(key, sizeof key, "r%d_%d", racer->number, i % 8);
        struct hold_request request = request_of(key, "6");
        request.parts = 3;
        if (hold_place(store, desk, &nothing, &request, 1, later(1), &outcome, &err) != 0) {
            break;
        }
        hold_outcome_release(&outcome);
        snprintf(line, sizeof line,
                 "{\"source\":\"slurm:c\",\"id\":\"%d_%d@1\",\"project\":\"ml\",\"user\":\"u1\","
                 "\"class\":\"gpu\",\"start\":\"2027-06-10T00:00:00+09:00\","
                 "\"end\":\"2027-06-10T00:06:00+09:00\",\"state\":\"%s\",\"outcome\":\"completed\","
                 "\"meters\":{\"gpu\":\"1\"},\"hold\":\"%s\"}\n",
                 racer->number, i / 2, i % 2 ? "final" : "running", key);
        if (ingest_bytes(store, line, strlen(line), &options, &counts, &err) != 0) {
            break;
        }
    }
    snprintf(racer->failed, sizeof racer->failed, "%s", err.text);
    hold_desk_destroy(desk);
    store_close(store);
    return NULL;
}

/* Rounds that see some jobs or others while holds are made and records booked: nobody holds what is
 * not there, and the book proves itself (teardown). */
static void rounds_holds_and_records_at_once_leave_a_sound_book(void **state)
{
    struct fixture *f = *state;
    enum { RACERS = 3, JOBS = 8 * RACERS };
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    struct slurm_job_row jobs[JOBS];
    struct slurm_gone gone[JOBS];
    char keys[JOBS][16];
    size_t given_back = 0, swept;
    struct error err = {0};

    for (int i = 0; i < JOBS; i++) {
        snprintf(keys[i], sizeof keys[i], "r%d_%d", i % RACERS, i / RACERS);
        gone[i] = (struct slurm_gone){.job_id = JOBS + i,
                                      .submitted = later(0),
                                      .tasks = 3,
                                      .never_started = true,
                                      .hold_key = keys[i],
                                      .user = "u1",
                                      .account = "ml"};
        jobs[i] = job_of(i + 1, i % 2 ? "running" : "pending", keys[i]);
        jobs[i].tasks = 1 + i % 3;
    }
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.f = f, .number = i};
        pthread_create(&threads[i], NULL, run_racer, &racers[i]);
    }
    f->many_gone = gone;
    f->gone_count = JOBS;
    for (int round = 0; round < RACE_ROUNDS; round++) {
        go_round(f, &jobs[round % (JOBS / 2)], JOBS / 2, later(2 + 35 * round));
        given_back += f->figures.released + f->figures.cancelled_parts;
        /* what has lapsed is others' already */
        assert_int_equal(hold_sweep(f->book.store, later(2 + 35 * round), 1000, &swept, &err), 0);
        assert_true(ask_book(f, "SELECT posted_micro - held_micro FROM ledger.project_position "
                                "WHERE project_id = 'ml'") >= -5 * POINTS_MICRO); /* of charges */
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        assert_string_equal(racers[i].failed, "");
    }
    assert_true(given_back > RACERS);
}

/* Everything was off for days: what comes up first sweeps, and takes nothing that Slurm still runs.
 */
static void after_all_was_down_the_first_round_finds_every_hold(void **state)
{
    struct fixture *f = *state;
    struct slurm_job_row jobs[] = {job_of(1, "running", "k")};
    struct error err = {0};
    size_t swept;

    make(f, "k", "60", later(0));
    make(f, "k2", "40", later(0));
    go_round(f, jobs, 1, later(0));
    int64_t days = 3 * 24 * 60;
    assert_int_equal(hold_sweep(f->book.store, later(days), 10, &swept, &err), 0);
    assert_int_equal(swept, 0);
    go_round(f, jobs, 1, later(days));
    assert_int_equal(held_points(f, "k", later(days)), 60);
    assert_int_equal(find(f, "k2", later(days)).state, HOLD_RELEASED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hold_lives_as_long_as_its_job),
        TEST(readers_are_told_of_a_deadline_that_moved),
        TEST(nothing_is_given_back_of_a_job_that_may_still_show_up),
        TEST(a_key_counts_for_its_own_project_and_user_alone),
        TEST(tasks_that_were_cancelled_while_they_waited_are_given_back),
        TEST(what_slurm_says_nothing_of_is_waited_for_until_its_deadline),
        TEST(tasks_whose_records_come_late_are_ended_by_them),
        TEST(tasks_that_never_started_are_given_back_once),
        TEST(tasks_cancelled_without_a_trace_and_then_the_rest),
        TEST(a_requeued_job_is_given_back_only_as_it_stands),
        TEST(what_became_anothers_is_given_back),
        TEST(what_changed_while_a_lock_was_waited_for_is_judged_again),
        TEST(what_running_work_covers_is_not_held_twice),
        TEST(many_holds_are_kept_in_groups),
        TEST(rounds_holds_and_records_at_once_leave_a_sound_book),
        TEST(after_all_was_down_the_first_round_finds_every_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
