/* transfer - points from one project to another one.
 *
 * They are drawn from the giver's valid grants as a charge of now would be, and the receiver gets a
 * grant of the same validity for each of them. No more can go than the giver has available without
 * its overdraft. Across shares the giver's pool lends the receiver's what moves, so that what
 * either share may grant and spend stays true.
 */
#ifndef LEDGERD_FLOW_TRANSFER_H
#define LEDGERD_FLOW_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"

struct transfer_request {
    struct manual_act act;
    const char *from;
    const char *to;
    struct points points; /* above zero */
    bool across;          /* the projects may be of two shares */
    const char *key;      /* the same key and arguments answer the first result; NULL if none */
};

struct transfer_result {
    int64_t id;
    bool repeated;       /* the key was known: nothing was done */
    struct points left;  /* what the giver could still transfer */
    int64_t grants_made; /* how many grants the receiver got; 0 if repeated */
};

/* ERROR_ARGUMENT for points or projects that cannot be; ERROR_REFUSED with reason unknown_project,
 * project_closed, is_service, other_share, insufficient_points (with the numbers), over_pool,
 * key_differs, too_many_grants. */
int transfer_make(struct store *store, const struct transfer_request *request,
                  struct transfer_result *result, struct error *err);

#endif
