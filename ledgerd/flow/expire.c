/* expire - see expire.h. */
#include "ledgerd/flow/expire.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/balance.h"
#include "ledgerd/store/store_expire.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_policy.h"
#include "ledgerd/store/store_post.h"

/* The grants of one project that have ended, with where each must come to. */
struct expiring {
    struct store *store;
    const struct catalog *catalog;
    struct instant now;
    int32_t account; /* the project's */
    struct grant_rows grants;
    struct points *remaining; /* of each */
    struct expiries posted;
    size_t line_count;
    struct post_line *lines; /* two a grant at most */
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* --- what remains --------------------------------------------------------------------------- */

static int compute_remaining(struct expiring *expiring, const char *project, struct error *err)
{
    size_t count = expiring->grants.count;
    struct balance_grant *grants = calloc(count + 1, sizeof *grants);
    struct store_position position = {0};
    struct balance balance;
    int result = -1;

    expiring->remaining = calloc(count + 1, sizeof *expiring->remaining);
    if (grants == NULL || expiring->remaining == NULL) {
        no_memory(err);
        goto done;
    }
    if (store_read_position(expiring->store, project, &position, err) != 0) {
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const struct grant_row *row = &expiring->grants.rows[i];

        grants[i] = (struct balance_grant){row->id, row->points, row->from, row->to,
                                           row->is_revoked};
    }
    struct balance_position whole = {.posted = position.posted,
                                     .grant_count = count,
                                     .grants = grants,
                                     .draw_count = position.draw_count,
                                     .draws = position.draws};
    result = balance_at(&whole, expiring->now, &balance, expiring->remaining) == POINTS_OK
                 ? 0
                 : error_set(err, ERROR_INTERNAL, "the balance of project %s does not fit",
                             project);
done:
    store_position_release(&position);
    free(grants);
    return result;
}

/* --- where it goes ---------------------------------------------------------------------------- */

static bool goes_to_pool(const struct expiring *expiring, const struct grant_row *grant)
{
    const struct policy *policy = policies_at(&expiring->catalog->policies, grant->to);
    struct period year = calendar_fiscal_year(&expiring->catalog->calendar, grant->fiscal_year);

    return policy != NULL && policy->on_expiry == ON_EXPIRY_POOL &&
           instant_compare(grant->to, year.to) < 0;
}

static struct expiry posted_of(const struct expiring *expiring, int64_t grant_id, bool *is_posted)
{
    *is_posted = false;
    for (size_t i = 0; i < expiring->posted.count; i++) {
        if (expiring->posted.rows[i].grant_id == grant_id) {
            *is_posted = true;
            return expiring->posted.rows[i];
        }
    }
    return (struct expiry){.grant_id = grant_id};
}

/* A transfer between the project and where its grants expire to, either way round. */
static void add_line(struct expiring *expiring, const struct grant_row *grant, int32_t other,
                     int64_t micro)
{
    struct instant last = {grant->to.us - 1};

    if (micro == 0) {
        return;
    }
    expiring->lines[expiring->line_count++] = (struct post_line){
        .debit_account = micro > 0 ? expiring->account : other,
        .credit_account = micro > 0 ? other : expiring->account,
        .month = calendar_month_of(&expiring->catalog->calendar, last),
        .amount = {micro > 0 ? micro : -micro},
        .kind = TRANSFER_EXPIRE,
        .grant_id = grant->id,
    };
}

/* More expires to where the policy says; less is taken back from where it went. */
static void move_expiry(struct expiry *expiry, int64_t target_micro, bool to_pool)
{
    int64_t change = target_micro - expiry->sink.micro - expiry->pool.micro;
    int64_t *first = to_pool ? &expiry->pool.micro : &expiry->sink.micro;
    int64_t *second = to_pool ? &expiry->sink.micro : &expiry->pool.micro;
    int64_t from_first = change < -*first ? -*first : change;

    *first += from_first;
    *second += change - from_first;
}

static int settle_grant(struct expiring *expiring, size_t i, struct error *err)
{
    const struct grant_row *grant = &expiring->grants.rows[i];
    bool is_posted;
    struct expiry before = posted_of(expiring, grant->id, &is_posted);
    struct expiry after = before;
    int32_t sink, pool;

    if (!is_posted && instant_compare(grant->to, expiring->now) > 0) {
        return 0;
    }
    move_expiry(&after, expiring->remaining[i].micro, goes_to_pool(expiring, grant));
    if (is_posted && after.sink.micro == before.sink.micro &&
        after.pool.micro == before.pool.micro) {
        return 0;
    }
    if (store_expired_account(expiring->store, grant->share, &sink, err) != 0 ||
        store_pool_account(expiring->store, grant->share, grant->fiscal_year, &pool, err) != 0) {
        return -1;
    }
    add_line(expiring, grant, sink, after.sink.micro - before.sink.micro);
    add_line(expiring, grant, pool, after.pool.micro - before.pool.micro);
    return store_put_expiry(expiring->store, &after, expiring->now, err);
}

static int settle_grants(struct expiring *expiring, struct error *err)
{
    struct post_entry entry = {.kind = "expire", .booked_at = expiring->now};

    expiring->lines = calloc(2 * expiring->grants.count + 1, sizeof *expiring->lines);
    if (expiring->lines == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < expiring->grants.count; i++) {
        if (settle_grant(expiring, i, err) != 0) {
            return -1;
        }
    }
    entry.lines = expiring->lines;
    entry.line_count = expiring->line_count;
    return entry.line_count == 0 ? 0 : store_post_entry(expiring->store, &entry, NULL, err);
}

static bool has_ended(const struct expiring *expiring)
{
    for (size_t i = 0; i < expiring->grants.count; i++) {
        if (instant_compare(expiring->grants.rows[i].to, expiring->now) <= 0) {
            return true;
        }
    }
    return expiring->posted.count > 0;
}

int expire_project(struct store *store, const struct catalog *catalog, const char *project,
                   struct instant now, struct error *err)
{
    const struct catalog_project *known = catalog_project(catalog, project);
    struct expiring expiring = {.store = store, .catalog = catalog, .now = now};
    int result = -1;

