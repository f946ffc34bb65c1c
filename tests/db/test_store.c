/* The store itself: what is bound comes back, transactions are whole, roles may do what they must
 * and no more. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_post.h"
#include "ledgerd/store/store_record.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "store");
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

static void scalars_come_back_as_they_were_bound(void **state)
{
    struct book *book = *state;
    struct instant t = book_time("2027-06-30T23:59:59.999999+09:00");
    struct error err = {0};
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10");
    query_text(&query, "a'b\\c");
    query_text(&query, NULL);
    query_bytes(&query, "\0x", 2);
    query_i64(&query, INT64_MIN);
    query_i32(&query, -7);
    query_bool(&query, true);
    query_instant(&query, t);
    query_instant(&query, INSTANT_NONE);
    query_month(&query, month_make(1970, 1));
    query_instant(&query, INSTANT_NEVER);
    assert_int_equal(query_run(book->store, &query, &rows, NULL, &err), 0);
    assert_string_equal(rows_text(&rows, 0, 0), "a'b\\c");
    assert_true(rows_is_null(&rows, 0, 1));
    assert_int_equal(rows_length(&rows, 0, 2), 2);
    assert_memory_equal(rows_bytes(&rows, 0, 2), "\0x", 2);
    assert_true(rows_i64(&rows, 0, 3) == INT64_MIN);
    assert_int_equal(rows_i64(&rows, 0, 4), -7);
    assert_true(rows_bool(&rows, 0, 5));
    assert_true(rows_instant(&rows, 0, 6).us == t.us);
    assert_false(instant_is_set(rows_instant(&rows, 0, 7)));
    assert_int_equal(rows_month(&rows, 0, 8).number, 1970 * 12);
    assert_true(rows_instant(&rows, 0, 9).us == INSTANT_NEVER.us);
    rows_release(&rows);
}

static void times_mean_the_same_to_the_database(void **state)
{
    struct book *book = *state;
    struct error err = {0};
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT to_char($1 AT TIME ZONE 'Asia/Tokyo', 'YYYY-MM-DD HH24:MI:SS'), "
                       "to_char($2, 'YYYY-MM-DD')");
    query_instant(&query, book_time("2027-06-01"));
    query_month(&query, month_make(2027, 6));
    assert_int_equal(query_run(book->store, &query, &rows, NULL, &err), 0);
    assert_string_equal(rows_text(&rows, 0, 0), "2027-06-01 00:00:00");
    assert_string_equal(rows_text(&rows, 0, 1), "2027-06-01");
    rows_release(&rows);
}

static void arrays_come_back_row_by_row(void **state)
{
    static const char *const texts[] = {"a", NULL, ""};
    static const int64_t longs[] = {1, -2, INT64_MAX};
    static const int32_t ints[] = {4, 5, -6};
    static const bool bools[] = {true, false, true};
    static const struct month months[] = {{2027 * 12}, {1970 * 12}, {2199 * 12 + 11}};
    static const unsigned char uuids[][16] = {{1}, {2}, {3}};
    struct book *book = *state;
    struct instant instants[] = {book_time("2027-06-01"), INSTANT_NONE, INSTANT_NEVER};
    struct error err = {0};
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY "
                       "AS x(t, l, i, b, w, m, u, n) ORDER BY n");
    query_text_array(&query, texts, 3);
    query_i64_array(&query, longs, 3);
    query_i32_array(&query, ints, 3);
    query_bool_array(&query, bools, 3);
    query_instant_array(&query, instants, 3);
    query_month_array(&query, months, 3);
    query_uuid_array(&query, uuids, 3);
    assert_int_equal(query_run(book->store, &query, &rows, NULL, &err), 0);
    assert_int_equal(rows_count(&rows), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rows_is_null(&rows, i, 0), texts[i] == NULL);
        assert_string_equal(rows_text(&rows, i, 0), texts[i] != NULL ? texts[i] : "");
        assert_true(rows_i64(&rows, i, 1) == longs[i]);
        assert_int_equal(rows_i64(&rows, i, 2), ints[i]);
        assert_int_equal(rows_bool(&rows, i, 3), bools[i]);
        assert_true(rows_instant(&rows, i, 4).us == instants[i].us);
        assert_int_equal(rows_month(&rows, i, 5).number, months[i].number);
        assert_memory_equal(rows_bytes(&rows, i, 6), uuids[i], 16);
    }
    rows_release(&rows);
    query_init(&query, "SELECT cardinality($1)");
    query_text_array(&query, texts, 0);
    assert_int_equal(query_run(book->store, &query, &rows, NULL, &err), 0);
    assert_int_equal(rows_i64(&rows, 0, 0), 0);
    rows_release(&rows);
}

static void too_many_parameters_are_an_error_and_not_a_crash(void **state)
{
    struct book *book = *state;
    struct error err = {0};
    struct query query;

    query_init(&query, "SELECT 1");
    for (int i = 0; i < QUERY_PARAMETERS_MAX + 3; i++) {
        query_text(&query, "x");
    }
    assert_int_equal(query_run(book->store, &query, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
}

static void a_failed_statement_says_why(void **state)
{
    struct book *book = *state;
    struct error err = {0};

    assert_int_equal(query_execute(book->store, "SELECT 1/0", &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
    assert_non_null(strstr(err.text, "division by zero"));
    assert_string_equal(store_sqlstate(book->store), "22012");
}

struct counting {
    int runs;
    int fail_with; /* 0 none, 1 refuse, 2 ask for a retry once, 3 lose the connection once */
    const char *conninfo;
};

