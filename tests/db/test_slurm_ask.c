/* Holds of what sbatch was told: who is meant, by which state of the catalog, and how many of them
 * there are points for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/flow/catalog_slurm.h"
#include "ledgerd/flow/check_book.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/slurm_resolve.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char NOW[] = "2027-06-10T12:00:00+09:00";
static const char SLURM[] =
    "INSERT INTO ledger.slurm_user VALUES ('x', 'ann', 50, 'hp1'), ('x', 'bea', 7, 'hp1'), "
    "('x', 'twin', 7, 'hp2'), ('x', 'nobody', NULL, 'hp1'), ('y', 'ann', 6, 'hp2');"
    "INSERT INTO ledger.slurm_association VALUES ('x', 'ann', 'hp1', '', 'normal'), "
    "('x', 'ann', 'hp1', 'gpu', 'high'), ('x', 'ann', 'hp1', 'zeta', ''), "
    "('x', 'ann', 'hp2', 'gpu', 'low'), ('x', 'bea', 'hp1', '', ''), ('y', 'ann', 'hp2', '', '');"
    "INSERT INTO ledger.slurm_partition VALUES "
    "('x', 'gpu', true, 3600, 7200, false, NULL, NULL, 8, 4, 1024), "
    "('x', 'long', false, NULL, NULL, false, NULL, NULL, 8, 4, 1024), "
    "('y', 'gpu', false, 60, NULL, false, NULL, NULL, 8, 4, 1024);";

struct fixture {
    struct book book;
    struct hold_desk *desk;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = {0};

    book_open(&f->book, "ask");
    book_agree(&f->book);
    book_add_project(&f->book, "hp1", "hpci");
    book_add_project(&f->book, "hp2", "hpci");
    book_grant(&f->book, "hp1", "10", "2027-06-01", "2028-04-01");
    testdb_exec(f->book.conninfo, SLURM);
    f->desk = hold_desk_create(NULL, &err);
    assert_non_null(f->desk);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    hold_desk_destroy(f->desk);
    book_close(&f->book);
    free(f);
    return 0;
}

static struct catalog *load(struct fixture *f)
{
    struct error err = {0};
    struct catalog *catalog = catalog_load(f->book.store, &err);

    if (catalog == NULL) {
        fail_msg("%s", err.text);
    }
    return catalog;
}

/* --- lookups ---------------------------------------------------------------------------------- */

static const char *name_of(const struct slurm_user *user)
{
    return user != NULL ? user->name : "-";
}

static const char *qos_of(const struct catalog *catalog, const char *cluster, const char *user,
                          const char *account, const char *partition)
{
    const struct slurm_association *association = catalog_slurm_association(
        catalog->slurm, cluster, user, account, partition);

    return association != NULL ? association->default_qos : "-";
}

static void users_associations_and_partitions_are_found(void **state)
{
    struct catalog *catalog = load(*state);
    const struct catalog_slurm *slurm = catalog->slurm;

    assert_string_equal(name_of(catalog_slurm_uid(slurm, "x", 50)), "ann");
    assert_string_equal(name_of(catalog_slurm_uid(slurm, "y", 6)), "ann");
    assert_string_equal(name_of(catalog_slurm_uid(slurm, "x", 6)), "-");
    assert_string_equal(name_of(catalog_slurm_uid(slurm, "x", 7)), "bea"); /* the first of two */
    assert_string_equal(name_of(catalog_slurm_uid(slurm, "x", -1)), "-");  /* nobody has it */
    assert_string_equal(name_of(catalog_slurm_uid(slurm, "z", 50)), "-");
    assert_string_equal(name_of(catalog_slurm_user(slurm, "x", "nobody")), "nobody");
    assert_string_equal(name_of(catalog_slurm_user(slurm, "y", "bea")), "-");

    assert_string_equal(qos_of(catalog, "x", "ann", "hp1", "gpu"), "high");
    assert_string_equal(qos_of(catalog, "x", "ann", "hp1", "zeta"), "");
    assert_string_equal(qos_of(catalog, "x", "ann", "hp1", "other"), "normal");
    assert_string_equal(qos_of(catalog, "x", "ann", "hp2", "other"), "-");
    assert_string_equal(qos_of(catalog, "x", "ann", "hp2", NULL), "low");
    assert_string_equal(qos_of(catalog, "x", "ann", "hp3", NULL), "-");
    assert_string_equal(qos_of(catalog, "y", "ann", "hp1", NULL), "-");

    assert_int_equal(catalog_slurm_partition(slurm, "x", "")->max_seconds, 7200);
    assert_int_equal(catalog_slurm_partition(slurm, "x", "long")->max_seconds, -1);
    assert_int_equal(catalog_slurm_partition(slurm, "y", "gpu")->default_seconds, 60);
    assert_null(catalog_slurm_partition(slurm, "y", ""));
    assert_null(catalog_slurm_partition(slurm, "y", "long"));
    assert_null(catalog_slurm_only_cluster(slurm));
    catalog_destroy(catalog);
}

