/* store_seal - the links of the chain over all transfers, and the rows that they seal.
 *
 * The order of transfers is that of (transaction, number).  A row travels in PostgreSQL's binary
 * COPY form, which is what is hashed: a count of columns (2 bytes), then for each column of
 * STORE_SEAL_COLUMNS its length (4 bytes, -1 for null) and its value, all in network order.  The
 * last of them, belongs_to, is there and counted only where it is not null.  A column that
 * ledger.transfer gains has to be added there, or it is not sealed.
 *
 * A link also seals the closes of months that were there when it was made: each by the SHA-256 of
 * its row, which holds the digests of the reports that were stored with it.
 */
#ifndef LEDGERD_STORE_STORE_SEAL_H
#define LEDGERD_STORE_STORE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

#define STORE_SEAL_COLUMNS                                                                        \
    "xid, transfer_id, month, entry_id, debit_account, credit_account, amount_micro, source_no, " \
    "charges, booked_at, kind, grant_id, belongs_to"

enum { SEAL_HASH_BYTES = 32, SEAL_LEAF_BYTES = 8 + SEAL_HASH_BYTES }; /* also of a close */

struct seal_place { /* in the order of transfers; a transfer itself, or the start */
    uint64_t xid;
    int64_t transfer_id;
};

/* Before every transfer. */
#define SEAL_START ((struct seal_place){0, INT64_MIN})
/* Behind every transfer. */
#define SEAL_END ((struct seal_place){UINT64_MAX, INT64_MAX})

struct store_seal {
    int64_t n; /* 0: none, the start of the chain */
    struct seal_place last;
    int64_t transfers;
    int64_t total;
    struct instant sealed_at;
    unsigned char head[SEAL_HASH_BYTES]; /* zeros at the start of the chain */
    const unsigned char *leaves;         /* borrowed */
    size_t leaves_length;                /* bytes */
    const unsigned char *closes; /* likewise, of months by their numbers; NULL: it seals none */
    size_t closes_length;
};

struct seal_row { /* a transfer as it is hashed; valid during the call */
    struct seal_place place;
    struct month month;
    int64_t entry_id;
    struct instant booked_at;
    int32_t debit_account;
    int32_t credit_account;
    struct points amount;
    int32_t source_no;
    const char *kind; /* not terminated */
    size_t kind_length;
    const char *bytes;
    size_t length;
};

/* Until the transaction ends nobody else seals. With `wait` false, *locked says whether it is so.
 */
int store_seal_lock(struct store *store, bool wait, bool *locked, struct error *err);

/* The newest link, without its leaves and closes. */
int store_seal_last(struct store *store, struct store_seal *seal, struct error *err);

/* Every transaction of the server below *oldest has ended, none has begun from *next on. */
int store_seal_horizon(struct store *store, uint64_t *oldest, uint64_t *next, struct error *err);

/* Add the link to the chain, with its leaves and closes. */
int store_seal_insert(struct store *store, const struct store_seal *seal, struct error *err);

typedef int seal_row_fn(void *context, const struct seal_row *row, struct error *err);

/* Call `each` in order for up to `most` transfers after a place whose transactions lie below the
 * horizon of the statement's own snapshot. */
int store_seal_next_rows(struct store *store, struct seal_place after, int64_t most,
                         seal_row_fn *each, void *context, struct error *err);

/* Call `each` for the transfers in (after, last], in any order. */
int store_seal_rows(struct store *store, struct seal_place after, struct seal_place last,
                    seal_row_fn *each, void *context, struct error *err);

/* Append the leaves of all closes of months after month number `after`, in order. */
int store_seal_closes(struct store *store, int64_t after, struct strbuf *closes, struct error *err);

/* The number of the last month whose close is sealed; -1: none is. */
int store_seal_closed(struct store *store, int64_t *month, struct error *err);

struct seal_page { /* some links in order; a zeroed one is empty */
    size_t count;
    struct store_seal *seals; /* their leaves belong to the page */
    void *rows;
};

/* Read the links after `after`, about as many as seal `transfers` more, at least one unless the
 * chain ends there. The page is released first. Leaves are most of a link: store_seal_page_heads
 * reads the same links without. */
int store_seal_page(struct store *store, const struct store_seal *after, int64_t transfers,
                    struct seal_page *page, struct error *err);
int store_seal_page_heads(struct store *store, const struct store_seal *after, int64_t transfers,
                          struct seal_page *page, struct error *err);
void seal_page_release(struct seal_page *page);

#endif