static int insert_source(struct store *store, void *context, struct error *err)
{
    struct counting *counting = context;

    counting->runs++;
    if (query_execute(store, "INSERT INTO ledger.source (name) VALUES ('s')", err) != 0) {
        return -1;
    }
    if (counting->fail_with == 1) {
        return error_set(err, ERROR_REFUSED, "no");
    }
    if (counting->fail_with == 2 && counting->runs == 1) {
        return query_execute(store, "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END$$",
                             err);
    }
    if (counting->fail_with == 3 && counting->runs == 1) {
        testdb_exec(counting->conninfo,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'ledger' AND datname = current_database()");
        return query_execute(store, "SELECT 1", err);
    }
    return 0;
}

static void a_transaction_is_whole_or_nothing(void **state)
{
    static const struct {
        int fail_with, result, runs, rows;
    } cases[] = {{0, 0, 1, 1}, {1, -1, 1, 0}, {2, 0, 2, 1}, {3, 0, 2, 1}};
    struct book *book = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct counting counting = {.fail_with = cases[i].fail_with, .conninfo = book->conninfo};
        struct error err = {0};

        assert_int_equal(store_transact(book->store, STORE_BOOKING, insert_source, &counting, &err),
                         cases[i].result);
        assert_int_equal(counting.runs, cases[i].runs);
        assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.source"),
                         cases[i].rows);
        testdb_exec(book->conninfo, "DELETE FROM ledger.source");
    }
}

static int nested(struct store *store, void *context, struct error *err)
{
    enum store_lock *inner = context;
    struct counting counting = {0};

    return store_transact(store, *inner, insert_source, &counting, err);
}

