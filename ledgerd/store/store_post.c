/* store_post - see store_post.h.
 *
 * Everything is set-wise: one statement for the transfers, one for their totals, one for the
 * positions, however many lines there are.  The totals are upserted in key order and the booking
 * lock lets one poster in at a time, so that no two can wait for each other.
 */
#include "ledgerd/store/store_post.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_close.h"

enum {
    TRANSFER_BLOCK = 4096, /* as ledger.transfer_number says */
    RECORD_BLOCK = 65536,  /* as ledger.record_number says */
    MONTH_FIRST = 1970 * 12,
    MONTH_LIMIT = 2200 * 12,
};

static int next_number(struct store *store, const char *sql, int64_t block_size,
                       struct number_block *block, int64_t *number, struct error *err)
{
    struct query query;
    struct rows rows;

    if (block->next == block->end) {
        query_init(&query, sql);
        if (query_run(store, &query, &rows, NULL, err) != 0) {
            return -1;
        }
        block->next = rows_i64(&rows, 0, 0) * block_size;
        block->end = block->next + block_size;
        rows_release(&rows);
    }
    *number = block->next++;
    return 0;
}

int store_next_transfer(struct store *store, struct number_block *block, int64_t *number,
                        struct error *err)
{
    return next_number(store, "SELECT nextval('ledger.transfer_number')", TRANSFER_BLOCK, block,
                       number, err);
}

int store_next_record(struct store *store, struct number_block *block, int64_t *number,
                      struct error *err)
{
    return next_number(store, "SELECT nextval('ledger.record_number')", RECORD_BLOCK, block, number,
                       err);
}

int store_ensure_month(struct store *store, struct month month, struct error *err)
{
    struct query query;
    char text[MONTH_TEXT_BYTES];

    if (month.number < MONTH_FIRST || month.number >= MONTH_LIMIT) {
        return error_set_reason(err, ERROR_INPUT, "bad_interval",
                                "month %s is outside the years 1970 to 2199 that the book can hold",
                                month_format(month, text));
    }
    query_init(&query, "SELECT ledger.ensure_month($1)");
    query_month(&query, month);
    return query_run(store, &query, NULL, NULL, err);
}

/* The lines as columns, which is what unnest wants. */
struct columns {
    size_t count;
    int64_t *ids;
    struct month *months;     /* in which they count */
    struct month *belongs_to; /* a closed one, else the same */
    int32_t *debits;
    int32_t *credits;
    int64_t *amounts;
    const char **kinds;
    int32_t *sources;
    int64_t *charges;
    int64_t *grants;
};

static void columns_release(struct columns *columns)
{
    free(columns->ids);
    free(columns->months);
    free(columns->belongs_to);
    free(columns->debits);
    free(columns->credits);
    free(columns->amounts);
    free(columns->kinds);
    free(columns->sources);
    free(columns->charges);
    free(columns->grants);
}

static int columns_allocate(struct columns *columns, size_t count, struct error *err)
{
    *columns = (struct columns){
        .count = count,
        .ids = calloc(count, sizeof *columns->ids),
        .months = calloc(count, sizeof *columns->months),
        .belongs_to = calloc(count, sizeof *columns->belongs_to),
        .debits = calloc(count, sizeof *columns->debits),
        .credits = calloc(count, sizeof *columns->credits),
        .amounts = calloc(count, sizeof *columns->amounts),
        .kinds = calloc(count, sizeof *columns->kinds),
        .sources = calloc(count, sizeof *columns->sources),
        .charges = calloc(count, sizeof *columns->charges),
        .grants = calloc(count, sizeof *columns->grants),
    };
    if (columns->ids == NULL || columns->months == NULL || columns->belongs_to == NULL ||
        columns->debits == NULL || columns->credits == NULL || columns->amounts == NULL ||
        columns->kinds == NULL || columns->sources == NULL || columns->charges == NULL ||
        columns->grants == NULL) {
        columns_release(columns);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return -1;
    }
    return 0;
}

static int columns_fill(struct store *store, const struct post_entry *entry,
                        struct columns *columns, struct error *err)
{
    struct number_block block = {0, 0};
    struct month closed;

