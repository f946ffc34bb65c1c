/* store_hold - see store_hold.h. */
#include "ledgerd/store/store_hold.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/hold_lapse.h"
#include "ledgerd/store/hold_rows.h"
#include "ledgerd/store/query.h"

#define HOLD_COLUMNS                                                                     \
    "SELECT h.hold_no, h.key, h.key_hash, h.request, h.project_id, h.user_name, "        \
    "h.ref_kind, h.ref_id, h.points_micro, h.held_micro, h.freed_micro, "                \
    "(SELECT coalesce(sum(e.charged_micro), 0) FROM ledger.hold_event e "                \
    "WHERE e.hold_no = h.hold_no)::bigint, h.parts, h.ended_parts, h.state, h.made_at, " \
    "h.expires_at, h.ended_at, h.decision, " HOLD_LAPSES_AT " FROM ledger.hold h "

/* One look into an index for each number and key, whatever the planner takes the table's size for.
 * The index of keys leaves out holds without one, which no plan can see from a parameter. */
static const char FIND_SQL[] =
    "SELECT f.* FROM (SELECT n FROM unnest($1) n UNION "
    "SELECT x.hold_no FROM unnest($2) k CROSS JOIN LATERAL (SELECT hold_no FROM ledger.hold "
    "WHERE key_hash = k AND key_hash IS NOT NULL OFFSET 0) x) w CROSS JOIN LATERAL (" HOLD_COLUMNS
    "WHERE h.hold_no = w.n OFFSET 0) f ORDER BY 1";

static const char LIST_SQL[] = HOLD_COLUMNS
    "WHERE h.state = 'open' AND " HOLD_COUNTS " AND h.hold_no > $2 "
    "AND ($3::text IS NULL OR h.project_id = $3) ORDER BY h.hold_no LIMIT $4";

static const char LAPSED_SQL[] =
    "SELECT project_id, user_name, sum(held_micro)::bigint FROM ledger.hold h WHERE state = 'open' "
    "AND " HOLD_HAS_LAPSED " AND ($2::text IS NULL OR project_id = $2) "
    "GROUP BY 1, 2 HAVING sum(held_micro) > 0 ORDER BY 1, 2";

/* Append a column's text, and leave where it stands in *text. */
static char *keep_text(char *end, const struct rows *rows, size_t row, int column,
                       const char **text)
{
    *text = end;
    return stpcpy(end, rows_text(rows, row, column)) + 1;
}

static void keep_hash(const struct rows *rows, size_t row, int column,
                      unsigned char hash[STORE_HASH_BYTES])
{
    if (rows_length(rows, row, column) == STORE_HASH_BYTES) {
        memcpy(hash, rows_bytes(rows, row, column), STORE_HASH_BYTES);
    }
}

static size_t texts_bytes(const struct rows *rows, const int *columns, size_t column_count)
{
    size_t bytes = 1;

    for (size_t row = 0; row < rows_count(rows); row++) {
        for (size_t i = 0; i < column_count; i++) {
            bytes += rows_length(rows, row, columns[i]) + 1;
        }
    }
    return bytes;
}

