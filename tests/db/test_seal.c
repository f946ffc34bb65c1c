/* The seal: every committed transfer is linked once, whoever writes and seals at the same time, and
 * whatever is done to a sealed row is found and named. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/seal.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/flow/verify_walk.h"
#include "ledgerd/store/store_post.h"
#include "ledgerd/store/store_seal.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

enum { GRANTS = 7, WRITERS = 3, WRITER_GRANTS = 40, SEALERS = 2, CROWD_SEALS = 4 };
enum { WAIT_US = 120 * 1000 * 1000 }; /* far longer than any other test's transaction */

/* Everything that can be sealed, once the transactions of other tests on this server let it be. */
static int64_t seal(struct book *book)
{
    struct error err = {0};
    int64_t sealed = -1;

    if (seal_book(book->store, true, &sealed, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return sealed;
}

static int64_t unsealed(struct book *book)
{
    return testdb_int(book->conninfo, "SELECT (SELECT count(*) FROM ledger.transfer) - "
                                      "(SELECT coalesce(max(total), 0) FROM ledger.seal)");
}

/* Transactions of the whole server, those of other tests included, keep transfers above the chain
 * while they are open. The server's horizon only rises: what lies below it once can be sealed. */
static void wait_for_the_horizon(struct book *book)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    int64_t until_us = clock_monotonic_us() + WAIT_US;

    while (testdb_int(book->conninfo, "SELECT count(*) FROM ledger.transfer "
                                      "WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())") > 0) {
        if (clock_monotonic_us() > until_us) {
            fail_msg("a transaction of this server stays open");
        }
        nanosleep(&pause, NULL);
    }
}

/* All that is there becomes one link, whatever else the server is doing. */
static int64_t seal_all(struct book *book)
{
    int64_t sealed;

    wait_for_the_horizon(book);
    sealed = seal(book);
    assert_int_equal(unsealed(book), 0);
    return sealed;
}

static void verify(struct book *book, const struct checkpoint *since, struct verify_result *result)
{
    struct verify_options options = {.rerate_every = 1, .since = since};
    struct error err = {0};
    struct store *store = store_open(book->conninfo, STORE_REPORT, &err);

    if (store == NULL || verify_book(store, &options, result, &err) != 0) {
        fail_msg("%s", err.text);
    }
    store_close(store);
}

static const struct verify_check *check_named(const struct verify_result *result, const char *name)
{
    for (size_t i = 0; i < result->check_count; i++) {
        if (strcmp(result->checks[i].name, name) == 0) {
            return &result->checks[i];
        }
    }
    fail_msg("there is no check %s", name);
    return NULL;
}

static void assert_all_sealed(struct book *book)
{
    struct verify_result result = {0};

    verify(book, NULL, &result);
    for (size_t i = 0; i < result.check_count; i++) {
        if (!result.checks[i].ok) {
            fail_msg("%s: %s", result.checks[i].name, result.checks[i].detail);
        }
    }
    assert_true(result.ok);
    assert_int_equal(result.unsealed, 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT coalesce(max(total), 0) FROM ledger.seal"),
                     result.transfers);
}

/* Transfers of several months and transactions, sealed in two links. */
static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "seal");
    book_agree(book);
    book_add_project(book, "hp1", "hpci");
    book_add_project(book, "gen1", "general");
    seal_all(book);
    for (int i = 0; i < GRANTS; i++) {
        book_grant(book, i % 2 == 0 ? "hp1" : "gen1", "10", i < 4 ? "2027-06-01" : "2027-08-01",
                   "2028-04-01");
    }
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

static void what_is_above_the_chain_is_reported(void **state)
{
    struct book *book = *state;
    struct verify_result result = {0};

    verify(book, NULL, &result);
    assert_true(result.ok);
    assert_int_equal(result.seals, 1);
    assert_int_equal(result.unsealed, GRANTS);
    assert_true(instant_is_set(result.sealed_through));
    assert_int_equal(seal_all(book), GRANTS);
    assert_int_equal(seal(book), 0);
    assert_all_sealed(book);
}

static void every_column_is_sealed(void **state)
{
    struct book *book = *state;
    char *missing = testdb_text(
        book->conninfo,
        "SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = "
        "'ledger.transfer'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL "
        "(string_to_array('" STORE_SEAL_COLUMNS "', ', '))");

    if (missing != NULL) {
        fail_msg("not sealed: %s", missing);
    }
}

struct open_work {
    struct book *book;
    int64_t sealed_meanwhile;
};

/* Inside a transaction that has its number, others book and seal. */
static int book_beside(struct store *store, void *context, struct error *err)
{
    struct open_work *work = context;
    struct number_block block = {0, 0};
    int64_t number;
    const struct post_entry entry = {.kind = "grant", .booked_at = book_time("2027-06-10")};

    if (store_open_entry(store, &entry, &number, err) != 0 ||
        store_next_transfer(store, &block, &number, err) != 0) {
        return -1;
    }
    book_grant(work->book, "hp1", "1", "2027-06-01", "2028-04-01");
    work->sealed_meanwhile = seal(work->book);
    return 0;
}

