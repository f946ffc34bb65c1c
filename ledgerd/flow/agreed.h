/* agreed - what policies and rate cards have in common: dated documents that are applied once and
 * never changed.
 *
 * Internal to policy_apply and rates_apply.
 */
#ifndef LEDGERD_FLOW_AGREED_H
#define LEDGERD_FLOW_AGREED_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/flow/policy_apply.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_policy.h"

struct agreed_candidate { /* a document that is to be applied */
    enum agreed_kind kind;
    const char *name;
    struct instant effective_from;
    const char *json;
    size_t length;
    bool retroactive;
    const struct zone *zone; /* for times in messages */
};

/* Look at what is there: *unchanged is true if the very document is, white space aside.
 * ERROR_REFUSED if its date is taken by another one, or if it lies before something booked and is
 * not said to be retroactive. */
int agreed_check(struct store *store, const struct agreed_candidate *candidate, bool *unchanged,
                 struct error *err);

/* Insert it; *number gets its number in the book. */
int agreed_add(struct store *store, const struct agreed_candidate *candidate, struct instant now,
               int64_t *number, struct error *err);

/* The one in force at `at`. */
int agreed_show(struct store *store, enum agreed_kind kind, struct instant at,
                struct agreed_document *document, struct error *err);

#endif
