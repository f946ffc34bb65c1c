/* verify_chain - the chain of seals, computed again from the transfers. Internal to verify. */
#ifndef LEDGERD_FLOW_VERIFY_CHAIN_H
#define LEDGERD_FLOW_VERIFY_CHAIN_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/store/store.h"

/* Notes three checks: every link follows from the one before it; every transfer is as it was
 * sealed, and none is missing or added; and, with options->since, the chain still holds what that
 * checkpoint says. Fills the result's sealed_* fields. */
int verify_chain(struct store *store, const struct verify_options *options,
                 struct verify_result *result, struct error *err);

#endif
