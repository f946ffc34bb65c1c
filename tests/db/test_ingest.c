/* Ingest: what becomes of each item, what two importers at once leave, and what happens when the
 * agreed things change in the middle of an import. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/explain.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/verify.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define SOURCE "gateway:t"
#define NOW "2027-07-10"

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "ingest");
    book_agree(book);
    book_add_project(book, "hp1", "hpci");
    book_add_project(book, "gen1", "general");
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

/* What became of the items, as one text: "booked r1 1.000000; quarantined r2 no_rate; …". */
struct fates {
    struct strbuf text;
};

static void note_fate(void *context, const struct ingest_item *item)
{
    struct fates *fates = context;
    char points[POINTS_TEXT_BYTES];

    strbuf_printf(&fates->text, "%s %s %s; ", ingest_fate_text(item->fate), item->id,
                  item->reason[0] != '\0' ? item->reason : points_format(item->points, points));
}

static struct ingest_options options_of(const char *format, const char *now)
{
    return (struct ingest_options){.format = format, .source = SOURCE, .now = book_time(now)};
}

/* Import a text in format ledger, which must do, and compare what became of its items. */
static void assert_fates(struct book *book, const char *text, const char *now, const char *expected)
{
    struct fates fates = {STRBUF_INIT};
    struct ingest_options options = options_of("ledger", now);
    struct ingest_counts counts;
    struct error err = {0};

    options.item = note_fate;
    options.context = &fates;
    if (ingest_bytes(book->store, text, strlen(text), &options, &counts, &err) != 0) {
        fail_msg("the import failed: %s", err.text);
    }
    assert_string_equal(fates.text.data, expected);
    assert_int_equal(counts.read,
                     counts.booked + counts.amended + counts.duplicate + counts.quarantined);
    strbuf_release(&fates.text);
}

static void assert_proven(struct book *book)
{
    struct verify_options options = {0};
    struct verify_result result;
    struct error err = {0};

    assert_int_equal(verify_book(book->store, &options, &result, &err), 0);
    for (size_t i = 0; i < result.check_count; i++) {
        if (!result.checks[i].ok) {
            fail_msg("%s: %s", result.checks[i].name, result.checks[i].detail);
        }
    }
}

#define TOKENS(id, project, klass, input)                                                         \
    "{\"id\":\"" id "\",\"project\":\"" project "\",\"user\":\"u\",\"class\":\"" klass            \
    "\",\"start\":\"2027-06-20T00:00:00Z\",\"end\":\"2027-06-20T00:00:00Z\",\"state\":\"final\"," \
    "\"meters\":{\"input_tokens\":\"" input "\"}}\n"

#define JOB(id, project, end, state, rest)                                   \
    "{\"source\":\"slurm:t\",\"id\":\"" id "\",\"project\":\"" project       \
    "\",\"class\":\"gpu\",\"start\":\"2027-06-20T00:00:00Z\",\"end\":\"" end \
    "\",\"state\":\"" state "\",\"meters\":{\"gpu\":\"1\"}" rest "}\n"

static void every_item_is_told_its_fate(void **state)
{
    struct book *book = *state;

    assert_fates(book,
                 TOKENS("r1", "hp1", "m", "2000000") TOKENS("r2", "nobody", "m", "1")
                     TOKENS("r3", "hp1", "unknown", "1") TOKENS("r1", "hp1", "m", "2000000")
                         TOKENS("r1", "hp1", "m", "7") "{\"id\":\"r4\"}\n",
                 NOW,
                 "booked r1 2.000000; quarantined r2 unknown_project; quarantined r3 no_rate; "
                 "duplicate r1 0.000000; quarantined r1 conflict; quarantined r4 no_time; ");
    assert_fates(book, TOKENS("r1", "hp1", "m", "2000000"), NOW, "duplicate r1 0.000000; ");
    assert_proven(book);
}

#define HUGE(id, gpus)                                                                         \
    "{\"source\":\"slurm:t\",\"id\":\"" id "\",\"project\":\"hp1\",\"class\":\"gpu\","         \
    "\"start\":\"2027-06-20T00:00:00Z\",\"end\":\"2027-06-20T01:00:00Z\",\"state\":\"final\"," \
    "\"meters\":{\"gpu\":\"" gpus "\"}}\n"

static void a_charge_that_would_break_sums_waits_in_quarantine(void **state)
{
    struct book *book = *state;

    assert_fates(book, HUGE("h1", "10000000000") HUGE("h2", "10000000001"), NOW,
                 "booked h1 10000000000.000000; quarantined h2 overflow; ");
    assert_proven(book);
}

