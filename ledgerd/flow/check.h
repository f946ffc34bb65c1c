/* check - may this run? Answered from the engine's memory.
 *
 * A check asks for points, or describes a shape (source, class, seconds, meters), which is rated as
 * a final record over [now, now + seconds) by the cards known now.
 */
#ifndef LEDGERD_FLOW_CHECK_H
#define LEDGERD_FLOW_CHECK_H

#include <stdbool.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/decimal.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/role.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/answer.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/slurm_answer.h"
#include "ledgerd/flow/slurm_ask.h"
#include "ledgerd/flow/slurm_resolve.h"

struct check_request { /* strings are borrowed */
    const char *project;
    const char *user; /* "" if nobody is named */
    bool has_points;
    struct points points;
    bool has_shape;         /* else `shape` is not touched */
    struct decimal seconds; /* of the shape */
    struct usage_record
        *shape;           /* source, class, qos, meters, attributes; the rest is filled in here */
    struct slurm_ask ask; /* with a cluster, what is missing of all these is completed by it */
    const struct role_scope *scope; /* any other project is unknown to it; NULL: sees all */
};

struct check_result {
    struct answer_question question;
    struct answer answer;
    char unrated_detail[ERROR_TEXT_BYTES];
    struct slurm_resolution resolution; /* of what was asked of Slurm */
    struct slurm_note note;
};

/* Begin a request: everything empty, `shape` cleared to be filled. */
void check_request_init(struct check_request *request, struct usage_record *shape);

/* True if it is to be completed by what is known of a Slurm cluster. */
static inline bool check_asks_slurm(const struct check_request *request)
{
    return request->ask.cluster != NULL && request->ask.cluster[0] != '\0';
}

/* Exactly one of points and shape, a project, a shape with a source and a class; of Slurm a user,
 * and points, meters or a job to modify. ERROR_ARGUMENT with a sentence; ERROR_REFUSED with reason
 * forbidden if it has a scope and asks of Slurm. */
int check_request_validate(const struct check_request *request, struct error *err);

/* What it asks for, in points: those given, or the shape's price, whose class becomes the one that
 * the configuration means. ERROR_INPUT with a sentence if it has no price. */
int check_price(const struct catalog *catalog, const struct conf *conf,
                const struct check_request *request, struct instant now, struct points *price,
                struct error *err);

/* The price of all parts that may run at a time (0: all), a lease counting as one. ERROR_INPUT if
 * it is too large. */
int check_price_parts(struct points price, int64_t parts, int64_t at_once, struct points *all,
                      struct error *err);

/* Seconds rounded up to whole ones. */
int64_t check_whole_seconds(struct decimal seconds);

/* The two halves of a decision, for whoever knows where the project stands: find project and price
 * (result->question; its position, limits, share, as_of and stale are the caller's to fill in),
 * then decide. The result borrows from request and catalog and must not be moved. */
void check_begin(const struct catalog *catalog, const struct conf *conf,
                 const struct check_request *request, struct instant now,
                 struct check_result *result);
int check_finish(const struct check_request *request, struct check_result *result,
                 struct error *err);

/* Decide by the engine's view. The result borrows from the reading, too. */
int check_decide(const struct engine_reading *reading, const struct conf *conf,
                 const struct check_request *request, struct instant now,
                 struct check_result *result, struct error *err);

#endif
