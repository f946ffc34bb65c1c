/* token_journal_pull - follows a gateway's journal: a file of usage records, one a line, and the
 * files that it was rotated into.
 *
 *      usage.jsonl                     is written to
 *      usage.jsonl.1, usage.jsonl-20270601, usage-20270601.jsonl       were: read to their ends
 * first usage.jsonl.2.gz                is compressed: nothing in it may be unread
 *
 * How far each file is read is kept in the book, and moves when what stands before is committed.  A
 * file is known by device and inode, and by a hash of the first and last bytes of what was read of
 * it: so a renamed one goes on where it was, a copy (copytruncate) goes on where its original was,
 * and one that was truncated and written anew, or that took a freed inode, is read from its start.
 * Whatever is in doubt is read again: a duplicate changes nothing.
 *
 * Lines are read when they have ended.  A last line that never ends is read as it stands once the
 * file has not grown for `lag`; should it go on later, the whole line is read.
 */
#ifndef IMPORTERS_TOKEN_JOURNAL_PULL_H
#define IMPORTERS_TOKEN_JOURNAL_PULL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "importers/tokens_feed_pull.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"

struct token_journal; /* what is kept from round to round */

/* The section and the feed are borrowed. ERROR_ARGUMENT: it names no path. NULL on error. */
struct token_journal *token_journal_open(const struct conf_source *source,
                                         const struct tokens_feed *feed, struct error *err);
void token_journal_close(struct token_journal *journal); /* accepts NULL */

/* Read what is new. *is_whole: nothing that was written is left unread, a last line that may go on
 * included. A file that cannot be read keeps no other from being read; the first error is
 * returned. */
int token_journal_read(struct token_journal *journal, struct store *store, bool *is_whole,
                       struct error *err);

#endif
