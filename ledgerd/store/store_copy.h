/* store_copy - rows in PostgreSQL's binary COPY form, and the COPY that takes them.
 *
 * A million records cost a million rows in three tables: they are encoded by the thread that rates,
 * without a connection, and sent as they are by the thread that posts.  What only the posting
 * transaction knows (record, source and transfer numbers, the version) has a fixed place in each
 * row and is patched there before sending.
 */
#ifndef LEDGERD_STORE_STORE_COPY_H
#define LEDGERD_STORE_STORE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/store/store.h"

struct copy_rows { /* a zeroed one is empty */
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;        /* out of memory; rows since then are missing */
    struct strbuf text; /* columns that are built before their length is known */
};

struct copy_months {    /* of a usage record */
    struct month month; /* its partition */
    bool is_running;    /* its months up to booked_through are booked; else all of it */
    struct month booked_through;
};

struct copy_charge { /* a row of ledger.charge, without the numbers that are patched */
    struct month month;
    int32_t card_no;
    int32_t rule;
    struct instant last; /* the slice's last instant */
    struct points points;
    struct points list_points;
    const char *project;
    const char *user;
    const char *klass;
};

void copy_rows_clear(struct copy_rows *rows); /* keeps memory */
void copy_rows_release(struct copy_rows *rows);

/* Append one row each; a row ends where rows->length then stands.  The record's seen must be set.
 */
void copy_add_identity(struct copy_rows *rows, const char *id, const unsigned char content[16],
                       struct month month);
void copy_add_usage(struct copy_rows *rows, const struct usage_record *record, const char *project,
                    const char *klass, const struct copy_months *months);
void copy_add_charge(struct copy_rows *rows, const struct copy_charge *charge);

/* Patch a row: [row, row_end) for identities, whose id comes before the numbers. */
void copy_patch_identity(char *row, char *row_end, int32_t source_no, int64_t record_no);
void copy_patch_usage(char *row, int64_t record_no, int version, int32_t source_no);
void copy_patch_charge(char *row, int64_t record_no, int version, int32_t source_no,
                       int64_t transfer_id);

enum copy_table { COPY_IDENTITY, COPY_USAGE, COPY_CHARGE };

/* One COPY: begin, send any number of whole rows, end.  After a failure of any of them the
 * transaction is lost; store_is_taken then tells whether an identity was there already. */
int store_copy_begin(struct store *store, enum copy_table table, struct error *err);
int store_copy_send(struct store *store, const char *rows, size_t length, struct error *err);
int store_copy_end(struct store *store, struct error *err);

/* True if the last failure of this store was an identity that the book has already. */
bool store_is_taken(const struct store *store);

#endif
