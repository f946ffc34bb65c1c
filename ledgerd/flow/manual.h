/* manual - what every act of a person carries: who, why, and when.
 *
 * Each manual verb writes one row of the audit list in the transaction that does it, so that
 * nothing a person did to the book is without a name.  An act that changed nothing (the same
 * document again) leaves no row.
 */
#ifndef LEDGERD_FLOW_MANUAL_H
#define LEDGERD_FLOW_MANUAL_H

#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store.h"

struct manual_act {
    const char *actor; /* --actor, else the Unix user; not empty */
    const char *note;  /* --note, NULL or "" if none */
    const char *ref;   /* --ref, a decision number of the outside world; NULL or "" if none */
    struct instant now;
};

/* Refuse an act without an actor or with texts that no list could show (ERROR_ARGUMENT). */
int manual_check(const struct manual_act *act, struct error *err);

/* Write the audit row, inside the verb's own transaction. `verb` is the command's ("grant revoke"),
 * `subject` what it was done to, `detail` the arguments that mattered. *audit_n (may be NULL) gets
 * its number. */
int manual_record(struct store *store, const struct manual_act *act, const char *verb,
                  const char *subject, const char *detail, int64_t *audit_n, struct error *err);

#endif