static void an_inner_transaction_is_part_of_the_outer_one(void **state)
{
    struct book *book = *state;
    enum store_lock booking = STORE_BOOKING, unlocked = STORE_UNLOCKED;
    struct error err = {0};

    assert_int_equal(store_transact(book->store, STORE_BOOKING, nested, &booking, &err), 0);
    testdb_exec(book->conninfo, "DELETE FROM ledger.source");
    assert_int_equal(store_transact(book->store, STORE_UNLOCKED, nested, &unlocked, &err), 0);
    testdb_exec(book->conninfo, "DELETE FROM ledger.source");
    /* The lock cannot be taken late: others may hold it and wait for our rows. */
    assert_int_equal(store_transact(book->store, STORE_UNLOCKED, nested, &booking, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
}

static void a_report_store_cannot_write(void **state)
{
    struct book *book = *state;
    struct counting counting = {0};
    struct error err = {0};
    struct store *store = store_open(book->conninfo, STORE_REPORT, &err);

    assert_non_null(store);
    assert_int_equal(store_transact(store, STORE_UNLOCKED, insert_source, &counting, &err), -1);
    assert_int_equal(query_execute(store, "INSERT INTO ledger.source (name) VALUES ('s')", &err),
                     -1);
    assert_string_equal(store_sqlstate(store), "42501");
    store_close(store);
}

static void an_empty_or_newer_database_is_refused_with_the_way_out(void **state)
{
    const char *conninfo = testdb_create_empty("empty");
    struct error err = {0};
    struct store *store;
    int applied;

    (void)state;
    assert_null(store_open(conninfo, STORE_DAEMON, &err));
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "ledgerctl migrate"));
    store = store_open(conninfo, STORE_OWNER, &err);
    assert_non_null(store);
    assert_int_equal(store_migrate(store, false, &applied, &err), 0);
    assert_true(applied >= 4);
    assert_int_equal(store_migrate(store, false, &applied, &err), 0);
    assert_int_equal(applied, 0);
    /* A book that is real never becomes one where time is pretended. */
    assert_int_equal(store_migrate(store, true, &applied, &err), -1);
    assert_int_equal(err.code, ERROR_REFUSED);
    testdb_exec(conninfo, "INSERT INTO ledger.schema_migration VALUES (9999, 'future')");
    assert_int_equal(store_migrate(store, false, &applied, &err), -1);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    store_close(store);
    assert_null(store_open(conninfo, STORE_DAEMON, &err));
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "9999"));
    testdb_drop(conninfo);
}

static void a_password_never_shows_in_an_error(void **state)
{
    static const char *const conninfos[] = {
        "host=/nonexistent password=hunter2 dbname=x",
        "postgresql://me:hunter2@/x?host=/nonexistent",
        "host=/nonexistent password=hunter2 nonsense",
        "postgresql://me:hunter2@host:port:port/x",
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof conninfos / sizeof conninfos[0]; i++) {
        assert_null(store_open(conninfos[i], STORE_DAEMON, &err));
        assert_null(strstr(err.text, "hunter2"));
        assert_string_not_equal(err.text, "");
        assert_null(strchr(err.text, '\n'));
    }
}

static void fill_record(struct usage_record *record, struct usage_arena *arena)
{
    struct decimal big;

    usage_clear(record, arena);
    assert_int_equal(decimal_parse("123456789012.123456789", 22, &big), 0);
    assert_int_equal(usage_add_meter(record, "gpu", DECIMAL_ONE), 0);
    assert_int_equal(usage_add_meter(record, "odd name=%", big), 0);
    assert_int_equal(usage_add_meter(record, "cpu", DECIMAL_ZERO), 0);
    assert_int_equal(usage_add_attribute(record, "node_list", "g[1-4],\"x\"\\"), 0);
    assert_int_equal(usage_add_attribute(record, "job_name", "名前"), 0);
}

static void meters_and_attributes_are_kept_exactly(void **state)
{
    struct usage_record record, again;
    struct usage_arena *arena = malloc(sizeof *arena), *other = malloc(sizeof *other);
    struct strbuf meters = STRBUF_INIT, attributes = STRBUF_INIT;

    (void)state;
    fill_record(&record, arena);
    store_record_add_meters(&meters, &record);
    store_record_add_attributes(&attributes, &record);
    assert_string_equal(meters.data, "cpu=0 gpu=1 odd%20name%3D%25=123456789012.123456789");
    usage_clear(&again, other);
    assert_int_equal(store_record_parse_meters(meters.data, &again, other), 0);
    assert_int_equal(store_record_parse_attributes(attributes.data, &again, other), 0);
    assert_int_equal(again.meter_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(again.meters[i].name, record.meters[i].name);
        assert_true(decimal_equal(again.meters[i].quantity, record.meters[i].quantity));
    }
    assert_int_equal(again.attribute_count, 2);
    assert_string_equal(again.attributes[1].value, record.attributes[1].value);
    strbuf_release(&meters);
    strbuf_release(&attributes);
    free(arena);
    free(other);
}

