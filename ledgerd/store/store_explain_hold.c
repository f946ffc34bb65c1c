/* store_explain_hold - see store_explain_hold.h. */
#include "ledgerd/store/store_explain_hold.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void explained_holds_release(struct explained_holds *holds)
{
    for (size_t i = 0; i < holds->count; i++) {
        free(holds->holds[i].key);
        free(holds->holds[i].state);
        free(holds->holds[i].kind);
    }
    free(holds->holds);
    *holds = (struct explained_holds){0};
}

int store_explain_holds(struct store *store, int64_t record_no, struct explained_holds *holds,
                        struct error *err)
{
    struct query query;
    struct rows rows;
    bool failed = false;

    *holds = (struct explained_holds){0};
    query_init(&query, "SELECT h.hold_no, h.key, h.state, h.points_micro, e.kind, e.at, e.is_end, "
                       "e.charged_micro, e.freed_micro FROM ledger.hold_event e "
                       "JOIN ledger.hold h USING (hold_no) WHERE e.record_no = $1 "
                       "ORDER BY e.hold_no, e.n");
    query_i64(&query, record_no);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    holds->holds = calloc(rows_count(&rows) + 1, sizeof *holds->holds);
    for (size_t i = 0; holds->holds != NULL && i < rows_count(&rows); i++) {
        struct explained_hold *hold = &holds->holds[holds->count++];

        *hold = (struct explained_hold){.hold = rows_i64(&rows, i, 0),
                                        .key = rows_copy(&rows, i, 1),
                                        .state = rows_copy(&rows, i, 2),
                                        .points = rows_points(&rows, i, 3),
                                        .kind = rows_copy(&rows, i, 4),
                                        .at = rows_instant(&rows, i, 5),
                                        .is_end = rows_bool(&rows, i, 6),
                                        .charged = rows_points(&rows, i, 7),
                                        .freed = rows_points(&rows, i, 8)};
        failed = failed || hold->key == NULL || hold->state == NULL || hold->kind == NULL;
    }
    rows_release(&rows);
    return failed || holds->holds == NULL ? no_memory(err) : 0;
}

int store_explain_cover(struct store *store, const char *source, const char *id, int64_t *hold,
                        struct points *covered, struct error *err)
{
    struct query query;
    struct rows rows;

    *hold = 0;
    *covered = POINTS_ZERO;
    query_init(&query, "SELECT a.hold_no, a.covered_micro FROM ledger.accrual a "
                       "JOIN ledger.source s USING (source_no) WHERE s.name = $1 AND a.id = $2");
    query_text(&query, source);
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (rows_count(&rows) > 0) {
        *hold = rows_i64(&rows, 0, 0);
        *covered = rows_points(&rows, 0, 1);
    }
    rows_release(&rows);
    return 0;
}

void explained_transfer_destroy(struct explained_transfer *transfer)
{
    if (transfer == NULL) {
        return;
    }
    for (size_t i = 0; i < transfer->record_count; i++) {
        free(transfer->records[i].source);
        free(transfer->records[i].id);
        free(transfer->records[i].user);
        free(transfer->records[i].klass);
    }
    free(transfer->records);
    free(transfer->entry_kind);
    free(transfer->debit);
    free(transfer->credit);
    free(transfer->kind);
    free(transfer->source);
    free(transfer);
}

static int read_transfer(struct store *store, int64_t id, struct explained_transfer **transfer,
                         struct error *err)
{
    struct explained_transfer *made = NULL;
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT t.entry_id, e.kind, t.month, d.name, k.name, t.amount_micro, "
                       "t.kind, coalesce(s.name, ''), t.charges, t.grant_id, t.booked_at, "
                       "e.audit_n, coalesce(t.belongs_to, t.month) FROM ledger.transfer t JOIN "
                       "ledger.entry e USING (entry_id) "
                       "JOIN ledger.account d ON d.account_no = t.debit_account "
                       "JOIN ledger.account k ON k.account_no = t.credit_account "
                       "LEFT JOIN ledger.source s ON s.source_no = t.source_no "
                       "WHERE t.transfer_id = $1");
    query_i64(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (rows_count(&rows) > 0 && (made = calloc(1, sizeof *made)) != NULL) {
        *made = (struct explained_transfer){.id = id,
                                            .entry = rows_i64(&rows, 0, 0),
                                            .entry_kind = rows_copy(&rows, 0, 1),
                                            .month = rows_month(&rows, 0, 2),
                                            .debit = rows_copy(&rows, 0, 3),
                                            .credit = rows_copy(&rows, 0, 4),
                                            .amount = rows_points(&rows, 0, 5),
                                            .kind = rows_copy(&rows, 0, 6),
                                            .source = rows_copy(&rows, 0, 7),
                                            .charges = rows_i64(&rows, 0, 8),
                                            .grant = rows_i64(&rows, 0, 9),
                                            .booked_at = rows_instant(&rows, 0, 10),
                                            .audit_n = rows_i64(&rows, 0, 11),
                                            .belongs_to = rows_month(&rows, 0, 12)};
    }
    bool failed = rows_count(&rows) > 0 &&
                  (made == NULL || made->entry_kind == NULL || made->debit == NULL ||
                   made->credit == NULL || made->kind == NULL || made->source == NULL);
    rows_release(&rows);
    *transfer = made;
    return failed ? no_memory(err) : 0;
}

static int read_records(struct store *store, struct explained_transfer *transfer, size_t limit,
                        struct error *err)
{
    struct query query;
    struct rows rows;
    bool failed = false;

    query_init(&query,
               "WITH part AS (SELECT record_no, version, points_micro FROM ledger.charge "
               "WHERE transfer_id = $1 UNION ALL SELECT record_no, version, points_micro "
               "FROM ledger.refund WHERE transfer_id = $1 ORDER BY 1, 2 LIMIT $2) "
               "SELECT s.name, i.id, p.version, p.points_micro, r.user_name, r.class FROM part p "
               "JOIN ledger.record_identity i USING (record_no) JOIN ledger.source s "
               "USING (source_no) LEFT JOIN ledger.usage_record r ON r.record_no = p.record_no "
               "AND r.version = i.version AND r.month = i.month ORDER BY 1, 2, 3");
    query_i64(&query, transfer->id);
    query_i64(&query, (int64_t)limit);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    transfer->records = calloc(rows_count(&rows) + 1, sizeof *transfer->records);
    for (size_t i = 0; transfer->records != NULL && i < rows_count(&rows); i++) {
        struct transfer_record *record = &transfer->records[transfer->record_count++];

        *record = (struct transfer_record){.source = rows_copy(&rows, i, 0),
                                           .id = rows_copy(&rows, i, 1),
                                           .version = (int)rows_i64(&rows, i, 2),
                                           .points = rows_points(&rows, i, 3),
                                           .user = rows_copy(&rows, i, 4),
                                           .klass = rows_copy(&rows, i, 5)};
        failed = failed || record->source == NULL || record->id == NULL;
    }
    rows_release(&rows);
    return failed || transfer->records == NULL ? no_memory(err) : 0;
}

int store_explain_transfer(struct store *store, int64_t id, size_t limit,
                           struct explained_transfer **transfer, struct error *err)
{
    if (read_transfer(store, id, transfer, err) == 0 &&
        (*transfer == NULL || (*transfer)->kind == NULL ||
         read_records(store, *transfer, limit, err) == 0)) {
        return 0;
    }
    explained_transfer_destroy(*transfer);
    *transfer = NULL;
    return -1;
}