/* Versions and sightings of one job in one input are judged as if read one after another. */
static void versions_in_one_input_book_their_net(void **state)
{
    struct book *book = *state;

    assert_fates(book,
                 JOB("1@1", "hp1", "2027-06-20T01:00:00Z", "running", "")
                     JOB("1@1", "hp1", "2027-06-20T02:00:00Z", "running", "")
                         JOB("1@1", "hp1", "2027-06-20T01:30:00Z", "running", "")
                             JOB("1@1", "hp1", "2027-06-20T03:00:00Z", "final", "")
                                 JOB("1@1", "gen1", "2027-06-20T05:00:00Z", "final", "")
                                     JOB("1@1", "hp1", "2027-06-20T04:00:00Z", "final", ""),
                 NOW,
                 "booked 1@1 0.000000; amended 1@1 0.000000; duplicate 1@1 0.000000; "
                 "booked 1@1 0.000000; amended 1@1 5.000000; duplicate 1@1 0.000000; ");
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.accrual"), 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.record_content"), 2);
    assert_int_equal(book_balance(book, "project/gen1"), -5000000);
    assert_fates(book, JOB("1@1", "hp1", "2027-06-20T03:00:00Z", "final", ""), "2027-07-11",
                 "duplicate 1@1 0.000000; ");
    assert_fates(book, JOB("1@1", "hp1", "2027-06-20T01:00:00Z", "final", ""), "2027-07-11",
                 "amended 1@1 -4.000000; ");
    assert_int_equal(book_balance(book, "project/gen1"), 0);
    assert_int_equal(book_balance(book, "project/hp1"), -1000000);
    assert_proven(book);
}

/* The charges of a slice that moves inside a month draw on the grants of its new last instant. */
static void an_amendment_moves_what_grants_pay(void **state)
{
    struct book *book = *state;

    book_grant(book, "hp1", "10", "2027-06-20", "2027-06-21");
    book_grant(book, "hp1", "10", "2027-06-21", "2027-06-22");
    assert_fates(book, JOB("2@1", "hp1", "2027-06-20T05:00:00Z", "final", ""), NOW,
                 "booked 2@1 5.000000; ");
    assert_fates(book, JOB("2@1", "hp1", "2027-06-20T20:00:00Z", "final", ""), "2027-07-11",
                 "amended 2@1 15.000000; ");
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.project_draw "
                                                "WHERE points_micro <> 0"),
                     1);
    assert_int_equal(testdb_int(book->conninfo, "SELECT points_micro FROM ledger.project_draw "
                                                "WHERE points_micro <> 0"),
                     20000000);
    assert_proven(book);
}

/* Tokens move points to the service that served them; its own jobs are nobody's spending. */
static void a_service_earns_and_spends(void **state)
{
    struct book *book = *state;

    book_add_service(book, "svc", SOURCE "/m");
    assert_fates(book,
                 TOKENS("s1", "hp1", "m", "3000000")
                     JOB("3@1", "svc", "2027-06-20T02:00:00Z", "final", ""),
                 NOW, "booked s1 3.000000; booked 3@1 2.000000; ");
    assert_int_equal(book_balance(book, "service/svc"), 1000000);
    assert_int_equal(book_balance(book, "spent/service"), 2000000);
    assert_int_equal(book_balance(book, "project/hp1"), -3000000);
    assert_proven(book);
}

/* --- many records ------------------------------------------------------------------------------
 */

/* `count` records from number `from` on, each of one point. */
static void write_tokens(struct strbuf *out, int from, int count)
{
    for (int i = from; i < from + count; i++) {
        strbuf_printf(out,
                      "{\"id\":\"n%06d\",\"project\":\"%s\",\"class\":\"m\",\"state\":\"final\","
                      "\"start\":\"2027-06-%02dT00:00:00Z\",\"end\":\"2027-06-%02dT00:00:00Z\","
                      "\"meters\":{\"output_tokens\":\"1000000\"}}\n",
                      i, i % 3 == 0 ? "gen1" : "hp1", 2 + i % 28, 2 + i % 28);
    }
}

static char *write_file(const struct strbuf *text)
{
    static char path[] = "/tmp/ledger-ingest-XXXXXX";
    FILE *file;
    int fd;

    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    fd = mkstemp(path);
    file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->length, file), text->length);
    assert_int_equal(fclose(file), 0);
    return path;
}

