/* store_token - see store_token.h. */
#include "ledgerd/store/store_token.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

static int take_journal(const struct rows *rows, size_t row, struct store_journal *journal)
{
    *journal = (struct store_journal){
        .device = rows_i64(rows, row, 0),
        .inode = rows_i64(rows, row, 1),
        .path = rows_copy(rows, row, 2),
        .read_bytes = rows_i64(rows, row, 3),
        .has_mark = rows_length(rows, row, 4) == STORE_JOURNAL_MARK_BYTES,
        .size_bytes = rows_i64(rows, row, 5),
        .grown_at = rows_instant(rows, row, 6),
        .left_bytes = rows_i64(rows, row, 7),
        .seen_at = rows_instant(rows, row, 8),
        .gone_at = rows_instant(rows, row, 9),
    };
    if (journal->has_mark) {
        memcpy(journal->mark, rows_bytes(rows, row, 4), STORE_JOURNAL_MARK_BYTES);
    }
    return journal->path != NULL ? 0 : -1;
}

int store_journals_read(struct store *store, const char *source, struct store_journal **journals,
                        size_t *count, struct error *err)
{
    struct query query;
    struct rows rows;
    size_t taken = 0;
    int result = 0;

    query_init(&query,
               "SELECT device, inode, path, read_bytes, mark, size_bytes, grown_at, left_bytes, "
               "seen_at, gone_at FROM ledger.token_journal WHERE source = $1 "
               "ORDER BY seen_at DESC, device, inode LIMIT $2");
    query_text(&query, source);
    query_i64(&query, STORE_JOURNALS_MAX);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *count = rows_count(&rows);
    *journals = calloc(*count + 1, sizeof **journals);
    while (*journals != NULL && result == 0 && taken < *count) {
        result = take_journal(&rows, taken, &(*journals)[taken]);
        taken++;
    }
    rows_release(&rows);
    if (*journals == NULL || result != 0) {
        store_journals_free(*journals, taken);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

void store_journals_free(struct store_journal *journals, size_t count)
{
    for (size_t i = 0; journals != NULL && i < count; i++) {
        free(journals[i].path);
    }
    free(journals);
}

int store_journal_write(struct store *store, const char *source,
                        const struct store_journal *journal, struct error *err)
{
    struct query query;

    query_init(&query,
               "INSERT INTO ledger.token_journal (source, device, inode, path, read_bytes, mark, "
               "size_bytes, grown_at, left_bytes, seen_at, gone_at) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
               "ON CONFLICT (source, device, inode) DO UPDATE SET path = excluded.path, "
               "read_bytes = excluded.read_bytes, mark = excluded.mark, "
               "size_bytes = excluded.size_bytes, grown_at = excluded.grown_at, "
               "left_bytes = excluded.left_bytes, seen_at = excluded.seen_at, "
               "gone_at = excluded.gone_at");
    query_text(&query, source);
    query_i64(&query, journal->device);
    query_i64(&query, journal->inode);
    query_text(&query, journal->path);
    query_i64(&query, journal->read_bytes);
    query_bytes(&query, journal->has_mark ? journal->mark : NULL, STORE_JOURNAL_MARK_BYTES);
    query_i64(&query, journal->size_bytes);
    query_instant(&query, journal->grown_at);
    query_i64(&query, journal->left_bytes);
    query_instant(&query, journal->seen_at);
    query_instant(&query, journal->gone_at);
    return query_run(store, &query, NULL, NULL, err);
}

int store_journals_forget(struct store *store, const char *source, struct instant before,
                          struct error *err)
{
    struct query query;

    query_init(&query, "DELETE FROM ledger.token_journal WHERE source = $1 AND gone_at < $2");
    query_text(&query, source);
    query_instant(&query, before);
    return query_run(store, &query, NULL, NULL, err);
}

int store_cursor_read(struct store *store, const char *source, char **cursor, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT cursor FROM ledger.token_cursor WHERE source = $1");
    query_text(&query, source);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *cursor = rows_count(&rows) == 1 ? rows_copy(&rows, 0, 0) : strdup("");
    rows_release(&rows);
    return *cursor != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_cursor_write(struct store *store, const char *source, const char *cursor,
                       struct instant now, struct error *err)
{
    struct query query;

    query_init(&query, "INSERT INTO ledger.token_cursor (source, cursor, moved_at) "
                       "VALUES ($1, $2, $3) ON CONFLICT (source) DO UPDATE "
                       "SET cursor = excluded.cursor, moved_at = excluded.moved_at");
    query_text(&query, source);
    query_text(&query, cursor);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}
