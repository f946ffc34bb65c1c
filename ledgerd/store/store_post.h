/* store_post - put an entry and its transfers into the book, with every sum that is kept beside
 * them.
 *
 * The one way in which points move: manual verbs hand over a transfer or two, an import the
 * aggregated transfers of a batch.  Runs inside a transaction that holds the booking lock.
 *
 * A closed month takes nothing more: a transfer that belongs to one counts in the earliest open
 * month, and names its own.
 */
#ifndef LEDGERD_STORE_STORE_POST_H
#define LEDGERD_STORE_STORE_POST_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/posting.h"
#include "ledgerd/store/store.h"

struct post_line {       /* one transfer */
    int64_t transfer_id; /* 0: store_post_entry takes one */
    int32_t debit_account;
    int32_t credit_account;
    struct month month;   /* that it belongs to, and counts in while that is open */
    struct points amount; /* above zero */
    enum transfer_kind kind;
    int32_t source_no; /* 0 for manual acts */
    int64_t charges;   /* how many charges it stands for */
    int64_t grant_id;  /* 0 if none */
};

struct post_entry {
    const char *kind;         /* what made it: "import", "policy", "grant", … */
    struct instant booked_at; /* the process's clock */
    int64_t audit_n;          /* the manual act behind it, 0 if none */
    size_t line_count;
    const struct post_line *lines;
};

/* Numbers taken from the database in blocks. A zeroed one is empty. Numbers of a transaction that
 * was rolled back are simply lost. */
struct number_block {
    int64_t next;
    int64_t end;
};

/* The next number of a transfer or a record, from the block, which is filled anew when it is used
 * up. */
int store_next_transfer(struct store *store, struct number_block *block, int64_t *number,
                        struct error *err);
int store_next_record(struct store *store, struct number_block *block, int64_t *number,
                      struct error *err);

/* Make the partitions of a month. ERROR_INPUT (reason bad_interval) outside [1970, 2200). */
int store_ensure_month(struct store *store, struct month month, struct error *err);

/* Insert the entry and its transfers, add them to transfer_total, and move project_position of the
 * projects and services among their accounts. No lines make an entry without transfers. *entry_id
 * (may be NULL) gets its number. */
int store_post_entry(struct store *store, const struct post_entry *entry, int64_t *entry_id,
                     struct error *err);

/* The same for an entry that exists already (a grant's transfers name the grant, which names its
 * entry). */
int store_open_entry(struct store *store, const struct post_entry *entry, int64_t *entry_id,
                     struct error *err);
int store_post_lines(struct store *store, const struct post_entry *entry, int64_t entry_id,
                     struct error *err);

#endif
