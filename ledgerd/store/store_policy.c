/* store_policy - see store_policy.h. */
#include "ledgerd/store/store_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

enum { ACCOUNT_NAME_BYTES = 256 };

int store_read_agreed(struct store *store, enum agreed_kind kind, struct agreed_rows *agreed,
                      struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, kind == AGREED_POLICY
                           ? "SELECT policy_no, name, effective_from, document, applied_at "
                             "FROM ledger.policy ORDER BY effective_from"
                           : "SELECT card_no, name, effective_from, document, applied_at "
                             "FROM ledger.rate_card ORDER BY effective_from");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *agreed = (struct agreed_rows){.rows = calloc(rows_count(&rows) + 1, sizeof *agreed->rows)};
    for (size_t i = 0; agreed->rows != NULL && i < rows_count(&rows); i++) {
        struct agreed_row *row = &agreed->rows[agreed->count++];

        row->number = rows_i64(&rows, i, 0);
        row->name = rows_copy(&rows, i, 1);
        row->effective_from = rows_instant(&rows, i, 2);
        row->document = rows_copy(&rows, i, 3);
        row->applied_at = rows_instant(&rows, i, 4);
        if (row->name == NULL || row->document == NULL) {
            agreed_rows_release(agreed);
            break;
        }
    }
    rows_release(&rows);
    return agreed->rows != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_add_agreed(struct store *store, enum agreed_kind kind, const struct agreed_row *row,
                     int64_t *number, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               kind == AGREED_POLICY
                   ? "INSERT INTO ledger.policy (name, effective_from, document, applied_at) "
                     "VALUES ($1, $2, $3, $4) RETURNING policy_no"
                   : "INSERT INTO ledger.rate_card (name, effective_from, document, applied_at) "
                     "VALUES ($1, $2, $3, $4) RETURNING card_no");
    query_text(&query, row->name);
    query_instant(&query, row->effective_from);
    query_text(&query, row->document);
    query_instant(&query, row->applied_at);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *number = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_last_record_after(struct store *store, struct instant at, char **source,
                            struct instant *last, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT name, last_record_at FROM ledger.source WHERE last_record_at > $1 "
                       "ORDER BY last_record_at DESC LIMIT 1");
    query_instant(&query, at);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *source = NULL;
    if (rows_count(&rows) > 0) {
        *source = rows_copy(&rows, 0, 0);
        *last = rows_instant(&rows, 0, 1);
    }
    rows_release(&rows);
    return 0;
}

int store_fix_calendar(struct store *store, const char *timezone, const char *fiscal_year_start,
                       struct error *err)
{
    struct query query;

    query_init(&query, "UPDATE ledger.book SET timezone = $1, fiscal_year_start = $2 "
                       "WHERE timezone IS NULL");
    query_text(&query, timezone);
    query_text(&query, fiscal_year_start);
    return query_run(store, &query, NULL, NULL, err);
}

static int read_decimal(const struct rows *rows, int column, struct decimal *value)
{
    return decimal_parse(rows_text(rows, 0, column), rows_length(rows, 0, column), value);
}

int store_read_supply(struct store *store, const char *id, struct supply_row *row,
                      struct error *err)
{
    struct policy_supply *supply = &row->supply;
    struct query query;
    struct rows rows;
    int result = 0;

    *row = (struct supply_row){.found = false};
    query_init(&query,
               "SELECT fiscal_year, valid_from, valid_to, resource, count::text, "
               "hours::text, points_per_hour::text FROM ledger.supply WHERE supply_id = $1");
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (rows_count(&rows) > 0) {
        row->found = true;
        snprintf(supply->id, sizeof supply->id, "%s", id);
        supply->fiscal_year = (int)rows_i64(&rows, 0, 0);
        supply->from = rows_instant(&rows, 0, 1);
        supply->to = rows_instant(&rows, 0, 2);
        snprintf(supply->resource, sizeof supply->resource, "%s", rows_text(&rows, 0, 3));
        if (read_decimal(&rows, 4, &supply->count) != 0 ||
            read_decimal(&rows, 5, &supply->hours) != 0 ||
            read_decimal(&rows, 6, &supply->points_per_hour) != 0) {
            result = error_set(err, ERROR_INTERNAL, "supply %s in the book is malformed", id);
        }
    }
    rows_release(&rows);
    return result;
}

