/* store_verify_entry - see store_verify_entry.h. */
#include "ledgerd/store/store_verify_entry.h"

#include <inttypes.h>
#include <stdio.h>

#include "ledgerd/store/query.h"

/* All bad rows first, then the first of them: asked for in order at once, the planner would walk
 * the transfers by number and look every entry up. */
#define BAD_OF(transfers)                                                                   \
    "bad AS MATERIALIZED (SELECT t.transfer_id, t.month, t.entry_id, e.entry_id AS found, " \
    "e.xid IS DISTINCT FROM t.xid AS is_other FROM " transfers                              \
    " t LEFT JOIN ledger.entry e USING (entry_id) "                                         \
    "WHERE e.xid IS DISTINCT FROM t.xid OR e.booked_at IS DISTINCT FROM t.booked_at) "      \
    "SELECT format('transfer %s, %s: entry %s, which it names, %s', transfer_id, month, "   \
    "entry_id, CASE WHEN found IS NULL THEN 'is not there' WHEN is_other THEN "             \
    "'was booked by another transaction' ELSE 'was booked at another time' END) FROM bad "  \
    "ORDER BY transfer_id, month LIMIT 1"

static const char said_sql[] =
    "WITH said AS (SELECT transfer_id, month, entry_id, xid::text::xid8 AS xid, booked_at "
    "FROM unnest($1, $2, $3, $4, $5) AS u(transfer_id, month, entry_id, xid, booked_at)), " BAD_OF(
        "said");

static const char after_sql[] = "WITH behind AS (SELECT * FROM ledger.transfer "
                                "WHERE (xid, transfer_id) > ($1::text::xid8, $2)), " BAD_OF(
                                    "behind");

static int run(struct store *store, struct query *query, char *detail, size_t size,
               struct error *err)
{
    struct rows rows;

    if (query_run(store, query, &rows, NULL, err) != 0) {
        return error_prefix(err, "check of entries");
    }
    snprintf(detail, size, "%s", rows_count(&rows) > 0 ? rows_text(&rows, 0, 0) : "");
    rows_release(&rows);
    return 0;
}

int store_verify_entries(struct store *store, const struct verify_entries *entries, char *detail,
                         size_t size, struct error *err)
{
    struct query query;

    query_init(&query, said_sql);
    query_i64_array(&query, entries->transfers, entries->count);
    query_month_array(&query, entries->months, entries->count);
    query_i64_array(&query, entries->entries, entries->count);
    query_i64_array(&query, entries->xids, entries->count);
    query_instant_array(&query, entries->booked, entries->count);
    return run(store, &query, detail, size, err);
}

int store_verify_entries_after(struct store *store, struct seal_place after, char *detail,
                               size_t size, struct error *err)
{
    struct query query;
    char xid[24];

    snprintf(xid, sizeof xid, "%" PRIu64, after.xid);
    query_init(&query, after_sql);
    query_text(&query, xid);
    query_i64(&query, after.transfer_id);
    return run(store, &query, detail, size, err);
}
