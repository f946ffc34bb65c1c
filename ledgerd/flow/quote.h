/* quote - what usage records would cost by the cards in the book; nothing is booked.
 *
 * Records are read in format `ledger` and rated as ingest rates them, with the same names for their
 * classes. A project need not exist: a price does not depend on it.
 */
#ifndef LEDGERD_FLOW_QUOTE_H
#define LEDGERD_FLOW_QUOTE_H

#include <jansson.h>
#include <stddef.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/catalog.h"

struct quote_request {
    const char *path; /* "-" is standard input */
    const struct catalog *catalog;
    const struct conf *conf; /* names of classes; NULL: none */
    struct instant now;
};

struct quote_result {
    json_t *quotes;    /* array, one object a record (contract section 5); owned by the caller */
    size_t unreadable; /* items that were no usage records; each has its "error" in quotes */
};

/* Rate every record of the file. On ERROR_INPUT quotes holds what came before (it may be NULL). */
int quote_file(const struct quote_request *request, struct quote_result *result, struct error *err);

#endif
