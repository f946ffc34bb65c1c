/* posting - the transfers that a batch of charges comes to.
 *
 * Charges are many and transfers few: a batch books one transfer for each (debit account, credit
 * account, month, kind, source), whose amount is the exact sum of the charges it stands for. A
 * negative sum (amendments that took more back than the batch added) is the transfer the other way
 * round.
 */
#ifndef LEDGERD_CORE_POSTING_H
#define LEDGERD_CORE_POSTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"

enum transfer_kind {
    TRANSFER_MINT,   /* supply -> pool */
    TRANSFER_GRANT,  /* pool -> project */
    TRANSFER_REVOKE, /* project -> pool */
    TRANSFER_LEND,   /* pool -> pool */
    TRANSFER_CHARGE, /* project -> spent, or project -> service, or service -> spent/service */
    TRANSFER_REFUND, /* the way back */
    TRANSFER_EXPIRE, /* project -> expired or pool */
    TRANSFER_MOVE,   /* project -> project */
};

struct posting_key {
    int32_t debit_account;  /* the store's account numbers: points leave this one */
    int32_t credit_account; /* and arrive here */
    struct month month;     /* the month it counts in */
    enum transfer_kind kind;
    int32_t source; /* the store's source number, 0 for manual acts */
    bool is_back;   /* kept apart: of a closed month, what is given back and what is taken */
};

struct posting_line {
    struct posting_key key;
    struct points sum; /* net, either sign */
    int64_t charges;   /* how many charges it stands for */
};

struct posting { /* a zeroed struct is empty */
    size_t count;
    struct posting_line *lines; /* in order of first appearance */
    size_t capacity;
    size_t last;     /* line that was added to last: the same key often comes again */
    uint32_t *index; /* open addressing over lines */
    size_t index_capacity;
};

void posting_release(struct posting *posting);
void posting_clear(struct posting *posting); /* keeps memory */

/* Add a charge. Returns the line's number (>= 0; stable), or -1 on overflow or out of memory,
 * with nothing added. */
ptrdiff_t posting_add(struct posting *posting, const struct posting_key *key, struct points points);

/* "mint", "charge": its name in SQL and JSON. */
const char *transfer_kind_text(enum transfer_kind kind);

#endif
