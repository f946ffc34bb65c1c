/* A hold that comes alone: one statement makes it only where a transaction would have, and just the
 * same. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_desk.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/flow/share_totals.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_position.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define MINUTE_US (INT64_C(60) * 1000000)

static const char NOW[] = "2027-06-10T12:00:00+09:00";

/* A book, a desk that remembers, and the knowledge that ledgerd's engine would give it. */
struct side {
    struct book book;
    struct hold_desk *desk;
    struct catalog *catalog;
    struct store_share_total shares[2];
    struct hold_knowledge knowledge;
};

static struct hold_desk *make_desk(void)
{
    struct error err = {0};
    struct hold_desk *desk = hold_desk_create(NULL, &err);

    if (desk == NULL) {
        fail_msg("%s", err.text);
    }
    return desk;
}

static void side_open(struct side *side)
{
    static const char *const names[] = {"hpci", "industry"};
    struct error err = {0};

    book_open(&side->book, "hold_alone");
    book_agree(&side->book);
    book_add_project(&side->book, "hp1", "hpci");
    book_add_project(&side->book, "hp2", "hpci");
    book_add_project(&side->book, "ind", "industry");
    book_grant(&side->book, "hp1", "100", "2027-06-01", "2028-04-01");
    book_grant(&side->book, "hp2", "20", "2027-06-01", "2028-04-01");
    book_grant(&side->book, "ind", "1000", "2027-06-01", "2028-04-01");
    side->desk = make_desk();
    side->catalog = catalog_load(side->book.store, &err);
    assert_non_null(side->catalog);
    for (size_t i = 0; i < 2; i++) {
        side->shares[i] = (struct store_share_total){.fiscal_year = 2027,
                                                     .supply = book_points("500000")};
        snprintf(side->shares[i].share, sizeof side->shares[i].share, "%s", names[i]);
    }
    side->knowledge = (struct hold_knowledge){
        .catalog = side->catalog, .share_count = 2, .shares = side->shares};
}

/* What is kept beside the holds is what the holds say. */
static void side_close(struct side *side)
{
    assert_int_equal(
        testdb_int(side->book.conninfo,
                   "SELECT count(*) FROM ledger.project_position p WHERE held_micro <> "
                   "(SELECT coalesce(sum(held_micro), 0) FROM ledger.hold h "
                   "WHERE h.project_id = p.project_id AND h.state = 'open')"),
        0);
    catalog_destroy(side->catalog);
    hold_desk_destroy(side->desk);
    book_close(&side->book);
}

static int setup(void **state)
{
    struct side *side = calloc(1, sizeof *side);

    side_open(side);
    *state = side;
    return 0;
}

static int teardown(void **state)
{
    side_close(*state);
    free(*state);
    return 0;
}

static struct hold_request ask(const char *key, const char *project, const char *points)
{
    return (struct hold_request){.key = key,
                                 .check = {.project = project,
                                           .user = "",
                                           .has_points = true,
                                           .points = book_points(points)},
                                 .parts = 1,
                                 .ttl_us = HOLD_TTL_DEFAULT_US,
                                 .ref_kind = "",
                                 .ref_id = ""};
}

/* What became of it, with its decision but for the decision's number. */
static char *place(struct side *side, struct hold_desk *desk, const struct hold_request *request,
                   struct instant now)
{
    static const char *const fates[] = {[HOLD_MADE] = "made",
                                        [HOLD_REPEATED] = "same",
                                        [HOLD_KEY_DIFFERS] = "other",
                                        [HOLD_REFUSED] = "refused"};
    struct strbuf text = STRBUF_INIT;
    struct hold_outcome outcome;
    struct error err = {0};
    char *id;

    if (hold_place(side->book.store, desk, &side->knowledge, request, 1, now, &outcome, &err) !=
        0) {
        fail_msg("%s", err.text);
    }
    strbuf_printf(&text, "%s %" PRId64 " %" PRId64 " %s %" PRId64 " ", fates[outcome.fate],
                  outcome.hold.held.micro, outcome.hold.expires_at.us, outcome.hold.project,
                  outcome.available.micro);
    if (outcome.decision.length > 0) {
        strbuf_add_string(&text, outcome.decision.data);
    }
    id = strstr(text.data, "\"d_h");
    if (id != NULL) {
        id += strlen("\"d_h");
        memmove(id, id + strspn(id, "0123456789"), strlen(id + strspn(id, "0123456789")) + 1);
    }
    id = strdup(text.data);
    assert_non_null(id);
    strbuf_release(&text);
    hold_outcome_release(&outcome);
    return id;
}

