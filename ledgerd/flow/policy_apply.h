/* policy_apply - put a policy into force: its shares, its calendar, and the supply that it mints.
 *
 * Supply entries are minted once, by id, when a policy that holds them is first applied: points
 * move from supply to the pools of the shares, split by the fractions in force at the entry's
 * `from`.  A later policy may repeat an entry word for word or leave it out, and may not change it.
 */
#ifndef LEDGERD_FLOW_POLICY_APPLY_H
#define LEDGERD_FLOW_POLICY_APPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"

struct policy_apply_request {
    struct manual_act act;
    const char *json; /* the document's bytes, borrowed */
    size_t length;
    bool retroactive; /* effective_from may lie before what is booked */
};

struct policy_mint { /* one supply entry that was minted */
    char supply_id[POLICY_NAME_BYTES];
    int fiscal_year;
    struct points total;
    size_t part_count;
    struct {
        char share[64];
        struct points points;
    } parts[POLICY_SHARES_MAX];
};

struct policy_apply_result {
    char name[POLICY_NAME_BYTES];
    struct instant effective_from;
    bool unchanged; /* the same document was in the book already: nothing was done */
    size_t mint_count;
    struct policy_mint *mints; /* owned */
};

/* Errors: ERROR_INPUT for a malformed document; ERROR_REFUSED with reason policy_differs (same name
 * and date, other content), policy_date_taken (another policy begins at that time), calendar_fixed
 * (zone or fiscal year would change), retroactive (before something booked), supply_differs (a
 * minted entry would change). */
int policy_apply(struct store *store, const struct policy_apply_request *request,
                 struct policy_apply_result *result, struct error *err);
void policy_apply_result_release(struct policy_apply_result *result);

/* A policy or rate card as it was applied. */
struct agreed_document {
    char *name;
    char *document; /* byte for byte */
    struct instant effective_from;
    struct instant applied_at;
};

/* The policy in force at `at`. ERROR_REFUSED (reason no_policy) before the first. */
int policy_show(struct store *store, struct instant at, struct agreed_document *document,
                struct error *err);
void agreed_document_release(struct agreed_document *document);

#endif
