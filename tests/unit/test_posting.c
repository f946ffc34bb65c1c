/* Postings: whatever the order of the charges, the lines hold their exact sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/core/posting.h"
#include "tests/unit/random.h"

enum { ACCOUNTS = 7, MONTHS = 5, SOURCES = 3, CHARGES = 50000 };

static struct posting_key random_key(void)
{
    return (struct posting_key){
        .debit_account = random_below(ACCOUNTS) - 1,
        .credit_account = random_below(ACCOUNTS),
        .month = {24000 + random_below(MONTHS)},
        .kind = random_below(2) == 0 ? TRANSFER_CHARGE : TRANSFER_REFUND,
        .source = random_below(SOURCES),
    };
}

/* The place of a key in a table of all keys that random_key can make. */
static size_t key_place(const struct posting_key *key)
{
    size_t place = (size_t)(key->debit_account + 1);

    place = place * ACCOUNTS + (size_t)key->credit_account;
    place = place * MONTHS + (size_t)(key->month.number - 24000);
    place = place * 2 + (key->kind == TRANSFER_CHARGE);
    return place * SOURCES + (size_t)key->source;
}

static void sums_are_those_of_the_charges(void **state)
{
    static struct {
        int64_t sum, charges;
        ptrdiff_t line;
    } wanted[ACCOUNTS * ACCOUNTS * MONTHS * 2 * SOURCES];
    struct posting posting = {0};
    size_t lines = 0;

    (void)state;
    random_seed(9);
    for (int round = 0; round < 2; round++) {
        memset(wanted, 0, sizeof wanted);
        lines = 0;
        for (int i = 0; i < CHARGES; i++) {
            struct posting_key key = random_key();
            size_t place = key_place(&key);
            struct points points = {random_below(2000001) - 1000000};
            ptrdiff_t line = posting_add(&posting, &key, points);

            if (wanted[place].charges == 0) {
                wanted[place].line = (ptrdiff_t)lines++;
            }
            assert_true(line == wanted[place].line);
            wanted[place].sum += points.micro;
            wanted[place].charges++;
        }
        assert_int_equal(posting.count, lines);
        for (size_t i = 0; i < posting.count; i++) {
            size_t place = key_place(&posting.lines[i].key);
            assert_true(posting.lines[i].sum.micro == wanted[place].sum);
            assert_true(posting.lines[i].charges == wanted[place].charges);
        }
        posting_clear(&posting);
        assert_int_equal(posting.count, 0);
    }
    posting_release(&posting);
    posting_release(&posting);
}

static void an_overflow_adds_nothing(void **state)
{
    struct posting posting = {0};
    struct posting_key key = {.debit_account = 1};

    (void)state;
    assert_int_equal(posting_add(&posting, &key, (struct points){INT64_MAX}), 0);
    assert_int_equal(posting_add(&posting, &key, (struct points){1}), -1);
    assert_true(posting.lines[0].sum.micro == INT64_MAX);
    assert_int_equal(posting.lines[0].charges, 1);
    assert_int_equal(posting_add(&posting, &key, (struct points){-1}), 0);
    assert_true(posting.lines[0].sum.micro == INT64_MAX - 1);
    posting_release(&posting);
}

static void kinds_have_names_of_their_own(void **state)
{
    (void)state;
    for (int i = TRANSFER_MINT; i <= TRANSFER_MOVE; i++) {
        for (int j = TRANSFER_MINT; j < i; j++) {
            assert_string_not_equal(transfer_kind_text((enum transfer_kind)i),
                                    transfer_kind_text((enum transfer_kind)j));
        }
    }
    assert_string_equal(transfer_kind_text(TRANSFER_CHARGE), "charge");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_charges),
        cmocka_unit_test(an_overflow_adds_nothing),
        cmocka_unit_test(kinds_have_names_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
