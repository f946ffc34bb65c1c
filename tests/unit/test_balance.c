/* Balances: grants are drawn in their order, debts are paid by the next one, nothing is made or
 * lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/core/balance.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Times are plain numbers here, amounts micro-points. Unused places of the lists are zero. */
struct grant_row {
    int64_t points, from, to;
};
struct draw_row {
    int64_t since, points;
};
struct row {
    const char *what;
    int64_t at;
    struct grant_row grants[3]; /* ids 1, 2, 3 */
    struct draw_row draws[4];
    int64_t available, debt, lapsed, remaining[3];
    bool active;
};

static const struct row rows[] = {
    {"nothing at all", 50, {{0}}, {{0}}, 0, 0, 0, {0}, false},
    {"one grant, one charge", 50, {{100, 10, 90}}, {{10, 30}}, 70, 0, 0, {70}, true},
    {"a grant begins with its from", 10, {{100, 10, 90}}, {{0}}, 100, 0, 0, {100}, true},
    {"and is over at its to", 90, {{100, 10, 90}}, {{10, 30}}, 0, 0, 70, {70}, false},
    {"not before", 9, {{100, 10, 90}}, {{0}}, 0, 0, 0, {100}, false},
    {"the earliest end pays first",
     50,
     {{100, 10, 90}, {100, 10, 80}},
     {{10, 130}},
     70,
     0,
     0,
     {70, 0},
     true},
    {"then the earliest from",
     50,
     {{100, 20, 90}, {100, 10, 90}},
     {{10, 0}, {20, 130}},
     70,
     0,
     0,
     {70, 0},
     true},
    {"then the id", 50, {{100, 10, 90}, {100, 10, 90}}, {{10, 130}}, 70, 0, 0, {0, 70}, true},
    {"a charge draws on what was valid at its time",
     50,
     {{100, 10, 40}, {100, 40, 90}},
     {{10, 30}, {40, 20}},
     80,
     0,
     70,
     {70, 80},
     true},
    {"overspending is debt", 50, {{100, 10, 90}}, {{10, 130}}, -30, 30, 0, {0}, true},
    {"the next grant pays the debt first",
     50,
     {{100, 10, 40}, {100, 40, 90}},
     {{10, 130}, {40, 10}},
     60,
     0,
     0,
     {0, 60},
     true},
    {"but not before it begins",
     30,
     {{100, 10, 40}, {100, 40, 90}},
     {{10, 130}},
     -30,
     30,
     0,
     {0, 100},
     true},
    {"a late charge for a lapsed grant takes from what lapsed",
     50,
     {{100, 10, 40}},
     {{10, 60}},
     0,
     0,
     40,
     {40},
     false},
    {"charges after the last grant are debt",
     95,
     {{100, 10, 90}},
     {{10, 0}, {90, 5}},
     -5,
     5,
     100,
     {100},
     false},
    {"charges before any grant are debt of the first",
     50,
     {{100, 10, 90}},
     {{INT64_MIN, 30}},
     70,
     0,
     0,
     {70},
     true},
    {"a book ahead of the clock draws on what is valid then",
     30,
     {{100, 10, 40}, {100, 20, 90}},
     {{20, 0}, {40, 30}},
     170,
     0,
     0,
     {100, 70},
     true},
    {"a refund pays debt",
     50,
     {{100, 10, 90}, {50, 20, 40}},
     {{10, 160}, {40, -20}},
     10,
     0,
     0,
     {10, 0},
     true},
    {"a refund fills what was drawn there",
     50,
     {{100, 10, 40}, {100, 30, 90}},
     {{10, 50}, {30, 60}, {40, -5}},
     95,
     0,
     0,
     {0, 95},
     true},
    {"a refund that nothing can take is credit",
     50,
     {{100, 10, 40}, {100, 40, 90}},
     {{10, 80}, {40, -30}},
     130,
     0,
     20,
     {20, 100},
     true},
    {"and is spent before any grant",
     60,
     {{100, 10, 40}, {100, 40, 90}, {10, 50, 55}},
     {{10, 80}, {40, -30}, {50, 20}},
     110,
     0,
     30,
     {20, 100, 10},
     true},
};

static void position_from(const struct row *row, struct balance_position *position,
                          struct balance_grant *grants, struct balance_draw *draws)
{
    *position = (struct balance_position){.grants = grants, .draws = draws};
    for (size_t i = 0; i < COUNT(row->grants) && row->grants[i].points != 0; i++) {
        grants[i] = (struct balance_grant){.id = (int64_t)i + 1,
                                           .points = {row->grants[i].points},
                                           .from = {row->grants[i].from},
                                           .to = {row->grants[i].to}};
        position->grant_count = i + 1;
    }
    for (size_t i = 0; i < COUNT(row->draws) && row->draws[i].since != 0; i++) {
        draws[i] = (struct balance_draw){{row->draws[i].since}, {row->draws[i].points}};
        position->draw_count = i + 1;
    }
}

static void cases(void **state)
{
    struct balance_position position;
    struct balance_grant grants[3];
    struct balance_draw draws[4];
    struct points remaining[3];
    struct balance balance;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];

        position_from(row, &position, grants, draws);
        assert_int_equal(balance_at(&position, (struct instant){row->at}, &balance, remaining),
                         POINTS_OK);
        if (balance.available.micro != row->available || balance.debt.micro != row->debt ||
            balance.lapsed.micro != row->lapsed || balance.has_active_grant != row->active) {
            fail_msg("%s: available %lld, debt %lld, lapsed %lld, active %d", row->what,
                     (long long)balance.available.micro, (long long)balance.debt.micro,
                     (long long)balance.lapsed.micro, balance.has_active_grant);
        }
        for (size_t grant = 0; grant < position.grant_count; grant++) {
            if (remaining[grant].micro != row->remaining[grant]) {
                fail_msg("%s: grant %zu has %lld", row->what, grant + 1,
                         (long long)remaining[grant].micro);
            }
        }
    }
}

