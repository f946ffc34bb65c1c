/* output - where a report goes: standard output, or a file that is replaced as a whole. */
#ifndef LEDGER_REPORTS_OUTPUT_H
#define LEDGER_REPORTS_OUTPUT_H

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"

/* Write to `path`, or to standard output with NULL or "-". A file appears under its name only once
 * it is complete and on disk; before, it stands beside it under a temporary name. What is no
 * regular file (a device, a pipe) is written to and never replaced; a link stays, its file is
 * replaced. ERROR_INPUT names the file that cannot be written. */
int output_write(const char *path, const struct strbuf *text, struct error *err);

#endif
