/* text - parts that the text forms of reports share. */
#ifndef LEDGER_REPORTS_TEXT_H
#define LEDGER_REPORTS_TEXT_H

#include <jansson.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/text_table.h"

/* The member's string, "" if it has none. */
const char *text_of(const json_t *object, const char *key);

/* Append a title and a line under it. */
void text_title(const char *title, struct strbuf *out);

/* Append a table of the array's objects with a line of totals over its number columns; rows whose
 * `list` is empty are said to be none. */
void text_totals_write(const json_t *list, const struct text_column *columns, struct strbuf *out);

/* Append the table, or `none` where the array is empty. */
void text_list_write(const json_t *list, const struct text_column *columns, const char *none,
                     struct strbuf *out);

/* How far the sources were read and what is not in the book. */
void text_completeness_write(const json_t *document, struct strbuf *out);

/* A copy of the rows whose fractions ("fraction", "fraction_of_…", "utilisation", "recovery",
 * "idle_share") are percentages: "81.2500 %". A new reference. */
json_t *text_percentages(const json_t *rows);

#endif
