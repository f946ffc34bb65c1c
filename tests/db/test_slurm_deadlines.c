/* Deadlines of Slurm's holds stand still while Slurm cannot be seen; parts of arrays that run at a
 * time. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/slurm_keep.h"
#include "ledgerd/store/store_gauges.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_keep.h"
#include "ledgerd/store/store_position.h"
#include "ledgerd/store/store_report.h"
#include "tests/lib/keeping.h"
#include "tests/lib/testdb.h"

/* --- deadlines stand still -------------------------------------------------------------------- */

static int64_t lapsed_micro(struct store *store, struct instant now)
{
    struct lapsed_rows lapsed;
    struct error err = {0};
    int64_t sum = 0;

    if (store_read_lapsed(store, NULL, now, &lapsed, &err) != 0) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < lapsed.count; i++) {
        sum += lapsed.rows[i].held.micro;
    }
    store_lapsed_release(&lapsed);
    return sum;
}

static void while_its_source_is_stale_a_hold_does_not_lapse(void **state)
{
    struct fixture *f = *state;
    struct hold_request rest = request_of("rest", "41"), plain = request_of("plain", "10");
    struct hold_end_result result;
    struct error err = {0};
    size_t swept;

    plain.source = "";
    begin(f, later(0)); /* fresh until 12:03 */
    make(f, "k", "60", later(0));
    make(f, "k2", "10", later(0));
    assert_int_equal(place(f, &plain, later(0)), HOLD_MADE);
    assert_int_equal(place(f, &rest, later(300)), HOLD_REFUSED); /* 70 are held, 10 no more */
    assert_int_equal(find(f, "k", later(300)).state, HOLD_OPEN);
    assert_int_equal(find(f, "k", later(300)).expires_at.us, later(60).us);
    assert_int_equal(find(f, "plain", later(300)).state, HOLD_EXPIRED);
    assert_int_equal(hold_sweep(f->book.store, later(300), 10, &swept, &err), 0);
    assert_int_equal(swept, 1);
    assert_int_equal(hold_extend(f->book.store, "key:k", HOUR_US, later(300), &result, &err), 0);
    assert_int_equal(hold_release(f->book.store, "key:k", later(400), &result, &err), 0);
    assert_int_equal(result.freed.micro, 60 * POINTS_MICRO);
    import_job(f, "1@1", "k2", "final", 1, later(300));
    assert_int_equal(find(f, "k2", later(300)).state, HOLD_SETTLED);
}

static int add_points(void *context, const char *project, struct points points, struct error *err)
{
    struct points *sum = context;

    (void)project;
    (void)err;
    sum->micro += points.micro;
    return 0;
}

/* Deadline, fresh_until and time, in minutes; the source may be none or never have confirmed. */
static void every_reader_goes_by_one_rule(void **state)
{
    struct fixture *f = *state;
    static const int minutes[] = {10, 20, 30};
    char sql[512];
    int cases = 0;

    make(f, "k", "60", later(0));
    begin(f, later(0));
    for (int of = 0; of < 3; of++) { /* of no source, of one never read, of one read */
        for (size_t e = 0; e < COUNT(minutes); e++) {
            for (size_t u = 0; u < COUNT(minutes); u++) {
                for (size_t t = 0; t < COUNT(minutes); t++, cases++) {
                    struct instant now = later(minutes[t]);
                    bool lapsed = minutes[e] <= minutes[t] && (of != 2 || minutes[e] <= minutes[u]);
                    struct store_dues dues;
                    struct store_gauges gauges;
                    struct hold_infos list;
                    struct lapsed_hold over[1];
                    struct error err = {0};
                    size_t count;

                    snprintf(sql, sizeof sql,
                             "UPDATE ledger.hold SET source = '%s', expires_at = timestamptz '" NOW
                             "' + interval '%d min'; UPDATE ledger.pull SET fresh_until = %s + "
                             "interval '%d min'",
                             of == 0 ? "" : SOURCE, minutes[e],
                             of == 2 ? "timestamptz '" NOW "'" : "NULL::timestamptz", minutes[u]);
                    testdb_exec(f->book.conninfo, sql);
                    snprintf(sql, sizeof sql,
                             "SELECT ledger.is_lapsed(source, expires_at, timestamptz '" NOW
                             "' + interval '%d min')::int FROM ledger.hold",
                             minutes[t]);
                    assert_int_equal(ask_book(f, sql), lapsed);
                    assert_int_equal(lapsed_micro(f->book.store, now),
                                     lapsed ? 60 * POINTS_MICRO : 0);
                    assert_int_equal(find(f, "k", now).state, lapsed ? HOLD_EXPIRED : HOLD_OPEN);
                    assert_int_equal(hold_list(f->book.store, "ml", 0, 10, now, &list, &err), 0);
                    assert_int_equal(list.count, !lapsed);
                    hold_infos_release(&list);
                    assert_int_equal(store_read_dues(f->book.store, now, 10, &dues, &err), 0);
                    assert_int_equal(dues.count, lapsed);
                    store_dues_release(&dues);
                    assert_int_equal(store_read_gauges(f->book.store, now, &gauges, &err), 0);
                    assert_int_equal(gauges.open_holds, !lapsed);
                    assert_int_equal(store_holds_lapsed(f->book.store, now, 1, over, &count, &err),
                                     0);
                    assert_int_equal(count, lapsed);
                    struct points reported = POINTS_ZERO;
                    assert_int_equal(
                        store_report_held(f->book.store, now, add_points, &reported, &err), 0);
                    assert_int_equal(reported.micro, lapsed ? 0 : 60 * POINTS_MICRO);
                }
            }
        }
    }
    assert_int_equal(cases, 81);
}

