/* decisions - the last refused checks, to be looked up by their id.
 *
 * A ring of DECISIONS_KEPT entries: decision n stands in slot n mod DECISIONS_KEPT until a later
 * one takes its place.  An id is "d_", a part that is new with every process, and n, so that an id
 * of an earlier process is never answered with another decision.
 */
#ifndef LEDGERD_HTTP_DECISIONS_H
#define LEDGERD_HTTP_DECISIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/strbuf.h"

enum {
    DECISIONS_KEPT = 100000, /* contract section 7 */
    DECISIONS_JSON_BYTES =
        2048, /* longer ones are not kept: 200 MB is the most that the ring can take */
    DECISION_ID_BYTES = 40,
};

struct decisions;

struct decisions *decisions_create(void); /* NULL if out of memory */
void decisions_destroy(struct decisions *decisions);

/* A new id, written to id[DECISION_ID_BYTES]. */
void decisions_next_id(struct decisions *decisions, char *id);

/* Keep a copy of the decision's JSON under its id. Does nothing if it is too long or memory is
 * short. */
void decisions_keep(struct decisions *decisions, const char *id, const char *json, size_t length);

/* Append the decision's JSON; false if it is not there. */
bool decisions_find(struct decisions *decisions, const char *id, struct strbuf *json);

#endif
