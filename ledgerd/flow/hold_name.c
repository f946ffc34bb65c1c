/* hold_name - see hold_name.h. */
#include "ledgerd/flow/hold_name.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/hold.h"

enum { NUMBER_DIGITS_MAX = 18 }; /* any so many fit an int64_t */

int64_t hold_number(const char *name)
{
    size_t digits;

    if (name == NULL || strncmp(name, "h_", 2) != 0) {
        return 0;
    }
    digits = strspn(name + 2, "0123456789");
    if (digits == 0 || digits > NUMBER_DIGITS_MAX || name[2 + digits] != '\0' || name[2] == '0') {
        return 0;
    }
    return strtoll(name + 2, NULL, 10);
}

int hold_key_check(const char *key, struct error *err)
{
    if (*key == '\0' || !usage_is_clean(key, strlen(key), HOLD_KEY_BYTES - 1)) {
        return error_set(err, ERROR_ARGUMENT, "a key is plain text of 1 to %d bytes",
                         HOLD_KEY_BYTES - 1);
    }
    if (strncmp(key, "h_", 2) == 0) {
        return error_set(err, ERROR_ARGUMENT, "a key may not begin with h_: the ids of holds do");
    }
    return 0;
}

int hold_key_hash(struct ingest_hasher *hasher, const char *key,
                  unsigned char hash[INGEST_HASH_BYTES], struct error *err)
{
    return ingest_hash_text(hasher, "", key, strlen(key), hash, err);
}
