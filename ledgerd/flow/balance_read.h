/* balance_read - everything that `balance` shows of one project, read from the book. */
#ifndef LEDGERD_FLOW_BALANCE_READ_H
#define LEDGERD_FLOW_BALANCE_READ_H

#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/store/store.h"

struct balance_sheet {
    char project[129];
    char share[64]; /* "" for a service */
    bool is_service;
    bool is_closed;
    struct points posted, held, accrued, overdraft;
    struct balance balance; /* available, debt, lapsed, has_active_grant at as_of */
    struct points granted, spent, refunded,
        expired; /* of its lifetime; granted is net of revocations */
    struct grant_infos grants;
    struct instant as_of;
};

/* ERROR_REFUSED with reason unknown_project. */
int balance_read(struct store *store, const char *project, struct instant now,
                 struct balance_sheet *sheet, struct error *err);

/* The same with a catalog that the caller has loaded in the same transaction. */
int balance_gather(struct store *store, const struct catalog *catalog,
                   const struct catalog_project *project, struct instant now,
                   struct balance_sheet *sheet, struct error *err);
void balance_sheet_release(struct balance_sheet *sheet);

#endif
