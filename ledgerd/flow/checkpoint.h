/* checkpoint - where the chain stood, signed, to be kept where nobody who can change the book can
 * change it.
 *
 * A JSON object of strings and integers; `signature` is Ed25519 over the object without it, keys
 * sorted, no white space, UTF-8.  Whoever holds a checkpoint holds the whole book before it:
 * another book with that head would need a collision of SHA-256.
 */
#ifndef LEDGERD_FLOW_CHECKPOINT_H
#define LEDGERD_FLOW_CHECKPOINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_seal.h"

enum { CHECKPOINT_KEY_BYTES = 32, CHECKPOINT_SIGNATURE_BYTES = 64 };

struct checkpoint {
    int64_t seal;      /* the newest link then; 0 if there was none */
    int64_t transfers; /* sealed up to there */
    unsigned char head[SEAL_HASH_BYTES];
    unsigned char public_key[CHECKPOINT_KEY_BYTES];
};

/* The checkpoint of the chain as it stands, signed with the Ed25519 private key in `pem`. A new
 * reference, or NULL: ERROR_INPUT if the key is none. */
json_t *checkpoint_make(struct store *store, const char *pem, size_t pem_length, struct instant now,
                        const struct zone *zone, struct error *err);

/* Read a checkpoint and check its signature. ERROR_INPUT if it is malformed, ERROR_VERIFY if what
 * it says is not what was signed. */
int checkpoint_read(const char *text, size_t length, struct checkpoint *checkpoint,
                    struct error *err);

/* The public key that belongs to a key in `pem`, private or public. */
int checkpoint_public_key(const char *pem, size_t pem_length,
                          unsigned char key[CHECKPOINT_KEY_BYTES], struct error *err);

#endif
