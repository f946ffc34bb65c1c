/* audit - the list of manual acts. */
#ifndef LEDGERD_FLOW_AUDIT_H
#define LEDGERD_FLOW_AUDIT_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_audit.h"

/* Acts in [from, to), oldest first; INSTANT_NONE leaves an end open. The caller releases *rows. */
int audit_list(struct store *store, struct instant from, struct instant to, struct audit_rows *rows,
               struct error *err);

#endif