static void a_source_that_is_back_gives_deadlines_what_they_had_left(void **state)
{
    struct fixture *f = *state;
    struct hold_request other = request_of("other", "1"), early = request_of("early", "1");

    other.source = "slurm:d";
    early.ttl_us = 2 * MINUTE_US;
    begin(f, later(0)); /* fresh until 12:03 */
    make(f, "k", "1", later(0));
    assert_int_equal(place(f, &other, later(0)), HOLD_MADE);
    assert_int_equal(place(f, &early, later(0)), HOLD_MADE);
    make(f, "new", "1", later(100)); /* while it is stale */
    begin(f, later(303));
    assert_int_equal(find(f, "k", later(303)).expires_at.us, later(360).us);
    assert_int_equal(find(f, "new", later(303)).expires_at.us, later(363).us);
    assert_int_equal(find(f, "other", later(303)).expires_at.us, later(60).us);
    assert_int_equal(find(f, "early", later(303)).state, HOLD_EXPIRED); /* at 12:02 */
    assert_int_equal(ask_book(f, "SELECT extract(epoch FROM fresh_until - timestamptz '" NOW
                                 "')::bigint FROM ledger.pull"),
                     306 * 60);
    begin(f, later(304)); /* it was not stale: nothing moves */
    assert_int_equal(find(f, "k", later(304)).expires_at.us, later(360).us);
}

static void until_its_first_round_deadlines_of_a_source_stand_still(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    make(f, "k", "1", later(0));
    assert_int_equal(slurm_keep_await(f->book.store, SOURCE, later(1), &err), 0);
    assert_int_equal(find(f, "k", later(500)).state, HOLD_OPEN);
    assert_int_equal(slurm_keep_await(f->book.store, SOURCE, later(200), &err), 0);
    begin(f, later(301));
    assert_int_equal(find(f, "k", later(301)).expires_at.us, later(360).us);
}

struct watch { /* reads what has lapsed at a time that moves with the rounds */
    const char *conninfo;
    _Atomic int64_t now_us;
    atomic_bool stop;
    int64_t seen_micro; /* the most */
    int reads;
};

static void *run_watch(void *argument)
{
    struct watch *watch = argument;
    struct error err = {0};
    struct store *store = store_open(watch->conninfo, STORE_DAEMON, &err);

    while (store != NULL && !atomic_load(&watch->stop)) {
        int64_t micro = lapsed_micro(store, (struct instant){atomic_load(&watch->now_us)});

        watch->seen_micro = micro > watch->seen_micro ? micro : watch->seen_micro;
        watch->reads++;
    }
    store_close(store);
    return NULL;
}

/* A reader whose time is that of the next round sees either the deadline that stands still, or the
 * one that was moved. */
static void nobody_sees_a_hold_lapse_while_deadlines_are_moved(void **state)
{
    struct fixture *f = *state;
    struct watch watch = {.conninfo = f->book.conninfo};
    pthread_t thread;
    int rounds = 0;

    struct hold_request request = request_of("k", "60");

    request.ttl_us = 10 * HOUR_US; /* of the source's own time: 3 minutes a round */
    begin(f, later(0));
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    atomic_store(&watch.now_us, later(0).us);
    pthread_create(&thread, NULL, run_watch, &watch);
    for (int64_t minute = 1000; minute <= 1000 * 60; minute += 1000) {
        atomic_store(&watch.now_us, later(minute).us);
        begin(f, later(minute));
        rounds++;
    }
    atomic_store(&watch.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(watch.seen_micro, 0);
    assert_true(watch.reads > rounds / 4);
}

/* --- parts that run at a time ----------------------------------------------------------------- */

static void a_throttled_array_reserves_for_the_tasks_that_may_run(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = request_of("k", "20");
    static const int64_t left[] = {20, 20, 20, 20, 10, 0};
    char id[16];

    request.parts = 5;
    request.at_once = 2;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    for (size_t ended = 0; ended < COUNT(left); ended++) {
        assert_int_equal(held_points(f, "k", later(0)), left[ended]);
        assert_int_equal(find(f, "k", later(0)).ended_parts, ended);
        if (ended < 5) {
            snprintf(id, sizeof id, "%zu@1", ended);
            import(f, id, "k");
        }
    }
    assert_int_equal(find(f, "k", later(0)).state, HOLD_SETTLED);
}

static void parts_of_a_throttled_array_settle_without_records_too(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = request_of("k", "20");
    struct error err = {0};
    static const int64_t left[] = {20, 10, 0};
    char key[16];

    request.parts = 3;
    request.at_once = 2;
    assert_int_equal(place(f, &request, later(0)), HOLD_MADE);
    for (int part = 0; part < 3; part++) {
        struct hold_end_result result;

        snprintf(key, sizeof key, "part%d", part);
        const struct hold_settle_request settle = {
            .name = "key:k", .points = book_points("1"), .key = key, .now = later(0)};
        assert_int_equal(hold_settle(f->book.store, &settle, &result, &err), 0);
        assert_int_equal(held_points(f, "k", later(0)), left[part]);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(while_its_source_is_stale_a_hold_does_not_lapse),
        TEST(every_reader_goes_by_one_rule),
        TEST(a_source_that_is_back_gives_deadlines_what_they_had_left),
        TEST(until_its_first_round_deadlines_of_a_source_stand_still),
        TEST(nobody_sees_a_hold_lapse_while_deadlines_are_moved),
        TEST(a_throttled_array_reserves_for_the_tasks_that_may_run),
        TEST(parts_of_a_throttled_array_settle_without_records_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