static void place_one(struct side *side, const char *now, struct hold_request request,
                      const char *expected)
{
    char *text = place(side, side->desk, &request, book_time(now));

    if (strncmp(text, expected, strlen(expected)) != 0 && strstr(text, expected) == NULL) {
        fail_msg("not %s: %s", expected, text);
    }
    free(text);
}

/* How many were made in one statement, and how many missed, since the last call. */
static void assert_alone(struct side *side, uint64_t made, uint64_t missed)
{
    assert_int_equal(side->desk->alone_made, made);
    assert_int_equal(side->desk->alone_missed, missed);
    side->desk->alone_made = side->desk->alone_missed = 0;
}

/* Another process holds points of a project. */
static void hold_elsewhere(struct side *side, const char *key, const char *project,
                           const char *points)
{
    struct hold_desk *other = make_desk();
    struct hold_request request = ask(key, project, points);
    char *text = place(side, other, &request, book_time(NOW));

    assert_int_equal(strncmp(text, "made ", 5), 0);
    free(text);
    hold_desk_destroy(other);
}

static void release(struct side *side, const char *name, struct instant now)
{
    struct hold_end_result result;
    struct error err = {0};

    if (hold_release(side->book.store, name, now, &result, &err) != 0 &&
        err.code != ERROR_REFUSED) {
        fail_msg("%s", err.text);
    }
}

/* --- what must be noticed --------------------------------------------------------------------- */

static void holds_that_come_alone_are_made_in_one_statement_each(void **state)
{
    struct side *side = *state;
    int64_t transaction;

    place_one(side, NOW, ask("k1", "hp1", "10"), "made");
    assert_alone(side, 0, 0);
    place_one(side, NOW, ask("k2", "hp1", "10"), "made");
    transaction = hold_desk_transaction(side->desk);
    assert_true(transaction > 0);
    place_one(side, NOW, ask("", "hp1", "80"), "made");
    assert_true(hold_desk_transaction(side->desk) > transaction);
    assert_alone(side, 2, 0);
    place_one(side, NOW, ask("", "hp1", "0.000001"), "insufficient_points");
    assert_alone(side, 0, 0); /* a refusal is for a closer look */
    assert_int_equal(testdb_int(side->book.conninfo,
                                "SELECT held_micro FROM ledger.project_position "
                                "WHERE project_id = 'hp1'"),
                     100 * POINTS_MICRO);
}

static void a_hold_of_another_process_in_between_is_noticed(void **state)
{
    struct side *side = *state;

    place_one(side, NOW, ask("", "hp1", "40"), "made");
    hold_elsewhere(side, "", "hp1", "50");
    place_one(side, NOW, ask("", "hp1", "11"), "insufficient_points");
    assert_alone(side, 0, 1);
    place_one(side, NOW, ask("", "hp1", "9"), "made");
    assert_alone(side, 0, 0);
    place_one(side, NOW, ask("", "hp1", "1"), "made"); /* it has stood still once: tried again */
    assert_alone(side, 1, 0);
}

static void a_project_that_others_change_all_the_time_is_not_tried(void **state)
{
    struct side *side = *state;

    for (int i = 0; i < 5; i++) {
        place_one(side, NOW, ask("", "hp1", "1"), "made");
        hold_elsewhere(side, "", "hp1", "1");
    }
    assert_alone(side, 0, 1);
    place_one(side, NOW, ask("", "hp1", "1"), "made");
    assert_alone(side, 0, 0);
    place_one(side, NOW, ask("", "hp1", "1"), "made");
    place_one(side, NOW, ask("", "hp1", "1"), "made");
    assert_alone(side, 1, 0);
}

static void what_is_held_may_go_up_and_come_down_again(void **state)
{
    struct side *side = *state;

    place_one(side, NOW, ask("", "hp1", "40"), "made");
    hold_elsewhere(side, "x", "hp1", "50");
    release(side, "key:x", book_time(NOW));
    place_one(side, NOW, ask("", "hp1", "60"), "made");
    assert_alone(side, 1, 0);
    place_one(side, NOW, ask("", "hp1", "1"), "insufficient_points");
}

