/* catalog_access - see catalog_access.h. */
#include "ledgerd/flow/catalog_access.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/role.h"

enum { PREFIX_BYTES = 8 }; /* compared to find the place; the rest in constant time */

static int parse_roles(struct catalog_access *access, struct error *err)
{
    for (size_t i = 0; i < access->rows.count; i++) {
        const struct access_row *row = &access->rows.rows[i];

        access->tokens[i].row = row;
        if (roles_parse(row->roles, &access->tokens[i].roles) != 0) {
            return error_set(err, ERROR_INTERNAL, "the roles of access token %s in the book: '%s'",
                             row->name, row->roles);
        }
    }
    return 0;
}

struct catalog_access *catalog_access_create(struct access_rows *rows, struct error *err)
{
    struct catalog_access *access = calloc(1, sizeof *access);

    if (access == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    access->rows = *rows;
    *rows = (struct access_rows){0};
    access->tokens = calloc(access->rows.count + 1, sizeof *access->tokens);
    if (access->tokens == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (access->tokens == NULL || parse_roles(access, err) != 0) {
        catalog_access_destroy(access);
        return NULL;
    }
    return access;
}

void catalog_access_destroy(struct catalog_access *access)
{
    if (access == NULL) {
        return;
    }
    access_rows_release(&access->rows);
    free(access->tokens);
    free(access);
}

/* The first row whose SHA-256 does not begin with less. */
static size_t first_at(const struct access_rows *rows, const unsigned char *sha256)
{
    size_t low = 0, high = rows->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(rows->rows[middle].sha256, sha256, PREFIX_BYTES) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct catalog_token *catalog_access_find(const struct catalog *catalog,
                                                const unsigned char sha256[ACCESS_SHA256_BYTES])
{
    const struct catalog_access *access = catalog->access;
    const struct access_rows *rows = &access->rows;

    for (size_t i = first_at(rows, sha256);
         i < rows->count && memcmp(rows->rows[i].sha256, sha256, PREFIX_BYTES) == 0; i++) {
        if (CRYPTO_memcmp(rows->rows[i].sha256, sha256, ACCESS_SHA256_BYTES) == 0) {
            return &access->tokens[i];
        }
    }
    return NULL;
}
