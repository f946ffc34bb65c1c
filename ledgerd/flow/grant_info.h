/* grant_info - grants as they are shown, with what remains of each. Internal to grant and
 * balance_read. */
#ifndef LEDGERD_FLOW_GRANT_INFO_H
#define LEDGERD_FLOW_GRANT_INFO_H

#include "ledgerd/core/balance.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/store/store_grant.h"

/* The balance of a project and its grants, from rows that are all of that project. With `balance`
 * NULL only the grants. Sets *grants, which the caller releases. */
int grant_infos_build(const struct store_position *position, struct points overdraft,
                      const struct grant_row *rows, size_t count, struct instant now,
                      struct balance *balance, struct grant_infos *grants, struct error *err);

/* Read one grant as it stands, with what remains of it. ERROR_REFUSED (reason unknown_grant). */
int grant_info_read(struct store *store, int64_t id, struct instant now, struct grant_info *info,
                    struct error *err);

#endif
