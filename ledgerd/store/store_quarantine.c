/* store_quarantine - see store_quarantine.h. */
#include "ledgerd/store/store_quarantine.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

static const char *const state_texts[] = {
    [QUARANTINE_OPEN] = "open",
    [QUARANTINE_RESOLVED] = "resolved",
    [QUARANTINE_DISMISSED] = "dismissed",
};

const char *quarantine_state_text(enum quarantine_state state)
{
    return state_texts[state];
}

static enum quarantine_state state_of(const char *text)
{
    for (size_t i = 0; i < sizeof state_texts / sizeof *state_texts; i++) {
        if (strcmp(text, state_texts[i]) == 0) {
            return (enum quarantine_state)i;
        }
    }
    return QUARANTINE_OPEN; /* a CHECK of the table allows no other text */
}

void store_quarantine_entry_release(struct quarantine_entry *entry)
{
    free(entry->source);
    free(entry->id);
    free(entry->format);
    free(entry->options);
    free(entry->reason);
    free(entry->detail);
    free(entry->raw);
    *entry = (struct quarantine_entry){0};
}

void store_quarantine_list_release(struct quarantine_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        store_quarantine_entry_release(&list->entries[i]);
    }
    free(list->entries);
    *list = (struct quarantine_list){0};
}

/* Columns of a set of entries for unnest. */
struct columns {
    const char **texts[7]; /* source, id, format, options, reason, detail, state */
    unsigned char (*hashes)[16];
    const void **raws;
    size_t *raw_lengths;
    bool *wholes;
    int64_t *first_months; /* month numbers, -1 for none */
    int64_t *months;       /* likewise */
    struct instant *since;
    struct instant *ended;
};

static void columns_release(struct columns *columns)
{
    for (int i = 0; i < 7; i++) {
        free(columns->texts[i]);
    }
    free(columns->hashes);
    free(columns->raws);
    free(columns->raw_lengths);
    free(columns->wholes);
    free(columns->first_months);
    free(columns->months);
    free(columns->since);
    free(columns->ended);
}

static int columns_allocate(struct columns *columns, size_t count)
{
    bool failed = false;

    for (int i = 0; i < 7; i++) {
        columns->texts[i] = calloc(count, sizeof *columns->texts[i]);
        failed = failed || columns->texts[i] == NULL;
    }
    columns->hashes = calloc(count, sizeof *columns->hashes);
    columns->raws = calloc(count, sizeof *columns->raws);
    columns->raw_lengths = calloc(count, sizeof *columns->raw_lengths);
    columns->wholes = calloc(count, sizeof *columns->wholes);
    columns->first_months = calloc(count, sizeof *columns->first_months);
    columns->months = calloc(count, sizeof *columns->months);
    columns->since = calloc(count, sizeof *columns->since);
    columns->ended = calloc(count, sizeof *columns->ended);
    if (failed || columns->hashes == NULL || columns->raws == NULL ||
        columns->raw_lengths == NULL || columns->wholes == NULL || columns->first_months == NULL ||
        columns->months == NULL || columns->since == NULL || columns->ended == NULL) {
        columns_release(columns);
        return -1;
    }
    return 0;
}

static int columns_fill(struct columns *columns, const struct quarantine_entry *const *entries,
                        size_t count, struct error *err)
{
    if (columns_allocate(columns, count) != 0) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        const struct quarantine_entry *entry = entries[i];

        columns->texts[0][i] = entry->source;
        columns->texts[1][i] = entry->id;
        columns->texts[2][i] = entry->format;
        columns->texts[3][i] = entry->options;
        columns->texts[4][i] = entry->reason;
        columns->texts[5][i] = entry->detail;
        columns->texts[6][i] = quarantine_state_text(entry->state);
        memcpy(columns->hashes[i], entry->raw_hash, sizeof columns->hashes[i]);
        columns->raws[i] = entry->raw;
        columns->raw_lengths[i] = entry->raw_length;
        columns->wholes[i] = entry->is_whole;
        columns->first_months[i] = entry->has_month ? entry->first_month.number : -1;
        columns->months[i] = entry->has_month ? entry->month.number : -1;
        columns->since[i] = entry->since;
        columns->ended[i] = entry->ended_at;
    }
    return 0;
}

