/* Questions of the reports about projects, and the walk over their answers. */
#include "ledgerd/store/store_report.h"

#include "ledgerd/store/hold_lapse.h"
#include "ledgerd/store/query.h"

/* Both sides of every sum: as a debit it leaves one account, as a credit it arrives at another. */
static const char MOVES_SQL[] =
    "SELECT a.project_id, t.kind, coalesce(s.name, ''),"
    "       coalesce(sum(t.micro) FILTER (WHERE t.month < $1), 0)::bigint,"
    "       coalesce(sum(t.micro - t.late) FILTER (WHERE t.month = $1), 0)::bigint,"
    "       coalesce(sum(t.late) FILTER (WHERE t.month = $1), 0)::bigint"
    "  FROM (SELECT debit_account AS account_no, month, kind, source_no, -amount_micro AS micro,"
    "               -adjusted_micro AS late"
    "          FROM ledger.transfer_total WHERE month <= $1"
    "        UNION ALL"
    "        SELECT credit_account, month, kind, source_no, amount_micro, adjusted_micro"
    "          FROM ledger.transfer_total WHERE month <= $1) t"
    "  JOIN ledger.account a USING (account_no)"
    "  LEFT JOIN ledger.source s USING (source_no)"
    " WHERE a.project_id IS NOT NULL AND ($2::text IS NULL OR a.project_id = $2)"
    " GROUP BY a.project_id, t.kind, s.name"
    " ORDER BY a.project_id COLLATE \"C\", s.name COLLATE \"C\", t.kind COLLATE \"C\"";

static const char USAGE_SQL[] = "SELECT u.project_id, s.name, u.class, u.points_micro, u.list_micro"
                                "  FROM ledger.usage_total u JOIN ledger.source s USING (source_no)"
                                " WHERE u.month = $1 AND ($2::text IS NULL OR u.project_id = $2)"
                                " ORDER BY u.project_id, s.name COLLATE \"C\", u.class";

static const char METERS_SQL[] =
    "SELECT m.project_id, s.name, m.class, m.meter, m.is_held, m.amount::text"
    "  FROM ledger.meter_total m JOIN ledger.source s USING (source_no)"
    " WHERE m.month = $1 AND ($2::text IS NULL OR m.project_id = $2)"
    " ORDER BY m.project_id, s.name COLLATE \"C\", m.class, m.meter";

/* The planner takes every project to have every user, so it would neither sum in memory nor share
 * the scan with other processes. */
static const char SCAN_SETTINGS_SQL[] =
    "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off;"
    "SET LOCAL parallel_tuple_cost = 0; SET LOCAL parallel_setup_cost = 0";

static const char USERS_SQL[] = "SELECT project_id, user_name, sum(points_micro)::bigint"
                                "  FROM ledger.charge"
                                " WHERE month = $1 AND ($2::text IS NULL OR project_id = $2)"
                                " GROUP BY project_id, user_name ORDER BY project_id, user_name";

static const char USAGE_LINES_SQL[] =
    "SELECT CASE WHEN $7 THEN to_char(c.last_at AT TIME ZONE $6, 'YYYY-MM-DD')"
    "            WHEN $8 THEN to_char(c.month, 'YYYY-MM') ELSE '' END AS period,"
    "       CASE WHEN $9 THEN c.user_name ELSE '' END,"
    "       CASE WHEN $10 THEN s.name COLLATE \"C\" ELSE '' END,"
    "       CASE WHEN $11 THEN c.class ELSE '' END,"
    "       sum(c.points_micro)::bigint, sum(c.list_micro)::bigint, count(DISTINCT c.record_no),"
    "       c.project_id"
    "  FROM ledger.charge c JOIN ledger.source s USING (source_no)"
    " WHERE ($1::text IS NULL OR c.project_id = $1) AND c.month BETWEEN $2 AND $3"
    "   AND c.last_at >= $4 AND c.last_at < $5"
    " GROUP BY c.project_id, 1, 2, 3, 4 ORDER BY c.project_id, 1, 2, 3, 4";

static const char ACCRUED_SQL[] = "SELECT project_id, accrued_micro FROM ledger.project_position"
                                  " WHERE accrued_micro <> 0";

static const char HELD_SQL[] = "SELECT project_id, sum(held_micro)::bigint FROM ledger.hold h"
                               " WHERE state = 'open' AND " HOLD_COUNTS " GROUP BY 1"
                               " HAVING sum(held_micro) > 0";

static const char SOURCES_SQL[] = "SELECT name, last_record_at FROM ledger.source"
                                  " WHERE last_record_at IS NOT NULL ORDER BY name COLLATE \"C\"";

static const char UNBOOKED_SQL[] =
    "SELECT (SELECT count(*) FROM ledger.quarantine"
    "         WHERE state = 'open' AND (month IS NULL"
    "           OR $1 BETWEEN coalesce(first_month, month) AND month)),"
    "       (SELECT count(*) FROM ledger.skipped k"
    "         WHERE NOT EXISTS (SELECT FROM ledger.record_identity i"
    "                            WHERE i.source_no = k.source_no AND i.id = k.key))";

