/* store_audit - rows of the audit list: every manual act, who, when, what and why. */
#ifndef LEDGERD_STORE_STORE_AUDIT_H
#define LEDGERD_STORE_STORE_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store.h"

struct audit_row {
    int64_t n;
    struct instant at;
    char *actor;
    char *verb;
    char *subject;
    char *detail;
    char *note;
    char *ref;
};

struct audit_rows {
    size_t count;
    struct audit_row *rows; /* by n */
};

void audit_rows_release(struct audit_rows *rows);

/* Insert a row (its own n is not looked at); *n gets its number. */
int store_add_audit(struct store *store, const struct audit_row *row, int64_t *n,
                    struct error *err);

/* Rows with at in [from, to); INSTANT_NONE leaves an end open. */
int store_read_audit(struct store *store, struct instant from, struct instant to,
                     struct audit_rows *rows, struct error *err);

#endif
