/* render - reports as text and CSV.
 *
 * A renderer sees the JSON document alone and computes nothing but totals, so that every format
 * says the same, and a stored report can be rendered again in any of them.
 */
#ifndef LEDGER_REPORTS_RENDER_H
#define LEDGER_REPORTS_RENDER_H

#include <jansson.h>

#include "ledgerd/base/strbuf.h"

/* Append the form to out; running out of memory shows in out->failed. */
typedef void render_fn(const json_t *document, struct strbuf *out);

/* One for each report and form. */
render_fn month_text, statement_text, shares_text, services_text;
render_fn month_csv, statement_csv, shares_csv, services_csv;

#endif
