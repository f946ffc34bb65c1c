/* rates_apply - put a dated rate card into force. What is booked stays as it was booked. */
#ifndef LEDGERD_FLOW_RATES_APPLY_H
#define LEDGERD_FLOW_RATES_APPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/ratecard.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/flow/policy_apply.h"
#include "ledgerd/store/store.h"

struct rates_apply_request {
    struct manual_act act;
    const char *json; /* the document's bytes, borrowed */
    size_t length;
    bool retroactive; /* effective_from may lie before what is booked */
};

struct rates_apply_result {
    char name[RATECARD_NAME_BYTES];
    struct instant effective_from;
    size_t rule_count;
    bool unchanged; /* the same document was in the book already: nothing was done */
};

/* Errors: ERROR_INPUT for a malformed document; ERROR_REFUSED with reason card_differs (same name
 * and date, other content), card_date_taken (another card begins at that time), retroactive (before
 * something booked). */
int rates_apply(struct store *store, const struct rates_apply_request *request,
                struct rates_apply_result *result, struct error *err);

/* The card in force at `at`. ERROR_REFUSED (reason no_card) before the first. */
int rates_show(struct store *store, struct instant at, struct agreed_document *document,
               struct error *err);

#endif