    if (store_closed_through(store, &closed, err) != 0 ||
        columns_allocate(columns, entry->line_count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < entry->line_count; i++) {
        const struct post_line *line = &entry->lines[i];

        columns->ids[i] = line->transfer_id;
        if (line->transfer_id == 0 &&
            store_next_transfer(store, &block, &columns->ids[i], err) != 0) {
            columns_release(columns);
            return -1;
        }
        columns->months[i] = line->month;
        columns->belongs_to[i] = line->month;
        if (line->month.number <= closed.number) {
            columns->months[i].number = closed.number + 1;
        }
        columns->debits[i] = line->debit_account;
        columns->credits[i] = line->credit_account;
        columns->amounts[i] = line->amount.micro;
        columns->kinds[i] = transfer_kind_text(line->kind);
        columns->sources[i] = line->source_no;
        columns->charges[i] = line->charges;
        columns->grants[i] = line->grant_id;
    }
    return 0;
}

static int ensure_months(struct store *store, const struct columns *columns, struct error *err)
{
    struct query query;

    for (size_t i = 0; i < columns->count; i++) {
        if (columns->months[i].number < MONTH_FIRST || columns->months[i].number >= MONTH_LIMIT) {
            return store_ensure_month(store, columns->months[i], err);
        }
    }
    query_init(
        &query,
        "SELECT ledger.ensure_month(m) FROM (SELECT DISTINCT m FROM unnest($1) m ORDER BY m) x");
    query_month_array(&query, columns->months, columns->count);
    return query_run(store, &query, NULL, NULL, err);
}

static int insert_transfers(struct store *store, const struct post_entry *entry, int64_t entry_id,
                            const struct columns *columns, struct error *err)
{
    struct query query;

    query_init(
        &query,
        "INSERT INTO ledger.transfer (transfer_id, month, entry_id, debit_account, "
        "credit_account, amount_micro, kind, source_no, charges, grant_id, booked_at, belongs_to) "
        "SELECT t.id, t.month, $1, t.debit, t.credit, t.amount, t.kind, t.source, t.charges, "
        "nullif(t.grant_id, 0), $2, nullif(t.own, t.month) "
        "FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        "AS t(id, month, debit, credit, amount, kind, source, charges, grant_id, own)");
    query_i64(&query, entry_id);
    query_instant(&query, entry->booked_at);
    query_i64_array(&query, columns->ids, columns->count);
    query_month_array(&query, columns->months, columns->count);
    query_i32_array(&query, columns->debits, columns->count);
    query_i32_array(&query, columns->credits, columns->count);
    query_i64_array(&query, columns->amounts, columns->count);
    query_text_array(&query, columns->kinds, columns->count);
    query_i32_array(&query, columns->sources, columns->count);
    query_i64_array(&query, columns->charges, columns->count);
    query_i64_array(&query, columns->grants, columns->count);
    query_month_array(&query, columns->belongs_to, columns->count);
    return query_run(store, &query, NULL, NULL, err);
}

static int add_totals(struct store *store, const struct columns *columns, struct error *err)
{
    struct query query;

    query_init(&query,
               "INSERT INTO ledger.transfer_total AS total (debit_account, credit_account, month, "
               "kind, source_no, amount_micro, transfers, adjusted_micro) "
               "SELECT debit, credit, month, kind, source, sum(amount)::bigint, count(*), "
               "coalesce(sum(amount) FILTER (WHERE own <> month), 0)::bigint "
               "FROM unnest($1, $2, $3, $4, $5, $6, $7) "
               "AS t(month, debit, credit, amount, kind, source, own) "
               "GROUP BY debit, credit, month, kind, source "
               "ORDER BY debit, credit, month, kind, source "
               "ON CONFLICT (debit_account, credit_account, month, kind, source_no) DO UPDATE SET "
               "amount_micro = total.amount_micro + excluded.amount_micro, "
               "transfers = total.transfers + excluded.transfers, "
               "adjusted_micro = total.adjusted_micro + excluded.adjusted_micro");
    query_month_array(&query, columns->months, columns->count);
    query_i32_array(&query, columns->debits, columns->count);
    query_i32_array(&query, columns->credits, columns->count);
    query_i64_array(&query, columns->amounts, columns->count);
    query_text_array(&query, columns->kinds, columns->count);
    query_i32_array(&query, columns->sources, columns->count);
    query_month_array(&query, columns->belongs_to, columns->count);
    return query_run(store, &query, NULL, NULL, err);
}

static int move_positions(struct store *store, const struct columns *columns, struct error *err)
{
    struct query query;

    /* Whoever locks several positions does so in one order. */
    query_init(
        &query,
        "WITH moved AS (SELECT a.project_id, sum(t.amount)::bigint AS amount "
        "FROM (SELECT debit AS account_no, -amount AS amount FROM unnest($1, $3) x(debit, amount) "
        "UNION ALL SELECT credit, amount FROM unnest($2, $3) y(credit, amount)) t "
        "JOIN ledger.account a USING (account_no) WHERE a.project_id IS NOT NULL "
        "GROUP BY a.project_id), "
        "locked AS (SELECT project_id FROM ledger.project_position WHERE project_id IN "
        "(SELECT project_id FROM moved) ORDER BY project_id FOR UPDATE) "
        "UPDATE ledger.project_position p SET posted_micro = p.posted_micro + moved.amount, "
        "version = p.version + 1, changed = pg_current_xact_id() "
        "FROM moved JOIN locked USING (project_id) WHERE p.project_id = moved.project_id");
    query_i32_array(&query, columns->debits, columns->count);
    query_i32_array(&query, columns->credits, columns->count);
    query_i64_array(&query, columns->amounts, columns->count);
    return query_run(store, &query, NULL, NULL, err);
}

int store_open_entry(struct store *store, const struct post_entry *entry, int64_t *entry_id,
                     struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "INSERT INTO ledger.entry (booked_at, kind, audit_n) "
                       "VALUES ($1, $2, nullif($3, 0)) RETURNING entry_id");
    query_instant(&query, entry->booked_at);
    query_text(&query, entry->kind);
    query_i64(&query, entry->audit_n);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *entry_id = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_post_lines(struct store *store, const struct post_entry *entry, int64_t entry_id,
                     struct error *err)
{
    struct columns columns;
    int result = -1;

    if (entry->line_count == 0) {
        return 0;
    }
    if (columns_fill(store, entry, &columns, err) != 0) {
        return -1;
    }
    if (ensure_months(store, &columns, err) == 0 &&
        insert_transfers(store, entry, entry_id, &columns, err) == 0 &&
        add_totals(store, &columns, err) == 0 && move_positions(store, &columns, err) == 0) {
        result = 0;
    }
    columns_release(&columns);
    return result;
}

int store_post_entry(struct store *store, const struct post_entry *entry, int64_t *entry_id,
                     struct error *err)
{
    int64_t id;

    if (store_open_entry(store, entry, &id, err) != 0 ||
        store_post_lines(store, entry, id, err) != 0) {
        return -1;
    }
    if (entry_id != NULL) {
        *entry_id = id;
    }
    return 0;
}
