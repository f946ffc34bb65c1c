/* Bodies that are booked together: each is answered as if it had come alone, and none can spoil
 * what the others get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/ingest_group.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

#define NOW "2027-07-10"

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "group");
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

#define TOKENS(id, project, input)                                                             \
    "{\"id\":\"" id "\",\"project\":\"" project "\",\"user\":\"u\",\"class\":\"m\","           \
    "\"start\":\"2027-06-20T00:00:00Z\",\"end\":\"2027-06-20T00:00:00Z\",\"state\":\"final\"," \
    "\"meters\":{\"input_tokens\":\"" input "\"}}\n"

static void note_fate(void *context, const struct ingest_item *item)
{
    char points[POINTS_TEXT_BYTES];

    strbuf_printf(context, "%s %s %s; ", ingest_fate_text(item->fate), item->id,
                  item->reason[0] != '\0' ? item->reason : points_format(item->points, points));
}

enum { BODIES_MAX = 4 };

struct posts { /* bodies, and what each was told */
    struct ingest_body bodies[BODIES_MAX];
    struct strbuf told[BODIES_MAX];
    size_t count;
};

static void add_body(struct posts *posts, const char *text)
{
    size_t i = posts->count++;

    strbuf_init(&posts->told[i]);
    posts->bodies[i] = (struct ingest_body){
        .bytes = text, .length = strlen(text), .context = &posts->told[i]};
}

static void book_posts(struct book *book, struct posts *posts, bool expects_new)
{
    struct ingest_options options = {.format = "ledger",
                                     .source = "gateway:t",
                                     .now = book_time(NOW),
                                     .item = note_fate,
                                     .expects_new = expects_new};

    ingest_group(book->store, posts->bodies, posts->count, &options);
}

static void assert_told(const struct posts *posts, size_t i, const char *expected)
{
    const struct ingest_counts *counts = &posts->bodies[i].counts;

    assert_string_equal(posts->told[i].data, expected);
    assert_int_equal(counts->read,
                     counts->booked + counts->amended + counts->duplicate + counts->quarantined);
}

static void release(struct posts *posts)
{
    for (size_t i = 0; i < posts->count; i++) {
        strbuf_release(&posts->told[i]);
    }
}

static void each_body_has_its_own_account(void **state)
{
    for (int expects_new = 0; expects_new < 2; expects_new++) {
        struct posts posts = {.count = 0};

        add_body(&posts, expects_new ? TOKENS("n1", "hp1", "2000000") TOKENS("n2", "hp1", "1000000")
                                     : TOKENS("r1", "hp1", "2000000")
                                           TOKENS("r2", "hp1", "1000000"));
        add_body(&posts, expects_new ? TOKENS("n1", "hp1", "2000000") TOKENS("n2", "hp1", "7")
                                     : TOKENS("r1", "hp1", "2000000") TOKENS("r2", "hp1", "7"));
        add_body(&posts, "");
        add_body(&posts, expects_new ? TOKENS("n3", "nobody", "1") TOKENS("n4", "gen1", "4000000")
                                     : TOKENS("r3", "nobody", "1") TOKENS("r4", "gen1", "4000000"));
        book_posts(*state, &posts, expects_new);
        assert_told(&posts, 0,
                    expects_new ? "booked n1 2.000000; booked n2 1.000000; "
                                : "booked r1 2.000000; booked r2 1.000000; ");
        assert_told(&posts, 1,
                    expects_new ? "duplicate n1 0.000000; quarantined n2 conflict; "
                                : "duplicate r1 0.000000; quarantined r2 conflict; ");
        assert_told(&posts, 2, "");
        assert_told(&posts, 3,
                    expects_new ? "quarantined n3 unknown_project; booked n4 4.000000; "
                                : "quarantined r3 unknown_project; booked r4 4.000000; ");
        assert_int_equal(posts.bodies[0].counts.points.micro, 3000000);
        assert_int_equal(posts.bodies[1].counts.points.micro, 0);
        for (size_t i = 0; i < posts.count; i++) {
            assert_int_equal(posts.bodies[i].err.code, ERROR_NONE);
        }
        release(&posts);
    }
}

