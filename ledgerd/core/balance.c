/* balance - see balance.h for the picture.
 *
 * Time is walked from edge to edge.  In each segment the grants valid there pay first what is still
 * owed from before, then the segment's own charges.  Segments that begin after `at` only pay their
 * own: a grant that has not begun yet pays no debt of today.
 *
 * A segment whose sum is negative (refunds of what an earlier segment paid) pays debt, then fills
 * the grants that were drawn there, the last one first; what is left over stands to the project's
 * credit and is spent before any grant.
 */
#include "ledgerd/core/balance.h"

#include <stdlib.h>

/* The walk's state. Amounts are 128 bits wide: sums of many 64-bit ones cannot overflow them. */
struct walk {
    const struct balance_position *position;
    struct instant at;
    const struct balance_grant *order[BALANCE_GRANTS_MAX]; /* as they are drawn */
    int64_t left_micro[BALANCE_GRANTS_MAX];                /* undrawn, by place in the position */
    __int128 debt_micro;                                   /* negative: credit */
    size_t next_draw;
};

static bool grant_is_valid(const struct balance_grant *grant, struct instant t)
{
    return instant_compare(grant->from, t) <= 0 && instant_compare(t, grant->to) < 0;
}

/* Earliest `to`, then `from`, then id. */
static int draw_order(const void *a, const void *b)
{
    const struct balance_grant *x = *(const struct balance_grant *const *)a;
    const struct balance_grant *y = *(const struct balance_grant *const *)b;
    int order = instant_compare(x->to, y->to);

    if (order == 0) {
        order = instant_compare(x->from, y->from);
    }
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static void walk_begin(struct walk *walk, const struct balance_position *position,
                       struct instant at)
{
    walk->position = position;
    walk->at = at;
    walk->debt_micro = 0;
    walk->next_draw = 0;
    for (size_t i = 0; i < position->grant_count; i++) {
        walk->order[i] = &position->grants[i];
        walk->left_micro[i] = position->grants[i].points.micro;
    }
    if (position->grant_count > 1) {
        qsort(walk->order, position->grant_count, sizeof walk->order[0], draw_order);
    }
}

/* The first edge after t, of a grant or of a draw; INSTANT_NEVER if none. */
static struct instant edge_after(const struct walk *walk, struct instant t)
{
    const struct balance_position *position = walk->position;
    struct instant next = balance_next_edge(position, t);

    if (walk->next_draw < position->draw_count) {
        next = instant_min(next, position->draws[walk->next_draw].since);
    }
    return next;
}

static int64_t *left_of(struct walk *walk, size_t number)
{
    return &walk->left_micro[walk->order[number] - walk->position->grants];
}

/* Take up to `wanted` from the grants valid at t. Returns what they could not give. */
static __int128 grants_draw(struct walk *walk, struct instant t, __int128 wanted)
{
    for (size_t i = 0; i < walk->position->grant_count && wanted > 0; i++) {
        int64_t *left = left_of(walk, i);
        int64_t taken = wanted < *left ? (int64_t)wanted : *left;

        if (grant_is_valid(walk->order[i], t) && taken > 0) {
            *left -= taken;
            wanted -= taken;
        }
    }
    return wanted;
}

/* Give back up to `given` to the grants valid at t that were drawn. Returns what none could take.
 */
static __int128 grants_refill(struct walk *walk, struct instant t, __int128 given)
{
    for (size_t i = walk->position->grant_count; i > 0 && given > 0; i--) {
        int64_t *left = left_of(walk, i - 1);
        int64_t drawn = walk->order[i - 1]->points.micro - *left;
        int64_t filled = given < drawn ? (int64_t)given : drawn;

        if (grant_is_valid(walk->order[i - 1], t) && filled > 0) {
            *left += filled;
            given -= filled;
        }
    }
    return given;
}

/* Sum of the draws of the segment that begins at t. */
static __int128 segment_sum(struct walk *walk, struct instant t)
{
    const struct balance_position *position = walk->position;
    __int128 sum = 0;

    for (; walk->next_draw < position->draw_count &&
           instant_compare(position->draws[walk->next_draw].since, t) <= 0;
         walk->next_draw++) {
        sum += position->draws[walk->next_draw].points.micro;
    }
    return sum;
}

/* Set what two amounts of opposite signs have in common against each other. */
static void offset(__int128 *debt, __int128 *sum)
{
    __int128 debt_size = *debt < 0 ? -*debt : *debt;
    __int128 sum_size = *sum < 0 ? -*sum : *sum;
    __int128 common = debt_size < sum_size ? debt_size : sum_size;

    if ((*debt < 0) != (*sum < 0)) {
        *debt += *debt < 0 ? common : -common;
        *sum += *sum < 0 ? common : -common;
    }
}

static void segment_settle(struct walk *walk, struct instant t)
{
    __int128 sum = segment_sum(walk, t);

    if (walk->debt_micro > 0 && instant_compare(t, walk->at) <= 0) {
        walk->debt_micro = grants_draw(walk, t, walk->debt_micro);
    }
    offset(&walk->debt_micro, &sum);
    if (sum > 0) {
        walk->debt_micro += grants_draw(walk, t, sum);
    } else {
        walk->debt_micro -= grants_refill(walk, t, -sum);
    }
}

/* Sums over the grants as they stand after the walk. */
static enum points_result walk_end(const struct walk *walk, struct balance *balance)
{
    const struct balance_position *position = walk->position;
    __int128 available = (__int128)position->overdraft.micro - position->held.micro -
                         position->accrued.micro - walk->debt_micro;
    __int128 debt = walk->debt_micro > 0 ? walk->debt_micro : 0;
    __int128 lapsed = 0;
    bool has_active_grant = false;

    for (size_t i = 0; i < position->grant_count; i++) {
        switch (grant_state_at(&position->grants[i], walk->at)) {
        case GRANT_ACTIVE:
            available += walk->left_micro[i];
            has_active_grant = true;
            break;
        case GRANT_EXPIRED:
            lapsed += walk->left_micro[i];
            break;
        case GRANT_FUTURE:
        case GRANT_REVOKED:
            break;
        }
    }
    if (available > INT64_MAX || available < INT64_MIN || debt > INT64_MAX || lapsed > INT64_MAX) {
        return POINTS_OVERFLOW;
    }
    *balance = (struct balance){
        .available = {(int64_t)available},
        .debt = {(int64_t)debt},
        .lapsed = {(int64_t)lapsed},
        .has_active_grant = has_active_grant,
    };
    return POINTS_OK;
}

enum points_result balance_at(const struct balance_position *position, struct instant at,
                              struct balance *balance, struct points *remaining)
{
    struct walk walk;
    enum points_result result;

    if (position->grant_count > BALANCE_GRANTS_MAX) {
        return POINTS_MALFORMED;
    }
    walk_begin(&walk, position, at);
    for (struct instant t = INSTANT_NONE; instant_compare(t, INSTANT_NEVER) < 0;
         t = edge_after(&walk, t)) {
        segment_settle(&walk, t);
    }
    result = walk_end(&walk, balance);
    for (size_t i = 0; i < position->grant_count && remaining != NULL && result == POINTS_OK; i++) {
        remaining[i] = (struct points){walk.left_micro[i]};
    }
    return result;
}

ptrdiff_t balance_segment_of(const struct instant *edges, size_t edge_count, struct instant t)
{
    size_t low = 0, high = edge_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (instant_compare(edges[middle], t) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (ptrdiff_t)low - 1;
}

struct instant balance_next_edge(const struct balance_position *position, struct instant at)
{
    struct instant next = INSTANT_NEVER;

    for (size_t i = 0; i < position->grant_count; i++) {
        const struct balance_grant *grant = &position->grants[i];

        if (instant_compare(grant->from, at) > 0) {
            next = instant_min(next, grant->from);
        }
        if (instant_compare(grant->to, at) > 0) {
            next = instant_min(next, grant->to);
        }
    }
    return next;
}

enum grant_state grant_state_at(const struct balance_grant *grant, struct instant at)
{
    if (grant->revoked) {
        return GRANT_REVOKED;
    }
    if (instant_compare(at, grant->from) < 0) {
        return GRANT_FUTURE;
    }
    return instant_compare(at, grant->to) < 0 ? GRANT_ACTIVE : GRANT_EXPIRED;
}

const char *grant_state_text(enum grant_state state)
{
    static const char *const texts[] = {
        [GRANT_FUTURE] = "future",
        [GRANT_ACTIVE] = "active",
        [GRANT_EXPIRED] = "expired",
        [GRANT_REVOKED] = "revoked",
    };

    return texts[state];
}
