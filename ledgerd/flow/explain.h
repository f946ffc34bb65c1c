/* explain - a record followed from its source to the transfers: rule, card, arithmetic, months,
 * grants.
 *
 * One question answered from the book alone.  A record may be booked (with all its versions),
 * running (an accrual), in quarantine, or not known at all.
 */
#ifndef LEDGERD_FLOW_EXPLAIN_H
#define LEDGERD_FLOW_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/rate.h"
#include "ledgerd/core/role.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_explain.h"
#include "ledgerd/store/store_explain_hold.h"
#include "ledgerd/store/store_quarantine.h"

struct explanation {
    struct explained_record *booked;        /* NULL if nothing is booked */
    struct explained_accrual *accrual;      /* NULL if it is not running */
    struct quarantine_entry *in_quarantine; /* NULL if it never was; any state */
    struct explained_holds holds;           /* what it did to holds once it was booked */
    int64_t hold;                           /* that its accrual takes the place of, 0 if none */
    struct points covered;                  /* how much of it */
    const struct ratecard *card;            /* of the booked record; borrowed from the catalog */
    bool has_parts;
    struct rate_parts parts;       /* of the current version, by the cards that it was booked by */
    const struct catalog *catalog; /* borrowed */
};

/* Explain (source, id).  The catalog is borrowed until explain_release.  ERROR_REFUSED reason
 * unknown_record if the book has never heard of it. */
int explain_record(struct store *store, const struct catalog *catalog, const char *source,
                   const char *id, struct explanation *explanation, struct error *err);
void explain_release(struct explanation *explanation); /* a zeroed one is empty */

/* The same for a caller that may know of the scope's projects (NULL: of all). A record is unknown
 * if any of its projects, now or before an amendment, lies outside; one that lies outside now takes
 * no more work than one that is not there. Nothing is told of quarantine, which says what it likes.
 */
int explain_record_in(struct store *store, const struct catalog *catalog,
                      const struct role_scope *scope, const char *source, const char *id,
                      struct explanation *explanation, struct error *err);

/* The project that it belongs to now; "" if none. */
const char *explain_project(const struct explanation *explanation);

/* Append it as one JSON document, or as text for people (lines, no colour). */
void explain_write_json(const struct explanation *explanation, struct strbuf *out);
void explain_write_text(const struct explanation *explanation, struct strbuf *out);

#endif
