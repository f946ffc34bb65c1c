/* close_gates - what must be so before a month closes. Part of close. */
#ifndef LEDGERD_FLOW_CLOSE_GATES_H
#define LEDGERD_FLOW_CLOSE_GATES_H

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/close.h"
#include "ledgerd/store/store.h"

/* Look at all gates but CLOSE_GATE_VERIFIED, inside a transaction. What was let through by name is
 * appended to `accepted`, for the audit list. */
int close_gates(struct store *store, const struct catalog *catalog,
                const struct close_request *request, struct close_gate *gates,
                struct strbuf *accepted, struct error *err);

/* Look at CLOSE_GATE_VERIFIED, through a connection of its own. */
int close_gate_verified(const struct close_request *request, struct close_gate *gate,
                        struct error *err);

#endif
