/* Holds: nobody spends a point twice, whoever asks and however often; what has lapsed is free. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/balance_read.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_desk.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/flow/share_totals.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_hold_end.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTE_US (INT64_C(60) * 1000000)

static const char NOW[] = "2027-06-10T12:00:00+09:00";

struct fixture {
    struct book book;
    struct hold_desk *desk;
};

static struct hold_desk *desk_make(void)
{
    struct error err = {0};
    struct hold_desk *desk = hold_desk_create(NULL, &err);

    if (desk == NULL) {
        fail_msg("%s", err.text);
    }
    return desk;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    book_open(&f->book, "hold");
    book_agree(&f->book);
    book_add_project(&f->book, "hp1", "hpci");
    book_add_project(&f->book, "hp2", "hpci");
    book_add_project(&f->book, "ind", "industry");
    book_add_service(&f->book, "svc", "gateway:*/m");
    book_grant(&f->book, "hp1", "100", "2027-06-01", "2028-04-01");
    f->desk = desk_make();
    *state = f;
    return 0;
}

/* What is kept beside the holds is what the holds say. */
static void assert_sums(struct book *book)
{
    assert_int_equal(
        testdb_int(book->conninfo,
                   "SELECT count(*) FROM ledger.project_position p WHERE held_micro <> "
                   "(SELECT coalesce(sum(held_micro), 0) FROM ledger.hold h "
                   "WHERE h.project_id = p.project_id AND h.state = 'open')"),
        0);
    assert_int_equal(
        testdb_int(book->conninfo,
                   "SELECT count(*) FROM ledger.project_limit l LEFT JOIN ledger.limit_held x "
                   "USING (limit_no) WHERE x.held_micro IS DISTINCT FROM "
                   "(SELECT coalesce(sum(held_micro), 0) FROM ledger.hold h "
                   "WHERE h.project_id = l.project_id AND h.state = 'open' "
                   "AND (l.user_name = '' OR l.user_name = h.user_name))"),
        0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_sums(&f->book);
    hold_desk_destroy(f->desk);
    book_close(&f->book);
    free(f);
    return 0;
}

static struct hold_request ask(const char *key, const char *project, const char *user,
                               const char *points)
{
    return (struct hold_request){.key = key,
                                 .check = {.project = project,
                                           .user = user,
                                           .has_points = true,
                                           .points = book_points(points)},
                                 .parts = 1,
                                 .ttl_us = HOLD_TTL_DEFAULT_US,
                                 .ref_kind = "",
                                 .ref_id = ""};
}

/* Decide a group and write down what became of each: "made", "same", "other" or the reason. */
static void place(struct fixture *f, const struct hold_knowledge *knowledge, const char *now,
                  const struct hold_request *requests, size_t count, const char *expected)
{
    struct hold_outcome outcomes[HOLD_GROUP_MAX];
    struct strbuf fates = STRBUF_INIT;
    struct error err = {0};

    for (size_t i = 0; i < count; i++) {
        if (hold_request_validate(&requests[i], &err) != 0) {
            fail_msg("%s", err.text);
        }
    }
    if (hold_place(f->book.store, f->desk, knowledge, requests, count, book_time(now), outcomes,
                   &err) != 0) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < count; i++) {
        static const char *const texts[] = {
            [HOLD_MADE] = "made", [HOLD_REPEATED] = "same", [HOLD_KEY_DIFFERS] = "other"};
        enum hold_fate fate = outcomes[i].fate;

        strbuf_printf(&fates, "%s%s", i > 0 ? " " : "",
                      fate == HOLD_REFUSED ? decide_reason_text(outcomes[i].reason) : texts[fate]);
        hold_outcome_release(&outcomes[i]);
    }
    assert_string_equal(fates.data, expected);
    strbuf_release(&fates);
}

static void place_one(struct fixture *f, const char *now, struct hold_request request,
                      const char *expected)
{
    place(f, NULL, now, &request, 1, expected);
}

static int64_t held_now(struct fixture *f, const char *project, const char *now)
{
    struct balance_sheet sheet;
    struct error err = {0};

    if (balance_read(f->book.store, project, book_time(now), &sheet, &err) != 0) {
        fail_msg("%s", err.text);
    }
    balance_sheet_release(&sheet);
    assert_int_equal(sheet.balance.available.micro, sheet.posted.micro - sheet.held.micro -
                                                        sheet.accrued.micro +
                                                        sheet.overdraft.micro);
    return sheet.held.micro / POINTS_MICRO;
}