static void holds_accruals_and_overdraft_count(void **state)
{
    struct balance_grant grant = {.id = 1, .points = {100}, .from = {10}, .to = {90}};
    struct balance_position position = {
        .held = {20}, .accrued = {5}, .overdraft = {7}, .grant_count = 1, .grants = &grant};
    struct balance balance;

    (void)state;
    assert_int_equal(balance_at(&position, (struct instant){50}, &balance, NULL), POINTS_OK);
    assert_int_equal(balance.available.micro, 82);
    grant.revoked = true;
    grant.points = POINTS_ZERO;
    assert_int_equal(balance_at(&position, (struct instant){50}, &balance, NULL), POINTS_OK);
    assert_int_equal(balance.available.micro, -18);
    assert_false(balance.has_active_grant);
    position.held.micro = position.accrued.micro = INT64_MAX;
    assert_int_equal(balance_at(&position, (struct instant){50}, &balance, NULL), POINTS_OVERFLOW);
    position.grant_count = BALANCE_GRANTS_MAX + 1;
    assert_int_equal(balance_at(&position, (struct instant){50}, &balance, NULL), POINTS_MALFORMED);
}

/* Random grants and charges, every grant's edge a draw's `since`. The order of the grants must not
 * matter, and what was granted and not drawn, less the debt, is what was granted less the charges.
 */
static void nothing_is_made_or_lost(void **state)
{
    enum { GRANTS = 6, DRAWS = 40 };

    (void)state;
    random_seed(10);
    for (int round = 0; round < 20000; round++) {
        struct balance_grant grants[GRANTS], turned[GRANTS];
        struct balance_draw draws[DRAWS];
        struct points remaining[GRANTS], again[GRANTS];
        struct balance balance, other;
        struct balance_position position = {.grants = grants, .draws = draws};
        struct instant now = {random_below(45)};
        int64_t granted = 0, charged = 0, left = 0;

        position.grant_count = 1 + (size_t)random_below(GRANTS);
        position.draw_count = DRAWS;
        for (size_t i = 0; i < position.grant_count; i++) {
            int64_t from = 1 + random_below(DRAWS - 2);
            grants[i] = (struct balance_grant){.id = (int64_t)i,
                                               .points = {random_below(50)},
                                               .from = {from},
                                               .to = {from + 1 + random_below(DRAWS - from)}};
            turned[position.grant_count - 1 - i] = grants[i];
            granted += grants[i].points.micro;
        }
        for (size_t i = 0; i < DRAWS; i++) {
            draws[i] = (struct balance_draw){{(int64_t)i + 1},
                                             {random_below(4) == 0 ? random_below(20) : 0}};
            charged += draws[i].points.micro;
        }
        assert_int_equal(balance_at(&position, now, &balance, remaining), POINTS_OK);
        for (size_t i = 0; i < position.grant_count; i++) {
            assert_in_range(remaining[i].micro, 0, grants[i].points.micro);
            left += remaining[i].micro;
        }
        assert_true(left - balance.debt.micro == granted - charged);
        position.grants = turned;
        assert_int_equal(balance_at(&position, now, &other, again), POINTS_OK);
        assert_true(other.available.micro == balance.available.micro);
        assert_true(other.debt.micro == balance.debt.micro);
        assert_true(other.lapsed.micro == balance.lapsed.micro);
        for (size_t i = 0; i < position.grant_count; i++) {
            assert_true(again[position.grant_count - 1 - i].micro == remaining[i].micro);
        }
    }
}

static void states_and_edges(void **state)
{
    struct balance_grant grants[] = {{.id = 1, .from = {10}, .to = {20}},
                                     {.id = 2, .from = {15}, .to = {30}, .revoked = true}};
    struct balance_position position = {.grants = grants, .grant_count = 2};
    struct instant edges[] = {{10}, {20}, {30}};

    (void)state;
    assert_int_equal(grant_state_at(&grants[0], (struct instant){9}), GRANT_FUTURE);
    assert_int_equal(grant_state_at(&grants[0], (struct instant){10}), GRANT_ACTIVE);
    assert_int_equal(grant_state_at(&grants[0], (struct instant){20}), GRANT_EXPIRED);
    assert_int_equal(grant_state_at(&grants[1], (struct instant){20}), GRANT_REVOKED);
    assert_string_equal(grant_state_text(GRANT_FUTURE), "future");
    assert_string_equal(grant_state_text(GRANT_REVOKED), "revoked");
    assert_int_equal(balance_next_edge(&position, (struct instant){0}).us, 10);
    assert_int_equal(balance_next_edge(&position, (struct instant){10}).us, 15);
    assert_true(balance_next_edge(&position, (struct instant){30}).us == INSTANT_NEVER.us);
    assert_int_equal(balance_segment_of(edges, 3, (struct instant){9}), -1);
    assert_int_equal(balance_segment_of(edges, 3, (struct instant){10}), 0);
    assert_int_equal(balance_segment_of(edges, 3, (struct instant){29}), 1);
    assert_int_equal(balance_segment_of(edges, 3, INSTANT_NEVER), 2);
    assert_int_equal(balance_segment_of(edges, 0, INSTANT_NEVER), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(holds_accruals_and_overdraft_count),
        cmocka_unit_test(nothing_is_made_or_lost),
        cmocka_unit_test(states_and_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
