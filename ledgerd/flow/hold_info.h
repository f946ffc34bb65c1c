/* hold_info - how a hold stands, from its row. Internal to hold. */
#ifndef LEDGERD_FLOW_HOLD_INFO_H
#define LEDGERD_FLOW_HOLD_INFO_H

#include "ledgerd/base/instant.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/store/store_hold.h"

void hold_info_fill(const struct hold_row *row, struct instant now, struct hold_info *hold);

/* "open", "settled", "released", "expired". */
const char *hold_state_text(enum hold_state state);

#endif
