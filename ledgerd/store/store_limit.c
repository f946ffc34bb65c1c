/* store_limit - see store_limit.h. */
#include "ledgerd/store/store_limit.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_position.h"

#define SINCE_OF(month, last_at)                                        \
    "ledger.limit_since(l.period, " month ", " last_at ", b.timezone, " \
    "left(b.fiscal_year_start, 2)::integer)"

static const char SET_SQL[] =
    "INSERT INTO ledger.project_limit AS l (project_id, user_name, period, points_micro, set_at) "
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, user_name, period) DO UPDATE "
    "SET points_micro = excluded.points_micro, set_at = excluded.set_at "
    "WHERE l.points_micro <> excluded.points_micro";

/* What was charged before there was a limit. */
static const char FILL_SQL[] =
    "INSERT INTO ledger.limit_use (limit_no, since, charged_micro) "
    "SELECT l.limit_no, " SINCE_OF(
        "c.month",
        "c.last_at") ", sum(c.points_micro) "
                     "FROM ledger.project_limit l CROSS JOIN ledger.book b "
                     "JOIN ledger.charge c ON c.project_id = l.project_id "
                     "AND (l.user_name = '' OR c.user_name = l.user_name) "
                     "WHERE l.project_id = $1 AND l.user_name = $2 AND l.period = $3 GROUP BY 1, 2";

/* What is held already. The position's lock stands before it: a hold that is being made is either
 * summed here or sees the limit. */
static const char HELD_SQL[] =
    "INSERT INTO ledger.limit_held (limit_no, held_micro) "
    "SELECT l.limit_no, (SELECT coalesce(sum(h.held_micro), 0) FROM ledger.hold h "
    "WHERE h.project_id = l.project_id AND h.state = 'open' "
    "AND (l.user_name = '' OR h.user_name = l.user_name))::bigint "
    "FROM ledger.project_limit l "
    "WHERE l.project_id = $1 AND l.user_name = $2 AND l.period = $3 "
    "ON CONFLICT (limit_no) DO NOTHING";

static const char ADD_SQL[] =
    "INSERT INTO ledger.limit_use AS u (limit_no, since, charged_micro) "
    "SELECT n, DATE '1970-01-01' + since, points FROM unnest($1, $2, $3) AS t(n, since, points) "
    "ORDER BY 1, 2 ON CONFLICT (limit_no, since) DO UPDATE "
    "SET charged_micro = u.charged_micro + excluded.charged_micro";

/* A user's sum may move where the project's position does not: from one user to another. */
static const char TOUCH_SQL[] =
    "WITH moved AS (SELECT project_id FROM ledger.project_position WHERE project_id IN "
    "(SELECT l.project_id FROM ledger.project_limit l WHERE l.limit_no = ANY ($1)) "
    "ORDER BY project_id FOR UPDATE) "
    "UPDATE ledger.project_position p SET version = p.version + 1, changed = pg_current_xact_id() "
    "FROM moved WHERE p.project_id = moved.project_id";

/* Charges, running work, and what is held. An accrual counts where its last slice would, with the
 * part of it that belongs to that period. */
static const char SUM_SQL[] =
    "SELECT limit_no, since - DATE '1970-01-01', sum(charged)::bigint, sum(accrued)::bigint, "
    "sum(held)::bigint FROM ("
    "SELECT l.limit_no, u.since, u.charged_micro AS charged, 0 AS accrued, 0 AS held "
    "FROM ledger.project_limit l JOIN ledger.limit_use u USING (limit_no) "
    "WHERE ($1::text IS NULL OR l.project_id = $1) AND u.since >= DATE '1970-01-01' + "
    "CASE l.period WHEN 'day' THEN $2::integer WHEN 'month' THEN $3 WHEN 'fiscal_year' THEN $4 "
    "ELSE $5 END "
    "UNION ALL "
    "SELECT l.limit_no, " SINCE_OF(
        "coalesce(a.month, date_trunc('month', (a.end_at - interval '1 microsecond') "
        "AT TIME ZONE b.timezone)::date)",
        "a.end_at - interval '1 microsecond'") ", 0, "
                                               "CASE l.period WHEN 'total' THEN a.points_micro "
                                               "WHEN 'fiscal_year' THEN "
                                               "coalesce(a.year_micro, a.points_micro) ELSE "
                                               "coalesce(a.month_micro, a.points_micro) END, 0 "
                                               "FROM ledger.project_limit l CROSS JOIN ledger.book "
                                               "b JOIN ledger.accrual a "
                                               "ON a.project_id = l.project_id AND (l.user_name = "
                                               "'' OR a.user_name = l.user_name) "
                                               "WHERE $1::text IS NULL OR l.project_id = $1 "
                                               "UNION ALL "
                                               "SELECT limit_no, NULL, 0, 0, held_micro FROM "
                                               "ledger.project_limit l JOIN ledger.limit_held h "
                                               "USING (limit_no) WHERE $1::text IS NULL OR "
                                               "l.project_id = $1) s "
                                               "GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST";

