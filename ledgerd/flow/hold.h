/* hold - take points before work runs, and give them back.
 *
 * A hold is made by a group: hold_place decides any number of requests in one transaction, each in
 * its turn, against the positions that it has locked, so that whoever asks, from however many
 * processes, nobody can spend a point twice.  A hold counts until it is settled, released or past
 * its deadline.  Every process works through a desk of its own, which remembers what it has read.
 *
 *      requests -> lock positions -> keys known? -> decide each -> insert, move positions -> commit
 *
 * What is asked of Slurm (check.ask) is completed here, by the catalog that decides. Its hold may
 * be of 0 points, which binds the key and no more. A request that modifies a job holds what the new
 * time limit costs on top, under a key of its own, <the job's>/limit/<seconds>.
 */
#ifndef LEDGERD_FLOW_HOLD_H
#define LEDGERD_FLOW_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/decide.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/check.h"
#include "ledgerd/store/store.h"

enum {
    HOLD_ID_BYTES = 24,   /* "h_" and a number */
    HOLD_KEY_BYTES = 200, /* a key and its NUL; keys do not begin with h_ */
    HOLD_PARTS_MAX = 10 * 1000 * 1000,
    HOLD_GROUP_MAX = 256, /* requests in one call of hold_place */
};
#define HOLD_TTL_DEFAULT_US (INT64_C(15) * 60 * 1000000)
#define HOLD_TTL_MAX_US (INT64_C(366) * 86400 * 1000000)

enum hold_state { HOLD_OPEN, HOLD_SETTLED, HOLD_RELEASED, HOLD_EXPIRED };

struct hold_request {           /* strings are borrowed */
    const char *key;            /* "" if the caller gave none */
    struct check_request check; /* project, user, and points for the whole or the shape of a part */
    int64_t parts;              /* 0: a lease */
    int64_t at_once; /* parts that may run at a time: a shape is held for so many; 0: all */
    int64_t ttl_us;
    const char *source;    /* that confirms it, "slurm:<cluster>"; "" or NULL: none does */
    bool is_waiting;       /* its work waits: what it may hold is capped by the source's section */
    bool is_unrecorded;    /* a refusal is not kept: it will be asked again and again */
    struct points accrued; /* of the project's, what the hold takes the place of */
    const char *ref_kind, *ref_id; /* "" if not said */
};

struct hold_info { /* how a hold stands at the reader's now */
    int64_t number;
    char id[HOLD_ID_BYTES];
    char key[HOLD_KEY_BYTES];
    char project[129];
    char user[USAGE_NAME_BYTES + 1];
    char ref_kind[32];
    char ref_id[129];
    struct points points, freed;
    struct points held;    /* 0 unless open */
    struct points charged; /* by what its events booked */
    int64_t parts, ended_parts;
    enum hold_state state; /* HOLD_EXPIRED from the deadline on, noted or not */
    struct instant made_at, expires_at;
    struct instant ended_at; /* INSTANT_NONE while open */
};

enum hold_fate {
    HOLD_MADE,
    HOLD_REPEATED,    /* the key was known with the same request: the first hold */
    HOLD_KEY_DIFFERS, /* the key was known with another request */
    HOLD_REFUSED,     /* see reason and decision */
};

struct hold_outcome {
    enum hold_fate fate;
    struct hold_info hold; /* of HOLD_MADE, HOLD_REPEATED and HOLD_KEY_DIFFERS */
    enum decide_reason reason;
    struct points available;   /* before the request */
    struct strbuf decision;    /* JSON of the decision; empty for HOLD_KEY_DIFFERS */
    struct strbuf detail, job; /* its sentence, without quotes; answer_write_job's, if new */
};

void hold_outcome_release(struct hold_outcome *outcome);

/* Refuse what cannot be: no project, points and shape, a malformed key, too many parts, a ttl that
 * is not above zero or too long. ERROR_ARGUMENT with a sentence. Points of 0 are fine. */
int hold_request_validate(const struct hold_request *request, struct error *err);

/* What a process that makes holds keeps: a catalog, draws of projects by their position's version,
 * numbers of holds. Used by one thread with one store. */
struct hold_desk;
struct hold_desk *hold_desk_create(const struct conf *conf, struct error *err);
void hold_desk_destroy(struct hold_desk *desk); /* accepts NULL */

/* The transaction that the last hold_place committed (pg_current_xact_id; 0 if it wrote nothing):
 * with it a reader's snapshot tells whether it has seen these holds. */
int64_t hold_desk_transaction(const struct hold_desk *desk);

/* What the share caps are judged by, and a catalog that is likely to be the book's own; borrowed
 * during the next hold_place. What is NULL is read from the book. */
struct hold_knowledge {
    const struct catalog *catalog;
    size_t share_count;
    const struct store_share_total *shares; /* held is what is held at now */
};

/* Decide the requests in order, in one transaction, durable when this returns 0: outcomes[count],
 * each to be released by the caller. On -1 nothing was made for certain unless the error says that
 * it is not known; the same keys again settle it. */
int hold_place(struct store *store, struct hold_desk *desk, const struct hold_knowledge *knowledge,
               const struct hold_request *requests, size_t count, struct instant now,
               struct hold_outcome *outcomes, struct error *err);

#endif