int store_quarantine_known(struct store *store, const struct quarantine_entry *const *entries,
                           size_t count, struct quarantine_known *known, struct error *err)
{
    struct columns columns;
    struct query query;
    struct rows rows;

    memset(known, 0, count * sizeof *known);
    if (count == 0) {
        return 0;
    }
    if (columns_fill(&columns, entries, count, err) != 0) {
        return -1;
    }
    query_init(&query, "SELECT k.i, q.state, q.raw_hash = k.hash, q.reason = k.reason "
                       "FROM unnest($1, $2, $3, $4) WITH ORDINALITY k(source, id, hash, reason, i) "
                       "JOIN ledger.quarantine q ON q.source = k.source AND q.id = k.id "
                       "WHERE q.id <> '' "
                       "UNION ALL SELECT k.i, q.state, true, q.reason = k.reason "
                       "FROM unnest($1, $2, $3, $4) WITH ORDINALITY k(source, id, hash, reason, i) "
                       "JOIN ledger.quarantine q ON q.source = k.source AND q.raw_hash = k.hash "
                       "WHERE k.id = '' AND q.id = ''");
    query_text_array(&query, columns.texts[0], count);
    query_text_array(&query, columns.texts[1], count);
    query_uuid_array(&query, columns.hashes, count);
    query_text_array(&query, columns.texts[4], count);
    columns_release(&columns);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t row = 0; row < rows_count(&rows); row++) {
        known[rows_i64(&rows, row, 0) - 1] = (struct quarantine_known){
            .found = true,
            .state = state_of(rows_text(&rows, row, 1)),
            .same_raw = rows_bool(&rows, row, 2),
            .same_reason = rows_bool(&rows, row, 3),
        };
    }
    rows_release(&rows);
    return 0;
}

/* Entries with an id are unique by it, the others by their text: two partial indexes, so two
 * statements. */
#define MONTH_DATE(number)                                                      \
    "CASE WHEN " number " >= 0 THEN make_date((" number " / 12)::int, (" number \
    " % 12)::int + 1, 1) END, "
#define PUT_SELECT                                                                                \
    "INSERT INTO ledger.quarantine (source, id, raw_hash, format, options, reason, "              \
    "detail, raw, is_whole, first_month, month, state, since, ended_at) "                         \
    "SELECT source, id, hash, format, options, reason, detail, raw, whole, " MONTH_DATE(          \
        "first_month") MONTH_DATE("month") "state, since, ended FROM unnest($1, $2, $3, $4, $5, " \
                                           "$6, $7, $8, $9, $10, $11, $12, $13, $14) "            \
                                           "AS t(source, id, hash, format, options, reason, "     \
                                           "detail, raw, whole, first_month, month, "             \
                                           "state, since, ended) "
#define PUT_UPDATE                                                                     \
    " DO UPDATE SET raw_hash = excluded.raw_hash, format = excluded.format, "          \
    "options = excluded.options, reason = excluded.reason, detail = excluded.detail, " \
    "raw = excluded.raw, is_whole = excluded.is_whole, "                               \
    "first_month = excluded.first_month, month = excluded.month, "                     \
    "state = excluded.state, ended_at = excluded.ended_at"

static int put_by(struct store *store, const char *sql, const struct columns *columns, size_t count,
                  struct error *err)
{
    struct query query;

    query_init(&query, sql);
    query_text_array(&query, columns->texts[0], count);
    query_text_array(&query, columns->texts[1], count);
    query_uuid_array(&query, columns->hashes, count);
    for (int i = 2; i < 6; i++) {
        query_text_array(&query, columns->texts[i], count);
    }
    query_bytes_array(&query, columns->raws, columns->raw_lengths, count);
    query_bool_array(&query, columns->wholes, count);
    query_i64_array(&query, columns->first_months, count);
    query_i64_array(&query, columns->months, count);
    query_text_array(&query, columns->texts[6], count);
    query_instant_array(&query, columns->since, count);
    query_instant_array(&query, columns->ended, count);
    return query_run(store, &query, NULL, NULL, err);
}

