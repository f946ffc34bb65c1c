/* text_table - lists and figures for people: columns that line up.
 *
 * Rows are JSON objects, so that what is printed and what `--json` says cannot differ.
 */
#ifndef LEDGERD_FLOW_TEXT_TABLE_H
#define LEDGERD_FLOW_TEXT_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/strbuf.h"

enum { TEXT_COLUMNS_MAX = 16 };

struct text_column { /* a list of them is ended by a NULL key */
    const char
        *key; /* member of the row; "a.b" reaches into an object; a missing one shows as "-" */
    const char *title;
    bool is_number; /* right-justified */
};

/* Append a heading line and one line a row, each column as wide as its widest cell, the last one
 * unpadded, lines behind `indent` blanks. An empty array gives the heading alone. */
void text_table_write(const json_t *rows, const struct text_column *columns, size_t indent,
                      struct strbuf *out);

/* Append one line a column: title, value. */
void text_fields_write(const json_t *object, const struct text_column *columns, struct strbuf *out);

/* Columns of a terminal that the text fills: East Asian wide characters fill two. */
size_t text_width(const char *text, size_t length);

#endif
