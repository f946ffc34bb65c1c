/* store_access - access tokens: made, listed, revoked. Their text is not here, only its SHA-256. */
#ifndef LEDGERD_STORE_STORE_ACCESS_H
#define LEDGERD_STORE_STORE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store.h"

enum { ACCESS_SHA256_BYTES = 32 };

struct access_token_row {
    char *name;
    char *roles;
    char *project; /* NULL but for a gateway-user */
    char *user;    /* "" for nobody */
    struct instant created_at;
    char *created_by;
    struct instant revoked_at; /* INSTANT_NONE while it counts */
    char *revoked_by;          /* NULL while it counts */
};

struct access_token_rows {
    size_t count;
    struct access_token_row *rows; /* by name */
};

/* All tokens, revoked ones too, or the one named (count 0 if it is not there). */
int store_read_access_tokens(struct store *store, const char *name, struct access_token_rows *rows,
                             struct error *err);
void access_token_rows_release(struct access_token_rows *rows);

/* Insert one, with the booking lock held; its revocation is not looked at. *added is false if the
 * name is taken. */
int store_add_access_token(struct store *store, const struct access_token_row *row,
                           const unsigned char sha256[ACCESS_SHA256_BYTES], bool *added,
                           struct error *err);

/* *revoked is false if it was already, or is not there. */
int store_revoke_access_token(struct store *store, const char *name, struct instant now,
                              const char *by, bool *revoked, struct error *err);

#endif
