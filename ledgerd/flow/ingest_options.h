/* ingest_options - how an input is read, and how a quarantined text of it is read again.
 *
 * The options that matter for reading are kept beside each quarantined text as a JSON object.
 */
#ifndef LEDGERD_FLOW_INGEST_OPTIONS_H
#define LEDGERD_FLOW_INGEST_OPTIONS_H

#include "importers/importer.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/ingest.h"

/* For an importer; strings are borrowed from options.  ERROR_ARGUMENT for an unknown format. */
int ingest_import_options(const struct ingest_options *options, const struct zone *zone,
                          struct import_options *import, struct error *err);

/* Append {"source":…,"cluster":…,"project":…,"user":…}; what is not set is left out. */
void ingest_options_write(const struct ingest_options *options, struct strbuf *out);

/* Read such an object into options; strings live as long as *kept, which ingest_options_free frees.
 */
int ingest_options_read(const char *text, struct ingest_options *options, void **kept,
                        struct error *err);
void ingest_options_free(void *kept);

#endif
