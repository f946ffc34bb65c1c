/* store_explain - see store_explain.h. */
#include "ledgerd/store/store_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_record.h"

void explained_record_destroy(struct explained_record *record)
{
    if (record == NULL) {
        return;
    }
    for (size_t i = 0; i < record->version_count; i++) {
        free(record->versions[i].project);
        free(record->versions[i].outcome);
    }
    for (size_t i = 0; i < record->charge_count; i++) {
        free(record->charges[i].project);
        free(record->charges[i].debit);
        free(record->charges[i].credit);
    }
    for (size_t i = 0; i < record->refund_count; i++) {
        free(record->refunds[i].project);
        free(record->refunds[i].debit);
        free(record->refunds[i].credit);
    }
    free(record->versions);
    free(record->charges);
    free(record->refunds);
    free(record);
}

void explained_accrual_destroy(struct explained_accrual *accrual)
{
    if (accrual != NULL) {
        free(accrual->project);
        free(accrual->record);
        free(accrual);
    }
}

/* The row of the current version, with the identity's content behind it. */
static int read_current(struct store *store, const char *source, const char *id,
                        struct explained_record *record, bool *found, struct error *err)
{
    struct stored_record *stored = &record->stored;
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT " STORE_RECORD_COLUMNS ", i.content FROM ledger.source s "
                       "JOIN ledger.record_identity i ON i.source_no = s.source_no "
                       "JOIN ledger.usage_record u ON u.record_no = i.record_no "
                       "AND u.month = i.month AND u.version = i.version "
                       "WHERE s.name = $1 AND i.id = $2");
    query_text(&query, source);
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *found = rows_count(&rows) > 0;
    if (*found) {
        const unsigned char *content = rows_bytes(&rows, 0, STORE_RECORD_COLUMN_COUNT);

        result = store_record_decode(&rows, 0, stored, err);
        for (int i = 0; i < 16; i++) {
            snprintf(record->content + 2 * i, 3, "%02x", content[i]);
        }
    }
    rows_release(&rows);
    return result;
}

static int read_versions(struct store *store, struct explained_record *record, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT version, seen_at, end_at, project_id, outcome "
                       "FROM ledger.usage_record WHERE record_no = $1 ORDER BY version");
    query_i64(&query, record->stored.record_no);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    record->versions = calloc(rows_count(&rows) + 1, sizeof *record->versions);
    for (size_t i = 0; record->versions != NULL && i < rows_count(&rows); i++) {
        struct explained_version *version = &record->versions[record->version_count++];

        version->version = (int)rows_i64(&rows, i, 0);
        version->seen = rows_instant(&rows, i, 1);
        version->end = rows_instant(&rows, i, 2);
        version->project = rows_copy(&rows, i, 3);
        version->outcome = rows_copy(&rows, i, 4);
        if (version->project == NULL || version->outcome == NULL) {
            result = -1;
        }
    }
    rows_release(&rows);
    return result != 0 || record->versions == NULL ? error_set(err, ERROR_INTERNAL, "out of memory")
                                                   : 0;
}

static int take_charge(const struct rows *rows, size_t row, struct explained_charge *charge)
{
    *charge = (struct explained_charge){
        .version = (int)rows_i64(rows, row, 0),
        .month = rows_month(rows, row, 1),
        .last = rows_instant(rows, row, 2),
        .project = rows_copy(rows, row, 3),
        .points = rows_points(rows, row, 4),
        .list_points = rows_points(rows, row, 5),
        .card_no = (int32_t)rows_i64(rows, row, 6),
        .rule = (int)rows_i64(rows, row, 7),
        .transfer = rows_i64(rows, row, 8),
        .debit = rows_copy(rows, row, 9),
        .credit = rows_copy(rows, row, 10),
        .booked_at = rows_instant(rows, row, 11),
        .booked_in = rows_is_null(rows, row, 12) ? rows_month(rows, row, 1)
                                                 : rows_month(rows, row, 12),
    };
    return charge->project == NULL || charge->debit == NULL || charge->credit == NULL ? -1 : 0;
}

static int read_charges(struct store *store, struct explained_record *record, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query,
               "SELECT c.version, c.month, c.last_at, c.project_id, c.points_micro, c.list_micro, "
               "c.card_no, c.rule, c.transfer_id, coalesce(d.name, ''), coalesce(k.name, ''), "
               "t.booked_at, t.month FROM ledger.charge c LEFT JOIN ledger.transfer t "
               "ON t.transfer_id = c.transfer_id AND coalesce(t.belongs_to, t.month) = c.month "
               "AND c.transfer_id <> 0 "
               "LEFT JOIN ledger.account d ON d.account_no = t.debit_account "
               "LEFT JOIN ledger.account k ON k.account_no = t.credit_account "
               "WHERE c.record_no = $1 ORDER BY c.version, c.month, c.last_at");
    query_i64(&query, record->stored.record_no);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    record->charges = calloc(rows_count(&rows) + 1, sizeof *record->charges);
    for (size_t i = 0; record->charges != NULL && i < rows_count(&rows); i++) {
        if (take_charge(&rows, i, &record->charges[record->charge_count++]) != 0) {
            result = -1;
        }
    }
    rows_release(&rows);
    return result != 0 || record->charges == NULL ? error_set(err, ERROR_INTERNAL, "out of memory")
                                                  : 0;
}

