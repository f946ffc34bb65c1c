/* verify_knowledge - what was known when a record was booked. Internal to verify.
 *
 * A card or policy that is applied with --retroactive begins before records that were booked
 * without it.  Numbers tell the order of applying: the knowledge of a record is all cards up to
 * some number and all policies up to some number.  Where nothing was retroactive all knowledge
 * gives the same charges, and only the whole of it is looked at.
 */
#ifndef LEDGERD_FLOW_VERIFY_KNOWLEDGE_H
#define LEDGERD_FLOW_VERIFY_KNOWLEDGE_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"

enum { KNOWLEDGE_MAX = 64 }; /* states that are tried for a record; older ones are not */

struct knowledge_state { /* borrows the catalog's cards and policies */
    struct ratecards cards;
    struct policies policies;
};

struct knowledge {
    size_t count;
    struct knowledge_state states[KNOWLEDGE_MAX]; /* the whole first, then ever less */
};

/* All states that could have given other charges. The caller releases them. */
int knowledge_build(struct store *store, const struct catalog *catalog, struct knowledge *knowledge,
                    struct error *err);
void knowledge_release(struct knowledge *knowledge);

#endif
