/* token_journal_pull - see token_journal_pull.h. */
#include "importers/token_journal_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/token_journal_files_pull.h"
#include "importers/token_journal_piece_pull.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/store/store_token.h"

#define DAY_US (INT64_C(86400) * INSTANT_SECOND_US)
#define FORGET_US (30 * DAY_US)                  /* files that are gone */
#define PIECE_BYTES (INT64_C(256) * 1024 * 1024) /* read between two notes of how far */
enum { HEADER_BYTES = 1024 * 1024 };             /* a first line that is longer is no header */

struct token_journal {
    const struct conf_source *source;
    const struct tokens_feed *feed;
    struct ingest_hasher *hasher;
    bool has_header; /* lines mean nothing without the file's first */
};

/* What one reading knows. */
struct reading {
    struct token_journal *journal;
    struct store *store;
    struct journal_files files;
    struct store_journal *known; /* before this reading */
    size_t known_count;
    struct store_journal *standings; /* of each of the files */
    struct instant now;
    bool is_whole;
    int status;
    struct error error; /* the first */
};

struct token_journal *token_journal_open(const struct conf_source *source,
                                         const struct tokens_feed *feed, struct error *err)
{
    struct token_journal *journal;

    if (source->path[0] != '/') {
        error_set(err, ERROR_ARGUMENT, "[tokens %s]: mode file wants an absolute path",
                  source->name);
        return NULL;
    }
    journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    journal->source = source;
    journal->feed = feed;
    journal->has_header = strcmp(source->format, "csv") == 0;
    journal->hasher = ingest_hasher_create(err);
    if (journal->hasher == NULL) {
        token_journal_close(journal);
        return NULL;
    }
    return journal;
}

void token_journal_close(struct token_journal *journal)
{
    if (journal != NULL) {
        ingest_hasher_destroy(journal->hasher);
        free(journal);
    }
}

/* Keep the first error; what it is about is not read to its end. */
static void note(struct reading *reading, int status, const struct error *err)
{
    if (status != 0) {
        reading->is_whole = false;
        if (reading->status == 0) {
            reading->status = status;
            reading->error = *err;
        }
    }
}

static void say(const struct reading *reading, const char *event, const char *path, int64_t bytes)
{
    const struct tokens_feed *feed = reading->journal->feed;

    if (feed->say != NULL) {
        feed->say(feed->context, event, path, (uint64_t)bytes);
    }
}

/* --- which file is which -----------------------------------------------------------------------
 */

static bool is_of(const struct store_journal *known, const struct journal_file *file)
{
    return known->device == (int64_t)file->status.st_dev &&
           known->inode == (int64_t)file->status.st_ino;
}

static const struct store_journal *find_known(const struct reading *reading,
                                              const struct journal_file *file)
{
    for (size_t i = 0; i < reading->known_count; i++) {
        if (is_of(&reading->known[i], file)) {
            return &reading->known[i];
        }
    }
    return NULL;
}

/* Does the file begin with what was read of this one? */
static bool continues(const struct reading *reading, const struct journal_file *file,
                      const struct store_journal *known)
{
    unsigned char mark[INGEST_HASH_BYTES];
    struct error ignored;

    return known->has_mark && known->read_bytes <= (int64_t)file->status.st_size &&
           journal_mark(reading->journal->hasher, file, known->read_bytes, mark, &ignored) == 0 &&
           memcmp(mark, known->mark, sizeof mark) == 0;
}

/* What was read of the file: under its own number, else of a file that it is a copy of; else
 * nothing. */
static const struct store_journal *find_read(const struct reading *reading,
                                             const struct journal_file *file)
{
    const struct store_journal *own = find_known(reading, file), *found = NULL;

    if (own != NULL && (!own->has_mark || continues(reading, file, own))) {
        return own;
    }
    for (size_t i = 0; i < reading->known_count; i++) {
        const struct store_journal *known = &reading->known[i];

        if ((found == NULL || known->read_bytes > found->read_bytes) &&
            continues(reading, file, known)) {
            found = known;
        }
    }
    return found;
}

/* How the file stands before it is read. */
static void stand(const struct reading *reading, const struct journal_file *file,
                  struct store_journal *standing)
{
    const struct store_journal *own = find_known(reading, file);
    const struct store_journal *read = find_read(reading, file);
    bool is_same = own != NULL && own == read;

    *standing = (struct store_journal){
        .device = (int64_t)file->status.st_dev,
        .inode = (int64_t)file->status.st_ino,
        .path = file->path,
        .size_bytes = (int64_t)file->status.st_size,
        .grown_at = reading->now,
        .seen_at = reading->now,
        .gone_at = INSTANT_NONE,
    };
    if (read != NULL) {
        standing->read_bytes = read->read_bytes;
        standing->has_mark = read->has_mark;
        memcpy(standing->mark, read->mark, sizeof standing->mark);
    }
    if (is_same && own->size_bytes == standing->size_bytes) {
        standing->grown_at = own->grown_at;
        standing->left_bytes = own->left_bytes;
    }
    if (own != NULL && !is_same && own->size_bytes > own->read_bytes + own->left_bytes) {
        say(reading, "journal-truncated", file->path,
            own->size_bytes - own->read_bytes - own->left_bytes);
    }
}

