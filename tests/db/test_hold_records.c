/* Records and settlements end the holds that they name, once, whatever comes again or late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/verify.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define NOW "2027-06-10T12:00:00+09:00"

struct held_book {
    struct book book;
    struct hold_desk *desk;
};

static int setup(void **state)
{
    struct held_book *held = calloc(1, sizeof *held);
    struct error err = {0};

    book_open(&held->book, "holdrec");
    book_agree(&held->book);
    book_add_project(&held->book, "hp1", "hpci");
    book_add_project(&held->book, "hp2", "hpci");
    book_grant(&held->book, "hp1", "100", "2027-06-01", "2028-04-01");
    book_grant(&held->book, "hp2", "100", "2027-06-01", "2028-04-01");
    held->desk = hold_desk_create(NULL, &err);
    assert_non_null(held->desk);
    *state = held;
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
    struct held_book *held = *state;
    char text[VERIFY_DETAIL_BYTES + 64];

    verify_all(&held->book, text, sizeof text);
    assert_string_equal(text, "");
    hold_desk_destroy(held->desk);
    book_close(&held->book);
    free(held);
    return 0;
}

/* Make a hold of hp1 with a deadline 15 minutes after NOW; its id is written to id. */
static void make(struct held_book *held, const char *key, const char *points, int parts, char *id)
{
    struct usage_record *shape = calloc(1, sizeof *shape);
    struct hold_request request = {.key = key,
                                   .parts = parts,
                                   .ttl_us = HOLD_TTL_DEFAULT_US,
                                   .ref_kind = "slurm",
                                   .ref_id = "x"};
    const struct hold_knowledge nothing = {0};
    struct hold_outcome outcome = {0};
    struct error err = {0};

    check_request_init(&request.check, shape);
    request.check.project = "hp1";
    request.check.user = "u1";
    request.check.has_points = true;
    request.check.points = book_points(points);
    if (hold_place(held->book.store, held->desk, &nothing, &request, 1, book_time(NOW), &outcome,
                   &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(outcome.fate, HOLD_MADE);
    snprintf(id, HOLD_ID_BYTES, "%s", outcome.hold.id);
    hold_outcome_release(&outcome);
    free(shape);
}

struct job {
    const char *id;
    const char *hold;
    const char *state;   /* NULL: final */
    const char *outcome; /* NULL: completed */
    const char *project; /* NULL: hp1 */
    int hours;           /* of one GPU: as many points */
    const char *seen;    /* NULL: 13:00 */
    const char *now;     /* NULL: NOW */
};

/* Import it; returns "booked", "amended", "duplicate" or "quarantined". */
static const char *import(struct held_book *held, const struct job *job)
{
    struct ingest_options options = {
        .format = "ledger",
        .source = "slurm:x",
        .now = book_time(job->now != NULL ? job->now : NOW),
    };
    struct ingest_counts counts = {0};
    struct error err = {0};
    char line[1024];

    snprintf(line, sizeof line,
             "{\"source\":\"slurm:x\",\"id\":\"%s\",\"project\":\"%s\",\"user\":\"u1\","
             "\"class\":\"gpu\",\"start\":\"2027-06-10T00:00:00+09:00\","
             "\"end\":\"2027-06-10T%02d:00:00+09:00\",\"state\":\"%s\",\"outcome\":\"%s\","
             "\"meters\":{\"gpu\":\"1\"},\"hold\":\"%s\",\"seen\":\"2027-06-10T%s:00+09:00\"}\n",
             job->id, job->project != NULL ? job->project : "hp1", job->hours,
             job->state != NULL ? job->state : "final",
             job->outcome != NULL ? job->outcome : "completed", job->hold,
             job->seen != NULL ? job->seen : "13:00");
    if (ingest_bytes(held->book.store, line, strlen(line), &options, &counts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return counts.booked      ? "booked"
           : counts.amended   ? "amended"
           : counts.duplicate ? "duplicate"
                              : "quarantined";
}

/* How the hold and its project stand: "open 6 held, 4 freed, 1/3 ended; hp1 90 posted, 6 held, 0
 * accrued". */
static void assert_stands(struct held_book *held, const char *id, const char *expected)
{
    char sql[1024];
    char *text;

    snprintf(sql, sizeof sql,
             "SELECT format('%%s %%s held, %%s freed, %%s/%%s ended; %%s posted, %%s held, %%s "
             "accrued', h.state, h.held_micro / 1000000, h.freed_micro / 1000000, h.ended_parts, "
             "h.parts, p.posted_micro / 1000000, p.held_micro / 1000000, "
             "p.accrued_micro / 1000000) FROM ledger.hold h JOIN ledger.project_position p "
             "USING (project_id) WHERE 'h_' || h.hold_no = '%s'",
             id);
    text = testdb_text(held->book.conninfo, sql);
    assert_string_equal(text, expected);
    free(text);
}

static int settle(struct held_book *held, const char *name, const char *points, bool is_final,
                  const char *key, const char *now, struct hold_end_result *result,
                  struct error *err)
{
    struct hold_settle_request request = {.name = name,
                                          .points = book_points(points),
                                          .is_final = is_final,
                                          .key = key,
                                          .now = book_time(now)};

    *err = (struct error){0};
    return hold_settle(held->book.store, &request, result, err);
}

/* --- records --------------------------------------------------------------------------------- */

static void a_record_ends_its_hold_once(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];
    struct job job = {.id = "1", .hold = id, .hours = 4};

    make(held, "k1", "10", 1, id);
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 100 posted, 10 held, 0 accrued");
    assert_string_equal(import(held, &job), "booked");
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 96 posted, 0 held, 0 accrued");
    assert_string_equal(import(held, &job), "duplicate");
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 96 posted, 0 held, 0 accrued");
    job.hours = 6;
    job.seen = "14:00";
    assert_string_equal(import(held, &job), "amended");
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 94 posted, 0 held, 0 accrued");
}

static void a_record_may_name_the_key_and_cost_more(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "3", 1, id);
    assert_string_equal(import(held, &(struct job){.id = "1", .hold = "k1", .hours = 9}), "booked");
    assert_stands(held, id, "settled 0 held, 3 freed, 1/1 ended; 91 posted, 0 held, 0 accrued");
}

static void each_task_of_an_array_ends_a_part(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 3, id);
    import(held, &(struct job){.id = "1", .hold = id, .hours = 1});
    assert_stands(held, id, "open 6 held, 3 freed, 1/3 ended; 99 posted, 6 held, 0 accrued");
    import(held, &(struct job){.id = "1", .hold = id, .hours = 2, .seen = "14:00"});
    assert_stands(held, id, "open 6 held, 3 freed, 1/3 ended; 98 posted, 6 held, 0 accrued");
    import(held, &(struct job){.id = "2", .hold = "k1", .hours = 4});
    assert_stands(held, id, "open 3 held, 6 freed, 2/3 ended; 94 posted, 3 held, 0 accrued");
    import(held, &(struct job){.id = "3", .hold = id, .hours = 2});
    assert_stands(held, id, "settled 0 held, 10 freed, 3/3 ended; 92 posted, 0 held, 0 accrued");
    import(held, &(struct job){.id = "4", .hold = id, .hours = 2});
    assert_stands(held, id, "settled 0 held, 10 freed, 3/3 ended; 90 posted, 0 held, 0 accrued");
}

static void a_requeue_charges_and_ends_nothing(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];
    struct job job = {.id = "1", .hold = id, .hours = 4, .outcome = "requeued"};

    make(held, "k1", "10", 1, id);
    import(held, &job);
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 96 posted, 10 held, 0 accrued");
    import(held, &(struct job){.id = "2", .hold = id, .hours = 1, .outcome = "node_fail"});
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 95 posted, 10 held, 0 accrued");
    job.outcome = "completed"; /* it turns out to have ended after all */
    job.seen = "14:00";
    assert_string_equal(import(held, &job), "amended");
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 95 posted, 0 held, 0 accrued");
    job.hours = 5;
    job.seen = "15:00";
    import(held, &job);
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 94 posted, 0 held, 0 accrued");
}

