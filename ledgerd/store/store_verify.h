/* store_verify - the book's sums computed again by the database, and its records streamed for the
 * rest.
 *
 * Run inside one read-only transaction, so that all see the same book.
 */
#ifndef LEDGERD_STORE_STORE_VERIFY_H
#define LEDGERD_STORE_STORE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_record.h"

/* What transfers moved, summed by what they have in common; a key may stand here more than once. */
struct verify_moved {
    size_t count;
    int32_t *debit_accounts;
    int32_t *credit_accounts;
    struct month *months;
    const char **kinds;
    int32_t *sources;
    int64_t *amounts; /* micro-points */
    int64_t *transfers;
};

struct verify_statement {
    const char *name;    /* "transfer_totals_match" */
    const char *promise; /* what it shows, for people */
    const char *sql;     /* gives one text: the first row that breaks the promise, or none */
};

enum { STORE_SNAPSHOT_BYTES = 64 };

extern const struct verify_statement verify_statements[];
extern const size_t verify_statement_count;

/* Those about holds. */
extern const struct verify_statement verify_hold_statements[];
extern const size_t verify_hold_statement_count;

/* Those whose $1 to $7 are the columns of struct verify_moved. */
extern const struct verify_statement verify_moved_statements[];
extern const size_t verify_moved_statement_count;

/* Give the transaction memory for sums over whole tables. Call it first. */
int store_verify_begin(struct store *store, struct error *err);

/* Let other connections see the book as this transaction does, and see it so: the first thing that
 * a transaction does. */
int store_snapshot_export(struct store *store, char id[STORE_SNAPSHOT_BYTES], struct error *err);
int store_snapshot_take(struct store *store, const char *id, struct error *err);

/* Run one: detail[size] gets the bad row's description, "" if there is none. `moved` is NULL for
 * those that do not take it. */
int store_verify_statement(struct store *store, const struct verify_statement *statement,
                           const struct verify_moved *moved, char *detail, size_t size,
                           struct error *err);

/* How many booked records there are. */
int store_verify_count(struct store *store, int64_t *records, struct error *err);

/* Whether a card, and whether a policy, was ever applied with --retroactive: the audit list says
 * so. */
int store_verify_retroactive(struct store *store, bool *cards, bool *policies, struct error *err);

struct verify_slice { /* the charges of a record, summed by who and what they name, and by month */
    const char *project;
    const char *user;
    const char *klass;
    struct month month;
    struct points points;
    struct points list_points;
};

struct verify_refund { /* automatic refunds of a record, summed by where they went; never zero */
    const char *project;
    const char *klass;
    struct instant last; /* of the slice */
    struct points points;
};

struct verify_record {
    const struct stored_record *stored; /* the current version */
    size_t slice_count;
    const struct verify_slice *slices;
    size_t refund_count;
    const struct verify_refund *refunds;
};

/* Call `each` for one booked record in `every` (1: all), in bounded memory. */
typedef int verify_record_fn(void *context, const struct verify_record *record, struct error *err);
int store_verify_records(struct store *store, int64_t every, verify_record_fn *each, void *context,
                         struct error *err);

struct verify_meter { /* a row of meter_total */
    struct month month;
    const char *project;
    const char *source;
    const char *klass;
    const char *meter;
    bool is_held;
    const char *amount; /* six decimals if held, else nine */
};

/* Call `each` for every row of the roll-up. Strings are valid during the call. */
typedef int verify_meter_fn(void *context, const struct verify_meter *meter, struct error *err);
int store_verify_meters(struct store *store, verify_meter_fn *each, void *context,
                        struct error *err);

/* Call `each` for every pool. */
typedef int verify_pool_fn(void *context, const char *share, int fiscal_year, struct error *err);
int store_verify_pools(struct store *store, verify_pool_fn *each, void *context, struct error *err);

#endif
