/* verify_chain - the chain of seals, computed again from the transfers. Internal to verify.
 *
 * Reading every transfer is most of the work of verify, so connections of its own begin with it, in
 * the snapshot of the caller's transaction, while that goes on with its statements; then the
 * caller's connection reads as well.
 */
#ifndef LEDGERD_FLOW_VERIFY_CHAIN_H
#define LEDGERD_FLOW_VERIFY_CHAIN_H

#include "ledgerd/base/error.h"
#include "ledgerd/flow/verify.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_verify.h"

struct verify_chain;

/* Begin to read, beside the transaction of `store`. NULL on error. */
struct verify_chain *verify_chain_start(struct store *store, const struct verify_options *options,
                                        struct error *err);

/* Read what is left to read, and note four checks: every link follows from the one before it; every
 * transfer is as it was sealed, and none is missing or added; every one was booked with its entry;
 * and, with options->since, the chain still holds what that checkpoint says. Fills the result's
 * transfers and sealed_* fields. *moved gets what the transfers moved, borrowed until
 * verify_chain_destroy. */
int verify_chain_finish(struct verify_chain *chain, struct verify_result *result,
                        struct verify_moved *moved, struct error *err);

/* Waits for readers that still run. Accepts NULL. */
void verify_chain_destroy(struct verify_chain *chain);

#endif
