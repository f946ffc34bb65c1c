/* Holds of Slurm's jobs live as long as the jobs do, and no longer; nothing lapses unseen. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/slurm_keep.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/store/store_gauges.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_keep.h"
#include "ledgerd/store/store_position.h"
#include "ledgerd/store/store_report.h"
#include "ledgerd/store/store_slurm.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define NOW "2027-06-10T12:00:00+09:00"
#define MINUTE_US (INT64_C(60) * 1000000)
#define HOUR_US (60 * MINUTE_US)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char SOURCE[] = "slurm:c";

struct fixture {
    struct book book;
    struct conf conf;
    struct hold_desk *desk;
    struct slurm_keep_figures figures; /* of the last round */
    bool ended_unread;
    struct slurm_gone gone[8];          /* told in each round */
    const struct slurm_gone *many_gone; /* in their place */
    size_t gone_count;
    const char *scontrol;
};

static void configure(struct fixture *f, const char *more)
{
    struct error err = {0};
    char text[512];

    snprintf(text, sizeof text, "[slurm c]\nmode = sacct\n%s\n", more);
    conf_release(&f->conf);
    if (conf_parse("test", text, &f->conf, &err) != 0) {
        fail_msg("%s", err.text);
    }
    hold_desk_destroy(f->desk);
    f->desk = hold_desk_create(&f->conf, &err);
    assert_non_null(f->desk);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    book_open(&f->book, "keep");
    book_agree(&f->book);
    book_add_project(&f->book, "ml", "hpci");
    book_add_project(&f->book, "bio", "hpci");
    book_add_service(&f->book, "svc", "slurm:c/llm");
    book_grant(&f->book, "ml", "100", "2027-06-01", "2028-04-01");
    configure(f, "");
    *state = f;
    return 0;
}

/* The first check that fails, as "name: detail"; "" if the book proves itself. */
static void verify_all(struct book *book, char *text, size_t size)
{
    struct verify_options options = {.rerate_every = 1};
    struct verify_result *result = calloc(1, sizeof *result);
    struct error err = {0};
    struct store *store = store_open(book->conninfo, STORE_REPORT, &err);

    if (store == NULL || verify_book(store, &options, result, &err) != 0) {
        fail_msg("%s", err.text);
    }
    store_close(store);
    text[0] = '\0';
    for (size_t i = 0; i < result->check_count && *text == '\0'; i++) {
        if (!result->checks[i].ok) {
            snprintf(text, size, "%s: %s", result->checks[i].name, result->checks[i].detail);
        }
    }
    free(result);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char text[VERIFY_DETAIL_BYTES + 64];

    verify_all(&f->book, text, sizeof text);
    assert_string_equal(text, "");
    hold_desk_destroy(f->desk);
    conf_release(&f->conf);
    book_close(&f->book);
    free(f);
    return 0;
}

static struct instant later(int64_t minutes)
{
    return (struct instant){book_time(NOW).us + minutes * MINUTE_US};
}

static int64_t ask_book(struct fixture *f, const char *sql)
{
    return testdb_int(f->book.conninfo, sql);
}

/* --- holds and jobs --------------------------------------------------------------------------- */

static struct hold_request request_of(const char *key, const char *points)
{
    return (struct hold_request){.key = key,
                                 .check = {.project = "ml",
                                           .user = "u1",
                                           .has_points = true,
                                           .points = book_points(points),
                                           .ask = SLURM_ASK_NONE},
                                 .parts = 1,
                                 .ttl_us = HOUR_US,
                                 .source = SOURCE,
                                 .ref_kind = "slurm",
                                 .ref_id = key};
}

static enum hold_fate place(struct fixture *f, const struct hold_request *request,
                            struct instant now)
{
    const struct hold_knowledge nothing = {0};
    struct hold_outcome outcome = {0};
    struct error err = {0};

    if (hold_place(f->book.store, f->desk, &nothing, request, 1, now, &outcome, &err) != 0) {
        fail_msg("%s", err.text);
    }
    hold_outcome_release(&outcome);
    return outcome.fate;
}

static void make(struct fixture *f, const char *key, const char *points, struct instant now)
{
    const struct hold_request request = request_of(key, points);

    assert_int_equal(place(f, &request, now), HOLD_MADE);
}

/* A job of one GPU for an hour, which costs a point a task. */
static struct slurm_job_row job_of(int64_t id, const char *state, const char *key)
{
    return (struct slurm_job_row){.job_id = id,
                                  .submitted = book_time("2027-06-10T11:59:00+09:00"),
                                  .array_task = -1,
                                  .tasks = 1,
                                  .uid = 20001,
                                  .user = "u1",
                                  .account = "ml",
                                  .partition = "gpu",
                                  .qos = "normal",
                                  .state = state,
                                  .start = INSTANT_NONE,
                                  .limit_seconds = 3600,
                                  .meters = "cpu=4 gpu=1",
                                  .hold_key = key,
                                  .start_key = ""};
}

