/* store_batch - what a batch of an import writes beside its rows: sources, amended identities,
 * roll-ups.
 *
 * Every function is one statement over arrays, whatever the batch's size.  They run inside the
 * transaction that holds the booking lock.  The rows themselves go by store_copy, the transfers by
 * store_post.
 */
#ifndef LEDGERD_STORE_STORE_BATCH_H
#define LEDGERD_STORE_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

/* The numbers of these sources, added where they are new.  Runs in a transaction of its own if none
 * is open: numbers[count]. */
int store_source_numbers(struct store *store, const char *const *names, size_t count,
                         int32_t *numbers, struct error *err);

/* The latest end of what was booked from each source moves on to `latest`, never back. */
int store_source_touch(struct store *store, const int32_t *sources, const struct instant *latest,
                       size_t count, struct error *err);

/* Note that everything of the source up to this instant was read, whether there was anything or
 * not; a source that is not known yet is added. */
int store_source_read_to(struct store *store, const char *source, struct instant through,
                         struct error *err);

struct batch_identity { /* an identity whose current version changes */
    int32_t source_no;
    const char *id;
    unsigned char content[16];
    int version;
    struct month month;
};
int store_identity_amend(struct store *store, const struct batch_identity *identities, size_t count,
                         struct error *err);

struct batch_content { /* a content that an identity has had, or was shown again with */
    int64_t record_no;
    unsigned char content[16];
    struct instant seen; /* of its own; INSTANT_NONE if it had none */
};
int store_content_add(struct store *store, const struct batch_content *contents, size_t count,
                      struct error *err);

struct batch_usage { /* a row of ledger.usage_total, to be added to it */
    struct month month;
    const char *project;
    int32_t source_no;
    const char *klass;
    struct points points;
    struct points list_points;
    int64_t charges;
};
int store_usage_add(struct store *store, const struct batch_usage *rows, size_t count,
                    struct error *err);

enum { BATCH_AMOUNT_BYTES = 56 }; /* 39 digits, sign, point, and room */
struct batch_meter {              /* a row of ledger.meter_total, to be added to it */
    struct month month;
    const char *project;
    int32_t source_no;
    const char *klass;
    const char *meter;
    bool is_held;
    char amount[BATCH_AMOUNT_BYTES]; /* decimal, signed */
};
int store_meters_add(struct store *store, const struct batch_meter *rows, size_t count,
                     struct error *err);

struct batch_draw { /* a row of ledger.project_draw, to be added to it */
    const char *project;
    struct instant since; /* INSTANT_NONE: before the first edge */
    struct points points;
};

/* Add them, and let readers of positions know. */
int store_draws_add(struct store *store, const struct batch_draw *rows, size_t count,
                    struct error *err);

#endif