/* The questions about a month, of one project or of all. */
static int month_rows(struct store *store, const char *sql, struct month month, const char *project,
                      struct rows *rows, struct error *err)
{
    struct query query;
    query_init(&query, sql);
    query_month(&query, month);
    query_text(&query, project);
    return query_run(store, &query, rows, NULL, err);
}

int store_report_moves(struct store *store, struct month month, const char *project,
                       report_move_fn *fn, void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (month_rows(store, MOVES_SQL, month, project, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_move row = {.project = rows_text(&rows, i, 0),
                                  .kind = rows_text(&rows, i, 1),
                                  .source = rows_text(&rows, i, 2),
                                  .before = rows_points(&rows, i, 3),
                                  .month = rows_points(&rows, i, 4),
                                  .late = rows_points(&rows, i, 5)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

int store_report_usage(struct store *store, struct month month, const char *project,
                       report_usage_fn *fn, void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (month_rows(store, USAGE_SQL, month, project, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_usage row = {.project = rows_text(&rows, i, 0),
                                   .source = rows_text(&rows, i, 1),
                                   .klass = rows_text(&rows, i, 2),
                                   .points = rows_points(&rows, i, 3),
                                   .list_points = rows_points(&rows, i, 4)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

int store_report_meters(struct store *store, struct month month, const char *project,
                        report_meter_fn *fn, void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (month_rows(store, METERS_SQL, month, project, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_meter row = {.project = rows_text(&rows, i, 0),
                                   .source = rows_text(&rows, i, 1),
                                   .klass = rows_text(&rows, i, 2),
                                   .meter = rows_text(&rows, i, 3),
                                   .is_held = rows_bool(&rows, i, 4),
                                   .amount = rows_text(&rows, i, 5)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

int store_report_users(struct store *store, struct month month, const char *project,
                       report_user_fn *fn, void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (query_execute(store, SCAN_SETTINGS_SQL, err) < 0) {
        return -1;
    }
    if (month_rows(store, USERS_SQL, month, project, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_user row = {.project = rows_text(&rows, i, 0),
                                  .user = rows_text(&rows, i, 1),
                                  .points = rows_points(&rows, i, 2)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

static int usage_line_rows(struct store *store, const struct report_usage_query *asked,
                           struct rows *rows, struct error *err)
{
    struct query query;
    query_init(&query, USAGE_LINES_SQL);
    query_text(&query, asked->project);
    query_month(&query, asked->first);
    query_month(&query, asked->last);
    query_instant(&query, asked->from);
    query_instant(&query, asked->to);
    query_text(&query, asked->zone);
    query_bool(&query, asked->by_day);
    query_bool(&query, asked->by_month);
    query_bool(&query, asked->by_user);
    query_bool(&query, asked->by_source);
    query_bool(&query, asked->by_class);
    return query_run(store, &query, rows, NULL, err);
}

int store_report_usage_lines(struct store *store, const struct report_usage_query *query,
                             report_usage_line_fn *fn, void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (usage_line_rows(store, query, &rows, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct report_usage_line row = {.period = rows_text(&rows, i, 0),
                                        .user = rows_text(&rows, i, 1),
                                        .source = rows_text(&rows, i, 2),
                                        .klass = rows_text(&rows, i, 3),
                                        .points = rows_points(&rows, i, 4),
                                        .list_points = rows_points(&rows, i, 5),
                                        .records = rows_i64(&rows, i, 6),
                                        .project = rows_text(&rows, i, 7)};
        result = fn(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

static int points_rows(struct store *store, struct query *query, report_points_fn *fn,
                       void *context, struct error *err)
{
    struct rows rows;
    int result = 0;
    if (query_run(store, query, &rows, NULL, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        result = fn(context, rows_text(&rows, i, 0), rows_points(&rows, i, 1), err);
    }
    rows_release(&rows);
    return result;
}

int store_report_accrued(struct store *store, report_points_fn *fn, void *context,
                         struct error *err)
{
    struct query query;
    query_init(&query, ACCRUED_SQL);
    return points_rows(store, &query, fn, context, err);
}

int store_report_held(struct store *store, struct instant now, report_points_fn *fn, void *context,
                      struct error *err)
{
    struct query query;
    query_init(&query, HELD_SQL);
    query_instant(&query, now);
    return points_rows(store, &query, fn, context, err);
}

int store_report_sources(struct store *store, report_source_fn *fn, void *context,
                         struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;
    query_init(&query, SOURCES_SQL);
    if (query_run(store, &query, &rows, NULL, err) < 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        result = fn(context, rows_text(&rows, i, 0), rows_instant(&rows, i, 1), err);
    }
    rows_release(&rows);
    return result;
}

int store_report_unbooked(struct store *store, struct month month, int64_t *quarantined,
                          int64_t *skipped, struct error *err)
{
    struct query query;
    struct rows rows;
    query_init(&query, UNBOOKED_SQL);
    query_month(&query, month);
    if (query_run(store, &query, &rows, NULL, err) < 0) {
        return -1;
    }
    *quarantined = rows_i64(&rows, 0, 0);
    *skipped = rows_i64(&rows, 0, 1);
    rows_release(&rows);
    return 0;
}