int hold_rows_keep(const struct rows *rows, struct hold_rows *out, struct error *err)
{
    static const int texts[] = {1, 4, 5, 6, 7, 14, 18};
    const size_t text_count = sizeof texts / sizeof texts[0];
    size_t count = rows_count(rows);
    struct hold_rows kept = {.rows = calloc(count + 1, sizeof *kept.rows),
                             .texts = malloc(texts_bytes(rows, texts, text_count))};

    if (kept.rows == NULL || kept.texts == NULL) {
        store_hold_rows_release(&kept);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    char *end = kept.texts;
    for (size_t i = 0; i < count; i++) {
        struct hold_row *row = &kept.rows[kept.count++];

        row->number = rows_i64(rows, i, 0);
        end = keep_text(end, rows, i, 1, &row->key);
        keep_hash(rows, i, 2, row->key_hash);
        keep_hash(rows, i, 3, row->request);
        end = keep_text(end, rows, i, 4, &row->project);
        end = keep_text(end, rows, i, 5, &row->user);
        end = keep_text(end, rows, i, 6, &row->ref_kind);
        end = keep_text(end, rows, i, 7, &row->ref_id);
        row->points = rows_points(rows, i, 8);
        row->held = rows_points(rows, i, 9);
        row->freed = rows_points(rows, i, 10);
        row->charged = rows_points(rows, i, 11);
        row->parts = rows_i64(rows, i, 12);
        row->ended_parts = rows_i64(rows, i, 13);
        end = keep_text(end, rows, i, 14, &row->state);
        row->made_at = rows_instant(rows, i, 15);
        row->expires_at = rows_instant(rows, i, 16);
        row->ended_at = rows_is_null(rows, i, 17) ? INSTANT_NONE : rows_instant(rows, i, 17);
        end = keep_text(end, rows, i, 18, &row->decision);
        row->lapses_at = rows_instant(rows, i, 19);
    }
    *out = kept;
    return 0;
}

static int run_holds(struct store *store, struct query *query, struct hold_rows *out,
                     struct error *err)
{
    struct rows rows;
    int result;

    if (query_run(store, query, &rows, NULL, err) != 0) {
        return -1;
    }
    result = hold_rows_keep(&rows, out, err);
    rows_release(&rows);
    return result;
}

void hold_rows_query(struct query *query, const int64_t *numbers, size_t number_count,
                     const unsigned char (*keys)[STORE_HASH_BYTES], size_t key_count)
{
    query_init_named(query, "find_holds", FIND_SQL);
    query_i64_array(query, numbers, number_count);
    query_uuid_array(query, keys, key_count);
}

int store_find_holds(struct store *store, const int64_t *numbers, size_t number_count,
                     const unsigned char (*keys)[STORE_HASH_BYTES], size_t key_count,
                     struct hold_rows *rows, struct error *err)
{
    struct query query;

    hold_rows_query(&query, numbers, number_count, keys, key_count);
    return run_holds(store, &query, rows, err);
}

int store_list_holds(struct store *store, const char *project, int64_t after, size_t limit,
                     struct instant now, struct hold_rows *rows, struct error *err)
{
    struct query query;

    query_init(&query, LIST_SQL);
    query_instant(&query, now);
    query_i64(&query, after);
    query_text(&query, project);
    query_i64(&query, (int64_t)limit);
    return run_holds(store, &query, rows, err);
}

void store_hold_rows_release(struct hold_rows *rows)
{
    free(rows->rows);
    free(rows->texts);
    *rows = (struct hold_rows){0};
}

static int keep_lapsed(const struct rows *rows, struct lapsed_rows *out, struct error *err)
{
    static const int texts[] = {0, 1};
    const size_t text_count = sizeof texts / sizeof texts[0];
    size_t count = rows_count(rows);
    struct lapsed_rows kept = {.rows = calloc(count + 1, sizeof *kept.rows),
                               .texts = malloc(texts_bytes(rows, texts, text_count))};

    if (kept.rows == NULL || kept.texts == NULL) {
        store_lapsed_release(&kept);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    char *end = kept.texts;
    for (size_t i = 0; i < count; i++) {
        struct lapsed_row *row = &kept.rows[kept.count++];

        end = keep_text(end, rows, i, 0, &row->project);
        end = keep_text(end, rows, i, 1, &row->user);
        row->held = rows_points(rows, i, 2);
    }
    *out = kept;
    return 0;
}

int store_read_lapsed(struct store *store, const char *project, struct instant now,
                      struct lapsed_rows *lapsed, struct error *err)
{
    struct query query;
    struct rows rows;
    int result;

    query_init(&query, LAPSED_SQL);
    query_instant(&query, now);
    query_text(&query, project);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    result = keep_lapsed(&rows, lapsed, err);
    rows_release(&rows);
    return result;
}

void store_lapsed_release(struct lapsed_rows *lapsed)
{
    free(lapsed->rows);
    free(lapsed->texts);
    *lapsed = (struct lapsed_rows){0};
}

struct points store_lapsed_of(const struct lapsed_rows *lapsed, const char *project,
                              const char *user)
{
    struct points sum = POINTS_ZERO;

    for (size_t i = 0; i < lapsed->count; i++) {
        const struct lapsed_row *row = &lapsed->rows[i];

        if (strcmp(row->project, project) == 0 && (user == NULL || strcmp(row->user, user) == 0)) {
            sum.micro += row->held.micro; /* less than the position's sum, which the book keeps */
        }
    }
    return sum;
}

/* The first row's text; NULL if there is none. */
static int find_text(struct store *store, const char *sql, int64_t number, char **text,
                     struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, sql);
    query_i64(&query, number);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    bool is_found = rows_count(&rows) > 0;
    *text = is_found ? rows_copy(&rows, 0, 0) : NULL;
    rows_release(&rows);
    return is_found && *text == NULL ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

int store_find_release(struct store *store, int64_t number, char **result, struct error *err)
{
    return find_text(store,
                     "SELECT result FROM ledger.hold_event WHERE hold_no = $1 AND kind = 'release'",
                     number, result, err);
}

int store_find_decision(struct store *store, int64_t number, char **decision, struct error *err)
{
    return find_text(store,
                     "SELECT decision FROM ledger.hold WHERE hold_no = $1 UNION ALL "
                     "SELECT decision FROM ledger.hold_refusal WHERE hold_no = $1",
                     number, decision, err);
}