static int add_supply_row(struct store *store, int64_t policy_no,
                          const struct policy_supply *supply, struct points total,
                          struct error *err)
{
    char count[DECIMAL_TEXT_BYTES], hours[DECIMAL_TEXT_BYTES], price[DECIMAL_TEXT_BYTES];
    struct query query;

    query_init(
        &query,
        "INSERT INTO ledger.supply (supply_id, policy_no, fiscal_year, valid_from, valid_to, "
        "resource, count, hours, points_per_hour, minted_micro) VALUES ($1, $2, $3, $4, $5, "
        "$6, $7::numeric, $8::numeric, $9::numeric, $10)");
    query_text(&query, supply->id);
    query_i64(&query, policy_no);
    query_i32(&query, supply->fiscal_year);
    query_instant(&query, supply->from);
    query_instant(&query, supply->to);
    query_text(&query, supply->resource);
    query_text(&query, decimal_format(supply->count, count));
    query_text(&query, decimal_format(supply->hours, hours));
    query_text(&query, decimal_format(supply->points_per_hour, price));
    query_points(&query, total);
    return query_run(store, &query, NULL, NULL, err);
}

int store_add_supply(struct store *store, int64_t policy_no, const struct policy_supply *supply,
                     struct points total, const struct policy *policy, const struct points *parts,
                     struct error *err)
{
    char fraction[DECIMAL_TEXT_BYTES];
    struct query query;

    if (add_supply_row(store, policy_no, supply, total, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < policy->share_count; i++) {
        query_init(&query,
                   "INSERT INTO ledger.supply_share (supply_id, share, fraction, points_micro) "
                   "VALUES ($1, $2, $3::numeric, $4)");
        query_text(&query, supply->id);
        query_text(&query, policy->shares[i].name);
        query_text(&query, decimal_format(policy->shares[i].fraction, fraction));
        query_points(&query, parts[i]);
        if (query_run(store, &query, NULL, NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int find_account(struct store *store, const char *name, int32_t *account, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT account_no FROM ledger.account WHERE name = $1");
    query_text(&query, name);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *account = rows_count(&rows) > 0 ? (int32_t)rows_i64(&rows, 0, 0) : 0;
    rows_release(&rows);
    return 0;
}

int store_ensure_account(struct store *store, const char *name, const char *kind, const char *share,
                         int fiscal_year, int32_t *account, struct error *err)
{
    struct query query;
    struct rows rows;

    if (find_account(store, name, account, err) != 0) {
        return -1;
    }
    if (*account != 0) {
        return 0;
    }
    query_init(&query, "INSERT INTO ledger.account (name, kind, share, fiscal_year) "
                       "VALUES ($1, $2, $3, nullif($4, 0)) RETURNING account_no");
    query_text(&query, name);
    query_text(&query, kind);
    query_text(&query, share);
    query_i32(&query, fiscal_year);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *account = (int32_t)rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

int store_pool_account(struct store *store, const char *share, int fiscal_year, int32_t *account,
                       struct error *err)
{
    char name[ACCOUNT_NAME_BYTES];

    snprintf(name, sizeof name, "pool/%s/%d", share, fiscal_year);
    return store_ensure_account(store, name, "pool", share, fiscal_year, account, err);
}

int store_share_sinks(struct store *store, const char *share, struct error *err)
{
    char name[ACCOUNT_NAME_BYTES];
    int32_t account;

    snprintf(name, sizeof name, "spent/%s", share);
    if (store_ensure_account(store, name, "spent", share, 0, &account, err) != 0) {
        return -1;
    }
    snprintf(name, sizeof name, "expired/%s", share);
    return store_ensure_account(store, name, "expired", share, 0, &account, err);
}

int store_supply_account(struct store *store, int32_t *account, struct error *err)
{
    return store_ensure_account(store, "supply", "supply", NULL, 0, account, err);
}
