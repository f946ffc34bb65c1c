/* ingest_judge - what each item of a batch is to the book: new, an amendment, a duplicate, a
 * conflict.
 *
 * Items of one identity form a chain.  For every chain that needs care the book is asked once, for
 * all of them together; then the items are judged in the order of reading, as if each had been
 * posted before the next was read.  Only the net outcome is booked.
 *
 * Which version wins does not depend on that order: final beats running; among running records the
 * later end; among final ones the later `seen`, then the later end, the longer elapsed time, the
 * greater hash.
 */
#ifndef LEDGERD_FLOW_INGEST_JUDGE_H
#define LEDGERD_FLOW_INGEST_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/store/store_accrual.h"
#include "ledgerd/store/store_lookup.h"

struct verdict { /* of one item */
    enum ingest_fate fate;
    const struct batch_trouble *trouble; /* why it is quarantined, or NULL */
    struct points points;                /* net, of the item that its chain books */
};

struct chain {
    uint32_t first; /* item */
    /* what the book holds: */
    struct lookup_identity booked;
    struct known_accrual accrual;
    const char
        *shown; /* the booked record in format ledger, where another content conflicts with it */
    bool wants_version;
    bool is_running; /* what is booked is running work of a closed month */
    struct instant
        earliest; /* of the booked record's start, end and submission: its charges belong */
    struct instant latest; /* to months between */
    /* the version that is current so far, the book's or an item's: */
    uint32_t final; /* item; BATCH_NONE: the book's, if anything is booked */
    unsigned char content[16];
    struct instant seen;
    struct instant end;
    int64_t elapsed_us;
    /* the accrual so far: */
    uint32_t running; /* item; BATCH_NONE: the book's, if there is one */
    /* the last item that was booked or amended, BATCH_NONE if none */
    uint32_t good;
};

struct judged_content { /* a content to be remembered */
    uint32_t chain;
    unsigned char content[16];
    struct instant seen;
};

struct judgement { /* a zeroed one is empty */
    struct batch *batch;
    BATCH_LIST(struct verdict) verdicts; /* one an item */
    BATCH_LIST(struct chain) chains;
    BATCH_LIST(uint32_t)
    chain_of; /* by item that is first in its chain; BATCH_NONE: needs no care */
    BATCH_LIST(struct judged_content) remembered;
    struct lookup_content *contents; /* of the records that were looked up */
    size_t content_count;
};

struct judge_options {
    bool look_up_all;   /* else new records are taken to be new, and the index has the last word */
    struct instant now; /* the run's: default of `seen` */
    const struct zone *zone;
};

/* True if records of this source may be amended; those of others conflict. */
bool judge_is_amendable(const char *source);

/* The record's elapsed time, by which versions are ordered. */
int64_t judge_elapsed_us(const struct usage_record *record);

void judgement_release(struct judgement *judgement);

/* Judge the batch, inside the transaction that posts it.  Sources of the batch have their numbers.
 */
int judge_batch(struct judgement *judgement, struct store *store, struct batch *batch,
                const struct judge_options *options, struct error *err);

/* The chain of an item, or NULL where none was needed: then it stands alone and is new. */
struct chain *judgement_chain(struct judgement *judgement, const struct batch_item *item);

#endif
