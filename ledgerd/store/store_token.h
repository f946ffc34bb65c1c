/* store_token - how far the journals and addresses of token records have been read.
 *
 * A place is noted after what stands before it was committed: what is read again after a crash is
 * known by its identities.
 */
#ifndef LEDGERD_STORE_STORE_TOKEN_H
#define LEDGERD_STORE_STORE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store.h"

enum {
    STORE_JOURNALS_MAX = 4096, /* files of one source that are remembered; the latest */
    STORE_JOURNAL_MARK_BYTES = 16,
    STORE_CURSOR_BYTES = 4096,
};

struct store_journal { /* a row of ledger.token_journal */
    int64_t device, inode;
    char *path;
    int64_t read_bytes;
    bool has_mark;
    unsigned char mark[STORE_JOURNAL_MARK_BYTES];
    int64_t size_bytes;
    struct instant grown_at;
    int64_t left_bytes;
    struct instant seen_at;
    struct instant gone_at; /* INSTANT_NONE: it is there */
};

/* All files of the source that are remembered, those noted last first; store_journals_free frees
 * them. */
int store_journals_read(struct store *store, const char *source, struct store_journal **journals,
                        size_t *count, struct error *err);
void store_journals_free(struct store_journal *journals, size_t count);

/* Note a file, in the place of what was noted of it. */
int store_journal_write(struct store *store, const char *source,
                        const struct store_journal *journal, struct error *err);

/* Forget the files of the source that have been gone since before then. */
int store_journals_forget(struct store *store, const char *source, struct instant before,
                          struct error *err);

/* Where to go on; "" if nothing was noted yet. free() it. */
int store_cursor_read(struct store *store, const char *source, char **cursor, struct error *err);
int store_cursor_write(struct store *store, const char *source, const char *cursor,
                       struct instant now, struct error *err);

#endif
