/* token_http_pull - asks an address for token records, from a cursor on.
 *
 *      GET url?cursor=…&limit=1000          no cursor at first; Authorization: Bearer from
 * token_file 200 {"records":[…],"cursor":"…","more":true} or 200, a record a line, and as the last
 * line {"cursor":"…","more":true}
 *
 * The cursor is a text that only the other side understands: where to go on behind these records.
 * It is kept in the book, and moves when they are committed; what is sent twice is a duplicate.  An
 * answer without a cursor is none: it was cut off.
 */
#ifndef IMPORTERS_TOKEN_HTTP_PULL_H
#define IMPORTERS_TOKEN_HTTP_PULL_H

#include <stdbool.h>

#include "importers/tokens_feed_pull.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"

struct token_http;

/* The section and the feed are borrowed. ERROR_ARGUMENT: it names no url, or a format that is no
 * JSON. NULL on error. */
struct token_http *token_http_open(const struct conf_source *source, const struct tokens_feed *feed,
                                   struct error *err);
void token_http_close(struct token_http *http); /* accepts NULL */

/* Ask until there is no more. *is_whole: there was none. */
int token_http_read(struct token_http *http, struct store *store, bool *is_whole,
                    struct error *err);

#endif
