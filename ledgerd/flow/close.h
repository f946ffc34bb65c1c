/* close - months close: gates, the slices of running work, and the report that is stored for good.
 *
 *      gates -> slices of running records -> expiries -> report and statements -> the month's row
 *
 * Months close in order, once.  What belongs to a closed month afterwards books in the earliest
 * open one (store_post); a closed month's reports are rendered from what was stored here.
 */
#ifndef LEDGERD_FLOW_CLOSE_H
#define LEDGERD_FLOW_CLOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_close.h"

enum close_gate_kind {
    CLOSE_GATE_OVER,       /* the month is over */
    CLOSE_GATE_ORDER,      /* the months before it are closed */
    CLOSE_GATE_SOURCES,    /* every source was read past its end plus the source's lag */
    CLOSE_GATE_QUARANTINE, /* none of its records is in quarantine */
    CLOSE_GATE_VERIFIED,   /* the book proves itself */
    CLOSE_GATES
};

enum { CLOSE_DETAIL_BYTES = 1024 };

struct close_gate {
    bool ok;
    char detail[CLOSE_DETAIL_BYTES]; /* what stands in the way, or why nothing does */
};

struct close_request {
    struct month month;
    bool only_check;
    bool accept_quarantine;
    const char *accept_quiet; /* names of sources, separated by commas; NULL: none */
    const struct conf *conf;
    struct manual_act act;
};

struct close_result {
    bool is_closed;
    bool was_closed; /* before this call: no gate was looked at */
    bool gates_open; /* none stands in the way */
    struct close_gate gates[CLOSE_GATES];
    struct instant closed_at;
    char digest[CLOSE_DIGEST_BYTES];
    size_t running;       /* records that were running at the month's end */
    struct points posted; /* of them */
    size_t statements;
};

/* "month_over", "order", "sources", "quarantine", "verified". */
const char *close_gate_text(enum close_gate_kind kind);

/* Look at every gate and, unless only to be checked, close the month. Returns 0 with the result
 * also where a gate stands in the way of a check; ERROR_REFUSED (reason month_open) where one
 * stands in the way of the close, with the gates in *result; ERROR_ARGUMENT for a quiet source that
 * is not known. On a store of role STORE_DAEMON. */
int close_month(struct store *store, const struct close_request *request,
                struct close_result *result, struct error *err);

#endif