/* The same job, ended; told from now on. */
static void tell_gone(struct fixture *f, const struct slurm_job_row *job, bool never)
{
    assert_true(f->gone_count < COUNT(f->gone));
    f->gone[f->gone_count++] = (struct slurm_gone){.job_id = job->job_id,
                                                   .submitted = job->submitted,
                                                   .array_job_id = job->array_job_id,
                                                   .tasks = job->tasks,
                                                   .never_started = never,
                                                   .hold_key = job->hold_key,
                                                   .user = job->user,
                                                   .account = job->account};
}

/* What a good round does. */
static void go_round(struct fixture *f, const struct slurm_job_row *jobs, size_t count,
                     struct instant now)
{
    const struct slurm_keep_options options = {.cluster = "c",
                                               .conf = &f->conf,
                                               .round_began = now,
                                               .now = now,
                                               .ended_was_read = !f->ended_unread,
                                               .gone = f->many_gone != NULL ? f->many_gone
                                                                            : f->gone,
                                               .gone_count = f->gone_count,
                                               .interval_us = MINUTE_US,
                                               .scontrol = f->scontrol};
    struct error err = {0};

    if (slurm_keep_begin(f->book.store, SOURCE, now, MINUTE_US, &err) != 0 ||
        store_slurm_jobs_write(f->book.store, "c", jobs, count, now, &err) != 0 ||
        slurm_keep(f->book.store, f->desk, &options, &f->figures, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static struct hold_info find(struct fixture *f, const char *key, struct instant now)
{
    struct hold_info hold;
    struct error err = {0};
    char name[HOLD_KEY_BYTES + 4];

    snprintf(name, sizeof name, "key:%s", key);
    if (hold_find(f->book.store, name, now, &hold, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return hold;
}

static int64_t held_points(struct fixture *f, const char *key, struct instant now)
{
    return find(f, key, now).held.micro / POINTS_MICRO;
}

/* A record of one GPU. */
static void import_job(struct fixture *f, const char *id, const char *hold, const char *job_state,
                       int hours, struct instant now)
{
    struct ingest_options options = {.format = "ledger", .source = SOURCE, .now = now};
    struct ingest_counts counts = {0};
    struct error err = {0};
    char line[512];

    snprintf(line, sizeof line,
             "{\"source\":\"slurm:c\",\"id\":\"%s\",\"project\":\"ml\",\"user\":\"u1\","
             "\"class\":\"gpu\",\"start\":\"2027-06-10T00:00:00+09:00\",\"state\":\"%s\","
             "\"end\":\"2027-06-10T%02d:00:00+09:00\",\"outcome\":\"completed\","
             "\"meters\":{\"gpu\":\"1\"},\"hold\":\"%s\"}\n",
             id, job_state, hours, hold);
    if (ingest_bytes(f->book.store, line, strlen(line), &options, &counts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(counts.quarantined, 0);
}

static void import(struct fixture *f, const char *id, const char *hold)
{
    import_job(f, id, hold, "final", 1, book_time(NOW));
}

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

static void begin(struct fixture *f, struct instant now)
{
    struct error err = {0};

    if (slurm_keep_begin(f->book.store, SOURCE, now, MINUTE_US, &err) != 0) {
        fail_msg("%s", err.text);
    }
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
        TEST(while_its_source_is_stale_a_hold_does_not_lapse),
        TEST(every_reader_goes_by_one_rule),
        TEST(a_source_that_is_back_gives_deadlines_what_they_had_left),
        TEST(until_its_first_round_deadlines_of_a_source_stand_still),
        TEST(nobody_sees_a_hold_lapse_while_deadlines_are_moved),
        TEST(a_throttled_array_reserves_for_the_tasks_that_may_run),
        TEST(parts_of_a_throttled_array_settle_without_records_too),
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
        TEST(a_job_that_is_to_be_held_at_its_start_is_held_then),
        TEST(by_policy_nothing_is_held),
        TEST(a_job_that_came_while_ledgerd_was_away_is_held_when_it_is_seen),
        TEST(tasks_split_off_belong_to_the_hold_of_their_array),
        TEST(a_hold_taken_at_a_start_has_been_confirmed),
        TEST(a_job_that_cannot_be_held_is_counted_and_asked_for_again),
        TEST(a_job_that_runs_already_is_held_if_the_rest_of_it_fits),
        TEST(a_downgraded_job_runs_without_points),
        TEST(a_service_and_what_is_free_need_no_hold),
        TEST(a_job_whose_hold_is_gone_gets_another_one),
        TEST(a_hold_that_a_crash_left_unnoted_is_found_again),
        TEST(what_waits_holds_no_more_than_its_share),
        TEST(a_group_counts_what_it_lets_wait),
        TEST(what_waits_for_too_long_is_held_again_at_its_start),
        TEST(a_waiting_job_of_a_dry_project_is_held_back_until_a_grant),
        TEST(whoever_lets_a_job_go_by_hand_has_the_last_word),
        TEST(a_running_job_of_a_dry_project_is_requeued_if_the_site_says_so),
        TEST(a_command_that_slurm_refused_is_not_tried_again_soon),
        TEST(rounds_holds_and_records_at_once_leave_a_sound_book),
        TEST(after_all_was_down_the_first_round_finds_every_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
