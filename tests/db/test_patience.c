/* A server that does not answer holds up nobody who has no patience for it; statements that are
 * prepared, or sent together with their commit, mean the same as others. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/store/query.h"
#include "ledgerd/store/store_copy.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

enum {
    PATIENCE_US = 300 * 1000,
    AT_MOST_US = 5 * PATIENCE_US,  /* of one wait, on a busy machine */
    COPY_BYTES = 32 * 1024 * 1024, /* more than any socket holds */
};

struct bench {
    struct book book;
    pid_t stopped; /* a server process that is to go on; 0: none */
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    book_open(&bench->book, "patience");
    *state = bench;
    return 0;
}

static void go_on(struct bench *bench)
{
    if (bench->stopped != 0) {
        kill(bench->stopped, SIGCONT);
        bench->stopped = 0;
    }
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    go_on(bench);
    book_close(&bench->book);
    free(bench);
    return 0;
}

static int64_t select_one(struct store *store, const char *sql)
{
    struct error err = {0};
    struct query query;
    struct rows rows;

    query_init(&query, sql);
    assert_int_equal(query_run(store, &query, &rows, NULL, &err), 0);
    int64_t value = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return value;
}

/* Stop the server's process behind the store's connection: it stays connected and says nothing. */
static void stop_server_of(struct bench *bench)
{
    bench->stopped = (pid_t)select_one(bench->book.store, "SELECT pg_backend_pid()");
    assert_int_equal(kill(bench->stopped, SIGSTOP), 0);
}

static void assert_gave_up(const struct error *err, int64_t started_us)
{
    assert_int_equal(err->code, ERROR_UNAVAILABLE);
    assert_string_equal(err->text, "the database did not answer within 300 ms");
    assert_true(clock_monotonic_us() - started_us < AT_MOST_US);
}

static void a_server_that_never_greets_is_given_up(void **state)
{
    char folder[] = "/tmp/ledger-mute.XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error err = {0};
    char conninfo[sizeof folder + 64];
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    int64_t started_us;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", folder);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    snprintf(conninfo, sizeof conninfo, "host=%s port=5432 user=u dbname=d", folder);
    started_us = clock_monotonic_us();
    assert_null(store_open_patient(conninfo, STORE_REPORT, PATIENCE_US, &err));
    assert_gave_up(&err, started_us);
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
}

static void a_statement_is_given_up_and_the_store_comes_back(void **state)
{
    struct bench *bench = *state;
    struct store *store = bench->book.store;
    struct error err = {0};
    int64_t started_us;

    store_set_patience(store, PATIENCE_US);
    stop_server_of(bench);
    started_us = clock_monotonic_us();
    assert_int_equal(query_execute(store, "SELECT 1", &err), -1);
    assert_gave_up(&err, started_us);
    assert_false(store_is_connected(store));
    assert_int_equal(store_reconnect(store, &err), 0);
    assert_int_equal(select_one(store, "SELECT 1"), 1);
    store_set_patience(store, 0);
    assert_int_equal(select_one(store, "SELECT 2 FROM pg_sleep(0.5)"), 2);
}

/* Even by a store that would wait for ever. */
static void an_alarm_ends_a_wait(void **state)
{
    struct bench *bench = *state;
    atomic_bool alarm = true;
    struct error err = {0};
    int64_t started_us;

    store_set_alarm(bench->book.store, &alarm);
    assert_int_equal(select_one(bench->book.store, "SELECT 3 FROM pg_sleep(0.3)"), 3);
    stop_server_of(bench);
    started_us = clock_monotonic_us();
    assert_int_equal(query_execute(bench->book.store, "SELECT 1", &err), -1);
    assert_string_equal(err.text, "the database did not answer within 2 s");
    assert_true(clock_monotonic_us() - started_us < 5 * STORE_ALARM_US);
}

static void a_store_changes_its_role_and_its_rights(void **state)
{
    struct bench *bench = *state;
    struct store *store = bench->book.store;
    static const char insert[] = "INSERT INTO ledger.source (name) VALUES ('s')";
    struct error err = {0};

    assert_int_equal(store_take_role(store, STORE_REPORT, &err), 0);
    assert_int_equal(query_execute(store, insert, &err), -1);
    assert_string_equal(store_sqlstate(store), "42501");
    assert_int_equal(store_reconnect(store, &err), 0);
    assert_int_equal(query_execute(store, insert, &err), -1);
    assert_int_equal(store_take_role(store, STORE_DAEMON, &err), 0);
    assert_int_equal(query_execute(store, insert, &err), 0);
}

struct stopping {
    struct bench *bench;
    int runs;
    bool ends_itself; /* with the commit in the same round trip */
};

static int insert_and_stop(struct store *store, void *context, struct error *err)
{
    struct stopping *stopping = context;
    struct query query;

    stopping->runs++;
    if (query_execute(store, "INSERT INTO ledger.source (name) VALUES ('s')", err) != 0) {
        return -1;
    }
    stop_server_of(stopping->bench);
    if (!stopping->ends_itself) {
        return 0;
    }
    query_init(&query, "INSERT INTO ledger.source (name) VALUES ('t')");
    return query_run_and_commit(store, &query, NULL, NULL, err);
}

