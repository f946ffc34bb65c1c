/* reconcile_tokens - does the book agree with what the model servers counted?
 *
 * An engine counts the tokens of every request that it worked on, whoever asked and however the
 * connection ended: what the book lacks against it was served and not charged.  Engines count from
 * when they were started, so what they counted in a time is the difference of two snapshots.
 */
#ifndef LEDGERD_FLOW_RECONCILE_TOKENS_H
#define LEDGERD_FLOW_RECONCILE_TOKENS_H

#include <jansson.h>
#include <stddef.h>

#include "importers/engine_metrics.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/decimal.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"

struct reconcile_tokens_options {
    const char *source; /* of the book's records */
    const struct conf *conf;
    const char *klass;   /* of counters that name no model; NULL: all that the source has */
    struct instant from; /* INSTANT_NONE: when the first snapshot was taken; with one snapshot, when
                            its engine was started, else the source's beginning */
    struct instant to;   /* INSTANT_NONE: when the last snapshot was taken, else now */
    struct instant now;
    struct decimal tolerance; /* as a fraction of what the engine counted, at most 1 */
};

/* Compare records that end in [from, to) with what the engines counted between the first and the
 * last of the snapshots (in the order of time), or up to the only one. A counter that is lower than
 * in the snapshot before began anew, one that is missing has stopped: both count as resets, and
 * what was counted is then at least what is shown. A model is a class as [tokens SOURCE] has it;
 * all engines of one class are of one make. A new reference, or NULL: ERROR_ARGUMENT where a
 * snapshot does not say when it was taken and no time was given, or the time begins behind its end.
 *
 *     {"source","from","to","tolerance","agrees",
 *      "counters":[{"class","kind","engine","book","drift","resets","agrees","why"}],
 *      "elsewhere":[class]}
 *
 * drift = book - engine, in tokens; a counter agrees if it is at most engine x tolerance, plus what
 * the engine's rounded figures leave open. Class "*" stands for all of the source's. elsewhere:
 * classes that the book has and these engines do not name; they are no difference. */
json_t *reconcile_tokens(struct store *store, const struct catalog *catalog,
                         const struct reconcile_tokens_options *options,
                         const struct engine_metrics *snapshots, size_t count, struct error *err);

#endif