struct importing {
    struct book *book;
    const char *path;
    size_t batch;
    int result;
    struct ingest_counts counts;
    struct error err;
};

static void *import_file(void *context)
{
    struct importing *importing = context;
    struct ingest_options options = options_of("ledger", NOW);
    struct store *store = store_open(importing->book->conninfo, STORE_DAEMON, &importing->err);

    importing->result = -1;
    if (store != NULL) {
        options.batch_records = importing->batch;
        importing->result = ingest_file(store, importing->path, &options, &importing->counts,
                                        &importing->err);
    }
    store_close(store);
    return NULL;
}

/* Two importers of the same file wait for each other, and every record is booked by one of them. */
static void two_importers_at_once_book_each_record_once(void **state)
{
    struct book *book = *state;
    struct importing importing[2] = {{.book = book, .batch = 100}, {.book = book, .batch = 70}};
    struct strbuf text = STRBUF_INIT;
    pthread_t threads[2];

    write_tokens(&text, 0, 3000);
    importing[0].path = importing[1].path = write_file(&text);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, import_file, &importing[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        if (importing[i].result != 0) {
            fail_msg("the import failed: %s", importing[i].err.text);
        }
        assert_int_equal(importing[i].counts.read, 3000);
    }
    assert_int_equal(importing[0].counts.booked + importing[1].counts.booked, 3000);
    assert_int_equal(importing[0].counts.duplicate + importing[1].counts.duplicate, 3000);
    assert_int_equal(book_balance(book, "project/hp1"), INT64_C(-2000) * 1000000);
    assert_proven(book);
    remove(importing[0].path);
    strbuf_release(&text);
}

/* A first part that is new and a rest that is booked: batches taken to be new are posted again. */
static void records_booked_before_are_found_in_any_batch(void **state)
{
    struct book *book = *state;
    struct importing importing = {.book = book, .batch = 500};
    struct strbuf text = STRBUF_INIT;

    write_tokens(&text, 2400, 100);
    importing.path = write_file(&text);
    import_file(&importing);
    assert_int_equal(importing.counts.booked, 100);
    remove(importing.path);
    strbuf_clear(&text);
    write_tokens(&text, 0, 3000);
    importing.path = write_file(&text);
    import_file(&importing);
    assert_int_equal(importing.result, 0);
    assert_int_equal(importing.counts.booked, 2900);
    assert_int_equal(importing.counts.duplicate, 100);
    assert_proven(book);
    remove(importing.path);
    strbuf_release(&text);
}

/* --- changes in the middle of an import --------------------------------------------------------
 */

struct meddling {
    struct book *book;
    void (*act)(struct book *book);
    int items;
};

static void meddle_once(void *context, const struct ingest_item *item)
{
    struct meddling *meddling = context;

    (void)item;
    if (meddling->items++ == 0) {
        struct store *own = meddling->book->store;
        struct error err = {0};

        /* another process, with a connection of its own */
        meddling->book->store = store_open(meddling->book->conninfo, STORE_DAEMON, &err);
        assert_non_null(meddling->book->store);
        meddling->act(meddling->book);
        store_close(meddling->book->store);
        meddling->book->store = own;
    }
}

static int import_meddled(struct book *book, void (*act)(struct book *book),
                          struct ingest_counts *counts, struct error *err)
{
    struct meddling meddling = {book, act, 0};
    struct ingest_options options = options_of("ledger", NOW);
    struct strbuf text = STRBUF_INIT;
    const char *path;
    int result;

    write_tokens(&text, 0, 300);
    path = write_file(&text);
    options.batch_records = 100;
    options.item = meddle_once;
    options.context = &meddling;
    result = ingest_file(book->store, path, &options, counts, err);
    remove(path);
    strbuf_release(&text);
    return result;
}

static void apply_card(struct book *book)
{
    book_apply_rates(
        book,
        "{\"card\":\"later\",\"effective_from\":\"2027-07-01T00:00:00+09:00\",\"rules\":"
        "[{\"source\":\"*\",\"class\":\"*\",\"per_hour\":{\"gpu\":\"2\"}}]}",
        NOW);
}

static void a_card_applied_in_the_middle_stops_the_import(void **state)
{
    struct book *book = *state;
    struct ingest_counts counts;
    struct error err = {0};

    assert_int_equal(import_meddled(book, apply_card, &counts, &err), -1);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_string_equal(err.reason, "stale_catalog");
    assert_in_range(counts.booked, 100, 200); /* the second batch may have been under way */
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.record_identity"),
                     counts.booked);
    assert_proven(book);
}

