/* store_verify - see store_verify.h.
 *
 * Records, their charges and their refunds are three cursors in the order of record numbers, merged
 * here: the server sorts on disk, the client holds a few thousand rows.
 */
#include "ledgerd/store/store_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

enum { SLICES_MAX = 4096 }; /* of one record: a month each, times the names it ever had */

#define FETCH "FETCH 4000 FROM "

int store_verify_begin(struct store *store, struct error *err)
{
    return query_execute(store, "SET LOCAL work_mem = '64MB'", err);
}

int store_snapshot_export(struct store *store, char id[STORE_SNAPSHOT_BYTES], struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT pg_export_snapshot()");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    snprintf(id, STORE_SNAPSHOT_BYTES, "%s", rows_text(&rows, 0, 0));
    rows_release(&rows);
    return 0;
}

int store_snapshot_take(struct store *store, const char *id, struct error *err)
{
    char sql[STORE_SNAPSHOT_BYTES + 40];

    /* The server's own word, of digits and dashes; the statement takes no parameters. */
    if (strspn(id, "0123456789ABCDEFabcdef-") != strlen(id)) {
        return error_set(err, ERROR_INTERNAL, "the database gave its snapshot an unknown name");
    }
    snprintf(sql, sizeof sql, "SET TRANSACTION SNAPSHOT '%s'", id);
    return query_execute(store, sql, err);
}

static void add_moved(struct query *query, const struct verify_moved *moved)
{
    query_i32_array(query, moved->debit_accounts, moved->count);
    query_i32_array(query, moved->credit_accounts, moved->count);
    query_month_array(query, moved->months, moved->count);
    query_text_array(query, moved->kinds, moved->count);
    query_i32_array(query, moved->sources, moved->count);
    query_i64_array(query, moved->amounts, moved->count);
    query_i64_array(query, moved->transfers, moved->count);
}

int store_verify_statement(struct store *store, const struct verify_statement *statement,
                           const struct verify_moved *moved, char *detail, size_t size,
                           struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, statement->sql);
    if (moved != NULL) {
        add_moved(&query, moved);
    }
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return error_prefix(err, "check %s", statement->name);
    }
    snprintf(detail, size, "%s", rows_count(&rows) > 0 ? rows_text(&rows, 0, 0) : "");
    rows_release(&rows);
    return 0;
}

int store_verify_retroactive(struct store *store, bool *cards, bool *policies, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT coalesce(bool_or(verb = 'rates apply'), false), "
                       "coalesce(bool_or(verb = 'policy apply'), false) "
                       "FROM ledger.audit WHERE detail LIKE 'effective_from % retroactive'");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *cards = rows_bool(&rows, 0, 0);
    *policies = rows_bool(&rows, 0, 1);
    rows_release(&rows);
    return 0;
}