static void a_charge_in_between_is_noticed(void **state)
{
    struct side *side = *state;
    struct hold_settle_request settle = {.name = "key:k",
                                         .points = book_points("90"),
                                         .is_final = true,
                                         .key = "",
                                         .now = book_time(NOW)};
    struct hold_end_result result;
    struct error err = {0};

    place_one(side, NOW, ask("k", "hp1", "1"), "made");
    place_one(side, NOW, ask("", "hp1", "1"), "made");
    assert_alone(side, 1, 0);
    if (hold_settle(side->book.store, &settle, &result, &err) != 0) {
        fail_msg("%s", err.text);
    }
    hold_elsewhere(side, "", "hp1", "1"); /* as much is held as before */
    place_one(side, NOW, ask("", "hp1", "9"), "insufficient_points");
    assert_alone(side, 0, 1);
    place_one(side, NOW, ask("", "hp1", "8"), "made");
}

static void a_change_of_the_catalog_in_between_is_noticed(void **state)
{
    struct side *side = *state;
    struct project_request closing = {.act = book_act(NOW), .project = "hp1"};
    struct overdraft_request overdraft = {
        .act = book_act(NOW), .project = "hp2", .overdraft = book_points("5")};
    struct error err = {0};
    bool unchanged;

    place_one(side, NOW, ask("", "hp1", "1"), "made");
    place_one(side, NOW, ask("", "hp2", "1"), "made");
    assert_int_equal(project_close(side->book.store, &closing, &unchanged, &err), 0);
    place_one(side, NOW, ask("", "hp1", "1"), "project_closed");
    assert_alone(side, 0, 1);
    assert_int_equal(overdraft_set(side->book.store, &overdraft, &unchanged, &err), 0);
    place_one(side, NOW, ask("", "hp2", "24"), "made");
    overdraft.overdraft = POINTS_ZERO;
    assert_int_equal(overdraft_set(side->book.store, &overdraft, &unchanged, &err), 0);
    release(side, "key:none", book_time(NOW));
    place_one(side, NOW, ask("", "hp2", "0.5"), "insufficient_points");
}

static void a_limit_that_is_set_in_between_binds(void **state)
{
    struct side *side = *state;
    struct limit_request limit = {.act = book_act("2027-05-02"),
                                  .project = "hp1",
                                  .period = LIMIT_TOTAL,
                                  .points = book_points("2")};
    struct error err = {0};
    bool unchanged;

    place_one(side, NOW, ask("", "hp1", "1"), "made");
    assert_int_equal(limit_set(side->book.store, &limit, &unchanged, &err), 0);
    place_one(side, NOW, ask("", "hp1", "2"), "project_limit");
    place_one(side, NOW, ask("", "hp1", "1"), "made");
    place_one(side, NOW, ask("", "hp1", "1"), "project_limit");
}

static void a_known_key_answers_its_first_hold(void **state)
{
    struct side *side = *state;

    place_one(side, NOW, ask("k1", "hp1", "10"), "made");
    place_one(side, NOW, ask("k2", "hp1", "10"), "made");
    hold_elsewhere(side, "k3", "hp2", "7");
    assert_alone(side, 1, 0);
    place_one(side, NOW, ask("k1", "hp1", "10"), "same");
    place_one(side, NOW, ask("k2", "hp1", "9"), "other");
    place_one(side, NOW, ask("k3", "hp1", "7"), "other");
    assert_alone(side, 0, 3);
    assert_int_equal(testdb_int(side->book.conninfo, "SELECT count(*) FROM ledger.hold"), 3);
    place_one(side, NOW, ask("k4", "hp1", "80"), "made");
}

/* The decision shows what is held and available without what has lapsed. */
static void a_hold_past_its_deadline_is_not_counted(void **state)
{
    struct side *side = *state;
    static const char after[] = "2027-06-10T12:15:00+09:00";
    size_t swept;
    struct error err = {0};

    place_one(side, NOW, ask("", "hp1", "60"), "made");
    place_one(side, after, ask("", "hp1", "30"), "\"available\":\"100.000000\"");
    assert_alone(side, 0, 1);
    place_one(side, after, ask("", "hp1", "10"), "\"held\":\"30.000000\"");
    place_one(side, after, ask("", "hp1", "60"), "made");
    assert_alone(side, 0, 0); /* not tried while the lapsed one stands in the sum */
    assert_int_equal(hold_sweep(side->book.store, book_time(after), 100, &swept, &err), 0);
    assert_int_equal(swept, 1);
    place_one(side, after, ask("", "hp1", "1"), "insufficient_points");
}

