/* grant - give a project points out of its share's pool, take them back, make them last longer.
 *
 * A grant belongs to the fiscal year that holds its `from`.  Net grants of a share and year never
 * exceed its supply, plus or minus what was lent, times the policy's over-grant factor: that is
 * looked at under the booking lock.
 */
#ifndef LEDGERD_FLOW_GRANT_H
#define LEDGERD_FLOW_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"

enum { GRANT_KEY_BYTES = 200 };

struct grant_request {
    struct manual_act act;
    const char *project;
    struct points points;  /* above zero */
    struct instant from;   /* INSTANT_NONE: now */
    struct instant to;     /* INSTANT_NONE: end of the fiscal year of `from` */
    const char *lend_from; /* share whose pool lends the points first; NULL if none */
    const char *key;       /* the same key and arguments answer the first result; NULL if none */
};

struct grant_info {
    int64_t id;
    char project[129];
    char share[64];
    int fiscal_year;
    struct points granted;   /* as given */
    struct points points;    /* net of what was revoked */
    struct points remaining; /* not yet drawn, not expired */
    struct instant from;
    struct instant to;
    enum grant_state state; /* at the act's or reader's now */
};

struct grant_result {
    struct grant_info grant;
    bool repeated;           /* the key was known: this is the first result, nothing was done */
    struct points pool_left; /* what the share's pool can still grant in that fiscal year */
};

struct grant_revoke_request {
    struct manual_act act;
    int64_t id;
    bool has_points; /* else all that remains */
    struct points points;
};

struct grant_extend_request {
    struct manual_act act;
    int64_t id;
    struct instant to; /* later than now and than the present end, within the fiscal year */
};

struct grant_infos {
    size_t count;
    struct grant_info *grants; /* by id */
};

/* ERROR_ARGUMENT for points or an interval that cannot be (two fiscal years); ERROR_REFUSED with
 * reason unknown_project, project_closed, is_service, no_policy, unknown_share, over_pool (with the
 * numbers), key_differs, too_many_grants. */
int grant_make(struct store *store, const struct grant_request *request,
               struct grant_result *result, struct error *err);

/* ERROR_REFUSED with reason unknown_grant, grant_over (expired, or nothing left), over_remaining
 * (with the numbers). */
int grant_revoke(struct store *store, const struct grant_revoke_request *request,
                 struct grant_result *result, struct error *err);

/* ERROR_REFUSED with reason unknown_grant, grant_over; ERROR_ARGUMENT for an end that cannot be. */
int grant_extend(struct store *store, const struct grant_extend_request *request,
                 struct grant_result *result, struct error *err);

/* The grants of a project, or of all with NULL. ERROR_REFUSED with reason unknown_project. */
int grant_list(struct store *store, const char *project, struct instant now,
               struct grant_infos *grants, struct error *err);
void grant_infos_release(struct grant_infos *grants);

#endif