static void texts_that_were_not_written_so_are_not_read(void **state)
{
    static const char *const bad[] = {"gpu",         "gpu=",  "=1",    "gpu=x",
                                      "gpu=1 gpu=1", "a%2=1", "a%zz=1"};
    struct usage_record record;
    struct usage_arena *arena = malloc(sizeof *arena);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        usage_clear(&record, arena);
        assert_int_equal(store_record_parse_meters(bad[i], &record, arena), -1);
    }
    usage_clear(&record, arena);
    assert_int_equal(store_record_parse_attributes("[]", &record, arena), -1);
    assert_int_equal(store_record_parse_attributes("{\"a\":1}", &record, arena), -1);
    assert_int_equal(store_record_parse_attributes("", &record, arena), 0);
    free(arena);
}

static int post(struct store *store, void *context, struct error *err)
{
    const struct post_line *line = context;
    struct post_line lines[2] = {*line, *line};
    struct post_entry entry = {.kind = "test", .booked_at = {0}, .line_count = 2, .lines = lines};

    return store_post_entry(store, &entry, NULL, err);
}

static void transfers_are_numbered_apart_and_their_sums_kept(void **state)
{
    struct book *book = *state;
    struct post_line line = {.month = month_make(2027, 6), .amount = {5}, .kind = TRANSFER_GRANT};
    struct error err = {0};

    book_agree(book);
    book_add_project(book, "hp1", "hpci");
    line.debit_account = (int32_t)testdb_int(
        book->conninfo, "SELECT account_no FROM ledger.account WHERE name = 'pool/hpci/2027'");
    line.credit_account = (int32_t)testdb_int(
        book->conninfo, "SELECT account_no FROM ledger.account WHERE name = 'project/hp1'");
    assert_int_equal(store_transact(book->store, STORE_BOOKING, post, &line, &err), 0);
    assert_int_equal(store_transact(book->store, STORE_BOOKING, post, &line, &err), 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(DISTINCT transfer_id) "
                                                "FROM ledger.transfer WHERE kind = 'grant'"),
                     4);
    assert_int_equal(testdb_int(book->conninfo, "SELECT amount_micro * 100 + transfers "
                                                "FROM ledger.transfer_total WHERE kind = 'grant'"),
                     2004);
    assert_int_equal(testdb_int(book->conninfo, "SELECT posted_micro FROM ledger.project_position "
                                                "WHERE project_id = 'hp1'"),
                     20);
    line.month = month_make(2300, 1);
    assert_int_equal(store_transact(book->store, STORE_BOOKING, post, &line, &err), -1);
    assert_string_equal(err.reason, "bad_interval");
    line.month = month_make(2027, 6);
    line.credit_account = line.debit_account; /* moves nothing */
    assert_int_equal(store_transact(book->store, STORE_BOOKING, post, &line, &err), -1);
}

#define BOOK_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(scalars_come_back_as_they_were_bound),
        BOOK_TEST(times_mean_the_same_to_the_database),
        BOOK_TEST(arrays_come_back_row_by_row),
        BOOK_TEST(too_many_parameters_are_an_error_and_not_a_crash),
        BOOK_TEST(a_failed_statement_says_why),
        BOOK_TEST(a_transaction_is_whole_or_nothing),
        BOOK_TEST(an_inner_transaction_is_part_of_the_outer_one),
        BOOK_TEST(a_report_store_cannot_write),
        cmocka_unit_test(an_empty_or_newer_database_is_refused_with_the_way_out),
        cmocka_unit_test(a_password_never_shows_in_an_error),
        cmocka_unit_test(meters_and_attributes_are_kept_exactly),
        cmocka_unit_test(texts_that_were_not_written_so_are_not_read),
        BOOK_TEST(transfers_are_numbered_apart_and_their_sums_kept),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
