/* store_position - positions of projects as readers keep them; see store_position.h. */
#include "ledgerd/store/store_position.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/hold_lapse.h"
#include "ledgerd/store/query.h"

/* One row for each draw of each changed project; a project without draws has one row with a null
 * `since`. The first segment begins at -infinity, which travels as a null time with has_draw true.
 */
static const char POSITION_SQL[] =
    "SELECT p.project_id, p.posted_micro, p.held_micro, p.accrued_micro, p.version, "
    "       d.points_micro IS NOT NULL, nullif(d.since, '-infinity'), d.points_micro "
    "  FROM ledger.project_position p "
    "  LEFT JOIN ledger.project_draw d ON d.project_id = p.project_id "
    " WHERE $1 = 0 OR p.changed >= $1::text::xid8 "
    " ORDER BY p.project_id, d.since";

static const char MARK_SQL[] = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

static const char SHARE_TOTAL_SQL[] =
    "WITH supply AS ("
    "  SELECT a.share, a.fiscal_year, sum(CASE WHEN t.credit_account = a.account_no THEN "
    "t.amount_micro"
    "                                          ELSE -t.amount_micro END)::bigint AS micro"
    "    FROM ledger.transfer_total t"
    "    JOIN ledger.account a ON a.kind = 'pool' AND a.account_no IN (t.credit_account, "
    "t.debit_account)"
    "   WHERE t.kind IN ('mint', 'lend') GROUP BY 1, 2),"
    /* usage by the month that it belongs to, refunds by the one in which they count */
    "spent AS ("
    "  SELECT p.share, extract(year FROM t.month - make_interval(months => $1 - 1))::integer AS "
    "fiscal_year, sum(t.micro)::bigint AS micro"
    "    FROM (SELECT project_id, month, points_micro AS micro FROM ledger.usage_total"
    "          UNION ALL"
    "          SELECT a.project_id, r.month, CASE a.account_no WHEN r.debit_account "
    "            THEN r.amount_micro ELSE -r.amount_micro END"
    "            FROM ledger.transfer_total r"
    "            JOIN ledger.account a ON a.account_no IN (r.credit_account, r.debit_account)"
    "           WHERE r.kind = 'refund' AND a.kind = 'project') t"
    "    JOIN ledger.project p USING (project_id) WHERE p.kind = 'project' GROUP BY 1, 2),"
    "held AS ("
    "  SELECT p.share, sum(n.held_micro)::bigint AS micro"
    "    FROM ledger.project_position n JOIN ledger.project p USING (project_id)"
    "   WHERE p.kind = 'project' AND n.held_micro > 0 GROUP BY 1) "
    "SELECT share, fiscal_year, coalesce(supply.micro, 0), coalesce(spent.micro, 0),"
    "       coalesce(held.micro, 0)"
    "  FROM supply FULL JOIN spent USING (share, fiscal_year) LEFT JOIN held USING (share)"
    " ORDER BY 1, 2";

static const char DUE_SQL[] =
    "SELECT project_id, user_name, expires_at, held_micro FROM ledger.hold h "
    "WHERE state = 'open' AND held_micro > 0 AND " HOLD_HAS_LAPSED
    " ORDER BY expires_at, hold_no LIMIT $2";

static int position_from_row(const struct rows *rows, size_t row, size_t draws,
                             struct store_position *position)
{
    *position = (struct store_position){.project = strdup(rows_text(rows, row, 0)),
                                        .posted = rows_points(rows, row, 1),
                                        .held = rows_points(rows, row, 2),
                                        .accrued = rows_points(rows, row, 3),
                                        .version = rows_i64(rows, row, 4)};
    if (rows_bool(rows, row, 5)) {
        position->draws = calloc(draws, sizeof(*position->draws));
        for (size_t i = 0; position->draws != NULL && i < draws; i++) {
            position->draws[i] = (struct balance_draw){.since = rows_instant(rows, row + i, 6),
                                                       .points = rows_points(rows, row + i, 7)};
        }
        position->draw_count = draws;
    }
    bool failed = position->project == NULL ||
                  (position->draw_count > 0 && position->draws == NULL);
    return failed ? -1 : 0;
}

static int positions_from_rows(const struct rows *rows, struct store_positions *out,
                               struct error *err)
{
    size_t count = rows_count(rows);

