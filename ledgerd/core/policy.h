/* policy - who the machine was promised to, and how much there is (contract section 4).
 *
 * Built from its document by flow/policy_doc, validated, read-only afterwards.
 */
#ifndef LEDGERD_CORE_POLICY_H
#define LEDGERD_CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/decimal.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/rate.h"

enum { POLICY_SHARES_MAX = 64, POLICY_SUPPLY_MAX = 1024, POLICY_NAME_BYTES = 128 };

enum on_expiry { ON_EXPIRY_VOID, ON_EXPIRY_POOL };
enum hold_when { HOLD_SUBMIT, HOLD_REQUEST, HOLD_START, HOLD_NONE };

struct policy_share {
    char name[64]; /* [a-z0-9_-]+, names accounts */
    struct decimal fraction;
    struct decimal overgrant; /* default 1 */
};

struct policy_supply {
    char id[POLICY_NAME_BYTES];
    int fiscal_year;
    struct instant from, to;
    char resource[64];
    struct decimal count, hours, points_per_hour;
};

struct policy {
    char name[POLICY_NAME_BYTES];
    int64_t number; /* the store's; 0 before it is stored */
    struct instant effective_from;
    char timezone[ZONE_NAME_BYTES];
    int fiscal_month, fiscal_day;
    size_t share_count;
    struct policy_share shares[POLICY_SHARES_MAX];
    size_t supply_count;
    struct policy_supply *supply; /* owned */
    enum on_expiry on_expiry;
    enum month_rule month_rule;
    bool require_membership;
    enum hold_when holds_slurm, holds_gateway;
    char exhausted_slurm[80]; /* "deny" or "downgrade:<qos>" */
};

struct policies { /* sorted by effective_from; owned */
    size_t count;
    struct policy **policies;
};

void policy_destroy(struct policy *policy); /* accepts NULL */
void policies_release(struct policies *policies);

/* Fractions not negative and exactly 1 in sum, share names unique and well-formed, supply
 * entries with unique ids, from < to, amounts that fit, a fiscal year that begins with a month.
 * ERROR_INPUT with a sentence that names the entry. */
int policy_validate(const struct policy *policy, struct error *err);

/* Every supply entry lies inside its fiscal year. `calendar` is the policy's own. ERROR_INPUT. */
int policy_check_periods(const struct policy *policy, const struct calendar *calendar,
                         struct error *err);

/* The policy in force at t, or NULL before the first. */
const struct policy *policies_at(const struct policies *policies, struct instant t);

const struct policy_share *policy_share(const struct policy *policy, const char *name);

/* count x hours x points_per_hour; must be a whole number of micro-points (else ERROR_INPUT). */
int policy_supply_points(const struct policy_supply *supply, struct points *total,
                         struct error *err);

/* Split `total` (any sign) by the fractions, exactly: each share's part truncated to the
 * micro-point, the remainder to the largest share (the first of equals). parts[share_count]; the
 * parts add up to total. */
int policy_split(const struct policy *policy, struct points total, struct points *parts,
                 struct error *err);

#endif
