/* store_verify_charge - see store_verify_charge.h. */
#include "ledgerd/store/store_verify_charge.h"

#include "ledgerd/store/query.h"

#define CHARGED                                                                            \
    "WITH charged AS (SELECT transfer_id, month, source_no, sum(points_micro) AS amount, " \
    "count(*) AS n, min(project_id) AS first, max(project_id) AS last FROM ledger.charge " \
    "WHERE transfer_id <> 0 GROUP BY 1, 2, 3)"
/* A charge's project is debited, or credited where the sum is negative. */
#define DIFFERS                                                                       \
    "(c.n IS DISTINCT FROM t.charges OR c.first IS DISTINCT FROM c.last OR c.amount " \
    "IS DISTINCT FROM CASE a.account_no WHEN t.debit_account THEN t.amount_micro "    \
    "WHEN t.credit_account THEN -t.amount_micro END)"

/* Transfers are looked up by their numbers: of a book whose transfers are other than charges none
 * is read. */
static const char matched_sql[] = CHARGED
    " SELECT CASE WHEN coalesce(bool_or(" DIFFERS "), false) THEN -1 ELSE count(*) END "
    "FROM charged c LEFT JOIN ledger.transfer t ON t.transfer_id = c.transfer_id "
    "AND coalesce(t.belongs_to, t.month) = c.month AND t.source_no = c.source_no "
    "AND t.kind = 'charge' LEFT JOIN ledger.account a ON a.project_id = c.first";

static const char differing_sql[] = CHARGED
    ", moved AS (SELECT transfer_id, coalesce(belongs_to, month) AS month, source_no, "
    "amount_micro, charges, debit_account, credit_account FROM ledger.transfer "
    "WHERE kind = 'charge') "
    "SELECT format('transfer %s, %s: it moves %s micro-points for %s charges, the charges are %s "
    "and add up to %s', transfer_id, month, t.amount_micro, t.charges, c.n, c.amount) "
    "FROM charged c FULL JOIN moved t USING (transfer_id, month, source_no) "
    "LEFT JOIN ledger.account a ON a.project_id = c.first "
    "WHERE " DIFFERS " ORDER BY transfer_id LIMIT 1";

const struct verify_statement verify_charge_statement = {
    "charges_match_transfers", "every charge transfer is the sum of its charges", differing_sql};

int store_verify_charges_match(struct store *store, int64_t *transfers, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, matched_sql);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return error_prefix(err, "check %s", verify_charge_statement.name);
    }
    *transfers = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}
