/* store_policy - policies and rate cards as they are applied, the supply that policies mint, and
 * accounts by name.
 *
 * The functions that write run inside a transaction with the booking lock.
 */
#ifndef LEDGERD_STORE_STORE_POLICY_H
#define LEDGERD_STORE_STORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_catalog.h"

enum agreed_kind { AGREED_POLICY, AGREED_CARD };

/* All policies or all cards, by effective_from. */
int store_read_agreed(struct store *store, enum agreed_kind kind, struct agreed_rows *rows,
                      struct error *err);

/* Insert one; row->number is not looked at, *number gets its own. */
int store_add_agreed(struct store *store, enum agreed_kind kind, const struct agreed_row *row,
                     int64_t *number, struct error *err);

/* The source that has the latest booked record after `at`, with that record's end. *source (free
 * it) is NULL if there is none. */
int store_last_record_after(struct store *store, struct instant at, char **source,
                            struct instant *last, struct error *err);

/* Fix the book's zone and fiscal year start (MM-DD), once. */
int store_fix_calendar(struct store *store, const char *timezone, const char *fiscal_year_start,
                       struct error *err);

struct supply_row {
    bool found;
    struct policy_supply supply;
};

/* The minted supply entry of that id. */
int store_read_supply(struct store *store, const char *id, struct supply_row *row,
                      struct error *err);

/* Record that it was minted by policy `policy_no` and how it was split; parts[policy->share_count].
 */
int store_add_supply(struct store *store, int64_t policy_no, const struct policy_supply *supply,
                     struct points total, const struct policy *policy, const struct points *parts,
                     struct error *err);

/* The number of an account by its name, which is made if there is none. `share` may be NULL;
 * fiscal_year 0 is none. */
int store_ensure_account(struct store *store, const char *name, const char *kind, const char *share,
                         int fiscal_year, int32_t *account, struct error *err);

/* The accounts pool/<share>/<year>, spent/<share>, expired/<share>, and supply. */
int store_pool_account(struct store *store, const char *share, int fiscal_year, int32_t *account,
                       struct error *err);
int store_share_sinks(struct store *store, const char *share, struct error *err);
int store_supply_account(struct store *store, int32_t *account, struct error *err);

#endif
