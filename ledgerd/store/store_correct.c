/* store_correct - see store_correct.h. */
#include "ledgerd/store/store_correct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

int store_read_supply_split(struct store *store, const char *id, struct policy *split,
                            int *fiscal_year, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    /* The largest first, so that a remainder goes to the share that had the entry's own. */
    query_init(&query,
               "SELECT s.fiscal_year, h.share, trim_scale(h.fraction)::text "
               "FROM ledger.supply s JOIN ledger.supply_share h USING (supply_id) "
               "WHERE s.supply_id = $1 ORDER BY h.points_micro DESC, h.share COLLATE \"C\"");
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    split->share_count = 0;
    for (size_t i = 0; i < rows_count(&rows) && i < POLICY_SHARES_MAX && result == 0; i++) {
        struct policy_share *share = &split->shares[split->share_count++];
        const char *fraction = rows_text(&rows, i, 2);

        *fiscal_year = (int)rows_i64(&rows, i, 0);
        snprintf(share->name, sizeof share->name, "%s", rows_text(&rows, i, 1));
        if (decimal_parse(fraction, strlen(fraction), &share->fraction) != 0) {
            result = error_set(err, ERROR_INTERNAL, "supply %s in the book is malformed", id);
        }
    }
    rows_release(&rows);
    return result;
}

int store_add_adjustment(struct store *store, const char *id, struct points points,
                         const struct policy *split, const struct points *parts, int64_t entry_id,
                         struct instant now, struct error *err)
{
    struct query query;
    struct rows rows;
    int64_t number;