static void set_limit(struct fixture *f, const char *user, enum limit_period period,
                      const char *points)
{
    struct limit_request request = {.act = book_act("2027-05-02"),
                                    .project = "hp1",
                                    .user = user,
                                    .period = period,
                                    .points = book_points(points)};
    struct error err = {0};
    bool unchanged;

    if (limit_set(f->book.store, &request, &unchanged, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

/* --- nobody spends twice ---------------------------------------------------------------------- */

enum { THREADS = 4, HOLDS_EACH = 250 };

struct caller {
    pthread_t thread;
    const char *conninfo;
    size_t group;
    const char *key_prefix; /* NULL: without keys */
    const char *project;
    int made;
    int repeated;
    int refused;
    int others;
    char failure[ERROR_TEXT_BYTES];
};

static void count_outcomes(struct caller *caller, struct hold_outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_short = outcomes[i].fate == HOLD_REFUSED &&
                        (outcomes[i].reason == DECIDE_INSUFFICIENT_POINTS ||
                         outcomes[i].reason == DECIDE_USER_LIMIT);

        caller->made += outcomes[i].fate == HOLD_MADE;
        caller->repeated += outcomes[i].fate == HOLD_REPEATED;
        caller->refused += is_short;
        caller->others += outcomes[i].fate == HOLD_KEY_DIFFERS ||
                          (outcomes[i].fate == HOLD_REFUSED && !is_short);
        hold_outcome_release(&outcomes[i]);
    }
}

static int call_groups(struct caller *caller, struct store *store, struct hold_desk *desk,
                       struct error *err)
{
    struct hold_request requests[HOLD_GROUP_MAX];
    struct hold_outcome outcomes[HOLD_GROUP_MAX];
    char keys[HOLD_GROUP_MAX][32];

    for (size_t done = 0; done < HOLDS_EACH;) {
        size_t count = HOLDS_EACH - done < caller->group ? HOLDS_EACH - done : caller->group;

        for (size_t i = 0; i < count; i++) {
            snprintf(keys[i], sizeof keys[i], "%s%zu", caller->key_prefix, done + i);
            requests[i] = ask(caller->key_prefix != NULL ? keys[i] : "", caller->project, "u1",
                              "1");
        }
        if (hold_place(store, desk, NULL, requests, count, book_time(NOW), outcomes, err) != 0) {
            return -1;
        }
        count_outcomes(caller, outcomes, count);
        done += count;
    }
    return 0;
}

static void *call(void *argument)
{
    struct caller *caller = argument;
    struct error err = {0};
    struct store *store = store_open(caller->conninfo, STORE_DAEMON, &err);
    struct hold_desk *desk = hold_desk_create(NULL, &err);

    if (store == NULL || desk == NULL || call_groups(caller, store, desk, &err) != 0) {
        snprintf(caller->failure, sizeof caller->failure, "%s", err.text);
    }
    hold_desk_destroy(desk);
    store_close(store);
    return NULL;
}

static void call_together(struct fixture *f, struct caller *callers, const char *key_prefix,
                          const char *second_project)
{
    static const size_t groups[THREADS] = {1, 7, 64, HOLD_GROUP_MAX};

    for (int i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){.conninfo = f->book.conninfo,
                                     .group = groups[i],
                                     .key_prefix = key_prefix,
                                     .project = i % 2 == 0 ? "hp1" : second_project};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_string_equal(callers[i].failure, "");
    }
}

static void of_a_thousand_holds_at_once_exactly_those_that_fit_are_made(void **state)
{
    struct fixture *f = *state;
    struct caller callers[THREADS];
    int made = 0, refused = 0;

    call_together(f, callers, NULL, "hp1");
    for (int i = 0; i < THREADS; i++) {
        made += callers[i].made;
        refused += callers[i].refused;
    }
    assert_int_equal(made, 100);
    assert_int_equal(refused, THREADS * HOLDS_EACH - 100);
    assert_int_equal(testdb_int(f->book.conninfo, "SELECT count(*) FROM ledger.hold"), 100);
    assert_int_equal(testdb_int(f->book.conninfo, "SELECT count(*) FROM ledger.hold_refusal"),
                     THREADS * HOLDS_EACH - 100);
    assert_int_equal(held_now(f, "hp1", NOW), 100);
}

static void a_key_makes_one_hold_from_however_many_processes_at_once(void **state)
{
    struct fixture *f = *state;
    struct caller callers[THREADS];
    int made = 0;

    book_grant(&f->book, "hp1", "900", "2027-06-01", "2028-04-01");
    call_together(f, callers, "k", "hp1");
    for (int i = 0; i < THREADS; i++) {
        made += callers[i].made;
        assert_int_equal(callers[i].made + callers[i].repeated, HOLDS_EACH);
    }
    assert_int_equal(made, HOLDS_EACH);
    assert_int_equal(held_now(f, "hp1", NOW), HOLDS_EACH);
}

static void a_limit_is_exact_for_all_who_hold_at_once(void **state)
{
    struct fixture *f = *state;
    struct caller callers[THREADS];
    int made = 0, refused = 0;

    set_limit(f, "u1", LIMIT_MONTH, "40");
    call_together(f, callers, NULL, "hp1");
    for (int i = 0; i < THREADS; i++) {
        made += callers[i].made;
        refused += callers[i].refused;
    }
    assert_int_equal(made, 40);
    assert_int_equal(refused, THREADS * HOLDS_EACH - 40);
}

static void a_key_that_two_projects_use_at_once_is_of_one_of_them(void **state)
{
    struct fixture *f = *state;
    struct caller callers[THREADS];
    int made = 0;

    book_grant(&f->book, "hp1", "900", "2027-06-01", "2028-04-01");
    book_grant(&f->book, "hp2", "1000", "2027-06-01", "2028-04-01");
    call_together(f, callers, "k", "hp2");
    for (int i = 0; i < THREADS; i++) {
        made += callers[i].made;
        assert_int_equal(callers[i].made + callers[i].repeated + callers[i].others, HOLDS_EACH);
    }
    assert_int_equal(made, HOLDS_EACH);
    assert_int_equal(held_now(f, "hp1", NOW) + held_now(f, "hp2", NOW), HOLDS_EACH);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void the_same_key_gives_the_first_hold_and_another_request_is_told(void **state)
{
    struct fixture *f = *state;
    struct hold_request first = ask("k1", "hp1", "u1", "10.5");
    struct hold_request longer = first, leased = first, user = first, named = first;

    longer.ttl_us *= 2;
    leased.parts = 0;
    user.check.user = "u2";
    named.ref_kind = "other";
    named.ref_id = "1";
    place_one(f, NOW, first, "made");
    place_one(f, NOW, first, "same");
    place_one(f, NOW, ask("k1", "hp1", "u1", "10.500000"), "same");
    struct hold_request different[] = {
        longer, leased, user, named, ask("k1", "hp1", "u1", "10"), ask("k1", "hp2", "u1", "10.5")};
    place(f, NULL, NOW, different, COUNT(different), "other other other other other other");
    place_one(f, "2027-06-11", first, "same"); /* long expired */
    assert_int_equal(testdb_int(f->book.conninfo, "SELECT count(*) FROM ledger.hold"), 1);
}

static void a_key_twice_in_a_group_sees_the_fate_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct hold_request requests[] = {ask("k1", "hp1", "", "200"), ask("k1", "hp1", "", "60"),
                                      ask("k1", "hp1", "", "60"),  ask("k1", "hp1", "", "200"),
                                      ask("", "hp1", "", "40"),    ask("", "hp1", "", "0.000001")};

    place(f, NULL, NOW, requests, COUNT(requests),
          "insufficient_points made same other made insufficient_points");
}

static void a_refusal_binds_nothing(void **state)
{
    struct fixture *f = *state;

    place_one(f, NOW, ask("k1", "hp1", "", "101"), "insufficient_points");
    book_grant(&f->book, "hp1", "1", "2027-06-01", "2028-04-01");
    place_one(f, NOW, ask("k1", "hp1", "", "101"), "made");
}

static void a_repeated_key_answers_the_decision_that_was_made(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = ask("k1", "hp1", "u1", "30");
    struct hold_outcome first, again, refused;
    struct error err = {0};
    char *kept = NULL;

    assert_int_equal(
        hold_place(f->book.store, f->desk, NULL, &request, 1, book_time(NOW), &first, &err), 0);
    assert_true(hold_desk_transaction(f->desk) > 0);
    assert_int_equal(hold_place(f->book.store, f->desk, NULL, &request, 1,
                                book_time("2027-06-10T12:05:00+09:00"), &again, &err),
                     0);
    assert_int_equal(hold_desk_transaction(f->desk), 0);
    assert_int_equal(again.fate, HOLD_REPEATED);
    assert_string_equal(again.hold.id, first.hold.id);
    assert_string_equal(again.decision.data, first.decision.data);
    assert_int_equal(again.hold.state, HOLD_OPEN);
    assert_int_equal(again.hold.expires_at.us, book_time(NOW).us + HOLD_TTL_DEFAULT_US);
    assert_non_null(strstr(first.decision.data, "\"available\":\"100.000000\""));
    assert_non_null(strstr(first.decision.data, first.hold.id + strlen("h_")));
    hold_outcome_release(&first);
    hold_outcome_release(&again);

    request = ask("", "hp1", "u1", "71");
    assert_int_equal(
        hold_place(f->book.store, f->desk, NULL, &request, 1, book_time(NOW), &refused, &err), 0);
    assert_int_equal(refused.available.micro, 70 * POINTS_MICRO);
    assert_non_null(strstr(refused.decision.data, "\"held\":\"30.000000\""));
    assert_int_equal(
        store_find_decision(f->book.store,
                            testdb_int(f->book.conninfo, "SELECT hold_no FROM ledger.hold_refusal"),
                            &kept, &err),
        0);
    assert_string_equal(kept, refused.decision.data);
    free(kept);
    hold_outcome_release(&refused);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void each_request_is_judged_by_the_rules_of_a_check(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    bool unchanged;
    struct overdraft_request overdraft = {
        .act = book_act("2027-05-02"), .project = "hp1", .overdraft = book_points("5")};
    struct project_request closed = {.act = book_act("2027-05-02"), .project = "ind"};
    struct hold_request requests[] = {
        ask("", "hp1", "", "105"), ask("", "hp1", "", "0.000001"), ask("", "hp2", "", "1"),
        ask("", "nope", "", "1"),  ask("", "ind", "", "1"),        ask("", "svc", "", "5000"),
        ask("", "hp1", "", "0"),
    };

    assert_int_equal(overdraft_set(f->book.store, &overdraft, &unchanged, &err), 0);
    assert_int_equal(project_close(f->book.store, &closed, &unchanged, &err), 0);
    place(f, NULL, NOW, requests, COUNT(requests),
          "made insufficient_points no_active_grant unknown_project project_closed made made");
    assert_int_equal(held_now(f, "svc", NOW), 0);
}

static void a_shape_is_priced_for_each_part_and_once_for_a_lease(void **state)
{
    struct fixture *f = *state;
    struct usage_record shape;
    struct hold_request request = {
        .key = "", .parts = 3, .ttl_us = MINUTE_US, .ref_kind = "slurm", .ref_id = "4711"};
    struct decimal four;

    check_request_init(&request.check, &shape);
    request.check.project = "hp1";
    request.check.has_shape = true;
    assert_int_equal(decimal_parse("3600", 4, &request.check.seconds), 0);
    assert_int_equal(decimal_parse("4", 1, &four), 0);
    shape.source = "slurm:x";
    shape.klass = "gpu";
    usage_add_meter(&shape, "gpu", four);
    place_one(f, NOW, request, "made");
    assert_int_equal(held_now(f, "hp1", NOW), 12);
    request.parts = 0;
    place_one(f, NOW, request, "made");
    assert_int_equal(held_now(f, "hp1", NOW), 16);
    request.parts = HOLD_PARTS_MAX;
    place_one(f, NOW, request, "insufficient_points");
    shape.klass = "quantum";
    request.parts = 1;
    place_one(f, NOW, request, "no_rate");
    assert_int_equal(
        testdb_int(f->book.conninfo, "SELECT count(*) FROM ledger.hold WHERE class = 'gpu'"), 2);
}

static void what_cannot_be_is_refused_before_it_is_decided(void **state)
{
    static char long_key[HOLD_KEY_BYTES + 1];
    struct error err = {0};
    struct hold_request base = ask("k", "hp1", "", "1");
    struct hold_request bad[10];

    (void)state;
    memset(long_key, 'k', HOLD_KEY_BYTES);
    for (size_t i = 0; i < COUNT(bad); i++) {
        bad[i] = base;
    }
    bad[0].key = "h_12";
    bad[1].key = long_key;
    bad[2].key = "a\nb";
    bad[3].check.project = "";
    bad[4].check.points.micro = -1;
    bad[5].parts = -1;
    bad[6].parts = INT64_C(1) + HOLD_PARTS_MAX;
    bad[7].ttl_us = 0;
    bad[8].ttl_us = HOLD_TTL_MAX_US + 1;
    bad[9].ref_kind = "lsf";
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(hold_request_validate(&bad[i], &err), -1);
        assert_int_equal(err.code, ERROR_ARGUMENT);
    }
    base.check.points.micro = 0;
    long_key[HOLD_KEY_BYTES - 1] = '\0';
    base.key = long_key;
    assert_int_equal(hold_request_validate(&base, &err), 0);
}

/* --- limits and shares ------------------------------------------------------------------------ */

static void holds_count_against_limits_also_those_made_before(void **state)
{
    struct fixture *f = *state;
    struct limit_rows rows;
    struct error err = {0};
    struct hold_request requests[] = {ask("", "hp1", "u1", "4"), ask("", "hp1", "u1", "2"),
                                      ask("", "hp1", "u2", "7"), ask("", "hp1", "u2", "3"),
                                      ask("", "hp1", "", "1"),   ask("", "hp1", "", "20")};

    place_one(f, NOW, ask("", "hp1", "u1", "5"), "made");
    set_limit(f, "u1", LIMIT_DAY, "10");
    set_limit(f, NULL, LIMIT_TOTAL, "20");
    place(f, NULL, NOW, requests, COUNT(requests), "made user_limit made made made project_limit");
    assert_int_equal(limit_list(f->book.store, "hp1", book_time(NOW), &rows, &err), 0);
    assert_int_equal(rows.rows[0].bound.held.micro, 20 * POINTS_MICRO);
    assert_int_equal(rows.rows[1].bound.held.micro, 9 * POINTS_MICRO);
    limit_rows_release(&rows);
    /* Held points are held now, whatever day they were held on. */
    set_limit(f, NULL, LIMIT_TOTAL, "100");
    struct hold_request day = ask("", "hp1", "u1", "1");
    day.ttl_us = INT64_C(2) * 86400 * 1000000;
    place_one(f, "2027-06-10T12:14:00+09:00", day, "made");
    place_one(f, "2027-06-11T12:00:00+09:00", ask("", "hp1", "u1", "9.5"), "user_limit");
    place_one(f, "2027-06-11T12:00:00+09:00", ask("", "hp1", "u1", "9"), "made");
}

static void a_share_caps_what_its_projects_hold_together(void **state)
{
    struct fixture *f = *state;
    struct store_share_total total = {.share = "hpci",
                                      .fiscal_year = 2027,
                                      .supply = book_points("10"),
                                      .spent = book_points("5"),
                                      .held = book_points("2")};
    struct hold_knowledge knowledge = {.share_count = 1, .shares = &total};
    struct hold_request requests[] = {ask("", "hp1", "", "4"), ask("", "hp1", "", "2"),
                                      ask("", "hp1", "", "2"), ask("", "hp1", "", "1")};
    struct error err = {0};
    bool unchanged;
    struct overdraft_request overdraft = {
        .act = book_act("2027-05-02"), .project = "ind", .overdraft = book_points("900000")};
    struct hold_request whole[] = {ask("", "ind", "", "518401"), ask("", "ind", "", "518400"),
                                   ask("", "ind", "", "1")};

    place(f, &knowledge, NOW, requests, COUNT(requests), "share_cap made share_cap made");
    assert_int_equal(total.held.micro, 2 * POINTS_MICRO);
    assert_int_equal(overdraft_set(f->book.store, &overdraft, &unchanged, &err), 0);
    place(f, NULL, NOW, whole, COUNT(whole), "share_cap made share_cap");
    place_one(f, NOW, whole[2], "share_cap");
    place_one(f, "2027-06-10T12:15:00+09:00", whole[2], "made");
}

/* --- time ------------------------------------------------------------------------------------- */

static void a_hold_past_its_deadline_is_ignored_by_every_reader_at_once(void **state)
{
    struct fixture *f = *state;
    static const char before[] = "2027-06-10T12:14:59.999999+09:00";
    static const char after[] = "2027-06-10T12:15:00+09:00";
    struct limit_rows rows;
    struct error err = {0};

    set_limit(f, "u1", LIMIT_TOTAL, "100");
    place_one(f, NOW, ask("k1", "hp1", "u1", "100"), "made");
    assert_int_equal(held_now(f, "hp1", before), 100);
    place_one(f, before, ask("", "hp1", "u1", "1"), "insufficient_points");
    assert_int_equal(held_now(f, "hp1", after), 0);
    assert_int_equal(limit_list(f->book.store, "hp1", book_time(after), &rows, &err), 0);
    assert_int_equal(rows.rows[0].bound.held.micro, 0);
    limit_rows_release(&rows);
    place_one(f, after, ask("", "hp1", "u1", "100"), "made");
    place_one(f, after, ask("", "hp1", "u1", "1"), "insufficient_points");
    assert_int_equal(held_now(f, "hp1", after), 100);
}

/* --- found, released, extended ---------------------------------------------------------------- */

static struct hold_info find(struct fixture *f, const char *name, const char *now)
{
    struct hold_info hold = {0};
    struct error err = {0};

    if (hold_find(f->book.store, name, book_time(now), &hold, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return hold;
}

static struct hold_end_result release(struct fixture *f, const char *name, const char *now)
{
    struct hold_end_result result = {0};
    struct error err = {0};

    if (hold_release(f->book.store, name, book_time(now), &result, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return result;
}

static void assert_refused(int result, const struct error *err, const char *reason)
{
    assert_int_equal(result, -1);
    assert_int_equal(err->code, ERROR_REFUSED);
    assert_string_equal(err->reason, reason);
}

static void a_hold_is_found_by_its_id_and_by_its_key(void **state)
{
    struct fixture *f = *state;
    struct hold_request request = ask("job 1", "hp1", "u1", "7");
    char user[USAGE_NAME_BYTES + 1] = "";
    struct hold_info hold;
    struct error err = {0};

    request.ref_kind = "slurm";
    request.ref_id = "4711";
    place_one(f, NOW, request, "made");
    hold = find(f, "key:job 1", NOW);
    hold = find(f, hold.id, "2027-06-10T12:15:00+09:00");
    assert_string_equal(hold.key, "job 1");
    assert_string_equal(hold.project, "hp1");
    assert_string_equal(hold.user, "u1");
    assert_string_equal(hold.ref_kind, "slurm");
    assert_string_equal(hold.ref_id, "4711");
    assert_int_equal(hold.points.micro, 7 * POINTS_MICRO);
    assert_int_equal(hold.held.micro, 0);
    assert_int_equal(hold.state, HOLD_EXPIRED);
    assert_int_equal(hold.ended_at.us, hold.expires_at.us);
    memset(user, 'u', USAGE_NAME_BYTES);
    place_one(f, NOW, ask("long", "hp1", user, "7"), "made");
    hold = find(f, "key:long", NOW);
    assert_string_equal(hold.user, user);
    static const char *const none[] = {"h_1",       "h_0",  "h_",  "job 1",
                                       "key:job 2", "key:", "",    "h_9999999999999999999",
                                       "h_-1",      "h_01", "h_1 "};
    for (size_t i = 0; i < COUNT(none); i++) {
        assert_refused(hold_find(f->book.store, none[i], book_time(NOW), &hold, &err), &err,
                       "unknown_hold");
    }
}

static void open_holds_are_listed_page_by_page(void **state)
{
    struct fixture *f = *state;
    struct hold_request requests[5];
    struct hold_infos infos;
    struct error err = {0};
    int64_t after = 0, seen = 0;

    for (size_t i = 0; i < COUNT(requests); i++) {
        requests[i] = ask("", i == 2 ? "svc" : "hp1", "", "1");
        requests[i].ttl_us = i == 4 ? MINUTE_US : HOLD_TTL_DEFAULT_US;
    }
    place(f, NULL, NOW, requests, COUNT(requests), "made made made made made");
    do {
        assert_int_equal(hold_list(f->book.store, "hp1", after, 2, book_time(NOW), &infos, &err),
                         0);
        assert_int_equal(infos.count, 2);
        assert_true(infos.holds[0].number > after && infos.holds[1].number > infos.holds[0].number);
        seen += (int64_t)infos.count;
        after = infos.next;
        hold_infos_release(&infos);
    } while (after != 0);
    assert_int_equal(seen, 4);
    assert_int_equal(hold_list(f->book.store, NULL, 0, 100, book_time("2027-06-10T12:01:00+09:00"),
                               &infos, &err),
                     0);
    assert_int_equal(infos.count, 4);
    assert_int_equal(infos.next, 0);
    hold_infos_release(&infos);
    assert_refused(hold_list(f->book.store, "nope", 0, 1, book_time(NOW), &infos, &err), &err,
                   "unknown_project");
}

static void a_release_gives_all_back_once(void **state)
{
    struct fixture *f = *state;
    struct hold_end_result result;

    set_limit(f, "u1", LIMIT_TOTAL, "100");
    place_one(f, NOW, ask("k", "hp1", "u1", "60"), "made");
    place_one(f, NOW, ask("", "hp1", "u1", "60"), "insufficient_points");
    result = release(f, "key:k", NOW);
    assert_false(result.repeated);
    assert_int_equal(result.freed.micro, 60 * POINTS_MICRO);
    assert_int_equal(result.hold.state, HOLD_RELEASED);
    assert_int_equal(result.hold.held.micro, 0);
    assert_int_equal(result.hold.freed.micro, 60 * POINTS_MICRO);
    assert_int_equal(result.hold.ended_at.us, book_time(NOW).us);
    result = release(f, result.hold.id, "2027-06-12");
    assert_true(result.repeated);
    assert_int_equal(result.freed.micro, 60 * POINTS_MICRO);
    assert_int_equal(result.hold.state, HOLD_RELEASED);
    place_one(f, NOW, ask("", "hp1", "u1", "100"), "made");
    place_one(f, NOW, ask("k", "hp1", "u1", "60"), "same");
}

static void a_release_past_the_deadline_gives_nothing_twice(void **state)
{
    struct fixture *f = *state;
    static const char after[] = "2027-06-10T12:15:00+09:00";
    struct hold_end_result result;
    struct error err = {0};
    size_t swept;

    place_one(f, NOW, ask("k1", "hp1", "", "60"), "made");
    place_one(f, NOW, ask("k2", "hp1", "", "40"), "made");
    result = release(f, "key:k1", after);
    assert_int_equal(result.freed.micro, 0);
    assert_int_equal(result.hold.state, HOLD_RELEASED);
    assert_int_equal(hold_sweep(f->book.store, book_time(after), 100, &swept, &err), 0);
    assert_int_equal(swept, 1);
    result = release(f, "key:k2", after);
    assert_int_equal(result.freed.micro, 0);
    assert_int_equal(result.hold.state, HOLD_RELEASED);
    assert_true(release(f, "key:k2", after).repeated);
    assert_int_equal(held_now(f, "hp1", NOW), 0);
}

static void an_extension_moves_the_deadline_of_an_open_hold_alone(void **state)
{
    struct fixture *f = *state;
    static const char late[] = "2027-06-10T12:14:00+09:00";
    struct hold_end_result result;
    struct error err = {0};

    place_one(f, NOW, ask("k", "hp1", "", "100"), "made");
    assert_int_equal(
        hold_extend(f->book.store, "key:k", 10 * MINUTE_US, book_time(late), &result, &err), 0);
    assert_int_equal(result.hold.expires_at.us, book_time(late).us + 10 * MINUTE_US);
    assert_int_equal(held_now(f, "hp1", "2027-06-10T12:23:59+09:00"), 100);
    assert_int_equal(held_now(f, "hp1", "2027-06-10T12:24:00+09:00"), 0);
    assert_refused(hold_extend(f->book.store, "key:k", MINUTE_US,
                               book_time("2027-06-10T12:24:00+09:00"), &result, &err),
                   &err, "hold_resolved");
    release(f, "key:k", NOW);
    assert_refused(hold_extend(f->book.store, "key:k", MINUTE_US, book_time(NOW), &result, &err),
                   &err, "hold_resolved");
    assert_int_equal(hold_extend(f->book.store, "key:k", 0, book_time(NOW), &result, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
}

struct extension { /* of hold "k", asked for in a thread */
    const char *conninfo;
    struct instant now;
    struct error err;
    int outcome;
};

static void *run_extension(void *argument)
{
    struct extension *extension = argument;
    struct hold_end_result result;
    struct store *store = store_open(extension->conninfo, STORE_DAEMON, &extension->err);

    extension->outcome = store == NULL ? -1
                                       : hold_extend(store, "key:k", MINUTE_US, extension->now,
                                                     &result, &extension->err);
    store_close(store);
    return NULL;
}

struct delay { /* a transaction that keeps a position until the extension has waited past `until` */
    struct fixture *f;
    struct extension *extension;
    pthread_t thread;
};

static int keep_waiting(struct store *store, void *context, struct error *err)
{
    struct delay *delay = context;
    const char *conninfo = delay->f->book.conninfo;
    const char *project = "hp1";
    int64_t until_us;

    if (store_lock_positions(store, NULL, 0, &project, 1, err) != 0) {
        return -1;
    }
    pthread_create(&delay->thread, NULL, run_extension, delay->extension);
    while (testdb_int(conninfo, "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                "current_database() AND wait_event_type = 'Lock'") == 0) {
        sched_yield();
    }
    until_us = clock_monotonic_us() + 1000;
    while (clock_monotonic_us() < until_us) {
        sched_yield();
    }
    return 0;
}

/* Who is to have the points by then is no matter of who asked first. */
static void an_extension_that_waited_past_the_deadline_is_none(void **state)
{
    struct fixture *f = *state;
    struct extension extension = {.conninfo = f->book.conninfo};
    struct delay delay = {.f = f, .extension = &extension};
    struct error err = {0};

    place_one(f, NOW, ask("k", "hp1", "", "100"), "made");
    extension.now.us = book_time(NOW).us + HOLD_TTL_DEFAULT_US - 1000;
    assert_int_equal(store_transact(f->book.store, STORE_UNLOCKED, keep_waiting, &delay, &err), 0);
    pthread_join(delay.thread, NULL);
    assert_refused(extension.outcome, &extension.err, "hold_resolved");
    place_one(f, "2027-06-10T12:15:00+09:00", ask("", "hp1", "", "100"), "made");
}

/* --- what a desk keeps ------------------------------------------------------------------------ */

static void charge(struct fixture *f, const char *id, int hours)
{
    char line[512];
    struct ingest_options options = {
        .format = "ledger", .source = "slurm:x", .now = book_time("2027-06-10")};
    struct ingest_counts counts = {0};
    struct error err = {0};

    snprintf(line, sizeof line,
             "{\"source\":\"slurm:x\",\"id\":\"%s\",\"project\":\"hp1\",\"class\":\"gpu\","
             "\"start\":\"2027-06-02T00:00:00+09:00\",\"end\":\"2027-06-02T%02d:00:00+09:00\","
             "\"meters\":{\"gpu\":\"1\"}}\n",
             id, hours);
    if (ingest_bytes(f->book.store, line, strlen(line), &options, &counts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(counts.booked, 1);
}

static void what_changes_beside_the_desk_is_seen_by_the_next_group(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    struct catalog *catalog = catalog_load(f->book.store, &err);
    struct hold_knowledge knowledge = {.catalog = catalog};
    struct hold_request all = ask("", "hp1", "", "100"), some = ask("", "hp1", "", "90");
    struct hold_request later = ask("", "new", "", "1");

    assert_non_null(catalog);
    place_one(f, NOW, ask("", "hp1", "", "0"), "made");
    charge(f, "1", 9);
    place(f, &knowledge, NOW, &all, 1, "insufficient_points");
    charge(f, "2", 1);
    place(f, &knowledge, NOW, &some, 1, "made");
    place_one(f, NOW, ask("", "hp1", "", "0.1"), "insufficient_points");
    book_grant(&f->book, "hp1", "1", "2027-06-01", "2028-04-01");
    place_one(f, NOW, ask("", "hp1", "", "1"), "made");
    set_limit(f, NULL, LIMIT_TOTAL, "1");
    place_one(f, NOW, ask("", "hp1", "", "1"), "insufficient_points");
    set_limit(f, NULL, LIMIT_TOTAL, "101");
    book_grant(&f->book, "hp1", "1", "2027-06-01", "2028-04-01");
    place_one(f, NOW, ask("", "hp1", "", "1"), "project_limit");
    /* A project that the catalog at hand does not know yet. */
    book_add_project(&f->book, "new", "hpci");
    book_grant(&f->book, "new", "1", "2027-06-01", "2028-04-01");
    place(f, &knowledge, NOW, &later, 1, "made");
    catalog_destroy(catalog);
}

/* What a group has found stays with it, however many projects the desk has seen. */
static void a_desk_that_is_full_forgets_between_groups_alone(void **state)
{
    struct fixture *f = *state;
    struct hold_request requests[4];
    const char *const names[] = {"p0", "p1", "p2", "p3"};

    for (size_t i = 0; i < 4; i++) {
        book_add_project(&f->book, names[i], "hpci");
        book_grant(&f->book, names[i], "10", "2027-06-01", "2028-04-01");
        requests[i] = ask("", names[i], "", "1");
    }
    f->desk->project_limit = 3;
    place(f, NULL, NOW, requests, 2, "made made"); /* are kept */
    place(f, NULL, NOW, requests, 4, "made made made made");
    assert_int_equal(f->desk->project_count, 4);
    place(f, NULL, NOW, requests + 3, 1, "made");
    assert_int_equal(f->desk->project_count, 1);
    place(f, NULL, NOW, requests, 4, "made made made made");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(of_a_thousand_holds_at_once_exactly_those_that_fit_are_made),
        CASE(a_key_makes_one_hold_from_however_many_processes_at_once),
        CASE(a_limit_is_exact_for_all_who_hold_at_once),
        CASE(a_key_that_two_projects_use_at_once_is_of_one_of_them),
        CASE(the_same_key_gives_the_first_hold_and_another_request_is_told),
        CASE(a_key_twice_in_a_group_sees_the_fate_of_the_first),
        CASE(a_refusal_binds_nothing),
        CASE(a_repeated_key_answers_the_decision_that_was_made),
        CASE(each_request_is_judged_by_the_rules_of_a_check),
        CASE(a_shape_is_priced_for_each_part_and_once_for_a_lease),
        CASE(what_cannot_be_is_refused_before_it_is_decided),
        CASE(holds_count_against_limits_also_those_made_before),
        CASE(a_share_caps_what_its_projects_hold_together),
        CASE(a_hold_past_its_deadline_is_ignored_by_every_reader_at_once),
        CASE(an_extension_moves_the_deadline_of_an_open_hold_alone),
        CASE(an_extension_that_waited_past_the_deadline_is_none),
        CASE(a_release_past_the_deadline_gives_nothing_twice),
        CASE(a_release_gives_all_back_once),
        CASE(open_holds_are_listed_page_by_page),
        CASE(a_hold_is_found_by_its_id_and_by_its_key),
        CASE(what_changes_beside_the_desk_is_seen_by_the_next_group),
        CASE(a_desk_that_is_full_forgets_between_groups_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
