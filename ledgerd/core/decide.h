/* decide - may this run? The rules of contract section 7, on values alone.
 *
 * The caller gathers what is known (project, membership, balance, the price of a shape); decide
 * looks at the rules in their order of precedence and names every limit that stands in the way.
 */
#ifndef LEDGERD_CORE_DECIDE_H
#define LEDGERD_CORE_DECIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/core/balance.h"
#include "ledgerd/core/limit.h"
#include "ledgerd/core/points.h"

/* In order of precedence: the first that applies is the decision's reason. */
enum decide_reason {
    DECIDE_ALLOWED = 0,
    DECIDE_UNKNOWN_USER,
    DECIDE_UNKNOWN_JOB,
    DECIDE_UNKNOWN_PROJECT,
    DECIDE_PROJECT_CLOSED,
    DECIDE_NOT_A_MEMBER,
    DECIDE_NO_TIME_LIMIT,
    DECIDE_NO_RATE,
    DECIDE_STALE,
    DECIDE_NO_ACTIVE_GRANT,
    DECIDE_INSUFFICIENT_POINTS,
    DECIDE_PROJECT_LIMIT,
    DECIDE_USER_LIMIT,
    DECIDE_SHARE_CAP,
};

enum decide_limit { LIMIT_PROJECT, LIMIT_USER, LIMIT_SHARE, LIMIT_GRANT };
enum {
    DECIDE_BOUNDS_MAX = 2 * LIMIT_PERIODS, /* the project's and the user's, one for each period */
    DECIDE_VIOLATED_MAX = 16,              /* the bounds, grant, project and share, and room */
};

struct decide_bound { /* a limit that the site set on spending in the period that holds `now` */
    enum decide_limit limit; /* LIMIT_PROJECT or LIMIT_USER */
    const char *name;        /* of the project or user; borrowed */
    enum limit_period period;
    struct points points;  /* what may be spent in the period */
    struct points charged; /* in it, net */
    struct points accrued; /* by running work, as if it were charged now */
    struct points held;
    struct points available; /* points - charged - accrued - held */
};

struct decide_violation {
    enum decide_limit limit;
    const char *name; /* which one: project id, user, share; borrowed from the question */
    struct points available;
    const struct decide_bound *bound; /* the limit that the site set, or NULL; borrowed likewise */
};

struct decide_question {
    enum decide_reason unresolved; /* why the request could not be completed: DECIDE_UNKNOWN_USER,
                                      _UNKNOWN_JOB, _NO_TIME_LIMIT; DECIDE_ALLOWED if it was */
    bool project_known;
    bool project_closed;
    bool is_service;          /* answered yes, with 0 points (design 7) */
    bool membership_required; /* by policy */
    bool is_member;
    bool rated; /* requested is known: points were given, or the shape has a price */
    bool stale; /* knowledge older than max_staleness */
    const char *project;
    const char *share;
    struct points requested;
    struct points overdraft;
    struct balance balance; /* before the request */
    size_t bound_count;
    const struct decide_bound *bounds; /* at most DECIDE_BOUNDS_MAX */
    bool has_share_cap;
    struct points share_cap_available; /* supply +- lent - spent - held of the share and year */
};

struct decide_answer {
    bool allowed;
    enum decide_reason reason;
    size_t violated_count;
    struct decide_violation violated[DECIDE_VIOLATED_MAX];
};

void decide(const struct decide_question *question, struct decide_answer *answer);

/* "insufficient_points" and so on; NULL for DECIDE_ALLOWED. HTTP status of a hold refused so:
 * 402, 403, 404, 503. */
const char *decide_reason_text(enum decide_reason reason);
int decide_reason_status(enum decide_reason reason);
const char *decide_limit_text(enum decide_limit limit);

#endif
