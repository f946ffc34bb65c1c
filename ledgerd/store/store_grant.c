/* store_grant - see store_grant.h. */
#include "ledgerd/store/store_grant.h"

#include <stdio.h>
#include <stdlib.h>

#include "ledgerd/store/query.h"

void grant_rows_release(struct grant_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].project);
        free(rows->rows[i].share);
    }
    free(rows->rows);
    *rows = (struct grant_rows){0};
}

int store_read_grants(struct store *store, const char *project, int64_t id, struct grant_rows *list,
                      struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT grant_id, project_id, share, fiscal_year, granted_micro, points_micro, "
               "valid_from, valid_to, is_revoked FROM ledger.grant_now "
               "WHERE ($1 IS NULL OR project_id = $1) AND ($2 = 0 OR grant_id = $2) "
               "ORDER BY project_id COLLATE \"C\", grant_id");
    query_text(&query, project);
    query_i64(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *list = (struct grant_rows){.rows = calloc(rows_count(&rows) + 1, sizeof *list->rows)};
    for (size_t i = 0; list->rows != NULL && i < rows_count(&rows); i++) {
        struct grant_row *row = &list->rows[list->count++];

        row->id = rows_i64(&rows, i, 0);
        row->project = rows_copy(&rows, i, 1);
        row->share = rows_copy(&rows, i, 2);
        row->fiscal_year = (int)rows_i64(&rows, i, 3);
        row->granted = rows_points(&rows, i, 4);
        row->points = rows_points(&rows, i, 5);
        row->from = rows_instant(&rows, i, 6);
        row->to = rows_instant(&rows, i, 7);
        row->is_revoked = rows_bool(&rows, i, 8);
        if (row->project == NULL || row->share == NULL) {
            grant_rows_release(list);
            break;
        }
    }
    rows_release(&rows);
    return list->rows != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_find_grant(struct store *store, const char *key, int64_t *id, char **request,
                     struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT grant_id, request FROM ledger.project_grant WHERE key = $1");
    query_text(&query, key);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *id = 0;
    *request = NULL;
    if (rows_count(&rows) > 0) {
        *id = rows_i64(&rows, 0, 0);
        *request = rows_copy(&rows, 0, 1);
    }
    rows_release(&rows);
    return *id == 0 || *request != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_add_grant(struct store *store, const struct grant_new *grant, int64_t *id,
                    struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(
        &query,
        "INSERT INTO ledger.project_grant (project_id, share, fiscal_year, points_micro, "
        "valid_from, valid_to, lend_from_share, key, request, entry_id, granted_at, move_id, "
        "moved_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, nullif($12, 0), "
        "nullif($13, 0)) RETURNING grant_id");
    query_text(&query, grant->project);
    query_text(&query, grant->share);
    query_i32(&query, grant->fiscal_year);
    query_points(&query, grant->points);
    query_instant(&query, grant->from);
    query_instant(&query, grant->to);
    query_text(&query, grant->lend_from);
    query_text(&query, grant->key);
    query_text(&query, grant->request);
    query_i64(&query, grant->entry_id);
    query_instant(&query, grant->granted_at);
    query_i64(&query, grant->move_id);
    query_i64(&query, grant->moved_from);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *id = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

#define INSERT_CHANGE                                                                        \
    "INSERT INTO ledger.grant_change (grant_id, n, kind, points_micro, valid_to, is_whole, " \
    "entry_id, changed_at) SELECT $1, coalesce(max(n), 0) + 1, "

int store_add_revocation(struct store *store, int64_t id, struct points points, bool is_whole,
                         int64_t entry_id, struct instant now, struct error *err)
{
    struct query query;

    query_init(&query, INSERT_CHANGE "'revoke', $2, NULL, $3, $4, $5 FROM ledger.grant_change "
                                     "WHERE grant_id = $1");
    query_i64(&query, id);
    query_points(&query, points);
    query_bool(&query, is_whole);
    query_i64(&query, entry_id);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

int store_add_grant_move(struct store *store, int64_t id, bool is_refund, struct points points,
                         int64_t entry_id, struct instant now, struct error *err)
{
    struct query query;

    query_init(&query, INSERT_CHANGE "$2, $3, NULL, false, $4, $5 FROM ledger.grant_change "
                                     "WHERE grant_id = $1");
    query_i64(&query, id);
    query_text(&query, is_refund ? "refund" : "move");
    query_points(&query, points);
    query_i64(&query, entry_id);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

int store_add_extension(struct store *store, int64_t id, struct instant to, struct instant now,
                        struct error *err)
{
    struct query query;

    query_init(&query, INSERT_CHANGE "'extend', NULL, $2, false, NULL, $3 FROM ledger.grant_change "
                                     "WHERE grant_id = $1");
    query_i64(&query, id);
    query_instant(&query, to);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

int store_read_pool(struct store *store, const char *share, int fiscal_year, struct pool_sums *sums,
                    struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(
        &query,
        "SELECT coalesce(sum(x.amount) FILTER (WHERE x.kind IN ('mint', 'lend')), 0)::bigint, "
        "coalesce(-sum(x.amount) FILTER (WHERE x.kind NOT IN ('mint', 'lend') "
        "AND o.kind <> 'expired'), 0)::bigint, "
        "coalesce(-sum(x.amount) FILTER (WHERE o.kind = 'expired'), 0)::bigint, "
        "coalesce(-sum(x.amount) FILTER (WHERE x.kind = 'expire' AND o.kind = 'project' "
        "AND x.amount < 0), 0)::bigint "
        "FROM ledger.account a JOIN LATERAL ("
        "SELECT t.kind, t.amount_micro AS amount, t.debit_account AS other "
        "FROM ledger.transfer_total t WHERE t.credit_account = a.account_no UNION ALL "
        "SELECT t.kind, -t.amount_micro, t.credit_account FROM ledger.transfer_total t "
        "WHERE t.debit_account = a.account_no) x ON true "
        "JOIN ledger.account o ON o.account_no = x.other WHERE a.name = $1");
    char name[128];
    snprintf(name, sizeof name, "pool/%s/%d", share, fiscal_year);
    query_text(&query, name);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    sums->supply = rows_points(&rows, 0, 0);
    sums->net = rows_points(&rows, 0, 1);
    sums->lapsed = rows_points(&rows, 0, 2);
    sums->taken_back = rows_points(&rows, 0, 3);
    rows_release(&rows);
    return 0;
}

/* A segment without a row has no charges, and nothing was charged after the last record's end or
 * the project's last settlement, nor given back after the last refund: that spares the scan. */
static int must_split(struct store *store, const char *project, struct instant from,
                      struct instant edge, bool *must, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT EXISTS (SELECT FROM ledger.project_draw WHERE project_id = $1 "
                       "AND since = coalesce($2, '-infinity')) "
                       "AND (EXISTS (SELECT FROM ledger.source WHERE last_record_at >= $3) "
                       "OR EXISTS (SELECT FROM ledger.refund WHERE project_id = $1 "
                       "AND last_at >= $3) "
                       "OR EXISTS (SELECT FROM ledger.hold_event e JOIN ledger.hold h "
                       "USING (hold_no) WHERE h.project_id = $1 AND e.kind = 'settle' "
                       "AND e.at >= $3))");
    query_text(&query, project);
    query_instant(&query, from);
    query_instant(&query, edge);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *must = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_split_draw(struct store *store, const char *project, struct instant from,
                     struct instant edge, struct instant to, struct error *err)
{
    struct query query;
    bool must;

    if (store_touch_positions(store, &project, 1, err) != 0 ||
        must_split(store, project, from, edge, &must, err) != 0) {
        return -1;
    }
    if (!must) {
        return 0;
    }
    query_init(&query,
               "WITH moved AS (SELECT sum(points_micro)::bigint AS points_micro, count(*) AS n "
               "FROM ledger.draw_item WHERE project_id = $1 AND last_at >= $3 AND last_at < $4), "
               "rest AS (UPDATE ledger.project_draw d SET points_micro = d.points_micro - "
               "moved.points_micro "
               "FROM moved WHERE moved.n > 0 AND d.project_id = $1 "
               "AND d.since = coalesce($2, '-infinity')) "
               "INSERT INTO ledger.project_draw (project_id, since, points_micro) "
               "SELECT $1, $3, points_micro FROM moved WHERE n > 0");
    query_text(&query, project);
    query_instant(&query, from);
    query_instant(&query, edge);
    query_instant(&query, to);
    return query_run(store, &query, NULL, NULL, err);
}

void store_position_release(struct store_position *position)
{
    free(position->project);
    free(position->draws);
    *position = (struct store_position){0};
}

int store_read_position(struct store *store, const char *project, struct store_position *position,
                        struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT p.posted_micro, p.held_micro, p.accrued_micro, p.version, "
               "d.points_micro IS NOT NULL, nullif(d.since, '-infinity'), d.points_micro, "
               "p.project_id "
               "FROM ledger.project_position p LEFT JOIN ledger.project_draw d USING (project_id) "
               "WHERE p.project_id = $1 ORDER BY d.since");
    query_text(&query, project);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *position = (struct store_position){
        .draws = calloc(rows_count(&rows) + 1, sizeof *position->draws)};
    if (rows_count(&rows) > 0) {
        position->project = rows_copy(&rows, 0, 7);
        position->posted = rows_points(&rows, 0, 0);
        position->held = rows_points(&rows, 0, 1);
        position->accrued = rows_points(&rows, 0, 2);
        position->version = rows_i64(&rows, 0, 3);
    }
    for (size_t i = 0; position->draws != NULL && i < rows_count(&rows); i++) {
        if (rows_bool(&rows, i, 4)) {
            position->draws[position->draw_count++] = (struct balance_draw){
                .since = rows_instant(&rows, i, 5),
                .points = rows_points(&rows, i, 6),
            };
        }
    }
    rows_release(&rows);
    if (position->draws == NULL || position->project == NULL) {
        store_position_release(position);
        return error_set(err, ERROR_INTERNAL, "project %s has no position in the book", project);
    }
    return 0;
}

int store_read_lifetime(struct store *store, int32_t account, struct lifetime_sums *sums,
                        struct error *err)
{
    struct query query;
    struct rows rows;

    /* What a service earns comes as charges too: only those towards a sink are its own spending. */
    query_init(
        &query,
        "SELECT coalesce(sum(x.amount) FILTER (WHERE x.kind IN ('grant', 'revoke')), 0)::bigint, "
        "coalesce(-sum(x.amount) FILTER (WHERE x.kind = 'charge' AND NOT x.is_earned), 0)::bigint, "
        "coalesce(sum(x.amount) FILTER (WHERE x.kind = 'refund'), 0)::bigint, "
        "coalesce(-sum(x.amount) FILTER (WHERE x.kind = 'expire'), 0)::bigint FROM ("
        "SELECT t.kind, t.amount_micro AS amount, a.kind = 'project' AS is_earned "
        "FROM ledger.transfer_total t JOIN ledger.account a ON a.account_no = t.debit_account "
        "WHERE t.credit_account = $1 UNION ALL "
        "SELECT t.kind, -t.amount_micro, a.kind = 'project' FROM ledger.transfer_total t "
        "JOIN ledger.account a ON a.account_no = t.credit_account "
        "WHERE t.debit_account = $1) x");
    query_i32(&query, account);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    sums->granted = rows_points(&rows, 0, 0);
    sums->spent = rows_points(&rows, 0, 1);
    sums->refunded = rows_points(&rows, 0, 2);
    sums->expired = rows_points(&rows, 0, 3);
    rows_release(&rows);
    return 0;
}
