/* verify - see verify.h. */
#include "ledgerd/flow/verify.h"

#include <stdio.h>
#include <string.h>

#include "ledgerd/core/exact.h"
#include "ledgerd/core/posting.h"
#include "ledgerd/flow/verify_book.h"
#include "ledgerd/flow/verify_chain.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_verify.h"
#include "ledgerd/store/store_verify_charge.h"

void verify_note(struct verify_result *result, const char *name, const char *promise,
                 const char *detail)
{
    struct verify_check *check;

    if (result->check_count == VERIFY_CHECKS_MAX) {
        return;
    }
    check = &result->checks[result->check_count++];
    check->ok = *detail == '\0';
    snprintf(check->name, sizeof check->name, "%s", name);
    snprintf(check->detail, sizeof check->detail, "%s", check->ok ? promise : detail);
    result->ok = result->ok && check->ok;
}

struct pools {
    struct store *store;
    const struct catalog *catalog;
    char detail[VERIFY_DETAIL_BYTES];
};

/* A factor may have been lowered since: what was granted before stays. */
static struct decimal largest_factor(const struct catalog *catalog, const char *share)
{
    struct decimal largest = DECIMAL_ZERO;
    bool found = false;

    for (size_t i = 0; i < catalog->policies.count; i++) {
        const struct policy_share *s = policy_share(catalog->policies.policies[i], share);

        if (s != NULL && (!found || decimal_compare(s->overgrant, largest) > 0)) {
            largest = s->overgrant;
            found = true;
        }
    }
    return found ? largest : DECIMAL_ONE;
}

static int check_pool(void *context, const char *share, int fiscal_year, struct error *err)
{
    struct pools *pools = context;
    struct pool_sums sums;
    struct exact limit, net, back;
    char text[2][POINTS_TEXT_BYTES];

    if (store_read_pool(pools->store, share, fiscal_year, &sums, err) != 0) {
        return -1;
    }
    exact_init(&limit);
    exact_init(&net);
    exact_init(&back);
    exact_set_points(&limit, sums.supply);
    exact_multiply_decimal(&limit, largest_factor(pools->catalog, share));
    exact_set_points(&net, sums.net);
    exact_set_points(&back, sums.taken_back);
    exact_subtract(&net, &back);
    if (exact_compare(&net, &limit) > 0 && pools->detail[0] == '\0') {
        snprintf(pools->detail, sizeof pools->detail, "pool/%s/%d has granted %s of a supply of %s",
                 share, fiscal_year, points_format(sums.net, text[0]),
                 points_format(sums.supply, text[1]));
    }
    exact_release(&limit);
    exact_release(&net);
    exact_release(&back);
    return 0;
}

int verify_pools(struct store *store, const struct catalog *catalog, struct verify_result *result,
                 struct error *err)
{
    struct pools pools = {.store = store, .catalog = catalog};

    if (store_verify_pools(store, check_pool, &pools, err) != 0) {
        return -1;
    }
    verify_note(result, "pools_not_overgranted",
                "no pool granted more than its supply, with what was lent and the over-grant "
                "factor",
                pools.detail);
    return 0;
}

static int run_statements(struct store *store, const struct verify_statement *statements,
                          size_t count, const struct verify_moved *moved,
                          struct verify_result *result, struct error *err)
{
    char detail[VERIFY_DETAIL_BYTES];

    for (size_t i = 0; i < count; i++) {
        const struct verify_statement *statement = &statements[i];

        if (store_verify_statement(store, statement, moved, detail, sizeof detail, err) != 0) {
            return -1;
        }
        verify_note(result, statement->name, statement->promise, detail);
    }
    return 0;
}

/* `matched` transfers are the sum of their charges: all that there are, or one is to be named. */
static int verify_charges(struct store *store, int64_t matched, const struct verify_moved *moved,
                          struct verify_result *result, struct error *err)
{
    const struct verify_statement *statement = &verify_charge_statement;
    const char *charge = transfer_kind_text(TRANSFER_CHARGE);
    char detail[VERIFY_DETAIL_BYTES] = "";
    int64_t count = 0;

    for (size_t i = 0; i < moved->count; i++) {
        count += strcmp(moved->kinds[i], charge) == 0 ? moved->transfers[i] : 0;
    }
    if (matched != count &&
        store_verify_statement(store, statement, NULL, detail, sizeof detail, err) != 0) {
        return -1;
    }
    verify_note(result, statement->name, statement->promise, detail);
    return 0;
}

struct verifying {
    const struct verify_options *options;
    struct verify_result *result;
};

/* What needs no transfer read by anyone else. */
static int verify_rest(struct store *store, const struct catalog *catalog,
                       const struct verify_options *options, struct verify_result *result,
                       struct error *err)
{
    int64_t every = options->rerate_every > 0 ? options->rerate_every : 1;

    if (run_statements(store, verify_statements, verify_statement_count, NULL, result, err) != 0 ||
        run_statements(store, verify_hold_statements, verify_hold_statement_count, NULL, result,
                       err) != 0 ||
        verify_pools(store, catalog, result, err) != 0 ||
        verify_expiries(store, catalog, result, err) != 0 ||
        verify_months(store, result, err) != 0 ||
        verify_records(store, catalog, every, result, err) != 0) {
        return -1;
    }
    return store_verify_count(store, &result->records, err);
}

static int verify(struct store *store, void *context, struct error *err)
{
    struct verifying *verifying = context;
    struct verify_result *result = verifying->result;
    struct catalog *catalog = NULL;
    struct verify_chain *chain = NULL;
    struct verify_moved moved;
    int64_t matched;
    int status = -1;

    *result = (struct verify_result){.ok = true};
    if (store_verify_begin(store, err) == 0) {
        chain = verify_chain_start(store, verifying->options, err);
    }
    if (chain != NULL) {
        catalog = catalog_load(store, err);
    }
    if (catalog != NULL && store_verify_charges_match(store, &matched, err) == 0 &&
        verify_rest(store, catalog, verifying->options, result, err) == 0 &&
        verify_chain_finish(chain, result, &moved, err) == 0 &&
        verify_charges(store, matched, &moved, result, err) == 0) {
        status = run_statements(store, verify_moved_statements, verify_moved_statement_count,
                                &moved, result, err);
    }
    verify_chain_destroy(chain);
    catalog_destroy(catalog);
    return status;
}

int verify_book(struct store *store, const struct verify_options *options,
                struct verify_result *result, struct error *err)
{
    struct verifying verifying = {.options = options, .result = result};

    return store_transact(store, STORE_UNLOCKED, verify, &verifying, err);
}
