/* Authorization headers and roles of any bytes: what is taken lies within the value, is of the
 * characters that a token has, and roles that are taken are read again as the same ones. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/role.h"
#include "ledgerd/flow/access_token.h"
#include "ledgerd/http/bearer.h"

static void try_header(const char *text)
{
    unsigned char sha256[ACCESS_SHA256_BYTES];
    size_t length = 0;
    const char *token = bearer_token(text, &length);

    if (token == NULL) {
        return;
    }
    if (length == 0 || token < text + strlen("Bearer ") || token + length > text + strlen(text) ||
        memchr(token, ' ', length) != NULL || memchr(token, ',', length) != NULL) {
        abort();
    }
    if (access_token_hash(token, length, sha256) && length != ACCESS_TOKEN_LENGTH) {
        abort();
    }
}

static void try_roles(const char *text)
{
    const char *rest = text;
    struct role_word word;
    unsigned roles = 0, taken = 0;

    if (roles_parse(text, &roles) != 0) {
        return;
    }
    while (role_take(&rest, &word) == 1) {
        taken |= word.role;
        if (word.role == ROLE_READ && !roles_read(text, word.project)) {
            abort();
        }
    }
    if (taken != roles || roles == 0 || (roles & ~(unsigned)ROLES_ALL) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    try_header(text);
    try_roles(text);
    free(text);
    return 0;
}