static void a_lease_shrinks_by_what_is_charged(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];
    struct job job = {.id = "1", .hold = id, .hours = 4};

    make(held, "k1", "10", 0, id);
    import(held, &job);
    assert_stands(held, id, "open 6 held, 4 freed, 0/0 ended; 96 posted, 6 held, 0 accrued");
    job.hours = 5;
    job.seen = "14:00";
    import(held, &job);
    assert_stands(held, id, "open 5 held, 5 freed, 0/0 ended; 95 posted, 5 held, 0 accrued");
    import(held, &(struct job){.id = "2", .hold = id, .hours = 9});
    assert_stands(held, id, "open 0 held, 10 freed, 0/0 ended; 86 posted, 0 held, 0 accrued");
}

static void running_work_takes_the_place_of_its_hold(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];
    struct job job = {.id = "1", .hold = id, .hours = 4, .state = "running"};

    make(held, "k1", "10", 1, id);
    import(held, &job);
    assert_stands(held, id, "open 6 held, 0 freed, 0/1 ended; 100 posted, 6 held, 4 accrued");
    job.hours = 12;
    import(held, &job);
    assert_stands(held, id, "open 0 held, 0 freed, 0/1 ended; 100 posted, 0 held, 12 accrued");
    job.state = NULL;
    job.outcome = "requeued";
    import(held, &job);
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 88 posted, 10 held, 0 accrued");
    import(held, &(struct job){.id = "2", .hold = id, .hours = 2, .state = "running"});
    assert_stands(held, id, "open 8 held, 0 freed, 0/1 ended; 88 posted, 8 held, 2 accrued");
    import(held, &(struct job){.id = "2", .hold = "", .hours = 3});
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 85 posted, 10 held, 0 accrued");
}

