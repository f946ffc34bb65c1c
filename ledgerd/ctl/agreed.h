/* agreed - what policies and rate cards have in common: applied from a file, shown as applied. */
#ifndef LEDGERD_CTL_AGREED_H
#define LEDGERD_CTL_AGREED_H

#include "ledgerd/ctl/command.h"
#include "ledgerd/flow/policy_apply.h"

extern const struct option_spec agreed_apply_options[]; /* --retroactive */
extern const struct option_spec agreed_show_options[];  /* --at T */

/* Make the document as it was applied the command's result; releases `agreed`. */
int agreed_finish(struct command *command, struct agreed_document *agreed, struct error *err);

/* One line on a document that was applied; its name is member `kind`. */
void agreed_applied_show(const char *kind, const json_t *document, struct strbuf *out);

#endif
