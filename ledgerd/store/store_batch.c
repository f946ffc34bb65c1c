/* store_batch - see store_batch.h.
 *
 * Upserts are ordered by key, as all writers of these tables do it: two of them can wait for each
 * other only one way round.
 */
#include "ledgerd/store/store_batch.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_position.h"

/* Columns of a set of rows, allocated together: one array for each type that a statement needs. */
struct columns {
    struct month *months;
    const char **texts[3];
    int32_t *numbers;
    int64_t *longs[3];
    bool *flags;
    struct instant *instants;
    unsigned char (*uuids)[16];
};

static void columns_release(struct columns *columns)
{
    free(columns->months);
    free(columns->numbers);
    free(columns->flags);
    free(columns->instants);
    free(columns->uuids);
    for (int i = 0; i < 3; i++) {
        free(columns->texts[i]);
        free(columns->longs[i]);
    }
}

static int columns_allocate(struct columns *columns, size_t count, struct error *err)
{
    bool failed;

    columns->months = calloc(count, sizeof *columns->months);
    columns->numbers = calloc(count, sizeof *columns->numbers);
    columns->flags = calloc(count, sizeof *columns->flags);
    columns->instants = calloc(count, sizeof *columns->instants);
    columns->uuids = calloc(count, sizeof *columns->uuids);
    failed = columns->months == NULL || columns->numbers == NULL || columns->flags == NULL ||
             columns->instants == NULL || columns->uuids == NULL;
    for (int i = 0; i < 3; i++) {
        columns->texts[i] = calloc(count, sizeof *columns->texts[i]);
        columns->longs[i] = calloc(count, sizeof *columns->longs[i]);
        failed = failed || columns->texts[i] == NULL || columns->longs[i] == NULL;
    }
    if (failed) {
        columns_release(columns);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

static int read_source_numbers(struct store *store, const char *const *names, size_t count,
                               int32_t *numbers, bool *complete, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT s.source_no FROM unnest($1) WITH ORDINALITY n(name, i) "
                       "LEFT JOIN ledger.source s USING (name) ORDER BY n.i");
    query_text_array(&query, names, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *complete = true;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (int32_t)rows_i64(&rows, i, 0);
        *complete = *complete && !rows_is_null(&rows, i, 0);
    }
    rows_release(&rows);
    return 0;
}

int store_source_numbers(struct store *store, const char *const *names, size_t count,
                         int32_t *numbers, struct error *err)
{
    struct query query;
    bool complete;

    if (read_source_numbers(store, names, count, numbers, &complete, err) != 0) {
        return -1;
    }
    if (complete) {
        return 0;
    }
    query_init(&query,
               "INSERT INTO ledger.source (name) SELECT DISTINCT n FROM unnest($1) n "
               "WHERE n <> '' AND NOT EXISTS (SELECT FROM ledger.source s WHERE s.name = n) "
               "ORDER BY n "
               "ON CONFLICT DO NOTHING");
    query_text_array(&query, names, count);
    if (query_run(store, &query, NULL, NULL, err) != 0) {
        return -1;
    }
    return read_source_numbers(store, names, count, numbers, &complete, err);
}

int store_source_touch(struct store *store, const int32_t *sources, const struct instant *latest,
                       size_t count, struct error *err)
{
    struct query query;

    query_init(&query, "UPDATE ledger.source s SET last_record_at = t.latest "
                       "FROM unnest($1, $2) t(source_no, latest) WHERE s.source_no = t.source_no "
                       "AND (s.last_record_at IS NULL OR s.last_record_at < t.latest)");
    query_i32_array(&query, sources, count);
    query_instant_array(&query, latest, count);
    return query_run(store, &query, NULL, NULL, err);
}

int store_source_read_to(struct store *store, const char *source, struct instant through,
                         struct error *err)
{
    struct query query;
    int32_t number;

    if (store_source_numbers(store, &source, 1, &number, err) != 0) {
        return -1;
    }
    query_init(&query, "UPDATE ledger.source SET read_to = greatest(read_to, $2) "
                       "WHERE source_no = $1");
    query_i32(&query, number);
    query_instant(&query, through);
    return query_run(store, &query, NULL, NULL, err);
}

int store_identity_amend(struct store *store, const struct batch_identity *identities, size_t count,
                         struct error *err)
{
    struct columns columns;
    struct query query;

    if (count == 0) {
        return 0;
    }
    if (columns_allocate(&columns, count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        columns.numbers[i] = identities[i].source_no;
        columns.texts[0][i] = identities[i].id;
        memcpy(columns.uuids[i], identities[i].content, sizeof columns.uuids[i]);
        columns.longs[0][i] = identities[i].version;
        columns.months[i] = identities[i].month;
    }
    query_init(&query, "UPDATE ledger.record_identity r SET content = t.content, "
                       "version = t.version::smallint, month = t.month "
                       "FROM unnest($1, $2, $3, $4, $5) t(source_no, id, content, version, month) "
                       "WHERE r.source_no = t.source_no AND r.id = t.id");
    query_i32_array(&query, columns.numbers, count);
    query_text_array(&query, columns.texts[0], count);
    query_uuid_array(&query, columns.uuids, count);
    query_i64_array(&query, columns.longs[0], count);
    query_month_array(&query, columns.months, count);
    columns_release(&columns);
    return query_run(store, &query, NULL, NULL, err);
}

int store_content_add(struct store *store, const struct batch_content *contents, size_t count,
                      struct error *err)
{
    struct columns columns;
    struct query query;

    if (count == 0) {
        return 0;
    }
    if (columns_allocate(&columns, count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        columns.longs[0][i] = contents[i].record_no;
        memcpy(columns.uuids[i], contents[i].content, sizeof columns.uuids[i]);
        columns.instants[i] = contents[i].seen;
    }
    query_init(&query, "INSERT INTO ledger.record_content AS known (record_no, content, seen_at) "
                       "SELECT record_no, content, max(seen_at) FROM unnest($1, $2, $3) "
                       "AS t(record_no, content, seen_at) GROUP BY record_no, content "
                       "ORDER BY record_no, content ON CONFLICT (record_no, content) DO UPDATE "
                       "SET seen_at = greatest(known.seen_at, excluded.seen_at) "
                       "WHERE excluded.seen_at IS NOT NULL");
    query_i64_array(&query, columns.longs[0], count);
    query_uuid_array(&query, columns.uuids, count);
    query_instant_array(&query, columns.instants, count);
    columns_release(&columns);
    return query_run(store, &query, NULL, NULL, err);
}

int store_usage_add(struct store *store, const struct batch_usage *rows, size_t count,
                    struct error *err)
{
    struct columns columns;
    struct query query;

    if (count == 0) {
        return 0;
    }
    if (columns_allocate(&columns, count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        columns.months[i] = rows[i].month;
        columns.texts[0][i] = rows[i].project;
        columns.numbers[i] = rows[i].source_no;
        columns.texts[1][i] = rows[i].klass;
        columns.longs[0][i] = rows[i].points.micro;
        columns.longs[1][i] = rows[i].list_points.micro;
        columns.longs[2][i] = rows[i].charges;
    }
    query_init(&query,
               "INSERT INTO ledger.usage_total AS total (month, project_id, source_no, class, "
               "points_micro, list_micro, charges) SELECT month, project, source, class, "
               "points, list, charges FROM unnest($1, $2, $3, $4, $5, $6, $7) "
               "AS t(month, project, source, class, points, list, charges) "
               "ORDER BY month, project, source, class "
               "ON CONFLICT (month, project_id, source_no, class) DO UPDATE SET "
               "points_micro = total.points_micro + excluded.points_micro, "
               "list_micro = total.list_micro + excluded.list_micro, "
               "charges = total.charges + excluded.charges");
    query_month_array(&query, columns.months, count);
    query_text_array(&query, columns.texts[0], count);
    query_i32_array(&query, columns.numbers, count);
    query_text_array(&query, columns.texts[1], count);
    query_i64_array(&query, columns.longs[0], count);
    query_i64_array(&query, columns.longs[1], count);
    query_i64_array(&query, columns.longs[2], count);
    columns_release(&columns);
    return query_run(store, &query, NULL, NULL, err);
}

/* Amounts travel as text, because they are wider than any integer of the wire. */
static int add_meters(struct store *store, const struct columns *columns, const char **amounts,
                      size_t count, struct error *err)
{
    struct query query;

    query_init(&query,
               "INSERT INTO ledger.meter_total AS total (month, project_id, source_no, class, "
               "meter, is_held, amount) SELECT month, project, source, class, meter, held, "
               "amount::numeric FROM unnest($1, $2, $3, $4, $5, $6, $7) "
               "AS t(month, project, source, class, meter, held, amount) "
               "ORDER BY month, project, source, class, meter, held "
               "ON CONFLICT (month, project_id, source_no, class, meter, is_held) DO UPDATE "
               "SET amount = total.amount + excluded.amount");
    query_month_array(&query, columns->months, count);
    query_text_array(&query, columns->texts[0], count);
    query_i32_array(&query, columns->numbers, count);
    query_text_array(&query, columns->texts[1], count);
    query_text_array(&query, columns->texts[2], count);
    query_bool_array(&query, columns->flags, count);
    query_text_array(&query, amounts, count);
    return query_run(store, &query, NULL, NULL, err);
}

int store_meters_add(struct store *store, const struct batch_meter *rows, size_t count,
                     struct error *err)
{
    struct columns columns;
    const char **amounts;
    int result;

    if (count == 0) {
        return 0;
    }
    amounts = calloc(count, sizeof *amounts);
    if (amounts == NULL || columns_allocate(&columns, count, err) != 0) {
        free(amounts);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        columns.months[i] = rows[i].month;
        columns.texts[0][i] = rows[i].project;
        columns.numbers[i] = rows[i].source_no;
        columns.texts[1][i] = rows[i].klass;
        columns.texts[2][i] = rows[i].meter;
        columns.flags[i] = rows[i].is_held;
        amounts[i] = rows[i].amount;
    }
    result = add_meters(store, &columns, amounts, count, err);
    columns_release(&columns);
    free(amounts);
    return result;
}

int store_draws_add(struct store *store, const struct batch_draw *rows, size_t count,
                    struct error *err)
{
    struct columns columns;
    struct query query;
    int result;

    if (count == 0) {
        return 0;
    }
    if (columns_allocate(&columns, count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        columns.texts[0][i] = rows[i].project;
        columns.instants[i] = rows[i].since;
        columns.longs[0][i] = rows[i].points.micro;
    }
    query_init(&query, "INSERT INTO ledger.project_draw AS total (project_id, since, points_micro) "
                       "SELECT project, coalesce(since, '-infinity'), points "
                       "FROM unnest($1, $2, $3) AS t(project, since, points) ORDER BY 1, 2 "
                       "ON CONFLICT (project_id, since) DO UPDATE SET "
                       "points_micro = total.points_micro + excluded.points_micro");
    query_text_array(&query, columns.texts[0], count);
    query_instant_array(&query, columns.instants, count);
    query_i64_array(&query, columns.longs[0], count);
    result = query_run(store, &query, NULL, NULL, err) != 0
                 ? -1
                 : store_touch_positions(store, columns.texts[0], count, err);
    columns_release(&columns);
    return result;
}
