/* token_journal_piece_pull - see token_journal_piece_pull.h. */
#include "importers/token_journal_piece_pull.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 64 * 1024, /* looked through at a time */
    MARK_BYTES = 4096,       /* of each end */
};

/* Exactly these bytes; 0 or -1. */
static int read_at(const struct journal_file *file, int64_t at, char *buffer, size_t length,
                   struct error *err)
{
    size_t got = 0;

    while (got < length) {
        ssize_t n = pread(file->fd, buffer + got, length - got, at + (int64_t)got);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_set(err, ERROR_INPUT, "%s: cannot be read: %s", file->path,
                             strerror(errno));
        }
        if (n == 0) {
            return error_set(err, ERROR_INPUT, "%s: was truncated while it was read", file->path);
        }
        got += (size_t)n;
    }
    return 0;
}

int journal_last_line_end(const struct journal_file *file, int64_t from, int64_t to, int64_t *end,
                          struct error *err)
{
    char block[BLOCK_BYTES];

    *end = from;
    while (to > from) {
        int64_t begin = to - from > BLOCK_BYTES ? to - BLOCK_BYTES : from;
        const char *newline;

        if (read_at(file, begin, block, (size_t)(to - begin), err) != 0) {
            return -1;
        }
        newline = memrchr(block, '\n', (size_t)(to - begin));
        if (newline != NULL) {
            *end = begin + (newline - block) + 1;
            return 0;
        }
        to = begin;
    }
    return 0;
}

int journal_first_line_end(const struct journal_file *file, int64_t from, int64_t to, int64_t *end,
                           struct error *err)
{
    char block[BLOCK_BYTES];

    *end = from;
    for (int64_t at = from; at < to;) {
        size_t length = to - at > BLOCK_BYTES ? BLOCK_BYTES : (size_t)(to - at);
        const char *newline;

        if (read_at(file, at, block, length, err) != 0) {
            return -1;
        }
        newline = memchr(block, '\n', length);
        if (newline != NULL) {
            *end = at + (newline - block) + 1;
            return 0;
        }
        at += (int64_t)length;
    }
    return 0;
}

int journal_mark(struct ingest_hasher *hasher, const struct journal_file *file, int64_t read_bytes,
                 unsigned char mark[INGEST_HASH_BYTES], struct error *err)
{
    char ends[2 * MARK_BYTES];
    size_t length = read_bytes < MARK_BYTES ? (size_t)read_bytes : MARK_BYTES;

    if (read_at(file, 0, ends, length, err) != 0 ||
        read_at(file, read_bytes - (int64_t)length, ends + length, length, err) != 0) {
        return -1;
    }
    return ingest_hash_text(hasher, "", ends, 2 * length, mark, err);
}

int journal_gzip_bytes(const struct journal_file *file, uint32_t *bytes, struct error *err)
{
    int64_t size = file->status.st_size;
    uint32_t little;

    if (size < (int64_t)sizeof little) {
        *bytes = 0;
        return 0;
    }
    if (read_at(file, size - (int64_t)sizeof little, (char *)&little, sizeof little, err) != 0) {
        return -1;
    }
    *bytes = le32toh(little);
    return 0;
}

ssize_t journal_piece_read(void *context, void *buffer, size_t size, struct error *err)
{
    struct journal_piece *piece = context;
    bool is_header = piece->header_at < piece->header_end;
    int64_t *at = is_header ? &piece->header_at : &piece->at;
    int64_t left = (is_header ? piece->header_end : piece->end) - *at;

    if (piece->stop != NULL && atomic_load(piece->stop)) {
        return error_set_reason(err, ERROR_UNAVAILABLE, "stopped", "stopped");
    }
    size = left < (int64_t)size ? (size_t)left : size;
    if (read_at(piece->file, *at, buffer, size, err) != 0) {
        return -1;
    }
    *at += (int64_t)size;
    return (ssize_t)size;
}