static void nothing_is_found_where_nothing_was_pulled(void **state)
{
    struct fixture *f = *state;

    testdb_exec(f->book.conninfo, "DELETE FROM ledger.slurm_user WHERE cluster = 'y'");
    struct catalog *catalog = load(f);
    assert_string_equal(catalog_slurm_only_cluster(catalog->slurm), "x");
    catalog_destroy(catalog);

    testdb_exec(f->book.conninfo,
                "DELETE FROM ledger.slurm_user; DELETE FROM ledger.slurm_partition;"
                "DELETE FROM ledger.slurm_association");
    catalog = load(f);
    assert_null(catalog_slurm_uid(catalog->slurm, "x", 50));
    assert_null(catalog_slurm_user(catalog->slurm, "x", "ann"));
    assert_null(catalog_slurm_association(catalog->slurm, "x", "ann", "hp1", NULL));
    assert_null(catalog_slurm_partition(catalog->slurm, "x", ""));
    assert_null(catalog_slurm_only_cluster(catalog->slurm));
    catalog_destroy(catalog);
}

/* --- holds ------------------------------------------------------------------------------------ */

struct question { /* a request and what it points to */
    struct hold_request request;
    struct usage_record shape;
};

/* One GPU of the default partition for an hour, for the user. */
static struct hold_request *ask(struct question *question, const char *key, int64_t uid,
                                const char *account)
{
    struct hold_request *request = &question->request;

    *request = (struct hold_request){
        .key = key, .parts = 1, .ttl_us = HOLD_TTL_DEFAULT_US, .ref_kind = "", .ref_id = ""};
    check_request_init(&request->check, &question->shape);
    request->check.ask.cluster = "x";
    request->check.ask.uid = uid;
    request->check.ask.account = account;
    request->check.has_shape = true;
    assert_int_equal(usage_add_meter(&question->shape, "gpu", DECIMAL_ONE), 0);
    return request;
}

/* "made hp1 1.000000", "same …", "other" or the reason, for each, with commas. */
static char *place(struct fixture *f, const struct hold_knowledge *knowledge,
                   const struct hold_request *requests, size_t count)
{
    struct hold_outcome outcomes[HOLD_GROUP_MAX];
    struct strbuf fates = STRBUF_INIT;
    struct error err = {0};

    for (size_t i = 0; i < count; i++) {
        if (hold_request_validate(&requests[i], &err) != 0) {
            fail_msg("%s", err.text);
        }
    }
    if (hold_place(f->book.store, f->desk, knowledge, requests, count, book_time(NOW), outcomes,
                   &err) != 0) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < count; i++) {
        const struct hold_outcome *outcome = &outcomes[i];
        char points[POINTS_TEXT_BYTES];

        strbuf_add_string(&fates, i > 0 ? ", " : "");
        if (outcome->fate == HOLD_REFUSED) {
            strbuf_add_string(&fates, decide_reason_text(outcome->reason));
        } else if (outcome->fate == HOLD_KEY_DIFFERS) {
            strbuf_add_string(&fates, "other");
        } else {
            strbuf_printf(&fates, "%s %s %s %s", outcome->fate == HOLD_MADE ? "made" : "same",
                          outcome->hold.project, outcome->hold.user,
                          points_format(outcome->hold.points, points));
        }
        hold_outcome_release(&outcomes[i]);
    }
    return strbuf_detach(&fates);
}

static void assert_place(struct fixture *f, const struct hold_knowledge *knowledge,
                         const struct hold_request *requests, size_t count, const char *expected)
{
    char *fates = place(f, knowledge, requests, count);

    assert_string_equal(fates, expected);
    free(fates);
}

static void a_group_decides_each_in_its_turn(void **state)
{
    struct question questions[6];
    struct hold_request requests[COUNT(questions)];

    for (size_t i = 0; i < COUNT(questions); i++) {
        ask(&questions[i], "", 50, "");
    }
    questions[0].request.key = questions[1].request.key = questions[2].request.key = "k";
    questions[0].request.check.ask.parts = questions[0].request.parts = 8;
    questions[1].request.check.ask.parts = questions[1].request.parts = 8;
    questions[3].request.check.ask.uid = 99;
    questions[4].request.check.ask.parts = questions[4].request.parts = 300;
    questions[4].request.check.ask.at_once = 2;
    for (size_t i = 0; i < COUNT(questions); i++) {
        requests[i] = questions[i].request;
    }
    assert_place(*state, NULL, requests, COUNT(requests),
                 "made hp1 ann 8.000000, same hp1 ann 8.000000, other, unknown_user, "
                 "made hp1 ann 2.000000, insufficient_points");
    assert_place(*state, NULL, requests, 3, "same hp1 ann 8.000000, same hp1 ann 8.000000, other");
}

