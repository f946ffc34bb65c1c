/* verify - the book proves itself: every sum recomputed from what it stands for.
 *
 * Each check recomputes one promise of the book on its own and names the first row that breaks it.
 * All run in one snapshot, so that a booking in between cannot look like a fault.
 */
#ifndef LEDGERD_FLOW_VERIFY_H
#define LEDGERD_FLOW_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/checkpoint.h"
#include "ledgerd/store/store.h"

enum { VERIFY_CHECKS_MAX = 40, VERIFY_NAME_BYTES = 48, VERIFY_DETAIL_BYTES = 512 };

struct verify_check {
    char name[VERIFY_NAME_BYTES]; /* "accounts_sum_to_zero" */
    bool ok;
    char
        detail[VERIFY_DETAIL_BYTES]; /* what was compared, or the first row that is wrong and how */
};

struct verify_options {
    int64_t rerate_every;           /* re-rate one record in so many; 1 all (0 means 1) */
    const struct checkpoint *since; /* what the chain must still hold; NULL for none */
};

struct verify_result {
    bool ok; /* of all checks */
    size_t check_count;
    struct verify_check checks[VERIFY_CHECKS_MAX];
    int64_t transfers;
    int64_t records;
    int64_t seals;                 /* links of the chain */
    int64_t unsealed;              /* transfers above it */
    struct instant sealed_through; /* when the last link was made; INSTANT_NONE without one */
};

/* Run every check, on a store of role STORE_REPORT (its transactions are one snapshot). Returns 0
 * also when the book fails (result->ok says so); -1 if it could not be read. */
int verify_book(struct store *store, const struct verify_options *options,
                struct verify_result *result, struct error *err);

#endif
