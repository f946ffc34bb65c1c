/* bearer - the token in an Authorization header (RFC 6750). */
#ifndef LEDGERD_HTTP_BEARER_H
#define LEDGERD_HTTP_BEARER_H

#include <stddef.h>

/* The token of "Bearer TOKEN": the scheme in any case, blanks between, blanks behind, and nothing
 * else. Returns where it starts and sets *length (above 0); NULL if the value is of another form.
 */
const char *bearer_token(const char *value, size_t *length);

#endif
