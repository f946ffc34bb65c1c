/* access_token - what a caller of ledgerd shows: made, listed and revoked by hand.
 *
 * A token is "ldg_" and 32 random bytes in base64url (RFC 4648 section 5, without padding). It is
 * told once, to who makes it; the book keeps its SHA-256, and its row for good.
 */
#ifndef LEDGERD_FLOW_ACCESS_TOKEN_H
#define LEDGERD_FLOW_ACCESS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_access.h"

enum {
    ACCESS_TOKEN_LENGTH = 4 + 43,
    ACCESS_TOKEN_BYTES = ACCESS_TOKEN_LENGTH + 1, /* terminated */
    ACCESS_TOKEN_NAME_BYTES_MAX = 128,
};

struct access_token_request {
    struct manual_act act;
    const char *name;    /* plain text of at most ACCESS_TOKEN_NAME_BYTES_MAX, never given before */
    const char *roles;   /* as core/role.h has them; of create, as is what follows */
    const char *project; /* of a gateway-user, NULL for others */
    const char *user;    /* whose it is, of a gateway-user; NULL for nobody's */
};

/* Make one, whose text token[] gets: wipe it when it has been told. ERROR_ARGUMENT for words that
 * make no token; ERROR_REFUSED with reason unknown_project, is_service (of a gateway-user),
 * token_exists (revoked ones keep their names). */
int access_token_create(struct store *store, const struct access_token_request *request,
                        char token[ACCESS_TOKEN_BYTES], struct error *err);

/* Revoke it for good; ledgerd refuses it within a second. ERROR_REFUSED with reason unknown_token.
 */
int access_token_revoke(struct store *store, const struct access_token_request *request,
                        bool *unchanged, struct error *err);

/* All of them, by name. The caller releases them. */
int access_token_list(struct store *store, struct access_token_rows *rows, struct error *err);

/* The SHA-256 of a token's text. False if text[0..length) has not the form of a token, or the
 * cryptographic library fails. */
bool access_token_hash(const char *text, size_t length, unsigned char sha256[ACCESS_SHA256_BYTES]);

#endif
