/* ingest_hash - the 128-bit hashes by which contents and texts are told apart.
 *
 * The first half of SHA-256: nobody who sends records can make two of them collide.
 */
#ifndef LEDGERD_FLOW_INGEST_HASH_H
#define LEDGERD_FLOW_INGEST_HASH_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/usage.h"

enum { INGEST_HASH_BYTES = 16, INGEST_HASH_TEXT_BYTES = 33 };

struct ingest_hasher; /* reused from hash to hash, by one thread */

struct ingest_hasher *ingest_hasher_create(struct error *err); /* NULL on error */
void ingest_hasher_destroy(struct ingest_hasher *hasher);      /* accepts NULL */

/* The record's content as the source sent it (before aliases). */
int ingest_hash_content(struct ingest_hasher *hasher, const struct usage_record *record,
                        unsigned char hash[INGEST_HASH_BYTES], struct error *err);

/* A text with the header that stands before it. */
int ingest_hash_text(struct ingest_hasher *hasher, const char *header, const char *text,
                     size_t length, unsigned char hash[INGEST_HASH_BYTES], struct error *err);

/* Hexadecimal; returns out. */
char *ingest_hash_format(const unsigned char hash[INGEST_HASH_BYTES], char *out);

#endif
