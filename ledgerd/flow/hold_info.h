/* hold_info - how a hold stands, from its row; and the row of the hold that is meant. Internal to
 * hold. */
#ifndef LEDGERD_FLOW_HOLD_INFO_H
#define LEDGERD_FLOW_HOLD_INFO_H

#include "ledgerd/base/instant.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/store/store_hold.h"

void hold_info_fill(const struct hold_row *row, struct instant now, struct hold_info *hold);

/* "open", "settled", "released", "expired". */
const char *hold_state_text(enum hold_state state);

/* Read the hold of that name ("h_17", "key:…"), in the store's transaction. The caller releases
 * *rows, which holds just that one. ERROR_REFUSED with reason unknown_hold. */
int hold_read_row(struct store *store, const char *name, struct hold_rows *rows, struct error *err);

/* The refusal itself. */
int hold_unknown(const char *name, struct error *err);

#endif