int store_verify_count(struct store *store, int64_t *records, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT count(*) FROM ledger.record_identity");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *records = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

struct cursor { /* rows in their order, a few thousand at a time */
    const char *fetch;
    struct rows rows;
    size_t next;
    bool is_open; /* rows are held */
    bool is_done;
};

static void cursor_release(struct cursor *cursor)
{
    if (cursor->is_open) {
        rows_release(&cursor->rows);
        cursor->is_open = false;
    }
}

/* Make cursor->next a row that is there, or is_done. */
static int cursor_advance(struct store *store, struct cursor *cursor, struct error *err)
{
    struct query query;

    if (cursor->is_done || (cursor->is_open && cursor->next < rows_count(&cursor->rows))) {
        return 0;
    }
    cursor_release(cursor);
    query_init(&query, cursor->fetch);
    if (query_run(store, &query, &cursor->rows, NULL, err) != 0) {
        return -1;
    }
    cursor->is_open = true;
    cursor->next = 0;
    cursor->is_done = rows_count(&cursor->rows) == 0;
    return 0;
}

static int declare(struct store *store, const char *sql, int64_t every, struct error *err)
{
    struct query query;

    query_init(&query, sql);
    query_i64(&query, every);
    return query_run(store, &query, NULL, NULL, err);
}

static int declare_cursors(struct store *store, int64_t every, struct error *err)
{
    if (declare(store,
                "DECLARE verify_record NO SCROLL CURSOR FOR SELECT " STORE_RECORD_COLUMNS
                " FROM ledger.record_identity i JOIN ledger.usage_record u "
                "ON u.record_no = i.record_no AND u.version = i.version AND u.month = i.month "
                "JOIN ledger.source s ON s.source_no = i.source_no "
                "WHERE i.record_no % $1 = 0 ORDER BY i.record_no",
                every, err) != 0 ||
        declare(store,
                "DECLARE verify_charge NO SCROLL CURSOR FOR SELECT record_no, project_id, "
                "class, user_name, month, sum(points_micro)::bigint, sum(list_micro)::bigint "
                "FROM ledger.charge WHERE record_no % $1 = 0 "
                "GROUP BY record_no, project_id, user_name, class, month "
                "ORDER BY record_no, project_id, user_name, class, month",
                every, err) != 0) {
        return -1;
    }
    return declare(store,
                   "DECLARE verify_refund NO SCROLL CURSOR FOR SELECT record_no, project_id, "
                   "class, last_at, sum(points_micro)::bigint "
                   "FROM ledger.refund WHERE NOT is_manual AND record_no % $1 = 0 "
                   "GROUP BY record_no, project_id, class, last_at "
                   "HAVING sum(points_micro) <> 0 "
                   "ORDER BY record_no, last_at, project_id, class",
                   every, err);
}

/* What belongs to one record. Names are the cursors' own: they are copied, because the next fetch
 * takes them away, and pointed to only when all are there, because their memory moves. */
struct gathered {
    size_t slice_count;
    struct verify_slice *slices; /* SLICES_MAX */
    size_t refund_count;
    struct verify_refund *refunds; /* SLICES_MAX */
    struct strbuf slice_names;     /* one after the other: project, class, user */
    struct strbuf refund_names;    /* project, class */
};

static void add_names(struct strbuf *names, const struct rows *rows, size_t row, int count)
{
    for (int column = 1; column <= count; column++) {
        strbuf_add(names, rows_text(rows, row, column), rows_length(rows, row, column) + 1);
    }
}

static int too_many(const struct rows *rows, size_t row, struct error *err)
{
    return error_set(err, ERROR_VERIFY, "record number %lld has more than %d slices",
                     (long long)rows_i64(rows, row, 0), SLICES_MAX);
}

typedef int gather_fn(struct gathered *to, const struct rows *rows, size_t row, struct error *err);

static int add_slice(struct gathered *to, const struct rows *rows, size_t row, struct error *err)
{
    if (to->slice_count == SLICES_MAX) {
        return too_many(rows, row, err);
    }
    add_names(&to->slice_names, rows, row, 3);
    to->slices[to->slice_count++] = (struct verify_slice){
        .month = rows_month(rows, row, 4),
        .points = rows_points(rows, row, 5),
        .list_points = rows_points(rows, row, 6),
    };
    return 0;
}

static int add_refund(struct gathered *to, const struct rows *rows, size_t row, struct error *err)
{
    if (to->refund_count == SLICES_MAX) {
        return too_many(rows, row, err);
    }
    add_names(&to->refund_names, rows, row, 2);
    to->refunds[to->refund_count++] = (struct verify_refund){
        .last = rows_instant(rows, row, 3),
        .points = rows_points(rows, row, 4),
    };
    return 0;
}

static const char *next_name(const char **at)
{
    const char *name = *at;

    *at += strlen(name) + 1;
    return name;
}

static int point_to_names(struct gathered *gathered, struct error *err)
{
    const char *slice = gathered->slice_names.data;
    const char *refund = gathered->refund_names.data;

    if (gathered->slice_names.failed || gathered->refund_names.failed) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < gathered->slice_count; i++) {
        gathered->slices[i].project = next_name(&slice);
        gathered->slices[i].klass = next_name(&slice);
        gathered->slices[i].user = next_name(&slice);
    }
    for (size_t i = 0; i < gathered->refund_count; i++) {
        gathered->refunds[i].project = next_name(&refund);
        gathered->refunds[i].klass = next_name(&refund);
    }
    return 0;
}

/* All of a record's rows; those of smaller numbers belong to no identity and were named by another
 * check. */
