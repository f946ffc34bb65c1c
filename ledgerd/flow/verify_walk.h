/* verify_walk - a walk along the chain that reads the transfers of some of it. Internal to
 * verify_chain.
 *
 * The chain is cut into windows; of `parts` walks each reads every parts-th window's transfers,
 * compares them with their leaves and their entries, and adds up what they moved. It
 * checks the links of its own windows. The first walk also takes what is not sealed yet, so that
 * all walks together check every link and read every transfer once.
 */
#ifndef LEDGERD_FLOW_VERIFY_WALK_H
#define LEDGERD_FLOW_VERIFY_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/posting.h"
#include "ledgerd/flow/checkpoint.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/flow/verify_window.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_seal.h"

enum { WALK_WINDOW_TRANSFERS = 100000 }; /* 40 bytes of leaf and 17 of index for each, at once */

struct walk { /* part, parts and since are set, the rest is zero */
    size_t part;
    size_t parts;
    const struct checkpoint *since; /* NULL for none */
    struct window_sums sums;
    struct window_faults faults;
    char parted[VERIFY_DETAIL_BYTES]; /* first transfer that is not with its entry, "" if none */
    int64_t parted_at;                /* link before the window of that one */
    char broken[VERIFY_DETAIL_BYTES]; /* first link that does not follow, "" if none */
    int64_t broken_at;                /* its number */
    struct store_seal last;           /* link of the chain; n is 0 without one */
    /* Of the first walk alone. */
    int64_t unsealed;
    struct strbuf closes; /* leaves of all closes that are sealed */
    bool met_checkpoint;
    char differs[VERIFY_DETAIL_BYTES]; /* from the checkpoint, "" if not */
};

/* Run inside a transaction of one snapshot. */
int walk_run(struct walk *walk, struct store *store, struct error *err);
void walk_release(struct walk *walk);

#endif