static void running_tasks_cover_a_part_each(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 2, id);
    import(held, &(struct job){.id = "1", .hold = id, .hours = 9, .state = "running"});
    assert_stands(held, id, "open 5 held, 0 freed, 0/2 ended; 100 posted, 5 held, 9 accrued");
    import(held, &(struct job){.id = "2", .hold = id, .hours = 1, .state = "running"});
    assert_stands(held, id, "open 4 held, 0 freed, 0/2 ended; 100 posted, 4 held, 10 accrued");
    import(held, &(struct job){.id = "1", .hold = id, .hours = 9});
    assert_stands(held, id, "open 4 held, 5 freed, 1/2 ended; 91 posted, 4 held, 1 accrued");
    import(held, &(struct job){.id = "2", .hold = id, .hours = 2});
    assert_stands(held, id, "settled 0 held, 10 freed, 2/2 ended; 89 posted, 0 held, 0 accrued");
}

/* Import jobs `from` to `to`, up or down, of one hour each in one batch. */
static void import_row(struct held_book *held, const char *hold, const char *job_state, int from,
                       int to)
{
    struct ingest_options options = {
        .format = "ledger", .source = "slurm:x", .now = book_time(NOW)};
    struct ingest_counts counts = {0};
    struct strbuf lines = STRBUF_INIT;
    struct error err = {0};
    int step = from < to ? 1 : -1;

    for (int i = from; i != to + step; i += step) {
        strbuf_printf(&lines,
                      "{\"source\":\"slurm:x\",\"id\":\"%d\",\"project\":\"hp1\","
                      "\"user\":\"u1\",\"class\":\"gpu\",\"hold\":\"%s\",\"state\":\"%s\","
                      "\"outcome\":\"completed\",\"start\":\"2027-06-10T00:00:00+09:00\","
                      "\"end\":\"2027-06-10T01:00:00+09:00\",\"meters\":{\"gpu\":\"1\"},"
                      "\"seen\":\"2027-06-10T13:00:00+09:00\"}\n",
                      i, hold, job_state);
    }
    if (ingest_bytes(held->book.store, lines.data, lines.length, &options, &counts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(counts.booked, abs(to - from) + 1);
    strbuf_release(&lines);
}

/* Whatever order the database finds their accruals in. */
static void tasks_end_in_any_order(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "80", 40, id);
    import_row(held, id, "running", 1, 40);
    assert_stands(held, id, "open 40 held, 0 freed, 0/40 ended; 100 posted, 40 held, 40 accrued");
    import_row(held, id, "final", 20, 1);
    assert_stands(held, id, "open 20 held, 40 freed, 20/40 ended; 80 posted, 20 held, 20 accrued");
    import_row(held, id, "final", 40, 21);
    assert_stands(held, id, "settled 0 held, 80 freed, 40/40 ended; 60 posted, 0 held, 0 accrued");
}

static void another_projects_hold_is_left_alone(void **state)
{
    struct held_book *held = *state;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 1, id);
    import(held, &(struct job){.id = "1", .hold = id, .hours = 4, .project = "hp2"});
    import(held, &(struct job){.id = "2", .hold = "h_999999", .hours = 1});
    import(held, &(struct job){.id = "3", .hold = "no such key", .hours = 1});
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 98 posted, 10 held, 0 accrued");
}