    out->positions = calloc(count + 1, sizeof(*out->positions));
    if (out->positions == NULL) {
        return error_set(err, ERROR_INTERNAL, "positions: out of memory");
    }
    for (size_t row = 0; row < count;) {
        size_t draws = 1;
        while (row + draws < count &&
               strcmp(rows_text(rows, row, 0), rows_text(rows, row + draws, 0)) == 0) {
            draws++;
        }
        struct store_position *position = &out->positions[out->count++];
        if (position_from_row(rows, row, draws, position) != 0) {
            return error_set(err, ERROR_INTERNAL, "positions: out of memory");
        }
        row += draws;
    }
    return 0;
}

static int read_mark(struct store *store, int64_t *mark, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, MARK_SQL);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *mark = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_read_positions(struct store *store, int64_t mark, struct store_positions *positions,
                         struct error *err)
{
    struct store_positions read = {0};
    struct query query;
    struct rows rows;

    if (read_mark(store, &read.mark, err) != 0) {
        return -1;
    }
    query_init(&query, POSITION_SQL);
    query_i64(&query, mark);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    int result = positions_from_rows(&rows, &read, err);
    rows_release(&rows);
    if (result != 0) {
        store_positions_release(&read);
        return -1;
    }
    *positions = read;
    return 0;
}

void store_positions_release(struct store_positions *positions)
{
    for (size_t i = 0; i < positions->count; i++) {
        free(positions->positions[i].project);
        free(positions->positions[i].draws);
    }
    free(positions->positions);
    *positions = (struct store_positions){0};
}

int store_touch_positions(struct store *store, const char *const *projects, size_t count,
                          struct error *err)
{
    struct query query;

    query_init(&query, "WITH moved AS (SELECT project_id FROM ledger.project_position "
                       "WHERE project_id = ANY ($1) ORDER BY project_id FOR UPDATE) "
                       "UPDATE ledger.project_position p SET version = p.version + 1, "
                       "changed = pg_current_xact_id() FROM moved "
                       "WHERE p.project_id = moved.project_id");
    query_text_array(&query, projects, count);
    return query_run(store, &query, NULL, NULL, err);
}

int store_read_share_totals(struct store *store, int fiscal_month,
                            struct store_share_total **totals, size_t *count, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, SHARE_TOTAL_SQL);
    query_i32(&query, fiscal_month);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    struct store_share_total *list = calloc(rows_count(&rows) + 1, sizeof(*list));
    if (list == NULL) {
        rows_release(&rows);
        return error_set(err, ERROR_INTERNAL, "share totals: out of memory");
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        snprintf(list[i].share, sizeof(list[i].share), "%s", rows_text(&rows, i, 0));
        list[i].fiscal_year = (int)rows_i64(&rows, i, 1);
        list[i].supply = rows_points(&rows, i, 2);
        list[i].spent = rows_points(&rows, i, 3);
        list[i].held = rows_points(&rows, i, 4);
    }
    *totals = list;
    *count = rows_count(&rows);
    rows_release(&rows);
    return 0;
}

static int dues_from_rows(const struct rows *rows, struct store_dues *out, struct error *err)
{
    size_t count = rows_count(rows);
    size_t bytes = 1;

    for (size_t i = 0; i < count; i++) {
        bytes += rows_length(rows, i, 0) + rows_length(rows, i, 1) + 2;
    }
    out->dues = calloc(count + 1, sizeof(*out->dues));
    out->texts = malloc(bytes);
    if (out->dues == NULL || out->texts == NULL) {
        store_dues_release(out);
        return error_set(err, ERROR_INTERNAL, "holds: out of memory");
    }
    char *end = out->texts;
    for (size_t i = 0; i < count; i++) {
        struct store_due *due = &out->dues[out->count++];
        due->project = end;
        end = stpcpy(end, rows_text(rows, i, 0)) + 1;
        due->user = end;
        end = stpcpy(end, rows_text(rows, i, 1)) + 1;
        due->expires_at = rows_instant(rows, i, 2);
        due->held = rows_points(rows, i, 3);
    }
    return 0;
}

int store_read_dues(struct store *store, struct instant until, size_t limit,
                    struct store_dues *dues, struct error *err)
{
    struct store_dues read = {0};
    struct query query;
    struct rows rows;

    query_init(&query, DUE_SQL);
    query_instant(&query, until);
    query_i64(&query, (int64_t)limit);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    int result = dues_from_rows(&rows, &read, err);
    rows_release(&rows);
    if (result == 0) {
        *dues = read;
    }
    return result;
}

void store_dues_release(struct store_dues *dues)
{
    free(dues->dues);
    free(dues->texts);
    *dues = (struct store_dues){0};
}