static void what_a_share_holds_is_judged_by_the_knowledge_given(void **state)
{
    struct side *side = *state;

    place_one(side, NOW, ask("", "hp1", "1"), "made");
    side->shares[0].supply = book_points("10");
    side->shares[0].spent = book_points("8");
    place_one(side, NOW, ask("", "hp1", "3"), "share_cap");
    place_one(side, NOW, ask("", "hp1", "2"), "made");
    assert_alone(side, 1, 0);
}

static void a_server_that_went_away_in_between_costs_no_hold(void **state)
{
    struct side *side = *state;

    place_one(side, NOW, ask("k1", "hp1", "1"), "made");
    testdb_exec(side->book.conninfo,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    place_one(side, NOW, ask("k2", "hp1", "1"), "made");
    place_one(side, NOW, ask("", "hp1", "1"), "made");
    assert_int_equal(testdb_int(side->book.conninfo, "SELECT count(*) FROM ledger.hold"), 3);
}

/* A hold whose statement waits for the position's lock, until its connection is cut. */
struct cut {
    pthread_t thread;
    struct side *side;
    struct hold_request request;
    int result;
    struct error err;
};

static void *run_cut(void *argument)
{
    struct cut *cut = argument;
    struct hold_outcome outcome;

    cut->result = hold_place(cut->side->book.store, cut->side->desk, &cut->side->knowledge,
                             &cut->request, 1, book_time(NOW), &outcome, &cut->err);
    hold_outcome_release(&outcome);
    return NULL;
}

static int cut_while_locked(struct store *store, void *context, struct error *err)
{
    static const char waiting[] = "SELECT count(*) FROM pg_stat_activity "
                                  "WHERE datname = current_database() AND wait_event_type = 'Lock'";
    static const char *const projects[] = {"hp1"};
    struct cut *cut = context;

    if (store_lock_positions(store, NULL, 0, projects, 1, err) != 0) {
        return -1;
    }
    assert_int_equal(pthread_create(&cut->thread, NULL, run_cut, cut), 0);
    while (testdb_int(cut->side->book.conninfo, waiting) == 0) {
        sched_yield();
    }
    testdb_exec(cut->side->book.conninfo,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'");
    return 0;
}

static void a_connection_lost_in_the_statement_leaves_a_doubt_that_the_key_settles(void **state)
{
    struct side *side = *state;
    struct cut cut = {.side = side, .request = ask("k2", "hp1", "1")};
    struct error err = {0};
    struct store *store = store_open_like(side->book.store, &err);

    assert_non_null(store);
    place_one(side, NOW, ask("k1", "hp1", "1"), "made");
    assert_int_equal(store_transact(store, STORE_UNLOCKED, cut_while_locked, &cut, &err), 0);
    pthread_join(cut.thread, NULL);
    assert_int_equal(cut.result, -1);
    assert_int_equal(cut.err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(cut.err.text, "it is not known whether"));
    place_one(side, NOW, cut.request, "made");
    place_one(side, NOW, cut.request, "same");
    assert_int_equal(testdb_int(side->book.conninfo, "SELECT count(*) FROM ledger.hold"), 2);
    store_close(store);
}

/* --- the same as in a transaction ------------------------------------------------------------- */

enum { ROUNDS = 1000, KEYS = 300 };

struct dice {
    uint64_t state;
};

static unsigned roll(struct dice *dice, unsigned sides)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice->state >> 33) % sides;
}

/* Everything but the numbers, which are given out in another order. */
static char *dump(struct side *side)
{
    return testdb_text(
        side->book.conninfo,
        "SELECT (SELECT string_agg(format('%s %s %s %s %s', project_id, posted_micro, held_micro, "
        "accrued_micro, version), '; ' ORDER BY project_id) FROM ledger.project_position) || "
        "(SELECT string_agg(t, '; ' ORDER BY t) FROM (SELECT regexp_replace(format("
        "'%s %s %s %s %s %s %s %s %s', key, key_hash, request, project_id, points_micro, "
        "held_micro, "
        "state, expires_at, decision), 'd_h[0-9]+', '') AS t FROM ledger.hold) x)");
}

