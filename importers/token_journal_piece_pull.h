/* token_journal_piece_pull - stretches of a journal's file: where lines end, what marks them, and
 * reading them.
 */
#ifndef IMPORTERS_TOKEN_JOURNAL_PIECE_PULL_H
#define IMPORTERS_TOKEN_JOURNAL_PIECE_PULL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "importers/token_journal_files_pull.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest_hash.h"

/* Behind the last newline of [from, to); `from` if there is none. *end; 0 or -1. */
int journal_last_line_end(const struct journal_file *file, int64_t from, int64_t to, int64_t *end,
                          struct error *err);

/* Behind the first newline of [from, to); `from` if there is none. */
int journal_first_line_end(const struct journal_file *file, int64_t from, int64_t to, int64_t *end,
                           struct error *err);

/* The hash of the first and last bytes of its first `read_bytes`; they must be there. */
int journal_mark(struct ingest_hasher *hasher, const struct journal_file *file, int64_t read_bytes,
                 unsigned char mark[INGEST_HASH_BYTES], struct error *err);

/* How many bytes a gzip file says it was made of, modulo 2^32. */
int journal_gzip_bytes(const struct journal_file *file, uint32_t *bytes, struct error *err);

struct journal_piece { /* bytes of a file, with its header line before them where the format has one
                        */
    const struct journal_file *file;
    int64_t header_end; /* 0: none is needed */
    int64_t header_at;  /* so much of it is given */
    int64_t at, end;    /* still to give */
    const atomic_bool *stop;
};

/* An input_read_fn on a piece. A file that ends within it was truncated: an error. */
ssize_t journal_piece_read(void *piece, void *buffer, size_t size, struct error *err);

#endif
