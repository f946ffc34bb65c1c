/* seal - link what has been committed to the chain.
 *
 * One sealer at a time, by an advisory lock that no writer knows.  A transfer is taken when every
 * transaction up to its own has ended, so nothing can be committed later in front of what is
 * sealed; what is above stays unsealed until then.
 */
#ifndef LEDGERD_FLOW_SEAL_H
#define LEDGERD_FLOW_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"

/* Seal all that can be sealed, on a store of role STORE_DAEMON, in links of bounded size, each
 * durable by itself. With `wait` false, a chain that somebody else is just sealing is left to them;
 * with it true, transactions of the server that were open at the call (in whatever database) are
 * given some seconds to end, because what was committed beside them cannot be sealed before.
 * *sealed (may be NULL) gets how many transfers were linked. ERROR_UNAVAILABLE also where the
 * database counts its transactions from below what is sealed (a dump was restored elsewhere). */
int seal_book(struct store *store, bool wait, int64_t *sealed, struct error *err);

#endif