/* Taken to be news, and one of them is not: nothing is booked twice, the others are booked. */
static void a_repeated_record_is_found_where_news_was_expected(void **state)
{
    struct book *book = *state;
    struct posts first = {.count = 0};
    struct posts again = {.count = 0};
    struct strbuf many = STRBUF_INIT;

    add_body(&first, TOKENS("r777", "hp1", "5000000"));
    book_posts(book, &first, true);
    for (int i = 0; i < 1000;
         i++) { /* more than are looked up before: few are, and r777 is not one */
        strbuf_printf(&many,
                      "{\"id\":\"r%d\",\"project\":\"hp1\",\"class\":\"m\",\"start\":\"2027-06-"
                      "20T00:00:00Z\","
                      "\"end\":\"2027-06-20T00:00:00Z\",\"state\":\"final\",\"user\":\"u\","
                      "\"meters\":{\"input_tokens\":\"5000000\"}}\n",
                      i);
    }
    add_body(&again, many.data);
    add_body(&again, TOKENS("other", "gen1", "1000000"));
    book_posts(book, &again, true);
    assert_int_equal(again.bodies[0].counts.booked, 999);
    assert_int_equal(again.bodies[0].counts.duplicate, 1);
    assert_int_equal(again.bodies[1].counts.booked, 1);
    assert_int_equal(book_balance(book, "spent/hpci"), 1000 * INT64_C(5000000));
    release(&first);
    release(&again);
    strbuf_release(&many);
}

static void a_body_that_breaks_off_spoils_no_other(void **state)
{
    struct posts posts = {.count = 0};

    add_body(&posts, TOKENS("r1", "hp1", "1000000"));
    add_body(&posts, "[{\"id\":\"r2\"");
    add_body(&posts, TOKENS("r3", "hp1", "1000000"));
    book_posts(*state, &posts, false);
    assert_int_equal(posts.bodies[1].err.code, ERROR_INPUT);
    assert_told(&posts, 0, "booked r1 1.000000; ");
    assert_told(&posts, 2, "booked r3 1.000000; ");
    assert_int_equal(posts.bodies[0].err.code, ERROR_NONE);
    assert_int_equal(posts.bodies[2].err.code, ERROR_NONE);
    release(&posts);
}

/* Charges that no account can hold together cannot be booked; who came with them is not to suffer.
 */
static void a_body_that_cannot_be_booked_takes_no_other_with_it(void **state)
{
    struct book *book = *state;
    struct posts posts = {.count = 0};
    struct strbuf flood = STRBUF_INIT;

    for (int i = 0; i < 1000; i++) { /* 10^10 points each */
        strbuf_printf(&flood,
                      "{\"source\":\"slurm:t\",\"id\":\"f%d\",\"project\":\"hp1\",\"user\":\"u\","
                      "\"class\":\"gpu\","
                      "\"start\":\"2027-06-20T00:00:00Z\",\"end\":\"2027-06-20T01:00:00Z\","
                      "\"state\":\"final\","
                      "\"meters\":{\"gpu\":\"10000000000\"}}\n",
                      i);
    }
    add_body(&posts, TOKENS("r1", "gen1", "1000000"));
    add_body(&posts, flood.data);
    add_body(&posts, TOKENS("r2", "gen1", "1000000"));
    book_posts(book, &posts, false);
    assert_told(&posts, 0, "booked r1 1.000000; ");
    assert_told(&posts, 2, "booked r2 1.000000; ");
    assert_int_equal(posts.bodies[0].err.code, ERROR_NONE);
    assert_int_not_equal(posts.bodies[1].err.code, ERROR_NONE);
    assert_int_equal(posts.bodies[1].counts.booked, 0);
    assert_int_equal(posts.bodies[2].err.code, ERROR_NONE);
    assert_int_equal(book_balance(book, "spent/general"), 2000000);
    release(&posts);
    strbuf_release(&flood);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_body_has_its_own_account),
        TEST(a_repeated_record_is_found_where_news_was_expected),
        TEST(a_body_that_breaks_off_spoils_no_other),
        TEST(a_body_that_cannot_be_booked_takes_no_other_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