static int write_standing(const struct reading *reading, const struct journal_file *file,
                          struct store_journal *standing, struct error *err)
{
    const struct store_journal *own = find_known(reading, file);

    if (own != NULL && strcmp(own->path, standing->path) == 0 &&
        own->read_bytes == standing->read_bytes && own->size_bytes == standing->size_bytes &&
        own->left_bytes == standing->left_bytes && own->has_mark == standing->has_mark &&
        !instant_is_set(own->gone_at) && own->seen_at.us > reading->now.us - DAY_US) {
        return 0;
    }
    return store_journal_write(reading->store, reading->journal->source->name, standing, err);
}

/* --- reading a file ----------------------------------------------------------------------------
 */

static int find_header(const struct reading *reading, const struct journal_file *file,
                       struct journal_piece *piece, struct error *err)
{
    int64_t most = piece->at < HEADER_BYTES ? piece->at : HEADER_BYTES;

    if (!reading->journal->has_header || piece->at == 0) {
        return 0;
    }
    return journal_first_line_end(file, 0, most, &piece->header_end, err);
}

/* Book what stands up to `end`. */
static int read_piece(const struct reading *reading, const struct journal_file *file, int64_t from,
                      int64_t end, struct error *err)
{
    const struct tokens_feed *feed = reading->journal->feed;
    struct journal_piece piece = {.file = file, .at = from, .end = end, .stop = feed->stop};

    if (find_header(reading, file, &piece, err) != 0) {
        return -1;
    }
    return feed->take(feed->context, reading->store, file->path, true, journal_piece_read, &piece,
                      err);
}

/* Where the next piece ends: behind as many whole lines as a piece may have, or behind one that is
 * longer; `from` if no line ends. */
static int find_piece_end(const struct journal_file *file, int64_t from, int64_t *end,
                          struct error *err)
{
    int64_t size = (int64_t)file->status.st_size;
    int64_t to = size - from > PIECE_BYTES ? from + PIECE_BYTES : size;

    if (journal_last_line_end(file, from, to, end, err) != 0) {
        return -1;
    }
    if (*end == from && to < size) {
        if (journal_first_line_end(file, to, size, end, err) != 0) {
            return -1;
        }
        *end = *end == to ? from : *end;
    }
    return 0;
}

/* All lines that have ended, each piece noted when it is in the book. */
static int read_lines(const struct reading *reading, const struct journal_file *file,
                      struct store_journal *standing, struct error *err)
{
    for (;;) {
        int64_t end;

        if (find_piece_end(file, standing->read_bytes, &end, err) != 0) {
            return -1;
        }
        if (end == standing->read_bytes) {
            return 0;
        }
        if (read_piece(reading, file, standing->read_bytes, end, err) != 0 ||
            journal_mark(reading->journal->hasher, file, end, standing->mark, err) != 0) {
            return -1;
        }
        standing->read_bytes = end;
        standing->has_mark = true;
        standing->left_bytes = 0;
        if (store_journal_write(reading->store, reading->journal->source->name, standing, err) !=
            0) {
            return -1;
        }
    }
}

/* A last line that has not ended waits, until the file has not grown for `lag`. */
static int read_rest(struct reading *reading, const struct journal_file *file,
                     struct store_journal *standing, struct error *err)
{
    int64_t rest = standing->size_bytes - standing->read_bytes;

    if (rest <= standing->left_bytes) {
        return 0;
    }
    if (reading->now.us - standing->grown_at.us < reading->journal->source->lag_us) {
        reading->is_whole = false;
        return 0;
    }
    say(reading, "journal-unfinished", file->path, rest);
    if (read_piece(reading, file, standing->read_bytes, standing->size_bytes, err) != 0) {
        return -1;
    }
    standing->left_bytes = rest;
    return 0;
}

static int read_file(struct reading *reading, const struct journal_file *file,
                     struct store_journal *standing, struct error *err)
{
    if (file->fd < 0) {
        return error_set(err, ERROR_INPUT, "%s: cannot be read: %s", file->path,
                         strerror(file->number));
    }
    if (read_lines(reading, file, standing, err) != 0 ||
        read_rest(reading, file, standing, err) != 0) {
        return -1;
    }
    return write_standing(reading, file, standing, err);
}

/* --- compressed files --------------------------------------------------------------------------
 */