static int stop_and_insert(struct store *store, void *context, struct error *err)
{
    struct stopping *stopping = context;

    stopping->runs++;
    stop_server_of(stopping->bench);
    return query_execute(store, "INSERT INTO ledger.source (name) VALUES ('s')", err);
}

/* Running it again would wait again. */
static void work_that_was_given_up_is_not_run_again(void **state)
{
    struct bench *bench = *state;
    struct stopping stopping = {.bench = bench};
    struct error err = {0};
    int64_t started_us = clock_monotonic_us();

    store_set_patience(bench->book.store, PATIENCE_US);
    assert_int_equal(
        store_transact(bench->book.store, STORE_UNLOCKED, stop_and_insert, &stopping, &err), -1);
    assert_gave_up(&err, started_us);
    assert_int_equal(stopping.runs, 1);
    go_on(bench);
    assert_int_equal(testdb_int(bench->book.conninfo, "SELECT count(*) FROM ledger.source"), 0);
}

static void a_commit_without_answer_is_a_doubt(void **state)
{
    struct bench *bench = *state;
    struct store *store = bench->book.store;

    store_set_patience(store, PATIENCE_US);
    for (int i = 0; i < 2; i++) {
        struct stopping stopping = {.bench = bench, .ends_itself = i == 1};
        struct error err = {0};

        assert_int_equal(store_transact(store, STORE_UNLOCKED, insert_and_stop, &stopping, &err),
                         -1);
        assert_int_equal(err.code, ERROR_UNAVAILABLE);
        assert_non_null(strstr(err.text, "it is not known whether"));
        assert_int_equal(stopping.runs, 1);
        go_on(bench);
        assert_int_equal(store_reconnect(store, &err), 0);
        testdb_exec(bench->book.conninfo, "DELETE FROM ledger.source");
    }
}

static void a_copy_is_given_up_in_its_middle(void **state)
{
    struct bench *bench = *state;
    struct store *store = bench->book.store;
    char *bytes = calloc(1, COPY_BYTES);
    struct error err = {0};
    int64_t started_us;

    store_set_patience(store, PATIENCE_US);
    bench->stopped = (pid_t)select_one(store, "SELECT pg_backend_pid()");
    assert_int_equal(store_copy_begin(store, COPY_IDENTITY, &err), 0);
    assert_int_equal(kill(bench->stopped, SIGSTOP), 0);
    started_us = clock_monotonic_us();
    assert_int_equal(store_copy_send(store, bytes, COPY_BYTES, &err), -1);
    assert_gave_up(&err, started_us);
    free(bytes);
}

/* What libpq would hold back for a slow reader must still arrive, all of it and in order. */
static void what_is_larger_than_a_socket_goes_both_ways(void **state)
{
    struct bench *bench = *state;
    char *bytes = malloc(COPY_BYTES);
    struct error err = {0};
    struct query query;
    struct rows rows;

    memset(bytes, 'x', COPY_BYTES);
    query_init(&query, "SELECT $1");
    query_bytes(&query, bytes, COPY_BYTES);
    assert_int_equal(query_run(bench->book.store, &query, &rows, NULL, &err), 0);
    assert_int_equal(rows_length(&rows, 0, 0), COPY_BYTES);
    assert_memory_equal(rows_bytes(&rows, 0, 0), bytes, COPY_BYTES);
    rows_release(&rows);
    free(bytes);
}

static int nothing(struct store *store, void *context, struct error *err)
{
    (void)store;
    (void)context;
    (void)err;
    return 0;
}

static int wait_for_lock(struct store *store, void *context, struct error *err)
{
    struct store *waiting = context;

    (void)store;
    return store_transact(waiting, STORE_BOOKING, nothing, NULL, err);
}

static void a_lock_wait_ends_as_an_answer(void **state)
{
    struct bench *bench = *state;
    struct error err = {0};
    struct store *waiting = store_open_patient(bench->book.conninfo, STORE_DAEMON, 4 * PATIENCE_US,
                                               &err);

    assert_non_null(waiting);
    assert_int_equal(store_transact(bench->book.store, STORE_BOOKING, wait_for_lock, waiting, &err),
                     -1);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_string_equal(store_sqlstate(waiting), "55P03");
    assert_true(store_is_connected(waiting));
    store_close(waiting);
}

static int64_t double_of(struct store *store, int64_t value)
{
    struct error err = {0};
    struct query query;
    struct rows rows;

    query_init_named(&query, "double", "SELECT 2 * $1");
    query_i64(&query, value);
    assert_int_equal(query_run(store, &query, &rows, NULL, &err), 0);
    int64_t result = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return result;
}

static void a_named_statement_is_parsed_once_a_connection(void **state)
{
    struct bench *bench = *state;
    struct store *store = bench->book.store;
    static const char runs[] = "SELECT sum(generic_plans + custom_plans)::bigint FROM "
                               "pg_prepared_statements WHERE name = 'double'";
    struct error err = {0};

    assert_int_equal(double_of(store, 21), 42);
    assert_int_equal(double_of(store, -4), -8);
    assert_int_equal(select_one(store, runs), 2);
    assert_int_equal(store_reconnect(store, &err), 0);
    assert_int_equal(double_of(store, 5), 10);
    assert_int_equal(select_one(store, runs), 1);
}

