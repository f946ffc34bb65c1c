/* ingest_hash - see ingest_hash.h. */
#include "ledgerd/flow/ingest_hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_BYTES = 32 };

struct ingest_hasher {
    EVP_MD *algorithm; /* fetched once: fetching costs more than hashing a record */
    EVP_MD_CTX *context;
    char content[USAGE_CONTENT_BYTES];
};

struct ingest_hasher *ingest_hasher_create(struct error *err)
{
    struct ingest_hasher *hasher = malloc(sizeof *hasher);

    if (hasher == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    hasher->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    if (hasher->algorithm == NULL || hasher->context == NULL) {
        error_set(err, ERROR_INTERNAL, "the cryptographic library has no SHA-256");
        ingest_hasher_destroy(hasher);
        return NULL;
    }
    return hasher;
}

void ingest_hasher_destroy(struct ingest_hasher *hasher)
{
    if (hasher != NULL) {
        EVP_MD_free(hasher->algorithm);
        EVP_MD_CTX_free(hasher->context);
        free(hasher);
    }
}

static int hash_two(struct ingest_hasher *hasher, const char *first, size_t first_length,
                    const char *second, size_t second_length, unsigned char hash[INGEST_HASH_BYTES],
                    struct error *err)
{
    unsigned char digest[DIGEST_BYTES];

    if (EVP_DigestInit_ex2(hasher->context, hasher->algorithm, NULL) != 1 ||
        EVP_DigestUpdate(hasher->context, first, first_length) != 1 ||
        EVP_DigestUpdate(hasher->context, second, second_length) != 1 ||
        EVP_DigestFinal_ex(hasher->context, digest, NULL) != 1) {
        return error_set(err, ERROR_INTERNAL, "the cryptographic library failed to hash");
    }
    memcpy(hash, digest, INGEST_HASH_BYTES);
    return 0;
}

int ingest_hash_content(struct ingest_hasher *hasher, const struct usage_record *record,
                        unsigned char hash[INGEST_HASH_BYTES], struct error *err)
{
    size_t length = usage_content(record, hasher->content);

    return hash_two(hasher, hasher->content, length, "", 0, hash, err);
}

int ingest_hash_text(struct ingest_hasher *hasher, const char *header, const char *text,
                     size_t length, unsigned char hash[INGEST_HASH_BYTES], struct error *err)
{
    return hash_two(hasher, header, strlen(header), text, length, hash, err);
}

char *ingest_hash_format(const unsigned char hash[INGEST_HASH_BYTES], char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < INGEST_HASH_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[INGEST_HASH_TEXT_BYTES - 1] = '\0';
    return out;
}