static void past_its_deadline_a_record_only_books(void **state)
{
    struct held_book *held = *state;
    struct hold_info hold;
    struct error err = {0};
    size_t swept;
    char id[HOLD_ID_BYTES];
    struct job job = {.id = "1", .hold = id, .hours = 4, .now = "2027-06-10T12:15:00+09:00"};

    make(held, "k1", "10", 1, id);
    import(held, &job);
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 96 posted, 10 held, 0 accrued");
    assert_int_equal(hold_find(held->book.store, id, book_time(job.now), &hold, &err), 0);
    assert_int_equal(hold.state, HOLD_EXPIRED);
    assert_int_equal(hold.held.micro, 0);
    assert_int_equal(hold_sweep(held->book.store, book_time("2027-06-10T12:14:59.999999+09:00"),
                                1000, &swept, &err),
                     0);
    assert_int_equal(swept, 0);
    assert_int_equal(hold_sweep(held->book.store, book_time(job.now), 1000, &swept, &err), 0);
    assert_int_equal(swept, 1);
    assert_stands(held, id, "expired 0 held, 10 freed, 0/1 ended; 96 posted, 0 held, 0 accrued");
}

static void limits_follow(void **state)
{
    struct held_book *held = *state;
    struct limit_request request = {.act = book_act(NOW),
                                    .project = "hp1",
                                    .user = "u1",
                                    .period = LIMIT_MONTH,
                                    .points = book_points("50")};
    struct error err = {0};
    bool unchanged;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 2, id);
    assert_int_equal(limit_set(held->book.store, &request, &unchanged, &err), 0);
    assert_int_equal(testdb_int(held->book.conninfo, "SELECT held_micro FROM ledger.limit_held"),
                     10000000);
    import(held, &(struct job){.id = "1", .hold = id, .hours = 1});
    assert_int_equal(testdb_int(held->book.conninfo, "SELECT held_micro FROM ledger.limit_held"),
                     5000000);
}

/* --- settlements ------------------------------------------------------------------------------ */

static void settling_less_gives_the_rest_back(void **state)
{
    struct held_book *held = *state;
    struct hold_end_result result;
    struct error err;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 1, id);
    assert_int_equal(settle(held, "key:k1", "4", true, "", NOW, &result, &err), 0);
    assert_false(result.repeated);
    assert_int_equal(result.charged.micro, 4000000);
    assert_int_equal(result.freed.micro, 6000000);
    assert_int_equal(result.overspent.micro, 0);
    assert_int_equal(result.hold.state, HOLD_SETTLED);
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 96 posted, 0 held, 0 accrued");

    /* Settlements are no source that anybody waits for: cards are free, months close. */
    assert_int_equal(testdb_int(held->book.conninfo, "SELECT count(*) FROM ledger.source "
                                                     "WHERE last_record_at IS NOT NULL"),
                     0);
    assert_int_equal(settle(held, id, "4.000000", true, "", NOW, &result, &err), 0);
    assert_true(result.repeated);
    assert_int_equal(result.freed.micro, 6000000);
    assert_int_equal(settle(held, id, "5", true, "", NOW, &result, &err), -1);
    assert_string_equal(err.reason, "hold_resolved");
    assert_int_equal(settle(held, "h_77777", "5", true, "", NOW, &result, &err), -1);
    assert_string_equal(err.reason, "unknown_hold");
    assert_int_equal(hold_release(held->book.store, id, book_time(NOW), &result, &err), -1);
    assert_string_equal(err.reason, "hold_resolved");
}

