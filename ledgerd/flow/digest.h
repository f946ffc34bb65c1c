/* digest - SHA-256 as it is shown: 64 hexadecimal digits. */
#ifndef LEDGERD_FLOW_DIGEST_H
#define LEDGERD_FLOW_DIGEST_H

#include <stddef.h>

#include "ledgerd/base/error.h"

enum { DIGEST_TEXT_BYTES = 65 }; /* terminated */

/* The digest of bytes[0..length). ERROR_INTERNAL if the cryptographic library fails. */
int digest_text(const char *bytes, size_t length, char text[DIGEST_TEXT_BYTES], struct error *err);

/* The digest of a stored document with its own digest, which it holds, left out of it. ERROR_VERIFY
 * if it does not hold it. */
int digest_stored(const char *document, const char *digest, char text[DIGEST_TEXT_BYTES],
                  struct error *err);

#endif