static void the_newest_associations_count_whatever_the_caller_knows(void **state)
{
    struct fixture *f = *state;
    struct catalog *old = load(f);
    const struct hold_knowledge knowledge = {.catalog = old};
    struct question question;

    assert_place(f, &knowledge, ask(&question, "", 7, ""), 1, "made hp1 bea 1.000000");
    book_grant(&f->book, "hp2", "10", "2027-06-01", "2028-04-01");
    testdb_exec(f->book.conninfo,
                "UPDATE ledger.slurm_user SET default_account = 'hp2' WHERE user_name = 'bea';"
                "UPDATE ledger.slurm_association SET account = 'hp2' WHERE user_name = 'bea';"
                "UPDATE ledger.slurm_partition SET default_seconds = 7200");
    assert_place(f, &knowledge, ask(&question, "", 7, ""), 1, "made hp2 bea 2.000000");
    assert_place(f, &knowledge, ask(&question, "", 7, "hp1"), 1, "unknown_project");
    testdb_exec(f->book.conninfo, "DELETE FROM ledger.slurm_user WHERE user_name = 'bea'");
    assert_place(f, &knowledge, ask(&question, "", 7, ""), 1, "unknown_project"); /* now twin's */
    catalog_destroy(old);
}

static void a_hold_with_a_source_reserves_for_those_that_run_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct question question;
    struct hold_request *request = ask(&question, "k", -1, "");
    static const char read[] = "SELECT source || ' ' || at_once || ' ' || points_micro || ' ' || "
                               "parts FROM ledger.hold WHERE key = 'k'";

    request->check.ask = SLURM_ASK_NONE;
    request->check.project = "hp1";
    request->check.user = "ann";
    request->check.seconds = (struct decimal){36, 0};
    question.shape.source = "slurm:x";
    question.shape.klass = "gpu";
    request->parts = 100;
    request->at_once = 7;
    request->source = "slurm:x";
    assert_place(f, NULL, request, 1, "made hp1 ann 0.070000");
    char *row = testdb_text(f->book.conninfo, read);
    assert_string_equal(row, "slurm:x 7 70000 100");
    free(row);
    assert_place(f, NULL, request, 1, "same hp1 ann 0.070000");
    request->at_once = 8;
    assert_place(f, NULL, request, 1, "other");
    request->at_once = 7;
    request->source = "slurm:y";
    assert_place(f, NULL, request, 1, "other");
    request->at_once = -1;
    struct error err = {0};
    assert_int_equal(hold_request_validate(request, &err), -1);
}

static void the_book_answers_as_the_hold_does(void **state)
{
    struct fixture *f = *state;
    struct question question;
    struct check_book book;
    struct error err = {0};
    struct check_request *check = &ask(&question, "", 50, "")->check;

    check->ask.parts = 11;
    assert_int_equal(check_book(f->book.store, NULL, check, book_time(NOW), &book, &err), 0);
    assert_string_equal(decide_reason_text(book.result.answer.decision.reason),
                        "insufficient_points");
    assert_string_equal(book.result.note.message,
                        "project hp1 has 10.0 points left, this job may need 11.0 "
                        "(1 GPU x 1 h x 11 tasks); a limit of 54 min would fit");
    check_book_release(&book);
    check->ask.parts = 10;
    assert_int_equal(check_book(f->book.store, NULL, check, book_time(NOW), &book, &err), 0);
    assert_true(book.result.answer.decision.allowed);
    assert_null(book.result.note.job.message);
    check_book_release(&book);
}

/* --- live jobs -------------------------------------------------------------------------------- */

static void a_live_job_has_a_project_and_a_price(void **state)
{
    struct catalog *catalog = load(*state);
    struct slurm_job_row job = {.user = "ann",
                                .account = "hp1",
                                .partition = "gpu,long",
                                .qos = "normal",
                                .meters = "cpu=2 gpu=4 mem_gib=8.5 node=1",
                                .limit_seconds = 3600,
                                .tasks = 1};
    struct points points;
    struct error err = {0};
    static const char *const bad[] = {"gpu",         "gpu=",  "gpu=x", "=1",
                                      "gpu=1 gpu=1", "tea=1", "gpu=-1"};

    assert_string_equal(slurm_resolve_job_project(catalog, NULL, "x", &job)->id, "hp1");
    assert_int_equal(
        slurm_resolve_job(catalog, NULL, "x", &job, 1800, book_time(NOW), &points, &err),
        -1); /* long has no price */
    job.partition = "gpu";
    assert_int_equal(
        slurm_resolve_job(catalog, NULL, "x", &job, 1800, book_time(NOW), &points, &err), 0);
    assert_int_equal(points.micro, 2000000);
    for (size_t i = 0; i < COUNT(bad); i++) {
        job.meters = bad[i];
        assert_int_equal(
            slurm_resolve_job(catalog, NULL, "x", &job, 1800, book_time(NOW), &points, &err), -1);
    }
    job.account = "nope";
    assert_null(slurm_resolve_job_project(catalog, NULL, "x", &job));
    catalog_destroy(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(users_associations_and_partitions_are_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_is_found_where_nothing_was_pulled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_decides_each_in_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_associations_count_whatever_the_caller_knows,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_hold_with_a_source_reserves_for_those_that_run_at_a_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_book_answers_as_the_hold_does, setup, teardown),
        cmocka_unit_test_setup_teardown(a_live_job_has_a_project_and_a_price, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
