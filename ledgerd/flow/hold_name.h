/* hold_name - how holds are named: by id ("h_17") or by the caller's key. */
#ifndef LEDGERD_FLOW_HOLD_NAME_H
#define LEDGERD_FLOW_HOLD_NAME_H

#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest_hash.h"

/* The number in an id; 0 for what is none (a key, NULL). */
int64_t hold_number(const char *name);

/* A key is clean text of 1 to HOLD_KEY_BYTES - 1 bytes that could be no hold's id: ERROR_ARGUMENT
 * with a sentence if it is not. */
int hold_key_check(const char *key, struct error *err);

/* What a key is found by. */
int hold_key_hash(struct ingest_hasher *hasher, const char *key,
                  unsigned char hash[INGEST_HASH_BYTES], struct error *err);

#endif