static void query_key(struct query *query, const char *sql, const struct limit_key *key)
{
    query_init(query, sql);
    query_text(query, key->project);
    query_text(query, key->user);
    query_text(query, limit_period_text(key->period));
}

static int read_points(struct store *store, const struct limit_key *key, bool *existed,
                       struct points *points, struct error *err)
{
    struct query query;
    struct rows rows;

    query_key(&query,
              "SELECT points_micro FROM ledger.project_limit "
              "WHERE project_id = $1 AND user_name = $2 AND period = $3",
              key);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *existed = rows_count(&rows) > 0;
    if (*existed) {
        *points = rows_points(&rows, 0, 0);
    }
    rows_release(&rows);
    return 0;
}

int store_limit_set(struct store *store, const struct limit_key *key, struct points points,
                    struct instant now, bool *existed, struct points *before, struct error *err)
{
    struct query query;

    if (read_points(store, key, existed, before, err) != 0) {
        return -1;
    }
    query_key(&query, SET_SQL, key);
    query_points(&query, points);
    query_instant(&query, now);
    if (query_run(store, &query, NULL, NULL, err) != 0) {
        return -1;
    }
    if (*existed) {
        return 0;
    }
    query_key(&query, FILL_SQL, key);
    if (query_run(store, &query, NULL, NULL, err) != 0 ||
        store_touch_positions(store, &key->project, 1, err) != 0) {
        return -1;
    }
    query_key(&query, HELD_SQL, key);
    return query_run(store, &query, NULL, NULL, err);
}

int store_limit_clear(struct store *store, const struct limit_key *key, bool all_periods,
                      int64_t *cleared, struct error *err)
{
    struct query query;

    query_key(&query,
              "DELETE FROM ledger.project_limit WHERE project_id = $1 AND user_name = $2 "
              "AND ($4 OR period = $3)",
              key);
    query_bool(&query, all_periods);
    return query_run(store, &query, NULL, cleared, err);
}

static int touch_positions(struct store *store, const int32_t *numbers, size_t count,
                           struct error *err)
{
    struct query query;

    query_init(&query, TOUCH_SQL);
    query_i32_array(&query, numbers, count);
    return query_run(store, &query, NULL, NULL, err);
}

int store_limit_add(struct store *store, const struct store_limit_use *uses, size_t count,
                    struct error *err)
{
    int32_t *numbers = calloc(count + 1, sizeof *numbers);
    int32_t *since = calloc(count + 1, sizeof *since);
    int64_t *points = calloc(count + 1, sizeof *points);
    struct query query;
    int result = -1;

    if (numbers == NULL || since == NULL || points == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else if (count == 0) {
        result = 0;
    } else {
        for (size_t i = 0; i < count; i++) {
            numbers[i] = uses[i].limit_no;
            since[i] = uses[i].since;
            points[i] = uses[i].points.micro;
        }
        query_init(&query, ADD_SQL);
        query_i32_array(&query, numbers, count);
        query_i32_array(&query, since, count);
        query_i64_array(&query, points, count);
        result = query_run(store, &query, NULL, NULL, err) != 0
                     ? -1
                     : touch_positions(store, numbers, count, err);
    }
    free(numbers);
    free(since);
    free(points);
    return result;
}

int store_read_limit_sums(struct store *store, const char *project,
                          const int32_t since[LIMIT_PERIODS], struct store_limit_sums *sums,
                          struct error *err)
{
    static const enum limit_period order[] = {LIMIT_DAY, LIMIT_MONTH, LIMIT_FISCAL_YEAR,
                                              LIMIT_TOTAL};
    struct query query;
    struct rows rows;

    query_init(&query, SUM_SQL);
    query_text(&query, project);
    for (int i = 0; i < LIMIT_PERIODS; i++) {
        query_i32(&query, since[order[i]]);
    }
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    sums->sums = calloc(rows_count(&rows) + 1, sizeof *sums->sums);
    if (sums->sums == NULL) {
        rows_release(&rows);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    sums->count = rows_count(&rows);
    for (size_t i = 0; i < sums->count; i++) {
        sums->sums[i] = (struct store_limit_sum){
            .limit_no = (int32_t)rows_i64(&rows, i, 0),
            .since = rows_is_null(&rows, i, 1) ? STORE_LIMIT_HELD : (int32_t)rows_i64(&rows, i, 1),
            .charged = rows_points(&rows, i, 2),
            .accrued = rows_points(&rows, i, 3),
            .held = rows_points(&rows, i, 4)};
    }
    rows_release(&rows);
    return 0;
}

void store_limit_sums_release(struct store_limit_sums *sums)
{
    free(sums->sums);
    *sums = (struct store_limit_sums){0};
}
