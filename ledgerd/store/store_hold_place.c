/* store_hold_place - see store_hold_place.h. */
#include "ledgerd/store/store_hold_place.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/hold_lapse.h"
#include "ledgerd/store/hold_rows.h"
#include "ledgerd/store/query.h"

static const char LOCK_SQL[] =
    "SELECT project_id, posted_micro, held_micro, accrued_micro, version "
    "FROM ledger.project_position WHERE project_id = ANY ($1) ORDER BY project_id FOR UPDATE";

/* One row at least, for the version. */
static const char LOOK_SQL[] =
    "SELECT project_id, user_name, NULL::timestamptz, micro, version "
    "FROM ledger.catalog_version LEFT JOIN (SELECT project_id, user_name, "
    "sum(held_micro)::bigint AS micro FROM ledger.hold h "
    "WHERE state = 'open' AND project_id = ANY ($2) AND " HOLD_HAS_LAPSED
    " GROUP BY 1, 2) l ON true";

static const char DRAW_SQL[] =
    "SELECT project_id, ''::text, nullif(since, '-infinity'), points_micro "
    "FROM ledger.project_draw WHERE project_id = ANY ($1) ORDER BY project_id COLLATE \"C\", since";

/* Keys are inserted in their order, so that two groups with the same keys wait for each other only
 * one way round. */
static const char WRITE_SQL[] =
    "WITH made AS (INSERT INTO ledger.hold (hold_no, key_hash, key, request, project_id, "
    "user_name, class, ref_kind, ref_id, points_micro, parts, held_micro, made_at, expires_at, "
    "decision, source, at_once) SELECT n, CASE WHEN key <> '' THEN hash END, key, request, "
    "project, user_name, class, ref_kind, ref_id, points, parts, points, $16, expires_at, "
    "decision, source, at_once "
    "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) AS t(n, hash, "
    "key, request, project, user_name, class, ref_kind, ref_id, points, parts, expires_at, "
    "decision, source, at_once) "
    "ORDER BY hash), "
    "moved AS (UPDATE ledger.project_position p SET held_micro = p.held_micro + m.points, "
    "changed = pg_current_xact_id() FROM unnest($17, $18) AS m(project, points) "
    "WHERE p.project_id = m.project), "
    "counted AS (UPDATE ledger.limit_held h SET held_micro = h.held_micro + m.points "
    "FROM unnest($19, $20) AS m(n, points) WHERE h.limit_no = m.n), "
    "refused AS (INSERT INTO ledger.hold_refusal (hold_no, at, decision) "
    "SELECT n, $16, decision FROM unnest($21, $22) AS r(n, decision)) "
    "SELECT pg_current_xact_id()::text::bigint";

int store_hold_block(struct store *store, int64_t *first, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT nextval('ledger.hold_number')");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *first = rows_i64(&rows, 0, 0) * STORE_HOLD_BLOCK;
    rows_release(&rows);
    return 0;
}

/* The index of a name that is among them. They are sorted as bytes, the rows as the database sorts.
 */
