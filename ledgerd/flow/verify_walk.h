/* verify_walk - a walk along the chain that reads the transfers of some of it. Internal to
 * verify_chain.
 *
 * The chain is cut into windows. A walk that comes to a window which no other has taken takes it:
 * it checks the window's links, reads its transfers, compares them with their leaves and their
 * entries, and adds up what they moved. Of the others' windows it only follows the heads. So all
 * walks together check every link and read every transfer once, and none waits for a slower one.
 * One walk, the leading one, also takes what is not sealed yet and what concerns the whole chain.
 */
#ifndef LEDGERD_FLOW_VERIFY_WALK_H
#define LEDGERD_FLOW_VERIFY_WALK_H

#include <pthread.h>
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

enum { WALK_WINDOW_TRANSFERS = 50000 }; /* 40 bytes of leaf and 17 of index for each, at once */

struct walk_windows { /* who has taken which; a zeroed one with its mutex initialised is empty */
    pthread_mutex_t mutex;
    size_t count;
    unsigned char *takers; /* by window: the taker's number, 0 if it is free */
};

struct walk {             /* number, is_leading, windows and since are set, the rest is zero */
    unsigned char number; /* from 1, of its own among the walks that share the windows */
    bool is_leading;
    struct walk_windows *windows;
    const struct checkpoint *since; /* NULL for none */
    struct window_sums sums;
    struct window_faults faults;
    char parted[VERIFY_DETAIL_BYTES]; /* first transfer that is not with its entry, "" if none */
    int64_t parted_at;                /* link before the window of that one */
    char broken[VERIFY_DETAIL_BYTES]; /* first link that does not follow, "" if none */
    int64_t broken_at;                /* its number */
    struct store_seal last;           /* link of the chain; n is 0 without one */
    /* Of the leading walk alone. */
    int64_t unsealed;
    struct strbuf closes; /* leaves of all closes that are sealed */
    bool met_checkpoint;
    char differs[VERIFY_DETAIL_BYTES]; /* from the checkpoint, "" if not */
};

/* Run inside a transaction of one snapshot, the same for all walks. Run again, it takes the windows
 * that it had taken before, and others. */
int walk_run(struct walk *walk, struct store *store, struct error *err);
void walk_release(struct walk *walk);

#endif