/* One of a session's acts, on a side whose requests are decided by its desk, or by one that
 * remembers nothing. NULL, or what a request was answered. */
static char *act(struct side *side, struct dice *dice, bool remembers, struct instant *now)
{
    static const char *const projects[] = {"hp1", "hp1", "hp1", "hp2", "ind"};
    const char *project = projects[roll(dice, 5)];
    unsigned what = roll(dice, 24);
    char key[32], name[40], points[16];
    struct hold_desk *desk = remembers ? side->desk : make_desk();
    struct hold_request request;
    struct error err = {0};
    char *text = NULL;
    size_t swept;

    snprintf(key, sizeof key, "k%u", roll(dice, KEYS));
    snprintf(name, sizeof name, "key:%s", key);
    snprintf(points, sizeof points, "%u.%u", roll(dice, 4), roll(dice, 10));
    request = ask(roll(dice, 3) == 0 ? "" : key, project, points);
    request.ttl_us = (1 + (int64_t)roll(dice, 60)) * MINUTE_US;
    if (what < 16) {
        text = place(side, desk, &request, *now);
    } else if (what < 18) {
        struct hold_desk *other = make_desk();
        text = place(side, other, &request, *now);
        hold_desk_destroy(other);
    } else if (what < 20) {
        release(side, name, *now);
    } else if (what < 21) {
        struct hold_settle_request settle = {
            .name = name, .points = request.check.points, .is_final = true, .key = "", .now = *now};
        struct hold_end_result result;
        if (hold_settle(side->book.store, &settle, &result, &err) != 0) {
            assert_int_equal(err.code, ERROR_REFUSED);
        }
    } else if (what < 22) {
        now->us += (1 + (int64_t)roll(dice, 4)) * MINUTE_US;
    } else if (what < 23) {
        assert_int_equal(hold_sweep(side->book.store, *now, 100, &swept, &err), 0);
    } else {
        struct overdraft_request overdraft = {.act = book_act(NOW), .project = project};
        bool unchanged;
        overdraft.overdraft = book_points(points);
        assert_int_equal(overdraft_set(side->book.store, &overdraft, &unchanged, &err), 0);
    }
    if (!remembers) {
        hold_desk_destroy(desk);
    }
    return text;
}

static void a_session_gives_the_same_book_and_answers_as_without_memory(void **state)
{
    const char *seed = getenv("LEDGER_SEED");
    struct side *side = *state;
    struct side *other = calloc(1, sizeof *other);
    struct dice dice = {seed != NULL ? strtoull(seed, NULL, 10) : 1}, same_dice = dice;
    struct instant now = book_time(NOW), same_now = now;

    side_open(other);
    for (int round = 0; round < ROUNDS; round++) {
        char *left = act(side, &dice, true, &now);
        char *right = act(other, &same_dice, false, &same_now);
        if ((left == NULL) != (right == NULL) || (left != NULL && strcmp(left, right) != 0)) {
            fail_msg("round %d: %s, not %s", round, left, right);
        }
        free(left);
        free(right);
    }
    char *left = dump(side);
    char *right = dump(other);
    assert_string_equal(left, right);
    free(left);
    free(right);
    assert_true(side->desk->alone_made > 50);
    assert_true(side->desk->alone_missed > 10);
    side_close(other);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(holds_that_come_alone_are_made_in_one_statement_each),
        CASE(a_hold_of_another_process_in_between_is_noticed),
        CASE(a_project_that_others_change_all_the_time_is_not_tried),
        CASE(what_is_held_may_go_up_and_come_down_again),
        CASE(a_charge_in_between_is_noticed),
        CASE(a_change_of_the_catalog_in_between_is_noticed),
        CASE(a_limit_that_is_set_in_between_binds),
        CASE(a_known_key_answers_its_first_hold),
        CASE(a_hold_past_its_deadline_is_not_counted),
        CASE(what_a_share_holds_is_judged_by_the_knowledge_given),
        CASE(a_server_that_went_away_in_between_costs_no_hold),
        CASE(a_connection_lost_in_the_statement_leaves_a_doubt_that_the_key_settles),
        CASE(a_session_gives_the_same_book_and_answers_as_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
