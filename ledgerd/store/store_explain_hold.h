/* store_explain_hold - what a record did to holds, and the records that a transfer stands for. */
#ifndef LEDGERD_STORE_STORE_EXPLAIN_HOLD_H
#define LEDGERD_STORE_STORE_EXPLAIN_HOLD_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

struct explained_hold { /* an event of a hold that a record caused */
    int64_t hold;
    char *key; /* "" if it has none */
    char *state;
    struct points points; /* of the whole hold */
    char *kind;           /* "record" or "settle" */
    struct instant at;
    bool is_end; /* it ended a part */
    struct points charged;
    struct points freed;
};

struct explained_holds {
    size_t count;
    struct explained_hold *holds; /* in the order of their events */
};

/* Read them; the caller releases them. */
int store_explain_holds(struct store *store, int64_t record_no, struct explained_holds *holds,
                        struct error *err);
void explained_holds_release(struct explained_holds *holds);

/* The hold that the running record's accrual takes the place of; *hold is 0 if none. */
int store_explain_cover(struct store *store, const char *source, const char *id, int64_t *hold,
                        struct points *covered, struct error *err);

struct transfer_record { /* a charge or refund that a transfer stands for */
    char *source;
    char *id;
    char *user;
    char *klass;
    int version;
    struct points points;
};

struct explained_transfer {
    int64_t id;
    int64_t entry;
    char *entry_kind;
    struct month month;      /* in which it counts */
    struct month belongs_to; /* the same, or the closed one that it belongs to */
    char *debit;             /* accounts' names */
    char *credit;
    struct points amount;
    char *kind;
    char *source; /* "" for manual acts */
    int64_t charges;
    int64_t grant; /* 0 if none */
    struct instant booked_at;
    int64_t audit_n; /* 0 if no manual act is behind it */
    size_t record_count;
    struct transfer_record *records; /* by source and id, at most the limit */
};

/* *transfer is NULL if there is none with this number. */
int store_explain_transfer(struct store *store, int64_t id, size_t limit,
                           struct explained_transfer **transfer, struct error *err);
void explained_transfer_destroy(struct explained_transfer *transfer); /* accepts NULL */

#endif