static void make_grant(struct book *book)
{
    book_grant(book, "hp1", "1000", "2027-06-10", "2027-06-20");
}

/* A grant made in the middle cuts time anew: what was drawn before and after it falls into its
 * segments. */
static void a_grant_made_in_the_middle_is_drawn_on(void **state)
{
    struct book *book = *state;
    struct ingest_counts counts;
    struct error err = {0};

    assert_int_equal(import_meddled(book, make_grant, &counts, &err), 0);
    assert_int_equal(counts.booked, 300);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.project_draw "
                                                "WHERE project_id = 'hp1' AND points_micro <> 0"),
                     3);
    assert_proven(book);
}

/* --- inputs that end badly
 * ------------------------------------------------------------------------ */

static void what_came_before_a_cut_is_booked(void **state)
{
    struct book *book = *state;
    const char *text = "[" TOKENS("c1", "hp1", "m", "1000000") "," TOKENS(
        "c2", "hp1", "m", "1000000") ",{\"id\":\"c3\",\"pro";
    struct ingest_options options = options_of("ledger", NOW);
    struct ingest_counts counts;
    struct error err = {0};

    assert_int_equal(ingest_bytes(book->store, text, strlen(text), &options, &counts, &err), -1);
    assert_int_equal(err.code, ERROR_INPUT);
    assert_int_equal(counts.booked, 2);
    assert_int_equal(book_balance(book, "project/hp1"), -2000000);
}

static void an_unknown_format_and_a_missing_file_are_told(void **state)
{
    struct book *book = *state;
    struct ingest_options options = options_of("xml", NOW);
    struct ingest_counts counts;
    struct error err = {0};

    assert_int_equal(ingest_bytes(book->store, "", 0, &options, &counts, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    options.format = "ledger";
    assert_int_equal(ingest_file(book->store, "/nowhere/at/all", &options, &counts, &err), -1);
    assert_int_equal(err.code, ERROR_INPUT);
    assert_int_equal(counts.read, 0);
}

static void an_explanation_follows_the_record_to_its_transfers(void **state)
{
    struct book *book = *state;
    struct explanation explanation;
    struct strbuf json = STRBUF_INIT;
    struct error err = {0};
    struct catalog *catalog;

    assert_fates(book,
                 JOB("9@1", "hp1", "2027-06-20T05:00:00Z", "final", "")
                     JOB("8@1", "hp1", "2027-06-20T05:00:00Z", "running", "")
                         TOKENS("q", "nobody", "m", "1"),
                 NOW, "booked 9@1 5.000000; booked 8@1 0.000000; quarantined q unknown_project; ");
    catalog = catalog_load(book->store, &err);
    assert_non_null(catalog);
    assert_int_equal(explain_record(book->store, catalog, "slurm:t", "9@1", &explanation, &err), 0);
    explain_write_json(&explanation, &json);
    assert_non_null(strstr(json.data, "\"debit\": \"project/hp1\""));
    assert_non_null(strstr(json.data, "\"elapsed\": \"5.000000\""));
    explain_release(&explanation);
    assert_int_equal(explain_record(book->store, catalog, "slurm:t", "8@1", &explanation, &err), 0);
    assert_non_null(explanation.accrual);
    assert_int_equal(explanation.accrual->points.micro, 5000000);
    explain_release(&explanation);
    assert_int_equal(explain_record(book->store, catalog, SOURCE, "q", &explanation, &err), 0);
    assert_non_null(explanation.in_quarantine);
    explain_release(&explanation);
    assert_int_equal(explain_record(book->store, catalog, SOURCE, "?", &explanation, &err), -1);
    assert_string_equal(err.reason, "unknown_record");
    strbuf_release(&json);
    catalog_destroy(catalog);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_item_is_told_its_fate),
        TEST(a_charge_that_would_break_sums_waits_in_quarantine),
        TEST(versions_in_one_input_book_their_net),
        TEST(an_amendment_moves_what_grants_pay),
        TEST(a_service_earns_and_spends),
        TEST(two_importers_at_once_book_each_record_once),
        TEST(records_booked_before_are_found_in_any_batch),
        TEST(a_card_applied_in_the_middle_stops_the_import),
        TEST(a_grant_made_in_the_middle_is_drawn_on),
        TEST(what_came_before_a_cut_is_booked),
        TEST(an_unknown_format_and_a_missing_file_are_told),
        TEST(an_explanation_follows_the_record_to_its_transfers),
    };

    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
