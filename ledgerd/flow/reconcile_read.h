/* reconcile_read - what Slurm's commands say of a time, put beside the book. Internal to
 * reconcile. */
#ifndef LEDGERD_FLOW_RECONCILE_READ_H
#define LEDGERD_FLOW_RECONCILE_READ_H

#include <stdint.h>

#include "ledgerd/flow/reconcile.h"
#include "ledgerd/store/store_reconcile.h"

/* Give every job that sacct lists to store_reconcile_add, in bounded memory. *never_started counts
 * those that used nothing. */
int reconcile_read_sacct(struct store *store, const struct reconcile_options *options,
                         const char *source, uint64_t *never_started, struct error *err);

/* How far slurmdbd has rolled hours up: *through is INSTANT_NONE if it does not tell. */
int reconcile_read_rollup(const struct reconcile_options *options, struct instant *through,
                          struct error *err);

/* Give what sreport says of [from, to), whole hours, to store_reconcile_add_used. */
int reconcile_read_sreport(struct store *store, const struct reconcile_options *options,
                           struct instant from, struct instant to, struct error *err);

/* The differences of a store_reconcile_pair as an array of objects; NULL on error. */
json_t *reconcile_differences(struct store *store, const struct catalog *catalog,
                              const struct reconcile_span *span, int64_t limit, struct error *err);

/* The word of a kind: "missing". */
const char *reconcile_kind_text(enum reconcile_kind kind);

#endif