/* Is the file that this one is made from, or was unpacked into, still beside it? */
static bool has_plain(const struct reading *reading, const struct journal_file *file)
{
    size_t length = (size_t)(strrchr(file->path, '.') - file->path);

    for (size_t i = 0; i < reading->files.count; i++) {
        const char *path = reading->files.files[i].path;

        if (strlen(path) == length && memcmp(path, file->path, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Was a file of so many bytes read to its end? */
static bool is_accounted_for(const struct reading *reading, uint32_t bytes)
{
    for (size_t i = 0; i < reading->known_count; i++) {
        const struct store_journal *known = &reading->known[i];

        if ((uint32_t)(known->read_bytes + known->left_bytes) == bytes) {
            return true;
        }
    }
    return bytes == 0;
}

/* What it holds must have been read before it was compressed. What lay there before the journal was
 * first followed is passed over. */
static int check_compressed(const struct reading *reading, const struct journal_file *file,
                            struct store_journal *standing, struct error *err)
{
    uint32_t bytes = 0;
    bool is_read = reading->known_count == 0;

    if (standing->read_bytes == standing->size_bytes || has_plain(reading, file)) {
        return 0;
    }
    if (file->fd < 0) {
        return error_set(err, ERROR_INPUT, "%s: cannot be read: %s", file->path,
                         strerror(file->number));
    }
    if (is_read) {
        say(reading, "journal-passed-over", file->path, standing->size_bytes);
    } else if (file->kind == JOURNAL_GZIP) {
        if (journal_gzip_bytes(file, &bytes, err) != 0) {
            return -1;
        }
        is_read = is_accounted_for(reading, bytes);
    }
    if (!is_read) {
        return error_set(err, ERROR_INPUT,
                         "%s: is compressed, and holds lines that were not read: unpack it beside "
                         "(gunzip --keep)",
                         file->path);
    }
    if (journal_mark(reading->journal->hasher, file, standing->size_bytes, standing->mark, err) !=
        0) {
        return -1;
    }
    standing->has_mark = true;
    standing->read_bytes = standing->size_bytes;
    return write_standing(reading, file, standing, err);
}

/* --- all of them -------------------------------------------------------------------------------
 */

static bool is_here(const struct reading *reading, const struct store_journal *known)
{
    for (size_t i = 0; i < reading->files.count; i++) {
        if (is_of(known, &reading->files.files[i])) {
            return true;
        }
    }
    return false;
}

/* Does one of the files go on where this one, which is gone, was read to? */
static bool is_copied(const struct reading *reading, const struct store_journal *known)
{
    for (size_t i = 0; i < reading->files.count; i++) {
        if (reading->files.files[i].fd >= 0 &&
            continues(reading, &reading->files.files[i], known)) {
            return true;
        }
    }
    return false;
}

static int note_gone(const struct reading *reading, struct error *err)
{
    const char *source = reading->journal->source->name;

    for (size_t i = 0; i < reading->known_count; i++) {
        struct store_journal *known = &reading->known[i];
        int64_t unread = known->size_bytes - known->read_bytes - known->left_bytes;

        if (instant_is_set(known->gone_at) || is_here(reading, known)) {
            continue;
        }
        if (unread > 0 && !is_copied(reading, known)) {
            say(reading, "journal-lost", known->path, unread);
        }
        known->gone_at = reading->now;
        known->seen_at = reading->now;
        if (store_journal_write(reading->store, source, known, err) != 0) {
            return -1;
        }
    }
    return store_journals_forget(reading->store, source,
                                 (struct instant){reading->now.us - FORGET_US}, err);
}

static bool is_compressed(const struct journal_file *file)
{
    return file->kind == JOURNAL_GZIP || file->kind == JOURNAL_COMPRESSED;
}

static void read_files(struct reading *reading)
{
    struct error err = {0};
    int status;

    for (size_t i = 0; i < reading->files.count; i++) {
        stand(reading, &reading->files.files[i], &reading->standings[i]);
    }
    for (size_t i = 0; i < reading->files.count; i++) {
        const struct journal_file *file = &reading->files.files[i];

        status = is_compressed(file) ? check_compressed(reading, file, &reading->standings[i], &err)
                                     : read_file(reading, file, &reading->standings[i], &err);
        note(reading, status, &err);
    }
    if (!journal_files_have_current(&reading->files)) {
        status = error_set(&err, ERROR_INPUT, "%s: there is no such file",
                           reading->journal->source->path);
        note(reading, status, &err);
    }
    status = note_gone(reading, &err);
    note(reading, status, &err);
}

int token_journal_read(struct token_journal *journal, struct store *store, bool *is_whole,
                       struct error *err)
{
    struct reading reading = {
        .journal = journal, .store = store, .now = clock_now(), .is_whole = true};

    *is_whole = false;
    if (store_journals_read(store, journal->source->name, &reading.known, &reading.known_count,
                            err) != 0) {
        return -1;
    }
    reading.status = journal_files_open(journal->source->path, &reading.files, &reading.error);
    if (reading.status == 0) {
        reading.standings = calloc(reading.files.count + 1, sizeof *reading.standings);
        if (reading.standings != NULL) {
            read_files(&reading);
        } else {
            reading.status = error_set(&reading.error, ERROR_INTERNAL, "out of memory");
        }
    }
    *is_whole = reading.status == 0 && reading.is_whole;
    if (reading.status != 0) {
        *err = reading.error;
    }
    free(reading.standings);
    journal_files_close(&reading.files);
    store_journals_free(reading.known, reading.known_count);
    return reading.status;
}