/* A transaction that is still open may yet book something in front of what came after it: that is
 * kept back until it ends. */
static void an_open_transaction_keeps_the_chain_below_it(void **state)
{
    struct book *book = *state;
    struct open_work work = {.book = book, .sealed_meanwhile = -1};
    struct error err = {0};
    struct store *other = store_open(book->conninfo, STORE_DAEMON, &err);

    seal_all(book);
    if (other == NULL || store_transact(other, STORE_UNLOCKED, book_beside, &work, &err) != 0) {
        fail_msg("%s", err.text);
    }
    store_close(other);
    assert_int_equal(work.sealed_meanwhile, 0);
    assert_int_equal(seal_all(book), 1);
    assert_all_sealed(book);
}

struct damage {
    const char *check;
    const char *names; /* what the check must say */
    const char *sql;
};

#define FIRST "(SELECT min(transfer_id) FROM ledger.transfer WHERE kind = 'grant')"
#define LAST "(SELECT max(transfer_id) FROM ledger.transfer WHERE kind = 'grant')"
#define SET "UPDATE ledger.transfer SET "
#define AT_FIRST " WHERE transfer_id = " FIRST

static const struct damage damages[] = {
    {"transfers_as_sealed", "1 changed, 0 gone, 0 added",
     SET "amount_micro = amount_micro + 1" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "month = '2027-08-01'" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "entry_id = entry_id + 1" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "debit_account = 1" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "credit_account = 1" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "kind = 'move'" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "source_no = 9" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "charges = 9" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "grant_id = NULL" AT_FIRST},
    {"transfers_as_sealed", "1 changed",
     SET "booked_at = booked_at + interval '1 microsecond'" AT_FIRST},
    {"transfers_as_sealed", "1 changed", SET "xid = (xid::text::bigint + 1)::text::xid8" AT_FIRST},
    {"transfers_as_sealed", "0 changed, 1 gone, 1 added", SET "transfer_id = 123456789" AT_FIRST},
    {"transfers_as_sealed", "is gone (0 changed, 1 gone, 0 added)",
     "DELETE FROM ledger.transfer" AT_FIRST},
    {"transfers_as_sealed", "was added behind seal 2",
     "INSERT INTO ledger.transfer SELECT transfer_id + 4096000, month, entry_id, debit_account, "
     "credit_account, amount_micro, kind, source_no, charges, grant_id, booked_at, xid "
     "FROM ledger.transfer" AT_FIRST},
    {"transfers_as_sealed", "2 changed, 0 gone, 0 added",
     SET "transfer_id = x.b, xid = x.bx FROM (SELECT a.transfer_id AS a, a.month AS am, "
         "b.transfer_id AS b, b.xid AS bx FROM ledger.transfer a, ledger.transfer b "
         "WHERE (a.transfer_id, b.transfer_id) IN ((" FIRST ", " LAST "), (" LAST ", " FIRST
         "))) x "
         "WHERE transfer.transfer_id = x.a AND transfer.month = x.am"},
    {"transfers_have_their_entry", "was booked by another transaction",
     "INSERT INTO ledger.transfer SELECT transfer_id + 4096000, month, entry_id, debit_account, "
     "credit_account, amount_micro, kind, source_no, charges, grant_id, booked_at "
     "FROM ledger.transfer" AT_FIRST},
    {"seals_are_a_chain", "seal 2: its head",
     "UPDATE ledger.seal SET leaves = "
     "set_byte(leaves, 20, 255 - get_byte(leaves, 20)) "
     "WHERE n = 2"},
    {"seals_are_a_chain", "seal 1: it is gone", "DELETE FROM ledger.seal WHERE n = 1"},
    {"seals_are_a_chain", "seal 2: its head",
     "UPDATE ledger.seal SET sealed_at = sealed_at - "
     "interval '1 day' WHERE n = 2"},
    {"seals_are_a_chain", "seal 2: its total",
     "UPDATE ledger.seal SET total = total + 1 "
     "WHERE n = 2"},
    {"seals_are_a_chain", "seal 1: its total",
     "UPDATE ledger.seal SET n = 3 WHERE n = 1; UPDATE "
     "ledger.seal SET n = 1 WHERE n = 2; UPDATE "
     "ledger.seal SET n = 2 WHERE n = 3"},
    {"seals_are_a_chain", "seal 1: its head",
     "UPDATE ledger.seal SET head = sha256('x') "
     "WHERE n = 1"},
};

