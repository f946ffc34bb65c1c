/* counts - what an import or a retry did, told alike. */
#ifndef LEDGERD_CTL_COUNTS_H
#define LEDGERD_CTL_COUNTS_H

#include "ledgerd/ctl/command.h"
#include "ledgerd/flow/ingest.h"

/* Make the counts the command's result, also beside an error (`status` -1 with *err, which stays):
 * what was committed is told in any case. Exit status 3 if anything was quarantined. */
int counts_finish(struct command *command, const struct ingest_counts *counts, int status,
                  struct error *err);

/* Them alone, for results that tell more. NULL if there is no memory. */
json_t *counts_document(const struct ingest_counts *counts);

/* The same for people. */
void counts_show(const json_t *document, struct strbuf *out);

#endif
