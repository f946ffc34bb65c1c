/* csv - one flat table out of a report's document.
 *
 * Every line begins with the name of its section ("project", "user", …); a column that a section
 * does not have is empty. So one file holds the whole report, and a spreadsheet filters by the
 * first column. Lines end with LF; cells that need it are quoted as RFC 4180 says.
 */
#ifndef LEDGER_REPORTS_CSV_H
#define LEDGER_REPORTS_CSV_H

#include <jansson.h>

#include "ledgerd/base/strbuf.h"

/* Rows of a section: the objects of `array` of the document, or of array `inner` of each of those;
 * with `array` NULL the document itself stands for an array of one. A cell is the member that the
 * column names ("a.b" reaches into an object), looked for in the row, then in the object that it
 * stands in, then in the document. */
struct csv_section {
    const char *name;
    const char *array;
    const char *inner; /* NULL: the array's own objects; an object {name: value} in its place gives
                          rows with members "source" and "points" */
    const char *const *columns; /* its own, ended by NULL; all are among the layout's */
};

struct csv_layout {
    const char *const *columns;         /* the header after "section", ended by NULL */
    const struct csv_section *sections; /* ended by a NULL name */
};

/* Append the header and the lines of every section. */
void csv_write(const json_t *document, const struct csv_layout *layout, struct strbuf *out);

#endif
