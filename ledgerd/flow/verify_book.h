/* verify_book - the parts of verify that need the house's own rules. Internal to verify. */
#ifndef LEDGERD_FLOW_VERIFY_BOOK_H
#define LEDGERD_FLOW_VERIFY_BOOK_H

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/store/store.h"

/* Note the outcome of a check: ok if `detail` is "", then it says `promise`. */
void verify_note(struct verify_result *result, const char *name, const char *promise,
                 const char *detail);

/* No pool gave more than its supply, plus or minus what was lent, times the largest over-grant
 * factor it ever had. */
int verify_pools(struct store *store, const struct catalog *catalog, struct verify_result *result,
                 struct error *err);

/* What expired of every grant is what core/balance says remained of it. */
int verify_expiries(struct store *store, const struct catalog *catalog,
                    struct verify_result *result, struct error *err);

/* The reports and statements of closed months are as they were stored. */
int verify_months(struct store *store, struct verify_result *result, struct error *err);

/* The closes that the chain seals (its leaves, in order) are there, and as they were. */
int verify_sealed_months(struct store *store, const struct strbuf *sealed,
                         struct verify_result *result, struct error *err);

/* Rate records again by the cards known when they were booked, compare with their charges, and what
 * their meters come to with the roll-up (that only if every record is looked at). */
int verify_records(struct store *store, const struct catalog *catalog, int64_t every,
                   struct verify_result *result, struct error *err);

#endif