    query_init(&query, "INSERT INTO ledger.supply_adjustment (supply_id, points_micro, entry_id, "
                       "adjusted_at) VALUES ($1, $2, $3, $4) RETURNING adjustment_no");
    query_text(&query, id);
    query_points(&query, points);
    query_i64(&query, entry_id);
    query_instant(&query, now);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    number = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    for (size_t i = 0; i < split->share_count; i++) {
        query_init(&query, "INSERT INTO ledger.supply_adjustment_share (adjustment_no, share, "
                           "points_micro) VALUES ($1, $2, $3)");
        query_i64(&query, number);
        query_text(&query, split->shares[i].name);
        query_points(&query, parts[i]);
        if (query_run(store, &query, NULL, NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

void charged_record_release(struct charged_record *record)
{
    for (size_t i = 0; record->slices != NULL && i < record->count; i++) {
        free(record->slices[i].project);
        free(record->slices[i].klass);
    }
    free(record->slices);
    *record = (struct charged_record){0};
}

static int find_record(struct store *store, const char *source, const char *id,
                       struct charged_record *record, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT i.record_no, i.version, i.source_no FROM ledger.record_identity i "
                       "JOIN ledger.source s USING (source_no) WHERE s.name = $1 AND i.id = $2");
    query_text(&query, source);
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *record = (struct charged_record){.found = rows_count(&rows) > 0};
    if (record->found) {
        record->record_no = rows_i64(&rows, 0, 0);
        record->version = (int)rows_i64(&rows, 0, 1);
        record->source_no = (int32_t)rows_i64(&rows, 0, 2);
    }
    rows_release(&rows);
    return 0;
}

int store_read_charged(struct store *store, const char *source, const char *id,
                       struct charged_record *record, struct error *err)
{
    struct query query;
    struct rows rows;
    bool failed;

    if (find_record(store, source, id, record, err) != 0) {
        return -1;
    }
    if (!record->found) {
        return 0;
    }
    query_init(&query,
               "SELECT c.project_id, c.class, c.last_at, sum(c.points_micro)::bigint, "
               "coalesce((SELECT sum(r.points_micro) FROM ledger.refund r WHERE r.record_no = $1 "
               "AND r.project_id = c.project_id), 0)::bigint, "
               "coalesce((array_agg(CASE WHEN t.debit_account = p.account_no THEN t.credit_account "
               "ELSE t.debit_account END ORDER BY c.version DESC) "
               "FILTER (WHERE t.transfer_id IS NOT NULL))[1], 0) FROM ledger.charge c "
               "JOIN ledger.project p USING (project_id) "
               "LEFT JOIN ledger.transfer t USING (transfer_id) "
               "WHERE c.record_no = $1 GROUP BY 1, 2, 3 HAVING sum(c.points_micro) > 0 "
               "ORDER BY 3 DESC, 1, 2");
    query_i64(&query, record->record_no);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    record->slices = calloc(rows_count(&rows) + 1, sizeof *record->slices);
    failed = record->slices == NULL;
    for (size_t i = 0; !failed && i < rows_count(&rows); i++) {
        struct charged_slice *slice = &record->slices[record->count++];

        slice->project = rows_copy(&rows, i, 0);
        slice->klass = rows_copy(&rows, i, 1);
        slice->last = rows_instant(&rows, i, 2);
        slice->points = rows_points(&rows, i, 3);
        slice->refunded = rows_points(&rows, i, 4);
        slice->sink_account = (int32_t)rows_i64(&rows, i, 5);
        failed = slice->project == NULL || slice->klass == NULL;
    }
    rows_release(&rows);
    if (failed) {
        charged_record_release(record);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

/* Refunds are few: one statement each. */
int store_add_refunds(struct store *store, const struct refund_row *rows, size_t count,
                      struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct refund_row *row = &rows[i];
        struct query query;

        query_init(&query, "INSERT INTO ledger.refund (record_no, version, is_manual, month, "
                           "source_no, transfer_id, last_at, grant_id, points_micro, project_id, "
                           "class) VALUES ($1, $2, $3, $4, $5, $6, $7, nullif($8, 0), $9, $10, "
                           "$11)");
        query_i64(&query, row->record_no);
        query_i32(&query, row->version);
        query_bool(&query, row->is_manual);
        query_month(&query, row->month);
        query_i32(&query, row->source_no);
        query_i64(&query, row->transfer_id);
        query_instant(&query, row->last);
        query_i64(&query, row->grant_id);
        query_points(&query, row->points);
        query_text(&query, row->project);
        query_text(&query, row->klass);
        if (query_run(store, &query, NULL, NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

void booked_refunds_release(struct booked_refunds *refunds)
{
    for (size_t i = 0; refunds->rows != NULL && i < refunds->count; i++) {
        free(refunds->rows[i].project);
        free(refunds->rows[i].klass);
    }
    free(refunds->rows);
    *refunds = (struct booked_refunds){0};
}

int store_read_refunds(struct store *store, const int64_t *record_nos, size_t count,
                       struct booked_refunds *refunds, struct error *err)
{
    struct query query;
    struct rows rows;
    bool failed;

    query_init(&query, "SELECT record_no, project_id, class, month, last_at, "
                       "sum(points_micro)::bigint FROM ledger.refund WHERE record_no = ANY ($1) "
                       "AND NOT is_manual GROUP BY 1, 2, 3, 4, 5 HAVING sum(points_micro) <> 0 "
                       "ORDER BY 1");
    query_i64_array(&query, record_nos, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *refunds = (struct booked_refunds){
        .rows = calloc(rows_count(&rows) + 1, sizeof *refunds->rows)};
    failed = refunds->rows == NULL;
    for (size_t i = 0; !failed && i < rows_count(&rows); i++) {
        struct booked_refund *row = &refunds->rows[refunds->count++];

        row->record_no = rows_i64(&rows, i, 0);
        row->project = rows_copy(&rows, i, 1);
        row->klass = rows_copy(&rows, i, 2);
        row->month = rows_month(&rows, i, 3);
        row->last = rows_instant(&rows, i, 4);
        row->points = rows_points(&rows, i, 5);
        failed = row->project == NULL || row->klass == NULL;
    }
    rows_release(&rows);
    if (failed) {
        booked_refunds_release(refunds);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

int store_add_move(struct store *store, const struct move_new *move, int64_t *id, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "INSERT INTO ledger.project_move (from_project, to_project, points_micro, "
                       "is_across, key, request, entry_id, moved_at) "
                       "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING move_id");
    query_text(&query, move->from);
    query_text(&query, move->to);
    query_points(&query, move->points);
    query_bool(&query, move->is_across);
    query_text(&query, move->key);
    query_text(&query, move->request);
    query_i64(&query, move->entry_id);
    query_instant(&query, move->now);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *id = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_find_move(struct store *store, const char *key, int64_t *id, char **request,
                    struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT move_id, request FROM ledger.project_move WHERE key = $1");
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
