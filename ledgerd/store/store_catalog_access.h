/* store_catalog_access - the access tokens that count, read whole: a part of the catalog. */
#ifndef LEDGERD_STORE_STORE_CATALOG_ACCESS_H
#define LEDGERD_STORE_STORE_CATALOG_ACCESS_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_access.h"

struct access_row { /* a token that is not revoked */
    unsigned char sha256[ACCESS_SHA256_BYTES];
    const char *name;
    const char *roles;   /* see core/role.h */
    const char *project; /* of a gateway-user, else "" */
    const char *user;    /* "" for nobody */
};

struct access_rows {
    size_t count;
    struct access_row *rows; /* by sha256, as bytes */
    char *texts;             /* what they point into */
};

/* Read them all, as the transaction sees them. Owned by the caller. */
int store_read_access(struct store *store, struct access_rows *rows, struct error *err);
void access_rows_release(struct access_rows *rows);

#endif
