/* store_correct - corrections: adjusted supply, refunds, transfers between projects.
 *
 * The functions that write run inside a transaction with the booking lock.
 */
#ifndef LEDGERD_STORE_STORE_CORRECT_H
#define LEDGERD_STORE_STORE_CORRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/store/store.h"

/* Set shares and fractions of *split, and share_count, to those by which the supply entry was
 * split; share_count 0 if there is no such entry. *fiscal_year gets its year. */
int store_read_supply_split(struct store *store, const char *id, struct policy *split,
                            int *fiscal_year, struct error *err);

/* Record an adjustment and its parts, one for each share of `split`. */
int store_add_adjustment(struct store *store, const char *id, struct points points,
                         const struct policy *split, const struct points *parts, int64_t entry_id,
                         struct instant now, struct error *err);

struct charged_slice { /* what a record costs now in one place */
    char *project;
    char *klass;
    struct instant last;
    struct points points;
    struct points refunded; /* of the whole record and project, the same in each of its slices */
    int32_t sink_account;   /* where the points went; 0 if its batch moved none */
};

struct charged_record {
    bool found;
    int64_t record_no;
    int version;
    int32_t source_no;
    size_t count;
    struct charged_slice *slices; /* those that cost something; the last one first */
};

/* The charges of a booked record as amended, and what was refunded of them. */
int store_read_charged(struct store *store, const char *source, const char *id,
                       struct charged_record *record, struct error *err);
void charged_record_release(struct charged_record *record);

struct refund_row {
    int64_t record_no;
    int version;
    bool is_manual;
    struct month month;
    int32_t source_no;
    int64_t transfer_id;
    struct instant last;
    int64_t grant_id; /* 0: it is drawn back at `last` */
    struct points points;
    const char *project;
    const char *klass;
};

/* Insert them; what they draw back is the caller's to add. */
int store_add_refunds(struct store *store, const struct refund_row *rows, size_t count,
                      struct error *err);

struct booked_refund { /* what the rate card gave back of a record in one place */
    int64_t record_no;
    char *project;
    char *klass;
    struct month month;
    struct instant last;
    struct points points;
};

struct booked_refunds {
    size_t count;
    struct booked_refund *rows; /* by record */
};

/* The automatic refunds of these records, as amended. */
int store_read_refunds(struct store *store, const int64_t *record_nos, size_t count,
                       struct booked_refunds *refunds, struct error *err);
void booked_refunds_release(struct booked_refunds *refunds);

struct move_new {
    const char *from;
    const char *to;
    struct points points;
    bool is_across;
    const char *key; /* NULL if none */
    const char *request;
    int64_t entry_id;
    struct instant now;
};

/* Insert a transfer between projects; *id gets its number. */
int store_add_move(struct store *store, const struct move_new *move, int64_t *id,
                   struct error *err);

/* The transfer that was made with this key, with its request (free it); *id is 0 if none. */
int store_find_move(struct store *store, const char *key, int64_t *id, char **request,
                    struct error *err);

#endif
