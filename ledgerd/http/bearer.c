/* bearer - see bearer.h. */
#include "ledgerd/http/bearer.h"

#include <string.h>
#include <strings.h>

static const char scheme[] = "Bearer";
enum { SCHEME_BYTES = sizeof(scheme) - 1 };

/* RFC 6750 section 2.1: b64token. */
static const char token_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";

const char *bearer_token(const char *value, size_t *length)
{
    if (strncasecmp(value, scheme, SCHEME_BYTES) != 0 || value[SCHEME_BYTES] != ' ') {
        return NULL;
    }
    const char *token = value + SCHEME_BYTES + strspn(value + SCHEME_BYTES, " ");
    size_t bytes = strspn(token, token_bytes);
    size_t blanks = strspn(token + bytes, " \t");
    if (bytes == 0 || token[bytes + blanks] != '\0') {
        return NULL;
    }
    *length = bytes;
    return token;
}
