/* store_lookup - what the book already holds about the records of a batch, asked for all at once.
 *
 * Run inside the transaction that holds the booking lock: the answers then stay true until its end.
 */
#ifndef LEDGERD_STORE_STORE_LOOKUP_H
#define LEDGERD_STORE_STORE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_record.h"

struct lookup_key {
    int32_t source_no;
    const char *id;
};

struct lookup_identity {
    bool found;
    unsigned char content[16]; /* of the current version */
    int64_t record_no;
    int version;
    struct month month; /* partition of the current version */
};

/* identities[count], one for each key. */
int store_lookup_identities(struct store *store, const struct lookup_key *keys, size_t count,
                            struct lookup_identity *identities, struct error *err);

struct lookup_content {
    int64_t record_no;
    unsigned char content[16];
    struct instant seen; /* INSTANT_NONE if it never came with one of its own */
};

/* Other contents of these records; *contents (free()) is sorted by record_no and content. */
int store_lookup_contents(struct store *store, const int64_t *record_nos, size_t count,
                          struct lookup_content **contents, size_t *content_count,
                          struct error *err);

/* The content among them, or NULL. */
const struct lookup_content *lookup_content_find(const struct lookup_content *contents,
                                                 size_t count, int64_t record_no,
                                                 const unsigned char content[16]);

/* Call `each` with the current version of every wanted record, in any order; i is the index in
 * wanted. */
struct lookup_version {
    int64_t record_no;
    struct month month;
    int version;
};
typedef int lookup_record_fn(void *context, size_t i, const struct stored_record *stored,
                             struct error *err);
int store_lookup_records(struct store *store, const struct lookup_version *wanted, size_t count,
                         lookup_record_fn *each, void *context, struct error *err);

struct lookup_charge { /* a row of ledger.charge; strings live as long as the list */
    int64_t record_no;
    struct month month;
    int version;
    struct instant last;
    struct points points;
    struct points list_points;
    int32_t card_no;
    int rule;
    const char *project;
    const char *user;
    const char *klass;
};

struct lookup_charges { /* a zeroed one is empty */
    size_t count;
    struct lookup_charge *charges; /* by record_no, version */
    void *rows;
};

/* All charges of these records in the months [from, to]. */
int store_lookup_charges(struct store *store, const int64_t *record_nos, size_t count,
                         struct month from, struct month to, struct lookup_charges *charges,
                         struct error *err);
void lookup_charges_release(struct lookup_charges *charges);

#endif
