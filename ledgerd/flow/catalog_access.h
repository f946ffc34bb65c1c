/* catalog_access - the access tokens that count: the part of the catalog that says who calls.
 *
 * Read-only, like the rest of the catalog. A token is found by its SHA-256, so that what a lookup
 * takes tells nothing of a token that is nearly right.
 */
#ifndef LEDGERD_FLOW_CATALOG_ACCESS_H
#define LEDGERD_FLOW_CATALOG_ACCESS_H

#include <stddef.h>

#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store_catalog_access.h"

struct catalog_token {
    unsigned roles;               /* a set of enum role */
    const struct access_row *row; /* its name, words, project and user */
};

struct catalog_access {
    struct access_rows rows;
    struct catalog_token *tokens; /* one a row, in their order */
};

/* Take over the rows, which are empty afterwards. NULL on error: out of memory, or roles in the
 * book that no parser knows. */
struct catalog_access *catalog_access_create(struct access_rows *rows, struct error *err);
void catalog_access_destroy(struct catalog_access *access); /* accepts NULL */

/* The token whose text has this SHA-256, or NULL. Valid as long as the catalog. */
const struct catalog_token *catalog_access_find(const struct catalog *catalog,
                                                const unsigned char sha256[ACCESS_SHA256_BYTES]);

#endif
