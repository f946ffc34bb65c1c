/* store_reconcile_tokens - the tokens that the book has of a source, for a comparison. */
#ifndef LEDGERD_STORE_STORE_RECONCILE_TOKENS_H
#define LEDGERD_STORE_STORE_RECONCILE_TOKENS_H

#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/store/store.h"

struct booked_span {
    const char *source;
    struct instant from, to;  /* records that end in [from, to) */
    struct month first, last; /* the months of these */
};

/* One row a class and meter of the span's records, in order. Texts are valid during the call. */
typedef int booked_tokens_fn(void *context, const char *klass, const char *meter, int64_t count,
                             struct error *err);
int store_booked_tokens(struct store *store, const struct booked_span *span, booked_tokens_fn *fn,
                        void *context, struct error *err);

#endif