int store_quarantine_put(struct store *store, const struct quarantine_entry *const *entries,
                         size_t count, struct error *err)
{
    struct columns columns;
    int result;

    if (count == 0) {
        return 0;
    }
    if (columns_fill(&columns, entries, count, err) != 0) {
        return -1;
    }
    result = put_by(store,
                    PUT_SELECT "WHERE id <> '' ORDER BY source, id "
                               "ON CONFLICT (source, id) WHERE id <> ''" PUT_UPDATE,
                    &columns, count, err);
    if (result == 0) {
        result = put_by(store,
                        PUT_SELECT "WHERE id = '' ORDER BY source, hash "
                                   "ON CONFLICT (source, raw_hash) WHERE id = ''" PUT_UPDATE,
                        &columns, count, err);
    }
    columns_release(&columns);
    return result;
}

int store_quarantine_any_open(struct store *store, bool *any, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT EXISTS (SELECT FROM ledger.quarantine WHERE state = 'open' AND id <> '')");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *any = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_quarantine_resolve(struct store *store, const char *const *sources,
                             const char *const *ids, size_t count, struct instant now,
                             struct error *err)
{
    struct query query;

    if (count == 0) {
        return 0;
    }
    query_init(&query, "UPDATE ledger.quarantine q SET state = 'resolved', ended_at = $3 "
                       "FROM unnest($1, $2) k(source, id) WHERE q.source = k.source "
                       "AND q.id = k.id AND q.id <> '' AND q.state = 'open'");
    query_text_array(&query, sources, count);
    query_text_array(&query, ids, count);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

int store_quarantine_resolve_numbers(struct store *store, const int64_t *numbers, size_t count,
                                     struct instant now, struct error *err)
{
    struct query query;

