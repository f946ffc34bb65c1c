/* verbs - every verb of ledgerctl, noun by noun. */
#ifndef LEDGERD_CTL_VERBS_H
#define LEDGERD_CTL_VERBS_H

#include "ledgerd/ctl/command.h"

/* One list a noun, ended by a verb without a noun. */
extern const struct verb migrate_verbs[];
extern const struct verb policy_verbs[];
extern const struct verb rates_verbs[];
extern const struct verb project_verbs[];
extern const struct verb member_verbs[];
extern const struct verb limit_verbs[];
extern const struct verb grant_verbs[];
extern const struct verb supply_verbs[];
extern const struct verb transfer_verbs[];
extern const struct verb refund_verbs[];
extern const struct verb import_verbs[];
extern const struct verb pull_verbs[];
extern const struct verb balance_verbs[];
extern const struct verb hold_verbs[];
extern const struct verb quote_verbs[];
extern const struct verb explain_verbs[];
extern const struct verb quarantine_verbs[];
extern const struct verb close_verbs[];
extern const struct verb verify_verbs[];
extern const struct verb checkpoint_verbs[];
extern const struct verb reconcile_verbs[];
extern const struct verb reconcile_tokens_verbs[];
extern const struct verb token_verbs[];
extern const struct verb audit_verbs[];

/* The verb that words[0..count) begin with, two words before one; *taken gets how many words name
 * it. NULL with ERROR_ARGUMENT for a word that names none. */
const struct verb *verb_find(int count, char *const *words, int *taken, struct error *err);

/* True if a verb begins with this word. */
bool verbs_is_noun(const char *word);

/* All verbs, one line each; with `noun` not NULL only that noun's. */
void verbs_help(const char *noun, struct strbuf *out);

#endif