static int gather(struct store *store, struct cursor *cursor, int64_t record_no, gather_fn *add,
                  struct gathered *to, struct error *err)
{
    for (;;) {
        int64_t number;

        if (cursor_advance(store, cursor, err) != 0) {
            return -1;
        }
        if (cursor->is_done) {
            return 0;
        }
        number = rows_i64(&cursor->rows, cursor->next, 0);
        if (number > record_no) {
            return 0;
        }
        if (number == record_no && add(to, &cursor->rows, cursor->next, err) != 0) {
            return -1;
        }
        cursor->next++;
    }
}

struct cursors {
    struct cursor records;
    struct cursor charges;
    struct cursor refunds;
};

static int gather_record(struct store *store, struct cursors *cursors, int64_t record_no,
                         struct gathered *to, struct error *err)
{
    to->slice_count = 0;
    to->refund_count = 0;
    strbuf_clear(&to->slice_names);
    strbuf_clear(&to->refund_names);
    if (gather(store, &cursors->charges, record_no, add_slice, to, err) != 0 ||
        gather(store, &cursors->refunds, record_no, add_refund, to, err) != 0) {
        return -1;
    }
    return point_to_names(to, err);
}

static int merge(struct store *store, struct cursors *cursors, struct stored_record *stored,
                 struct gathered *gathered, verify_record_fn *each, void *context,
                 struct error *err)
{
    struct cursor *records = &cursors->records;

    for (;; records->next++) {
        if (cursor_advance(store, records, err) != 0) {
            return -1;
        }
        if (records->is_done) {
            return 0;
        }
        if (store_record_decode(&records->rows, records->next, stored, err) != 0 ||
            gather_record(store, cursors, stored->record_no, gathered, err) != 0) {
            return -1;
        }
        struct verify_record record = {stored, gathered->slice_count, gathered->slices,
                                       gathered->refund_count, gathered->refunds};
        if (each(context, &record, err) != 0) {
            return -1;
        }
    }
}

int store_verify_records(struct store *store, int64_t every, verify_record_fn *each, void *context,
                         struct error *err)
{
    struct stored_record *stored = malloc(sizeof *stored);
    struct gathered gathered = {.slices = calloc(SLICES_MAX, sizeof *gathered.slices),
                                .refunds = calloc(SLICES_MAX, sizeof *gathered.refunds)};
    struct cursors cursors = {.records = {.fetch = FETCH "verify_record"},
                              .charges = {.fetch = FETCH "verify_charge"},
                              .refunds = {.fetch = FETCH "verify_refund"}};
    int result = -1;

    strbuf_init(&gathered.slice_names);
    strbuf_init(&gathered.refund_names);
    if (stored == NULL || gathered.slices == NULL || gathered.refunds == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else if (declare_cursors(store, every, err) == 0) {
        result = merge(store, &cursors, stored, &gathered, each, context, err);
    }
    cursor_release(&cursors.records);
    cursor_release(&cursors.charges);
    cursor_release(&cursors.refunds);
    strbuf_release(&gathered.slice_names);
    strbuf_release(&gathered.refund_names);
    free(gathered.slices);
    free(gathered.refunds);
    free(stored);
    return result;
}

int store_verify_meters(struct store *store, verify_meter_fn *each, void *context,
                        struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT m.month, m.project_id, s.name, m.class, m.meter, m.is_held, "
                       "round(m.amount, CASE WHEN m.is_held THEN 6 ELSE 9 END)::text "
                       "FROM ledger.meter_total m JOIN ledger.source s USING (source_no) "
                       "ORDER BY m.month, m.project_id, s.name, m.class, m.meter");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        struct verify_meter meter = {
            .month = rows_month(&rows, i, 0),
            .project = rows_text(&rows, i, 1),
            .source = rows_text(&rows, i, 2),
            .klass = rows_text(&rows, i, 3),
            .meter = rows_text(&rows, i, 4),
            .is_held = rows_bool(&rows, i, 5),
            .amount = rows_text(&rows, i, 6),
        };
        result = each(context, &meter, err);
    }
    rows_release(&rows);
    return result;
}

int store_verify_pools(struct store *store, verify_pool_fn *each, void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT share, fiscal_year FROM ledger.account WHERE kind = 'pool' "
                       "ORDER BY share, fiscal_year");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; result == 0 && i < rows_count(&rows); i++) {
        result = each(context, rows_text(&rows, i, 0), (int)rows_i64(&rows, i, 1), err);
    }
    rows_release(&rows);
    return result;
}
