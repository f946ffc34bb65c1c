/* store_accrual - see store_accrual.h.
 *
 * accrued_micro is computed anew from a project's accruals rather than moved by differences: there
 * are few of them, and a position that is computed cannot drift.
 */
#include "ledgerd/store/store_accrual.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

/* Add a key set as two parameters, sources and ids. */
static int add_keys(struct query *query, const struct lookup_key *keys, size_t count)
{
    int32_t *sources = calloc(count + 1, sizeof *sources);
    const char **ids = calloc(count + 1, sizeof *ids);

    if (sources == NULL || ids == NULL) {
        query->failed = true;
    } else {
        for (size_t i = 0; i < count; i++) {
            sources[i] = keys[i].source_no;
            ids[i] = keys[i].id;
        }
        query_i32_array(query, sources, count);
        query_text_array(query, ids, count);
    }
    free(sources);
    free(ids);
    return query->failed ? -1 : 0;
}

int store_accruals_known(struct store *store, const struct lookup_key *keys, size_t count,
                         struct known_accrual *known, struct error *err)
{
    struct query query;
    struct rows rows;

    memset(known, 0, count * sizeof *known);
    if (count == 0) {
        return 0;
    }
    query_init(&query, "SELECT k.i, a.content, a.end_at "
                       "FROM unnest($1, $2) WITH ORDINALITY k(source_no, id, i) "
                       "JOIN ledger.accrual a "
                       "ON a.source_no = k.source_no AND a.id = k.id COLLATE \"C\"");
    add_keys(&query, keys, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t row = 0; row < rows_count(&rows); row++) {
        struct known_accrual *accrual = &known[rows_i64(&rows, row, 0) - 1];

        accrual->found = true;
        memcpy(accrual->content, rows_bytes(&rows, row, 1), sizeof accrual->content);
        accrual->end = rows_instant(&rows, row, 2);
    }
    rows_release(&rows);
    return 0;
}