static int take_refund(const struct rows *rows, size_t row, struct explained_refund *refund)
{
    *refund = (struct explained_refund){
        .version = (int)rows_i64(rows, row, 0),
        .is_manual = rows_bool(rows, row, 1),
        .month = rows_month(rows, row, 2),
        .last = rows_instant(rows, row, 3),
        .project = rows_copy(rows, row, 4),
        .points = rows_points(rows, row, 5),
        .grant = rows_i64(rows, row, 6),
        .transfer = rows_i64(rows, row, 7),
        .debit = rows_copy(rows, row, 8),
        .credit = rows_copy(rows, row, 9),
        .booked_at = rows_instant(rows, row, 10),
    };
    return refund->project == NULL || refund->debit == NULL || refund->credit == NULL ? -1 : 0;
}

static int read_refunds(struct store *store, struct explained_record *record, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query,
               "SELECT r.version, r.is_manual, r.month, r.last_at, r.project_id, r.points_micro, "
               "r.grant_id, r.transfer_id, coalesce(d.name, ''), coalesce(k.name, ''), t.booked_at "
               "FROM ledger.refund r LEFT JOIN ledger.transfer t "
               "ON t.transfer_id = r.transfer_id AND coalesce(t.belongs_to, t.month) = r.month "
               "AND r.transfer_id <> 0 "
               "LEFT JOIN ledger.account d ON d.account_no = t.debit_account "
               "LEFT JOIN ledger.account k ON k.account_no = t.credit_account "
               "WHERE r.record_no = $1 ORDER BY r.refund_no");
    query_i64(&query, record->stored.record_no);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    record->refunds = calloc(rows_count(&rows) + 1, sizeof *record->refunds);
    for (size_t i = 0; record->refunds != NULL && i < rows_count(&rows); i++) {
        if (take_refund(&rows, i, &record->refunds[record->refund_count++]) != 0) {
            result = -1;
        }
    }
    rows_release(&rows);
    return result != 0 || record->refunds == NULL ? error_set(err, ERROR_INTERNAL, "out of memory")
                                                  : 0;
}

int store_explain_record(struct store *store, const char *source, const char *id,
                         struct explained_record **record, struct error *err)
{
    struct explained_record *made = calloc(1, sizeof *made);
    bool found;

    *record = NULL;
    if (made == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (read_current(store, source, id, made, &found, err) != 0) {
        explained_record_destroy(made);
        return -1;
    }
    if (!found) {
        explained_record_destroy(made);
        return 0;
    }
    if (read_versions(store, made, err) != 0 || read_charges(store, made, err) != 0 ||
        read_refunds(store, made, err) != 0) {
        explained_record_destroy(made);
        return -1;
    }
    *record = made;
    return 0;
}

int store_explain_accrual(struct store *store, const char *source, const char *id,
                          struct explained_accrual **accrual, struct error *err)
{
    struct explained_accrual *made;
    struct query query;
    struct rows rows;
    int result = 0;

    *accrual = NULL;
    query_init(&query,
               "SELECT a.start_at, a.end_at, a.project_id, a.points_micro, a.list_micro, "
               "a.card_no, a.record FROM ledger.accrual a JOIN ledger.source s USING (source_no) "
               "WHERE s.name = $1 AND a.id = $2");
    query_text(&query, source);
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (rows_count(&rows) > 0) {
        made = calloc(1, sizeof *made);
        if (made == NULL) {
            result = error_set(err, ERROR_INTERNAL, "out of memory");
        } else {
            *made = (struct explained_accrual){
                .start = rows_instant(&rows, 0, 0),
                .end = rows_instant(&rows, 0, 1),
                .project = rows_copy(&rows, 0, 2),
                .points = rows_points(&rows, 0, 3),
                .list_points = rows_points(&rows, 0, 4),
                .card_no = (int32_t)rows_i64(&rows, 0, 5),
                .record = rows_copy(&rows, 0, 6),
            };
            *accrual = made;
        }
        if (made != NULL && (made->project == NULL || made->record == NULL)) {
            explained_accrual_destroy(made);
            *accrual = NULL;
            result = error_set(err, ERROR_INTERNAL, "out of memory");
        }
    }
    rows_release(&rows);
    return result;
}

int store_explain_project(struct store *store, const char *source, const char *id,
                          char project[ROLE_PROJECT_BYTES + 1], struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT coalesce("
                       "(SELECT u.project_id FROM ledger.record_identity i "
                       "JOIN ledger.usage_record u ON u.record_no = i.record_no "
                       "AND u.month = i.month AND u.version = i.version "
                       "WHERE i.source_no = s.source_no AND i.id = $2), "
                       "(SELECT a.project_id FROM ledger.accrual a "
                       "WHERE a.source_no = s.source_no AND a.id = $2)) "
                       "FROM ledger.source s WHERE s.name = $1");
    query_text(&query, source);
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    snprintf(project, ROLE_PROJECT_BYTES + 1, "%s",
             rows_count(&rows) > 0 ? rows_text(&rows, 0, 0) : "");
    rows_release(&rows);
    return 0;
}
