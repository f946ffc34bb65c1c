/* What a card gives back by itself, by hand-computed amounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/core/rate_refund.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR_US (3600 * INSTANT_SECOND_US)

static struct usage_arena arena;
static char outcomes[][16] = {"node_fail", "requeued", "cancelled"};
static struct ratecard_refund table[COUNT(outcomes)];
static struct ratecard card = {.refunds = table, .refund_count = COUNT(table)};

static struct decimal number(const char *text)
{
    struct decimal value;

    assert_int_equal(decimal_parse(text, strlen(text), &value), 0);
    return value;
}

/* node_fail: the whole of up to 4 hours; requeued: a third of up to 4 hours; cancelled: nothing. */
static int setup(void **state)
{
    static const char *const rows[][2] = {{"1", "14400"}, {"0.3333", "14400"}, {"0", "14400"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        table[i].outcome = outcomes[i];
        table[i].fraction = number(rows[i][0]);
        table[i].max_seconds = number(rows[i][1]);
    }
    card.rounding = (struct rounding){.places = 6, .mode = ROUNDING_HALF_EVEN};
    return 0;
}

/* A record of so many hours whose charge was cut into these slices; its refunds are added up. */
static int64_t refund(const char *outcome, int64_t hours, const int64_t *slices, size_t count,
                      struct points *amounts)
{
    struct charge_slice cut[8] = {0};
    struct charge charge = {.card = &card, .slice_count = count, .slices = cut};
    struct usage_record record;
    int64_t sum = 0;

    usage_clear(&record, &arena);
    record.outcome = outcome;
    record.start.us = 0;
    record.end.us = hours * HOUR_US;
    for (size_t i = 0; i < count; i++) {
        cut[i].points.micro = slices[i];
        charge.points.micro += slices[i];
    }
    rate_refund(&record, &charge, amounts);
    for (size_t i = 0; i < count; i++) {
        sum += amounts[i].micro;
    }
    return sum;
}

static int64_t refund_of_one(const char *outcome, int64_t hours, int64_t micro)
{
    struct points amount;

    return refund(outcome, hours, &micro, 1, &amount);
}

static void the_fraction_of_at_most_max_seconds_comes_back(void **state)
{
    static const struct {
        const char *outcome;
        int64_t hours, charged, refund;
    } cases[] = {
        {"node_fail", 3, 3000000, 3000000}, /* below the limit: all */
        {"node_fail", 4, 4000000, 4000000}, /* at it */
        {"node_fail", 8, 8000000, 4000000}, /* above it: four of eight hours */
        {"node_fail", 12, 1, 0},            /* a third of a micro-point */
        {"requeued", 4, 3000000, 999900},   /* a fraction of 0.3333 */
        {"requeued", 8, 8000000, 1333200},  /* and of four hours */
        {"cancelled", 1, 1000000, 0},       /* a fraction of zero */
        {"completed", 1, 1000000, 0},       /* no row of the table */
        {"node_fail", 0, 1000000, 1000000}, /* no time at all: what it cost was below the limit */
        {"node_fail", 8, 0, 0},
        {"node_fail", 8, INT64_MAX, INT64_MAX / 2 + 1}, /* half to even at the edge of range */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t got = refund_of_one(cases[i].outcome, cases[i].hours, cases[i].charged);

        if (got != cases[i].refund) {
            fail_msg("case %zu: %lld, not %lld", i, (long long)got, (long long)cases[i].refund);
        }
    }
}

static void the_elapsed_time_that_is_given_counts(void **state)
{
    struct charge_slice slice = {.points = {9000000}};
    struct charge charge = {.card = &card, .slice_count = 1, .slices = &slice};
    struct usage_record record;
    struct points amount;

    (void)state;
    usage_clear(&record, &arena);
    record.outcome = "node_fail";
    record.end.us = 4 * HOUR_US;
    record.has_elapsed = true;
    record.elapsed_seconds = number("43200"); /* 12 hours: a third of it is within the limit */
    rate_refund(&record, &charge, &amount);
    assert_int_equal(amount.micro, 3000000);
}

static void the_card_rounds(void **state)
{
    (void)state;
    card.rounding = (struct rounding){.places = 4, .mode = ROUNDING_TRUNCATE};
    assert_int_equal(refund_of_one("requeued", 1, 1000100), 333300); /* 0.33333333 */
    assert_int_equal(refund_of_one("node_fail", 12, 2000000), 666600);
    card.rounding = (struct rounding){.places = 0, .mode = ROUNDING_HALF_UP};
    assert_int_equal(refund_of_one("node_fail", 8, 3000000), 2000000); /* 1.5 */
    card.rounding = (struct rounding){.places = 0, .mode = ROUNDING_HALF_EVEN};
    assert_int_equal(refund_of_one("node_fail", 8, 5000000), 2000000); /* 2.5 */
}

/* Whatever the months are, the whole is what one month would get, and no slice gets more than it
 * cost. */
static void slices_add_up_to_the_rounded_whole(void **state)
{
    static const int64_t slices[] = {1, 999999, 1, 0, 333333, 7};
    struct points amounts[COUNT(slices)];
    int64_t whole = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(slices); i++) {
        whole += slices[i];
    }
    for (int64_t hours = 1; hours < 40; hours++) {
        for (size_t o = 0; o < COUNT(outcomes); o++) {
            int64_t sum = refund(outcomes[o], hours, slices, COUNT(slices), amounts);

            assert_int_equal(sum, refund_of_one(outcomes[o], hours, whole));
            for (size_t i = 0; i < COUNT(slices); i++) {
                assert_in_range(amounts[i].micro, 0, slices[i]);
            }
        }
    }
}

static void a_refund_belongs_to_the_slice_that_was_charged(void **state)
{
    static const int64_t slices[] = {2000000, 0, 6000000};
    struct points amounts[COUNT(slices)];

    (void)state;
    assert_int_equal(refund("node_fail", 8, slices, COUNT(slices), amounts), 4000000);
    assert_int_equal(amounts[0].micro, 1000000);
    assert_int_equal(amounts[1].micro, 0);
    assert_int_equal(amounts[2].micro, 3000000);
}

/* An amendment books the new refund less the old one: from one that failed to one that did not, all
 * of it goes back; to a longer one, more of it comes. */
static void the_difference_of_an_amendment_has_its_sign(void **state)
{
    (void)state;
    assert_int_equal(
        refund_of_one("completed", 3, 3000000) - refund_of_one("node_fail", 3, 3000000), -3000000);
    assert_int_equal(
        refund_of_one("node_fail", 4, 4000000) - refund_of_one("node_fail", 3, 3000000), 1000000);
    assert_int_equal(refund_of_one("requeued", 3, 3000000) - refund_of_one("node_fail", 3, 3000000),
                     999900 - 3000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_fraction_of_at_most_max_seconds_comes_back, setup),
        cmocka_unit_test_setup(the_elapsed_time_that_is_given_counts, setup),
        cmocka_unit_test_setup(the_card_rounds, setup),
        cmocka_unit_test_setup(slices_add_up_to_the_rounded_whole, setup),
        cmocka_unit_test_setup(a_refund_belongs_to_the_slice_that_was_charged, setup),
        cmocka_unit_test_setup(the_difference_of_an_amendment_has_its_sign, setup),
    };

    return cmocka_run_group_tests_name("rate_refund", tests, NULL, NULL);
}