int store_accruals_any(struct store *store, bool *any, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT EXISTS (SELECT FROM ledger.accrual)");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *any = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

/* Projects whose accruals move: where they were and where they go. */
static int touched_projects(struct store *store, const struct accrual *put, size_t put_count,
                            const struct lookup_key *keys, size_t key_count, struct rows *rows,
                            struct error *err)
{
    const char **projects = calloc(put_count + 1, sizeof *projects);
    struct query query;

    if (projects == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < put_count; i++) {
        projects[i] = put[i].project;
    }
    query_init(&query, "SELECT DISTINCT a.project_id FROM unnest($1, $2) k(source_no, id) "
                       "JOIN ledger.accrual a "
                       "ON a.source_no = k.source_no AND a.id = k.id COLLATE \"C\" "
                       "UNION SELECT DISTINCT p FROM unnest($3) p");
    add_keys(&query, keys, key_count);
    query_text_array(&query, projects, put_count);
    free(projects);
    return query_run(store, &query, rows, NULL, err);
}

struct put_columns {
    unsigned char (*contents)[16];
    const char **texts[4]; /* project, user, class, record */
    struct instant *starts;
    struct instant *ends;
    int64_t *points;
    int64_t *lists;
    struct month *months;
    int64_t *month_points;
    int64_t *year_points;
    int32_t *cards;
};

static void put_columns_release(struct put_columns *columns)
{
    free(columns->contents);
    for (int i = 0; i < 4; i++) {
        free(columns->texts[i]);
    }
    free(columns->starts);
    free(columns->ends);
    free(columns->points);
    free(columns->lists);
    free(columns->months);
    free(columns->month_points);
    free(columns->year_points);
    free(columns->cards);
}

static int put_columns_fill(struct put_columns *columns, const struct accrual *put, size_t count)
{
    bool failed = false;

    columns->contents = calloc(count, sizeof *columns->contents);
    columns->starts = calloc(count, sizeof *columns->starts);
    columns->ends = calloc(count, sizeof *columns->ends);
    columns->points = calloc(count, sizeof *columns->points);
    columns->lists = calloc(count, sizeof *columns->lists);
    columns->months = calloc(count, sizeof *columns->months);
    columns->month_points = calloc(count, sizeof *columns->month_points);
    columns->year_points = calloc(count, sizeof *columns->year_points);
    columns->cards = calloc(count, sizeof *columns->cards);
    for (int i = 0; i < 4; i++) {
        columns->texts[i] = calloc(count, sizeof *columns->texts[i]);
        failed = failed || columns->texts[i] == NULL;
    }
    if (failed || columns->contents == NULL || columns->starts == NULL || columns->ends == NULL ||
        columns->points == NULL || columns->lists == NULL || columns->months == NULL ||
        columns->month_points == NULL || columns->year_points == NULL || columns->cards == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(columns->contents[i], put[i].content, sizeof columns->contents[i]);
        columns->texts[0][i] = put[i].project;
        columns->texts[1][i] = put[i].user;
        columns->texts[2][i] = put[i].klass;
        columns->texts[3][i] = put[i].record;
        columns->starts[i] = put[i].start;
        columns->ends[i] = put[i].end;
        columns->points[i] = put[i].points.micro;
        columns->lists[i] = put[i].list_points.micro;
        columns->months[i] = put[i].month;
        columns->month_points[i] = put[i].month_points.micro;
        columns->year_points[i] = put[i].year_points.micro;
        columns->cards[i] = put[i].card_no;
    }
    return 0;
}

static int put_accruals(struct store *store, const struct accrual *put, size_t count,
                        const struct lookup_key *keys, struct error *err)
{
    struct put_columns columns = {0};
    struct query query;

    if (count == 0) {
        return 0;
    }
    if (put_columns_fill(&columns, put, count) != 0) {
        put_columns_release(&columns);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    query_init(&query,
               "INSERT INTO ledger.accrual (source_no, id, content, project_id, user_name, class, "
               "start_at, end_at, points_micro, list_micro, card_no, record, month, "
               "month_micro, year_micro) SELECT * FROM "
               "unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) "
               "AS t(source_no, id) ORDER BY t.source_no, t.id COLLATE \"C\" "
               "ON CONFLICT (source_no, id) DO UPDATE SET content = excluded.content, "
               "project_id = excluded.project_id, user_name = excluded.user_name, "
               "class = excluded.class, start_at = excluded.start_at, end_at = excluded.end_at, "
               "points_micro = excluded.points_micro, list_micro = excluded.list_micro, "
               "card_no = excluded.card_no, record = excluded.record, month = excluded.month, "
               "month_micro = excluded.month_micro, year_micro = excluded.year_micro");
    add_keys(&query, keys, count);
    query_uuid_array(&query, columns.contents, count);
    for (int i = 0; i < 3; i++) {
        query_text_array(&query, columns.texts[i], count);
    }
    query_instant_array(&query, columns.starts, count);
    query_instant_array(&query, columns.ends, count);
    query_i64_array(&query, columns.points, count);
    query_i64_array(&query, columns.lists, count);
    query_i32_array(&query, columns.cards, count);
    query_text_array(&query, columns.texts[3], count);
    query_month_array(&query, columns.months, count);
    query_i64_array(&query, columns.month_points, count);
    query_i64_array(&query, columns.year_points, count);
    put_columns_release(&columns);
    return query_run(store, &query, NULL, NULL, err);
}

static int end_accruals(struct store *store, const struct lookup_key *ended, size_t count,
                        struct error *err)
{
    struct query query;

    if (count == 0) {
        return 0;
    }
    query_init(&query, "DELETE FROM ledger.accrual a USING unnest($1, $2) k(source_no, id) "
                       "WHERE a.source_no = k.source_no AND a.id = k.id COLLATE \"C\"");
    add_keys(&query, ended, count);
    return query_run(store, &query, NULL, NULL, err);
}

static int recompute_accrued(struct store *store, const struct rows *projects, struct error *err)
{
    size_t count = rows_count(projects);
    const char **names = calloc(count + 1, sizeof *names);
    struct query query;

    if (names == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = rows_text(projects, i, 0);
    }
    query_init(
        &query,
        "UPDATE ledger.project_position p SET accrued_micro = now.accrued, "
        "version = p.version + 1, changed = pg_current_xact_id() FROM (SELECT n AS project_id, "
        "coalesce((SELECT sum(a.points_micro) FROM ledger.accrual a "
        "WHERE a.project_id = n COLLATE \"C\"), 0)::bigint AS accrued FROM unnest($1) n) now "
        "WHERE p.project_id = now.project_id");
    query_text_array(&query, names, count);
    free(names);
    return query_run(store, &query, NULL, NULL, err);
}

int store_accruals_move(struct store *store, const struct accrual *put, size_t put_count,
                        const struct lookup_key *ended, size_t ended_count, struct error *err)
{
    size_t count = put_count + ended_count;
    struct lookup_key *keys = calloc(count + 1, sizeof *keys);
    struct rows projects = {NULL};
    int result = -1;

    if (keys == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < put_count; i++) {
        keys[i] = (struct lookup_key){put[i].source_no, put[i].id};
    }
    if (ended_count > 0) {
        memcpy(keys + put_count, ended, ended_count * sizeof *keys);
    }
    if (count == 0 ||
        (touched_projects(store, put, put_count, keys, count, &projects, err) == 0 &&
         put_accruals(store, put, put_count, keys, err) == 0 &&
         end_accruals(store, ended, ended_count, err) == 0 &&
         (rows_count(&projects) == 0 || recompute_accrued(store, &projects, err) == 0))) {
        result = 0;
    }
    rows_release(&projects);
    free(keys);
    return result;
}