    if (count == 0) {
        return 0;
    }
    query_init(&query, "UPDATE ledger.quarantine SET state = 'resolved', ended_at = $2 "
                       "WHERE n = ANY ($1) AND state = 'open'");
    query_i64_array(&query, numbers, count);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

#define ENTRY_COLUMNS                                                                        \
    "q.n, q.source, q.id, q.raw_hash, q.format, q.options, q.reason, q.detail, q.is_whole, " \
    "q.month, q.state, q.since, q.ended_at, q.first_month"
enum { RAW_COLUMN = 14 }; /* after ENTRY_COLUMNS */

static int entry_from_row(const struct rows *rows, size_t row, struct quarantine_entry *entry,
                          struct error *err)
{
    *entry = (struct quarantine_entry){
        .n = rows_i64(rows, row, 0),
        .source = rows_copy(rows, row, 1),
        .id = rows_copy(rows, row, 2),
        .format = rows_copy(rows, row, 4),
        .options = rows_copy(rows, row, 5),
        .reason = rows_copy(rows, row, 6),
        .detail = rows_copy(rows, row, 7),
        .is_whole = rows_bool(rows, row, 8),
        .has_month = !rows_is_null(rows, row, 9),
        .state = state_of(rows_text(rows, row, 10)),
        .since = rows_instant(rows, row, 11),
        .ended_at = rows_instant(rows, row, 12),
    };
    memcpy(entry->raw_hash, rows_bytes(rows, row, 3), sizeof entry->raw_hash);
    if (entry->has_month) {
        entry->month = rows_month(rows, row, 9);
        entry->first_month = rows_is_null(rows, row, 13) ? entry->month : rows_month(rows, row, 13);
    }
    if (!rows_is_null(rows, row, RAW_COLUMN)) {
        entry->raw_length = rows_length(rows, row, RAW_COLUMN);
        entry->raw = malloc(entry->raw_length + 1);
        if (entry->raw != NULL) {
            memcpy(entry->raw, rows_bytes(rows, row, RAW_COLUMN), entry->raw_length);
            entry->raw[entry->raw_length] = '\0';
        }
    }
    if (entry->source == NULL || entry->id == NULL || entry->format == NULL ||
        entry->options == NULL || entry->reason == NULL || entry->detail == NULL ||
        (entry->raw == NULL && !rows_is_null(rows, row, RAW_COLUMN))) {
        store_quarantine_entry_release(entry);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

int store_quarantine_list(struct store *store, int64_t after, size_t max, bool with_raw,
                          struct quarantine_list *list, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    *list = (struct quarantine_list){0};
    query_init(&query, "SELECT " ENTRY_COLUMNS ", CASE WHEN $3 THEN q.raw END "
                       "FROM ledger.quarantine q WHERE q.state = 'open' AND q.n > $1 "
                       "ORDER BY q.n LIMIT $2");
    query_i64(&query, after);
    query_i64(&query, (int64_t)max);
    query_bool(&query, with_raw);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    list->count = 0;
    list->entries = calloc(rows_count(&rows) + 1, sizeof *list->entries);
    if (list->entries == NULL) {
        result = error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        result = entry_from_row(&rows, i, &list->entries[i], err);
        list->count += result == 0;
    }
    rows_release(&rows);
    if (result != 0) {
        store_quarantine_list_release(list);
    }
    return result;
}

/* The entry that the query finds; *found tells. */
static int read_entry(struct store *store, struct query *query, bool *found,
                      struct quarantine_entry *entry, struct error *err)
{
    struct rows rows;
    int result = 0;

    if (query_run(store, query, &rows, NULL, err) != 0) {
        return -1;
    }
    *found = rows_count(&rows) > 0;
    if (*found) {
        result = entry_from_row(&rows, 0, entry, err);
    }
    rows_release(&rows);
    return result;
}

int store_quarantine_read(struct store *store, int64_t n, struct quarantine_entry *entry,
                          struct error *err)
{
    struct query query;
    bool found;

    query_init(&query, "SELECT " ENTRY_COLUMNS ", q.raw FROM ledger.quarantine q WHERE q.n = $1");
    query_i64(&query, n);
    if (read_entry(store, &query, &found, entry, err) != 0) {
        return -1;
    }
    if (!found) {
        return error_set_reason(err, ERROR_REFUSED, "unknown_entry",
                                "there is no quarantine entry %lld", (long long)n);
    }
    return 0;
}

int store_quarantine_find(struct store *store, const char *source, const char *id, bool *found,
                          struct quarantine_entry *entry, struct error *err)
{
    struct query query;

    query_init(&query, "SELECT " ENTRY_COLUMNS ", q.raw FROM ledger.quarantine q "
                       "WHERE q.source = $1 AND q.id = $2 AND q.id <> ''");
    query_text(&query, source);
    query_text(&query, id);
    return read_entry(store, &query, found, entry, err);
}

int store_quarantine_dismiss(struct store *store, int64_t n, struct instant now, struct error *err)
{
    struct query query;
    int64_t affected;

    query_init(&query, "UPDATE ledger.quarantine SET state = 'dismissed', ended_at = $2 "
                       "WHERE n = $1 AND state = 'open'");
    query_i64(&query, n);
    query_instant(&query, now);
    if (query_run(store, &query, NULL, &affected, err) != 0) {
        return -1;
    }
    if (affected == 0) {
        return error_set_reason(err, ERROR_REFUSED, "not_open", "quarantine entry %lld is not open",
                                (long long)n);
    }
    return 0;
}

int store_skipped_put(struct store *store, const int32_t *sources, const char *const *keys,
                      const char *const *reasons, size_t count, struct error *err)
{
    struct query query;

    if (count == 0) {
        return 0;
    }
    query_init(&query, "INSERT INTO ledger.skipped (source_no, key, reason) "
                       "SELECT source_no, key, min(reason) FROM unnest($1, $2, $3) "
                       "AS t(source_no, key, reason) GROUP BY source_no, key "
                       "ORDER BY source_no, key COLLATE \"C\" ON CONFLICT DO NOTHING");
    query_i32_array(&query, sources, count);
    query_text_array(&query, keys, count);
    query_text_array(&query, reasons, count);
    return query_run(store, &query, NULL, NULL, err);
}
