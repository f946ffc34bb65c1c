/* verify_window - some links of the chain beside the transfers that they seal. Internal to verify.
 *
 * Leaves are kept by the number of their transfer, and the rows come in whatever order the database
 * reads them fastest: each takes its leaf, what is left over is gone from the book.
 */
#ifndef LEDGERD_FLOW_VERIFY_WINDOW_H
#define LEDGERD_FLOW_VERIFY_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/posting.h"
#include "ledgerd/flow/seal_hash.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/flow/verify_entries.h"
#include "ledgerd/store/store_seal.h"

struct window_faults { /* of all windows so far; a zeroed one has none */
    int64_t changed;
    int64_t missing;
    int64_t added;
    int64_t sealed_at;  /* link before the window of the first changed or missing one */
    int64_t foreign_at; /* and of the first added one */
    char sealed[VERIFY_DETAIL_BYTES];  /* what is wrong with it, "" if there is none */
    char foreign[VERIFY_DETAIL_BYTES]; /* the same */
};

struct window_sums {        /* of all windows so far; a zeroed one is empty */
    struct posting moved;   /* `charges` counts transfers */
    struct entries entries; /* not compared with the book yet */
};

/* Compare the transfers behind `before`, up to the page's last link, with its leaves, and add what
 * they moved and which entries they name. Counts and describes what differs; -1 only if the book
 * could not be read. */
int window_compare(struct store *store, struct seal_hasher *hasher, const struct store_seal *before,
                   const struct seal_page *page, struct window_sums *sums,
                   struct window_faults *faults, struct error *err);

/* Add a transfer to the sums. */
int window_add_moved(struct posting *moved, const struct seal_row *row, struct error *err);

#endif