static void every_damage_is_named(void **state)
{
    struct book *book = *state;
    char first[32];

    seal_all(book);
    snprintf(first, sizeof first, "transfer %lld ",
             (long long)testdb_int(book->conninfo, "SELECT " FIRST));
    testdb_exec(book->conninfo, "CREATE SCHEMA aside; CREATE TABLE aside.transfer AS TABLE "
                                "ledger.transfer; CREATE TABLE aside.seal AS TABLE ledger.seal");
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        const struct damage *damage = &damages[i];
        struct verify_result result = {0};

        testdb_exec(book->conninfo, damage->sql);
        verify(book, NULL, &result);
        const struct verify_check *check = check_named(&result, damage->check);
        if (check->ok || result.ok || strstr(check->detail, damage->names) == NULL) {
            fail_msg("%s\n  said: %s\n  not: %s", damage->sql, check->detail, damage->names);
        }
        if (strcmp(damage->check, "transfers_as_sealed") == 0 &&
            strstr(damage->names, "behind") == NULL && strstr(check->detail, first) == NULL) {
            fail_msg("%s\n  said: %s\n  does not name %s", damage->sql, check->detail, first);
        }
        testdb_exec(book->conninfo,
                    "DELETE FROM ledger.transfer; INSERT INTO ledger.transfer TABLE "
                    "aside.transfer; DELETE FROM ledger.seal; INSERT INTO ledger.seal TABLE "
                    "aside.seal");
    }
    testdb_exec(book->conninfo, "DROP SCHEMA aside CASCADE");
    assert_all_sealed(book);
}

static int64_t transfers_of(struct walk *walk, struct store *store)
{
    struct error err = {0};
    int64_t transfers = 0;

    if (walk_run(walk, store, &err) != 0) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < walk->sums.moved.count; i++) {
        transfers += walk->sums.moved.lines[i].charges;
    }
    return transfers;
}

/* Walks run again when a connection is lost. */
static void a_walk_that_starts_over_takes_its_own_windows_again(void **state)
{
    struct book *book = *state;
    struct walk_windows windows = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct walk first = {.number = 1, .windows = &windows};
    struct walk second = {.number = 2, .windows = &windows, .is_leading = true};
    int64_t all;

    seal_all(book);
    all = testdb_int(book->conninfo, "SELECT count(*) FROM ledger.transfer");
    assert_true(all > 0);
    assert_int_equal(transfers_of(&first, book->store), all);
    assert_int_equal(transfers_of(&second, book->store), 0);
    assert_int_equal(transfers_of(&first, book->store), all);
    assert_int_equal(first.last.total, all);
    assert_int_equal(second.last.total, all);
    walk_release(&first);
    walk_release(&second);
    free(windows.takers);
}

struct crowd {
    struct book *book;
    atomic_bool done;
    atomic_int failures;
};

static bool is_sealed_often(const struct crowd *crowd)
{
    return testdb_int(crowd->book->conninfo, "SELECT count(*) FROM ledger.seal") >= CROWD_SEALS;
}

/* Goes on until sealers have come in between often enough. */
static void *write_grants(void *argument)
{
    struct crowd *crowd = argument;
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    struct error err = {0};
    struct book mine = {crowd->book->conninfo,
                        store_open(crowd->book->conninfo, STORE_DAEMON, &err)};

    for (int i = 0; mine.store != NULL && (i < WRITER_GRANTS || (!is_sealed_often(crowd) &&
                                                                 clock_monotonic_us() < until_us));
         i++) {
        book_grant(&mine, i % 3 == 0 ? "hp1" : "gen1", "0.5", "2027-06-01", "2028-04-01");
    }
    atomic_fetch_add(&crowd->failures, mine.store == NULL);
    store_close(mine.store);
    return NULL;
}

static void *keep_sealing(void *argument)
{
    struct crowd *crowd = argument;
    struct error err = {0};
    struct store *store = store_open(crowd->book->conninfo, STORE_DAEMON, &err);

    while (store != NULL && !atomic_load(&crowd->done)) {
        if (seal_book(store, false, NULL, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            atomic_fetch_add(&crowd->failures, 1);
        }
    }
    atomic_fetch_add(&crowd->failures, store == NULL);
    store_close(store);
    return NULL;
}

static void writers_and_sealers_together_lose_nothing(void **state)
{
    struct crowd crowd = {.book = *state};
    pthread_t writers[WRITERS], sealers[SEALERS];

    for (int i = 0; i < SEALERS; i++) {
        assert_int_equal(pthread_create(&sealers[i], NULL, keep_sealing, &crowd), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&writers[i], NULL, write_grants, &crowd), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i], NULL);
    }
    atomic_store(&crowd.done, true);
    for (int i = 0; i < SEALERS; i++) {
        pthread_join(sealers[i], NULL);
    }
    assert_int_equal(atomic_load(&crowd.failures), 0);
    seal_all(crowd.book);
    assert_all_sealed(crowd.book);
    assert_true(is_sealed_often(&crowd));
}

/* A dump that was restored into a server whose transactions count from lower must not be sealed in
 * the wrong order. */
static void a_server_that_counts_from_lower_is_refused(void **state)
{
    struct book *book = *state;
    struct error err = {0};

    seal_all(book);
    testdb_exec(book->conninfo, "UPDATE ledger.seal SET last_xid = '9000000000' WHERE n = "
                                "(SELECT max(n) FROM ledger.seal)");
    assert_int_equal(seal_book(book->store, true, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "9000000000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_above_the_chain_is_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(every_column_is_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_transaction_keeps_the_chain_below_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_damage_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_walk_that_starts_over_takes_its_own_windows_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(writers_and_sealers_together_lose_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_counts_from_lower_is_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