    if (known == NULL) {
        return error_set(err, ERROR_INTERNAL, "project %s is gone from the catalog", project);
    }
    expiring.account = known->account;
    if (store_read_grants(store, project, 0, &expiring.grants, err) != 0) {
        return -1;
    }
    if (store_read_expiries(store, project, &expiring.posted, err) == 0) {
        result = !has_ended(&expiring)                             ? 0
                 : compute_remaining(&expiring, project, err) != 0 ? -1
                                                                   : settle_grants(&expiring, err);
    }
    grant_rows_release(&expiring.grants);
    expiries_release(&expiring.posted);
    free(expiring.remaining);
    free(expiring.lines);
    return result;
}

/* --- pools --------------------------------------------------------------------------------------
 */

/* What lapses is what the year left ungranted; a pool that is in the red lapses nothing. */
static int lapse_pool(struct store *store, const struct catalog *catalog,
                      const struct ended_pool *pool, struct instant now, struct error *err)
{
    struct period year = calendar_fiscal_year(&catalog->calendar, pool->fiscal_year);
    struct post_line line = {.kind = TRANSFER_EXPIRE};
    struct post_entry entry = {.kind = "expire", .booked_at = now, .line_count = 1, .lines = &line};
    int64_t change = pool->left.micro < -pool->lapsed.micro ? -pool->lapsed.micro
                                                            : pool->left.micro;
    int32_t sink;

    if (change == 0) {
        return 0;
    }
    if (store_expired_account(store, pool->share, &sink, err) != 0) {
        return -1;
    }
    line.debit_account = change > 0 ? pool->account : sink;
    line.credit_account = change > 0 ? sink : pool->account;
    line.month = calendar_month_of(&catalog->calendar, (struct instant){year.to.us - 1});
    line.amount.micro = change > 0 ? change : -change;
    return store_post_entry(store, &entry, NULL, err);
}

int expire_pools(struct store *store, const struct catalog *catalog, struct instant now,
                 struct error *err)
{
    struct ended_pools pools;
    int result = 0;

    if (catalog->policies.count == 0) {
        return 0;
    }
    if (store_read_ended_pools(store, calendar_fiscal_year_of(&catalog->calendar, now), &pools,
                               err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < pools.count && result == 0; i++) {
        result = lapse_pool(store, catalog, &pools.rows[i], now, err);
    }
    ended_pools_release(&pools);
    return result;
}

/* --- all that is due
 * ------------------------------------------------------------------------------
 */

static int expire_all(struct store *store, const struct catalog *catalog, struct instant now,
                      struct error *err)
{
    struct due_projects due;
    int result = 0;

    if (store_read_due_projects(store, now, &due, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < due.count && result == 0; i++) {
        result = expire_project(store, catalog, due.ids[i], now, err);
    }
    due_projects_release(&due);
    return result == 0 ? expire_pools(store, catalog, now, err) : -1;
}

static int expire_under_lock(struct store *store, void *context, struct error *err)
{
    const struct instant *now = context;
    struct catalog *catalog = catalog_load(store, err);
    int result;

    if (catalog == NULL) {
        return -1;
    }
    result = expire_all(store, catalog, *now, err);
    catalog_destroy(catalog);
    return result;
}

int expire_due(struct store *store, struct instant now, struct error *err)
{
    bool is_due;

    if (store_expiry_is_due(store, now, &is_due, err) != 0) {
        return -1;
    }
    return is_due ? store_transact(store, STORE_BOOKING, expire_under_lock, &now, err) : 0;
}

void expire_for_reader(struct store *reader, const char *conninfo, struct instant now)
{
    struct error ignored = {0};
    struct store *store;
    bool is_due;

    if (store_expiry_is_due(reader, now, &is_due, &ignored) != 0 || !is_due) {
        return;
    }
    store = store_open(conninfo, STORE_DAEMON, &ignored);
    if (store != NULL) {
        expire_due(store, now, &ignored);
        store_close(store);
    }
}
