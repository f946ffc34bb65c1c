/* seal_hash - see seal_hash.h. */
#include "ledgerd/flow/seal_hash.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* A link that seals closes says so, in its form and at its end. */
static const char head_form[] = "ledger seal 1\n";
static const char head_form_with_closes[] = "ledger seal 2\n";

struct seal_hasher {
    EVP_MD *algorithm; /* fetched once: fetching costs more than hashing a row */
    EVP_MD_CTX *context;
};

struct seal_hasher *seal_hasher_create(struct error *err)
{
    struct seal_hasher *hasher = calloc(1, sizeof *hasher);

    if (hasher == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    hasher->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    if (hasher->algorithm == NULL || hasher->context == NULL) {
        error_set(err, ERROR_INTERNAL, "the cryptographic library has no SHA-256");
        seal_hasher_destroy(hasher);
        return NULL;
    }
    return hasher;
}

void seal_hasher_destroy(struct seal_hasher *hasher)
{
    if (hasher != NULL) {
        EVP_MD_free(hasher->algorithm);
        EVP_MD_CTX_free(hasher->context);
        free(hasher);
    }
}

static void put_i64(unsigned char *at, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);

    memcpy(at, &wire, sizeof wire);
}

int64_t seal_leaf_transfer(const unsigned char *leaf)
{
    uint64_t wire;

    memcpy(&wire, leaf, sizeof wire);
    return (int64_t)be64toh(wire);
}

static int failure(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "the cryptographic library failed to hash");
}

int seal_hash_row(struct seal_hasher *hasher, const struct seal_row *row, unsigned char *leaf,
                  struct error *err)
{
    put_i64(leaf, row->place.transfer_id);
    if (EVP_DigestInit_ex2(hasher->context, hasher->algorithm, NULL) != 1 ||
        EVP_DigestUpdate(hasher->context, row->bytes, row->length) != 1 ||
        EVP_DigestFinal_ex(hasher->context, leaf + 8, NULL) != 1) {
        return failure(err);
    }
    return 0;
}

int seal_hash_head(struct seal_hasher *hasher, const unsigned char before[SEAL_HASH_BYTES],
                   const struct store_seal *seal, unsigned char head[SEAL_HASH_BYTES],
                   struct error *err)
{
    const int64_t numbers[] = {
        seal->n,     (int64_t)seal->last.xid, seal->last.transfer_id, seal->transfers,
        seal->total, seal->sealed_at.us};
    enum { NUMBERS = sizeof numbers / sizeof numbers[0] };
    unsigned char fields[8 * NUMBERS];
    const char *form = seal->closes != NULL ? head_form_with_closes : head_form;

    for (int i = 0; i < NUMBERS; i++) {
        put_i64(fields + 8 * i, numbers[i]);
    }
    if (EVP_DigestInit_ex2(hasher->context, hasher->algorithm, NULL) != 1 ||
        EVP_DigestUpdate(hasher->context, form, sizeof head_form - 1) != 1 ||
        EVP_DigestUpdate(hasher->context, before, SEAL_HASH_BYTES) != 1 ||
        EVP_DigestUpdate(hasher->context, fields, sizeof fields) != 1 ||
        EVP_DigestUpdate(hasher->context, seal->leaves, seal->leaves_length) != 1 ||
        EVP_DigestUpdate(hasher->context, seal->closes, seal->closes_length) != 1 ||
        EVP_DigestFinal_ex(hasher->context, head, NULL) != 1) {
        return failure(err);
    }
    return 0;
}
