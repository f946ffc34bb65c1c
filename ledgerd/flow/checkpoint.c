/* checkpoint - see checkpoint.h. */
#include "ledgerd/flow/checkpoint.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/document.h"

#define CHECKPOINT_FORM "ledger-1"

enum { HEX_BYTES_MAX = 2 * CHECKPOINT_SIGNATURE_BYTES + 1 };

static const char *to_hex(const unsigned char *bytes, size_t count, char out[HEX_BYTES_MAX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = '\0';
    return out;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The member's bytes, exactly `count` of them. */
static int from_hex(const json_t *document, const char *name, unsigned char *bytes, size_t count,
                    struct error *err)
{
    const json_t *value = json_object_get(document, name);
    const char *text = json_string_value(value);
    bool good = text != NULL && json_string_length(value) == 2 * count;

    for (size_t i = 0; good && i < count; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        good = high >= 0 && low >= 0;
        bytes[i] = good ? (unsigned char)(high << 4 | low) : 0;
    }
    if (!good) {
        return error_set(err, ERROR_INPUT, "no checkpoint: \"%s\" must be %zu hexadecimal digits",
                         name, 2 * count);
    }
    return 0;
}

/* Keys come from files without questions: a passphrase is not asked for. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static EVP_PKEY *key_read(const char *pem, size_t length, bool is_private)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    EVP_PKEY *key = NULL;

    if (bio != NULL) {
        key = is_private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                         : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    }
    BIO_free(bio);
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static int raw_public_key(const EVP_PKEY *key, unsigned char out[CHECKPOINT_KEY_BYTES],
                          struct error *err)
{
    size_t length = CHECKPOINT_KEY_BYTES;

    if (EVP_PKEY_get_raw_public_key(key, out, &length) != 1 || length != CHECKPOINT_KEY_BYTES) {
        return error_set(err, ERROR_INTERNAL, "the key's public part cannot be taken from it");
    }
    return 0;
}

int checkpoint_public_key(const char *pem, size_t pem_length,
                          unsigned char key[CHECKPOINT_KEY_BYTES], struct error *err)
{
    EVP_PKEY *parsed = key_read(pem, pem_length, true);
    int result;

    if (parsed == NULL) {
        parsed = key_read(pem, pem_length, false);
    }
    if (parsed == NULL) {
        return error_set(err, ERROR_INPUT, "holds no Ed25519 key in PEM form");
    }
    result = raw_public_key(parsed, key, err);
    EVP_PKEY_free(parsed);
    return result;
}

static int sign(EVP_PKEY *key, const char *text, unsigned char out[CHECKPOINT_SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t length = CHECKPOINT_SIGNATURE_BYTES;
    bool done = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, out, &length, (const unsigned char *)text, strlen(text)) ==
                    1;

    EVP_MD_CTX_free(context);
    return done && length == CHECKPOINT_SIGNATURE_BYTES ? 0 : -1;
}

static bool is_signed(const unsigned char public_key[CHECKPOINT_KEY_BYTES], const char *text,
                      const unsigned char signature[CHECKPOINT_SIGNATURE_BYTES])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key,
                                                CHECKPOINT_KEY_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key != NULL && context != NULL &&
                EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, CHECKPOINT_SIGNATURE_BYTES,
                                 (const unsigned char *)text, strlen(text)) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return good;
}

/* What is signed: free() it. */
static char *signed_text(const json_t *unsigned_document)
{
    return json_dumps(unsigned_document, JSON_COMPACT | JSON_SORT_KEYS);
}

static json_t *describe(const struct store_seal *seal, struct instant now, const struct zone *zone,
                        const unsigned char public_key[CHECKPOINT_KEY_BYTES])
{
    char head[HEX_BYTES_MAX], key[HEX_BYTES_MAX];

    return json_pack("{s:s, s:I, s:s, s:I, s:I, s:o, s:o, s:s}", "checkpoint", CHECKPOINT_FORM,
                     "seal", (json_int_t)seal->n, "head", to_hex(seal->head, SEAL_HASH_BYTES, head),
                     "transfers", (json_int_t)seal->total, "last_transfer",
                     (json_int_t)(seal->n > 0 ? seal->last.transfer_id : 0), "sealed_through",
                     document_instant(zone, seal->sealed_at), "time", document_instant(zone, now),
                     "public_key", to_hex(public_key, CHECKPOINT_KEY_BYTES, key));
}

static json_t *document_sign(json_t *document, EVP_PKEY *key, struct error *err)
{
    unsigned char signature[CHECKPOINT_SIGNATURE_BYTES];
    char hex[HEX_BYTES_MAX];
    char *text = document != NULL ? signed_text(document) : NULL;

    if (text == NULL || sign(key, text, signature) != 0 ||
        json_object_set_new(document, "signature",
                            json_string(to_hex(signature, sizeof signature, hex))) != 0) {
        error_set(err, ERROR_INTERNAL, "the checkpoint cannot be signed");
        json_decref(document);
        document = NULL;
    }
    free(text);
    return document;
}

static int read_last(struct store *store, void *context, struct error *err)
{
    return store_seal_last(store, context, err);
}

json_t *checkpoint_make(struct store *store, const char *pem, size_t pem_length, struct instant now,
                        const struct zone *zone, struct error *err)
{
    EVP_PKEY *key = key_read(pem, pem_length, true);
    unsigned char public_key[CHECKPOINT_KEY_BYTES];
    struct store_seal last;
    json_t *document = NULL;

    if (key == NULL) {
        error_set(err, ERROR_INPUT,
                  "holds no Ed25519 private key in PEM form without a "
                  "passphrase (openssl genpkey -algorithm ed25519 makes one)");
        return NULL;
    }
    if (raw_public_key(key, public_key, err) == 0 &&
        store_transact(store, STORE_UNLOCKED, read_last, &last, err) == 0) {
        document = document_sign(describe(&last, now, zone, public_key), key, err);
    }
    EVP_PKEY_free(key);
    return document;
}

static int take_fields(const json_t *document, struct checkpoint *checkpoint, struct error *err)
{
    const json_t *form = json_object_get(document, "checkpoint");
    const json_t *seal = json_object_get(document, "seal");
    const json_t *transfers = json_object_get(document, "transfers");

    if (!json_is_string(form) || strcmp(json_string_value(form), CHECKPOINT_FORM) != 0 ||
        !json_is_integer(seal) || !json_is_integer(transfers)) {
        return error_set(err, ERROR_INPUT, "no checkpoint of the form " CHECKPOINT_FORM);
    }
    checkpoint->seal = json_integer_value(seal);
    checkpoint->transfers = json_integer_value(transfers);
    if (from_hex(document, "head", checkpoint->head, SEAL_HASH_BYTES, err) != 0) {
        return -1;
    }
    return from_hex(document, "public_key", checkpoint->public_key, CHECKPOINT_KEY_BYTES, err);
}

static int check_signature(json_t *document, const struct checkpoint *checkpoint, struct error *err)
{
    unsigned char signature[CHECKPOINT_SIGNATURE_BYTES];
    char *text;
    bool good;

    if (from_hex(document, "signature", signature, sizeof signature, err) != 0) {
        return -1;
    }
    json_object_del(document, "signature");
    text = signed_text(document);
    good = text != NULL && is_signed(checkpoint->public_key, text, signature);
    free(text);
    if (!good) {
        return error_set_reason(err, ERROR_VERIFY, "bad_signature",
                                "the checkpoint's signature is not that of what it says: it was "
                                "changed");
    }
    return 0;
}

int checkpoint_read(const char *text, size_t length, struct checkpoint *checkpoint,
                    struct error *err)
{
    json_error_t where;
    json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    struct checkpoint read = {0};
    int result = -1;

    if (!json_is_object(document)) {
        error_set(err, ERROR_INPUT, "no checkpoint: not a JSON object");
    } else if (take_fields(document, &read, err) == 0 &&
               check_signature(document, &read, err) == 0) {
        *checkpoint = read;
        result = 0;
    }
    json_decref(document);
    return result;
}
