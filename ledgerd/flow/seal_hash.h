/* seal_hash - the hashes of the chain: of a transfer's row, and of a link over the one before it.
 *
 *     leaf = number of the transfer, SHA-256(row)
 *     head = SHA-256("ledger seal 1\n", head before, n, last transaction, last transfer, transfers,
 *                    total, time in microseconds since 1970, leaves)
 *
 * Numbers are 8 bytes in network order, the head before the first is 32 zeros, and the row is in
 * the form that store_seal.h describes.
 */
#ifndef LEDGERD_FLOW_SEAL_HASH_H
#define LEDGERD_FLOW_SEAL_HASH_H

#include "ledgerd/base/error.h"
#include "ledgerd/store/store_seal.h"

enum { SEAL_HASH_TEXT_BYTES = 2 * SEAL_HASH_BYTES + 1 };

struct seal_hasher;
struct seal_hasher *seal_hasher_create(struct error *err); /* NULL on error */
void seal_hasher_destroy(struct seal_hasher *hasher);      /* accepts NULL */

/* Write the leaf of a row, SEAL_LEAF_BYTES. */
int seal_hash_row(struct seal_hasher *hasher, const struct seal_row *row, unsigned char *leaf,
                  struct error *err);

/* The head that a link has to have, from all its other fields. */
int seal_hash_head(struct seal_hasher *hasher, const unsigned char before[SEAL_HASH_BYTES],
                   const struct store_seal *seal, unsigned char head[SEAL_HASH_BYTES],
                   struct error *err);

/* The number of the transfer whose leaf it is. */
int64_t seal_leaf_transfer(const unsigned char *leaf);

#endif