static int insert_and_commit(struct store *store, void *context, struct error *err)
{
    struct query query;

    query_init_named(&query, "insert", "INSERT INTO ledger.source (name) VALUES ($1) RETURNING 1");
    query_text(&query, context);
    return query_run_and_commit(store, &query, NULL, NULL, err);
}

static void a_commit_in_the_same_trip_is_one(void **state)
{
    struct bench *bench = *state;
    struct store *store = bench->book.store;
    static const char count[] = "SELECT count(*) FROM ledger.source";
    char first[] = "a", second[] = "b";
    struct error err = {0};

    assert_int_equal(store_transact(store, STORE_BOOKING, insert_and_commit, first, &err), 0);
    assert_int_equal(testdb_int(bench->book.conninfo, count), 1);
    assert_int_equal(store_transact(store, STORE_UNLOCKED, insert_and_commit, first, &err), -1);
    assert_string_equal(store_sqlstate(store), "23505");
    assert_true(store_is_connected(store));
    assert_int_equal(testdb_int(bench->book.conninfo, count), 1);
    assert_int_equal(store_transact(store, STORE_UNLOCKED, insert_and_commit, second, &err), 0);
    assert_int_equal(testdb_int(bench->book.conninfo, count), 2);
}

static void a_commit_needs_a_transaction(void **state)
{
    struct bench *bench = *state;
    struct store *store = bench->book.store;
    struct error err = {0};
    struct query query;

    query_init(&query, "SELECT 1");
    assert_int_equal(query_run_and_commit(store, &query, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
    assert_int_equal(select_one(store, "SELECT 7"), 7);
}

/* Insert two sources in one trip and count the transaction's own; `context` is the second's name.
 */
static int insert_two(struct store *store, void *context, struct error *err)
{
    struct query queries[3];
    struct rows rows[3];

    query_init_named(&queries[0], "insert", "INSERT INTO ledger.source (name) VALUES ($1)");
    query_text(&queries[0], "first");
    query_init_named(&queries[1], "insert", "INSERT INTO ledger.source (name) VALUES ($1)");
    query_text(&queries[1], context);
    query_init(&queries[2], "SELECT count(*) FROM ledger.source");
    if (query_run_all(store, queries, 3, rows, err) != 0) {
        return -1;
    }
    assert_int_equal(rows_i64(&rows[2], 0, 0), 2);
    for (int i = 0; i < 3; i++) {
        rows_release(&rows[i]);
    }
    return 0;
}

static int leave_undone(struct store *store, void *context, struct error *err)
{
    (void)store, (void)context;
    return error_set(err, ERROR_REFUSED, "no statement was run");
}

static void several_statements_in_one_trip_are_of_one_transaction(void **state)
{
    struct bench *bench = *state;
    static const char count[] = "SELECT count(*) FROM ledger.source";
    char first[] = "first", second[] = "second";

    for (int repetitive = 0; repetitive < 2; repetitive++) {
        struct error err = {0};
        struct store *store = store_open(bench->book.conninfo, STORE_DAEMON, &err);

        assert_non_null(store);
        assert_int_equal(repetitive ? store_set_repetitive(store, &err) : 0, 0);
        assert_int_equal(store_transact(store, STORE_UNLOCKED, insert_two, first, &err), -1);
        assert_string_equal(store_sqlstate(store), "23505");
        assert_true(store_is_connected(store));
        assert_int_equal(testdb_int(bench->book.conninfo, count), 0);
        assert_int_equal(store_transact(store, STORE_UNLOCKED, leave_undone, NULL, &err), -1);
        assert_int_equal(store_transact(store, STORE_UNLOCKED, insert_two, second, &err), 0);
        assert_int_equal(testdb_int(bench->book.conninfo, count), 2);
        testdb_int(bench->book.conninfo, "WITH gone AS (DELETE FROM ledger.source RETURNING 1) "
                                         "SELECT count(*) FROM gone");
        store_close(store);
    }
}

#define BENCH_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_never_greets_is_given_up),
        BENCH_TEST(a_statement_is_given_up_and_the_store_comes_back),
        BENCH_TEST(an_alarm_ends_a_wait),
        BENCH_TEST(a_store_changes_its_role_and_its_rights),
        BENCH_TEST(work_that_was_given_up_is_not_run_again),
        BENCH_TEST(a_commit_without_answer_is_a_doubt),
        BENCH_TEST(a_copy_is_given_up_in_its_middle),
        BENCH_TEST(what_is_larger_than_a_socket_goes_both_ways),
        BENCH_TEST(a_lock_wait_ends_as_an_answer),
        BENCH_TEST(a_named_statement_is_parsed_once_a_connection),
        BENCH_TEST(a_commit_in_the_same_trip_is_one),
        BENCH_TEST(a_commit_needs_a_transaction),
        BENCH_TEST(several_statements_in_one_trip_are_of_one_transaction),
    };

    return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
