/* digest - see digest.h. */
#include "ledgerd/flow/digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "ledgerd/base/strbuf.h"

int digest_text(const char *bytes, size_t length, char text[DIGEST_TEXT_BYTES], struct error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(bytes, length, hash, &size, EVP_sha256(), NULL) != 1 ||
        2 * size + 1 != DIGEST_TEXT_BYTES) {
        return error_set(err, ERROR_INTERNAL, "the cryptographic library failed to hash");
    }
    for (unsigned i = 0; i < size; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    text[DIGEST_TEXT_BYTES - 1] = '\0';
    return 0;
}

int digest_stored(const char *document, const char *digest, char text[DIGEST_TEXT_BYTES],
                  struct error *err)
{
    const char *at = *digest != '\0' ? strstr(document, digest) : NULL;
    struct strbuf rest = STRBUF_INIT;
    int result;

    if (at == NULL) {
        return error_set(err, ERROR_VERIFY, "it does not hold its digest");
    }
    strbuf_add(&rest, document, (size_t)(at - document));
    strbuf_add_string(&rest, at + strlen(digest));
    result = rest.failed ? error_set(err, ERROR_INTERNAL, "out of memory")
                         : digest_text(rest.data, rest.length, text, err);
    strbuf_release(&rest);
    return result;
}