static void settling_more_books_the_whole(void **state)
{
    struct held_book *held = *state;
    struct hold_end_result result;
    struct error err;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 1, id);
    assert_int_equal(settle(held, id, "12.5", true, "", NOW, &result, &err), 0);
    assert_int_equal(result.charged.micro, 12500000);
    assert_int_equal(result.overspent.micro, 2500000);
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 87 posted, 0 held, 0 accrued");
}

static void parts_are_settled_by_their_keys(void **state)
{
    struct held_book *held = *state;
    struct hold_end_result result;
    struct error err;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 1, id);
    assert_int_equal(settle(held, id, "3", false, "p1", NOW, &result, &err), 0);
    assert_stands(held, id, "open 7 held, 3 freed, 0/1 ended; 97 posted, 7 held, 0 accrued");
    assert_int_equal(settle(held, id, "3", false, "p1", NOW, &result, &err), 0);
    assert_true(result.repeated);
    assert_int_equal(settle(held, id, "2", false, "p1", NOW, &result, &err), -1);
    assert_string_equal(err.reason, "key_differs");
    assert_int_equal(settle(held, id, "2", false, "", NOW, &result, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(settle(held, id, "4", true, "", NOW, &result, &err), 0);
    assert_int_equal(result.freed.micro, 3000000);
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 93 posted, 0 held, 0 accrued");
}

static void a_settlement_that_no_book_could_hold_is_none(void **state)
{
    static char long_key[HOLD_KEY_BYTES + 1];
    const char *const keys[] = {"h_1", "a\tb", "a\xff", long_key};
    struct held_book *held = *state;
    struct hold_end_result result;
    struct error err;
    char id[HOLD_ID_BYTES];

    memset(long_key, 'k', HOLD_KEY_BYTES);
    make(held, "k1", "10", 1, id);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_int_equal(settle(held, id, "1", false, keys[i], NOW, &result, &err), -1);
        assert_int_equal(err.code, ERROR_ARGUMENT);
    }
    assert_int_equal(settle(held, id, "10000000000.000001", true, "", NOW, &result, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_stands(held, id, "open 10 held, 0 freed, 0/1 ended; 100 posted, 10 held, 0 accrued");
    assert_int_equal(settle(held, id, "10000000000", true, "", NOW, &result, &err), 0);
    assert_int_equal(settle(held, id, "10000000000", true, "", NOW, &result, &err), 0);
    assert_true(result.repeated);
}

static void a_part_of_an_array_ends_it(void **state)
{
    struct held_book *held = *state;
    struct hold_end_result result;
    struct error err;
    char id[HOLD_ID_BYTES];

    make(held, "k1", "10", 2, id);
    assert_int_equal(settle(held, id, "1", false, "p1", NOW, &result, &err), 0);
    assert_int_equal(result.freed.micro, 4000000);
    assert_stands(held, id, "open 5 held, 5 freed, 1/2 ended; 99 posted, 5 held, 0 accrued");
    assert_int_equal(settle(held, id, "1", false, "p2", NOW, &result, &err), 0);
    assert_stands(held, id, "settled 0 held, 10 freed, 2/2 ended; 98 posted, 0 held, 0 accrued");
}

static void settling_past_the_deadline_books(void **state)
{
    struct held_book *held = *state;
    struct hold_end_result result;
    struct error err;
    size_t swept;
    char id[HOLD_ID_BYTES], other[HOLD_ID_BYTES];

    make(held, "k1", "10", 1, id);
    make(held, "k2", "10", 1, other);
    assert_int_equal(settle(held, id, "4", true, "", "2027-06-10T13:00:00+09:00", &result, &err),
                     0);
    assert_int_equal(result.overspent.micro, 4000000);
    assert_stands(held, id, "settled 0 held, 10 freed, 1/1 ended; 96 posted, 10 held, 0 accrued");
    assert_int_equal(
        hold_sweep(held->book.store, book_time("2027-06-10T13:00:00+09:00"), 10, &swept, &err), 0);
    assert_int_equal(swept, 1);
    assert_int_equal(settle(held, other, "4", true, "", "2027-06-10T13:00:00+09:00", &result, &err),
                     0);
    assert_stands(held, other, "settled 0 held, 10 freed, 1/1 ended; 92 posted, 0 held, 0 accrued");
}

static void nobody_else_may_call_a_record_a_settlement(void **state)
{
    struct held_book *held = *state;
    struct ingest_options options = {.format = "ledger", .source = "", .now = book_time(NOW)};
    struct ingest_counts counts = {0};
    struct error err = {0};
    static const char line[] =
        "{\"source\":\"hold\",\"id\":\"h_1\",\"project\":\"hp1\",\"class\":\"gpu\","
        "\"start\":\"2027-06-10T00:00:00+09:00\",\"end\":\"2027-06-10T01:00:00+09:00\","
        "\"state\":\"final\",\"meters\":{\"gpu\":\"1\"}}\n";
    char *reason;

    assert_int_equal(ingest_bytes(held->book.store, line, strlen(line), &options, &counts, &err),
                     0);
    assert_int_equal(counts.quarantined, 1);
    reason = testdb_text(held->book.conninfo, "SELECT reason FROM ledger.quarantine");
    assert_string_equal(reason, "reserved_source");
    free(reason);
}

static void every_damage_to_holds_is_named(void **state)
{
    static const struct {
        const char *damage;
        const char *undo;
        const char *check;
    } rows[] = {
        {"UPDATE ledger.hold SET freed_micro = freed_micro + 1, held_micro = 0 WHERE parts = 2",
         "UPDATE ledger.hold SET freed_micro = freed_micro - 1, held_micro = 5000000 "
         "WHERE parts = 2",
         "holds_follow_their_events: "},
        {"UPDATE ledger.hold SET held_micro = held_micro - 1 WHERE parts = 2",
         "UPDATE ledger.hold SET held_micro = held_micro + 1 WHERE parts = 2",
         "holds_hold_the_rest: "},
        {"UPDATE ledger.project_position SET held_micro = held_micro + 1 WHERE project_id = 'hp2'",
         "UPDATE ledger.project_position SET held_micro = held_micro - 1 WHERE project_id = 'hp2'",
         "positions_sum_holds: project hp2"},
        {"UPDATE ledger.hold_event SET charged_micro = charged_micro + 1 WHERE kind = 'settle'",
         "UPDATE ledger.hold_event SET charged_micro = charged_micro - 1 WHERE kind = 'settle'",
         "settlements_match: "},
    };
    struct held_book *held = *state;
    struct hold_end_result result;
    struct error err;
    char id[HOLD_ID_BYTES], text[VERIFY_DETAIL_BYTES + 64];

    make(held, "k1", "10", 2, id);
    assert_int_equal(settle(held, id, "1", false, "p1", NOW, &result, &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        testdb_exec(held->book.conninfo, rows[i].damage);
        verify_all(&held->book, text, sizeof text);
        if (strstr(text, rows[i].check) != text) {
            fail_msg("%s\n  gave '%s'", rows[i].damage, text);
        }
        testdb_exec(held->book.conninfo, rows[i].undo);
    }
}

int main(void)
{
#define HOLD_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        HOLD_TEST(a_record_ends_its_hold_once),
        HOLD_TEST(a_record_may_name_the_key_and_cost_more),
        HOLD_TEST(each_task_of_an_array_ends_a_part),
        HOLD_TEST(a_requeue_charges_and_ends_nothing),
        HOLD_TEST(a_lease_shrinks_by_what_is_charged),
        HOLD_TEST(running_work_takes_the_place_of_its_hold),
        HOLD_TEST(running_tasks_cover_a_part_each),
        HOLD_TEST(tasks_end_in_any_order),
        HOLD_TEST(another_projects_hold_is_left_alone),
        HOLD_TEST(past_its_deadline_a_record_only_books),
        HOLD_TEST(limits_follow),
        HOLD_TEST(settling_less_gives_the_rest_back),
        HOLD_TEST(settling_more_books_the_whole),
        HOLD_TEST(parts_are_settled_by_their_keys),
        HOLD_TEST(a_settlement_that_no_book_could_hold_is_none),
        HOLD_TEST(a_part_of_an_array_ends_it),
        HOLD_TEST(settling_past_the_deadline_books),
        HOLD_TEST(nobody_else_may_call_a_record_a_settlement),
        HOLD_TEST(every_damage_to_holds_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