static size_t find_project(const char *const *projects, size_t count, const char *name)
{
    size_t low = 0;
    size_t high = count - 1;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(projects[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void keep_positions(const struct rows *rows, const struct hold_opening *opening,
                           struct locked_position *positions)
{
    memset(positions, 0, opening->count * sizeof *positions);
    for (size_t row = 0; row < rows_count(rows); row++) {
        size_t i = find_project(opening->projects, opening->count, rows_text(rows, row, 0));

        positions[i] = (struct locked_position){.is_known = true,
                                                .posted = rows_points(rows, row, 1),
                                                .held = rows_points(rows, row, 2),
                                                .accrued = rows_points(rows, row, 3),
                                                .version = rows_i64(rows, row, 4)};
    }
}

/* Rows of project, user, since and points; those without a project are left out. */
static int keep_look_rows(const struct rows *rows, struct look_rows *out, struct error *err)
{
    size_t count = rows_count(rows);
    size_t bytes = 1;

    for (size_t i = 0; i < count; i++) {
        bytes += rows_length(rows, i, 0) + rows_length(rows, i, 1) + 2;
    }
    *out = (struct look_rows){.rows = calloc(count + 1, sizeof *out->rows), .texts = malloc(bytes)};
    if (out->rows == NULL || out->texts == NULL) {
        store_look_rows_release(out);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    char *end = out->texts;
    for (size_t i = 0; i < count; i++) {
        struct look_row *row = &out->rows[out->count];

        if (rows_is_null(rows, i, 0)) {
            continue;
        }
        row->project = end;
        end = stpcpy(end, rows_text(rows, i, 0)) + 1;
        row->user = end;
        end = stpcpy(end, rows_text(rows, i, 1)) + 1;
        row->since = rows_instant(rows, i, 2);
        row->points = rows_points(rows, i, 3);
        out->count++;
    }
    return 0;
}

void store_look_rows_release(struct look_rows *rows)
{
    free(rows->rows);
    free(rows->texts);
    *rows = (struct look_rows){0};
}

void store_hold_look_release(struct hold_look *look)
{
    store_hold_rows_release(&look->known);
    store_look_rows_release(&look->lapsed);
    *look = (struct hold_look){0};
}

enum { OPEN_LOCK, OPEN_FIND, OPEN_LOOK, OPEN_COUNT };

static int keep_opening(const struct rows *rows, const struct hold_opening *opening,
                        struct locked_position *positions, struct hold_look *look,
                        struct error *err)
{
    struct hold_look kept = {.catalog_version = rows_i64(&rows[OPEN_LOOK], 0, 4)};

    if (hold_rows_keep(&rows[OPEN_FIND], &kept.known, err) != 0 ||
        keep_look_rows(&rows[OPEN_LOOK], &kept.lapsed, err) != 0) {
        store_hold_look_release(&kept);
        return -1;
    }
    keep_positions(&rows[OPEN_LOCK], opening, positions);
    *look = kept;
    return 0;
}

int store_hold_open(struct store *store, const struct hold_opening *opening,
                    struct locked_position *positions, struct hold_look *look, struct error *err)
{
    struct query queries[OPEN_COUNT];
    struct rows rows[OPEN_COUNT];

    query_init_named(&queries[OPEN_LOCK], "hold_lock", LOCK_SQL);
    query_text_array(&queries[OPEN_LOCK], opening->projects, opening->count);
    hold_rows_query(&queries[OPEN_FIND], NULL, 0, opening->keys, opening->key_count);
    query_init_named(&queries[OPEN_LOOK], "hold_look", LOOK_SQL);
    query_instant(&queries[OPEN_LOOK], opening->now);
    query_text_array(&queries[OPEN_LOOK], opening->projects, opening->count);
    if (query_run_all(store, queries, OPEN_COUNT, rows, err) != 0) {
        return -1;
    }
    int result = keep_opening(rows, opening, positions, look, err);
    for (int i = 0; i < OPEN_COUNT; i++) {
        rows_release(&rows[i]);
    }
    return result;
}

int store_hold_draws(struct store *store, const char *const *projects, size_t count,
                     struct look_rows *draws, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init_named(&query, "hold_draws", DRAW_SQL);
    query_text_array(&query, projects, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    int result = keep_look_rows(&rows, draws, err);
    rows_release(&rows);
    return result;
}

/* Arrays of a group's columns, allocated together. */
struct columns {
    const char *texts[8][STORE_HOLD_GROUP_MAX];
    int64_t longs[2][STORE_HOLD_GROUP_MAX];
    int32_t ints[2][STORE_HOLD_GROUP_MAX];
    unsigned char hashes[2][STORE_HOLD_GROUP_MAX][STORE_HASH_BYTES];
    struct instant instants[STORE_HOLD_GROUP_MAX];
};

static void bind_holds(struct query *query, const struct hold_writing *group,
                       struct columns *columns)
{
    size_t count = group->hold_count;

    for (size_t i = 0; i < count; i++) {
        const struct new_hold *hold = &group->holds[i];
        const char *const texts[] = {hold->key,      hold->project, hold->user,     hold->klass,
                                     hold->ref_kind, hold->ref_id,  hold->decision, hold->source};

        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            columns->texts[t][i] = texts[t];
        }
        columns->longs[0][i] = hold->number;
        columns->longs[1][i] = hold->points.micro;
        columns->ints[0][i] = (int32_t)hold->parts;
        columns->ints[1][i] = (int32_t)hold->at_once;
        columns->instants[i] = hold->expires_at;
        memset(columns->hashes[0][i], 0, STORE_HASH_BYTES);
        if (*hold->key != '\0') {
            memcpy(columns->hashes[0][i], hold->key_hash, STORE_HASH_BYTES);
        }
        memcpy(columns->hashes[1][i], hold->request, STORE_HASH_BYTES);
    }
    query_i64_array(query, columns->longs[0], count);
    query_uuid_array(query, (const unsigned char(*)[STORE_HASH_BYTES])columns->hashes[0], count);
    query_text_array(query, columns->texts[0], count);
    query_uuid_array(query, (const unsigned char(*)[STORE_HASH_BYTES])columns->hashes[1], count);
    for (int t = 1; t < 6; t++) {
        query_text_array(query, columns->texts[t], count);
    }
    query_i64_array(query, columns->longs[1], count);
    query_i32_array(query, columns->ints[0], count);
    query_instant_array(query, columns->instants, count);
    query_text_array(query, columns->texts[6], count);
    query_text_array(query, columns->texts[7], count);
    query_i32_array(query, columns->ints[1], count);
}

static int bind_limits(struct query *query, const struct hold_writing *group, struct error *err)
{
    int32_t *numbers = calloc(group->limit_count + 1, sizeof *numbers);
    int64_t *points = calloc(group->limit_count + 1, sizeof *points);
    int result = -1;

    if (numbers == NULL || points == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else {
        for (size_t i = 0; i < group->limit_count; i++) {
            numbers[i] = group->limits[i].limit_no;
            points[i] = group->limits[i].held.micro;
        }
        query_i32_array(query, numbers, group->limit_count);
        query_i64_array(query, points, group->limit_count);
        result = 0;
    }
    free(numbers);
    free(points);
    return result;
}

static void bind_refusals(struct query *query, const struct hold_writing *group,
                          struct columns *columns)
{
    for (size_t i = 0; i < group->refusal_count; i++) {
        columns->longs[0][i] = group->refusals[i].number;
        columns->texts[0][i] = group->refusals[i].decision;
    }
    query_i64_array(query, columns->longs[0], group->refusal_count);
    query_text_array(query, columns->texts[0], group->refusal_count);
}

static int bind_group(struct query *query, const struct hold_writing *group, struct error *err)
{
    struct columns *columns = malloc(sizeof *columns);

    if (columns == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    bind_holds(query, group, columns);
    query_instant(query, group->now);
    query_text_array(query, group->projects, group->project_count);
    query_i64_array(query, group->held_micro, group->project_count);
    if (bind_limits(query, group, err) != 0) {
        free(columns);
        return -1;
    }
    bind_refusals(query, group, columns);
    free(columns);
    return 0;
}

int store_hold_write(struct store *store, const struct hold_writing *group, int64_t *transaction,
                     bool *is_key_taken, struct error *err)
{
    struct query query;
    struct rows rows;

    *is_key_taken = false;
    query_init_named(&query, "hold_write", WRITE_SQL);
    if (bind_group(&query, group, err) != 0) {
        query_release(&query);
        return -1;
    }
    if (query_run_and_commit(store, &query, &rows, NULL, err) != 0) {
        *is_key_taken = strcmp(store_sqlstate(store), "23505") == 0;
        return -1;
    }
    *transaction = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}
