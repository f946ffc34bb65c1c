/* store_verify_sql - the statements of verify: each recomputes one promise of the book from the
 * rows that it stands on, and gives the first row that breaks it. Nothing here reads a sum in order
 * to check that same sum.
 */
#include "ledgerd/store/store_verify.h"

#define ACCOUNT_NAME(number) "(SELECT name FROM ledger.account WHERE account_no = " number ")"
/* The transfers, added up by whoever read them all. */
#define MOVED                                                                                \
    "WITH moved AS (SELECT debit_account, credit_account, month, kind, source_no, "          \
    "sum(amount) AS amount, sum(n)::bigint AS n FROM unnest($1, $2, $3, $4, $5, $6, $7) AS " \
    "u(debit_account, credit_account, month, kind, source_no, amount, n) GROUP BY 1, 2, 3, 4, 5)"
#define MOVED_BY_ACCOUNT                                       \
    "(SELECT credit_account AS account_no, amount FROM moved " \
    "UNION ALL SELECT debit_account, -amount FROM moved)"

static const char zero_sql[] = MOVED
    " SELECT format('the balances of all accounts add up to %s micro-points', sum(m.amount)) "
    "FROM " MOVED_BY_ACCOUNT " m JOIN ledger.account a USING (account_no) "
    "HAVING coalesce(sum(m.amount), 0) <> 0";

static const char total_sql[] = MOVED
    " SELECT format('%s -> %s, %s, %s, source %s: the total says %s micro-points in %s transfers, "
    "the transfers add up to %s in %s', " ACCOUNT_NAME("debit_account") ", " ACCOUNT_NAME(
        "credit_account") ", month, kind, source_no, s.amount_micro, s.transfers, t.amount, t.n) "
                          "FROM moved t FULL JOIN ledger.transfer_total s "
                          "USING (debit_account, credit_account, month, kind, source_no) "
                          "WHERE t.amount IS DISTINCT FROM s.amount_micro "
                          "OR t.n IS DISTINCT FROM s.transfers "
                          "ORDER BY debit_account, credit_account, month LIMIT 1";

static const char position_sql[] = MOVED
    " SELECT format('project %s: the position says %s posted and %s accrued micro-points, its "
    "transfers add up to %s and its accruals to %s', p.project_id, n.posted_micro, "
    "n.accrued_micro, "
    "coalesce(t.amount, 0), coalesce(r.amount, 0)) FROM ledger.project p "
    "LEFT JOIN ledger.project_position n USING (project_id) "
    "LEFT JOIN (SELECT account_no, sum(amount) AS amount FROM " MOVED_BY_ACCOUNT " m GROUP BY 1) t "
    "USING (account_no) LEFT JOIN (SELECT project_id, sum(points_micro) AS amount "
    "FROM ledger.accrual GROUP BY 1) r USING (project_id) "
    "WHERE n.posted_micro IS DISTINCT FROM coalesce(t.amount, 0) "
    "OR n.accrued_micro IS DISTINCT FROM coalesce(r.amount, 0) ORDER BY p.project_id LIMIT 1";

static const char unmoved_sql[] =
    "SELECT format('project %s, %s, source %s: %s %s that no transfer stands for add up to %s "
    "micro-points', project_id, month, source_no, count(*), what, sum(points_micro)) FROM ("
    "SELECT 'charges' AS what, project_id, month, source_no, points_micro FROM ledger.charge "
    "WHERE transfer_id = 0 UNION ALL SELECT 'refunds', project_id, month, source_no, points_micro "
    "FROM ledger.refund WHERE transfer_id = 0) x GROUP BY what, project_id, month, source_no "
    "HAVING sum(points_micro) <> 0 ORDER BY project_id, month LIMIT 1";

static const char usage_sql[] =
    "SELECT format('%s, %s, source %s, class %s: the roll-up says %s (list %s) micro-points in %s "
    "charges, the charges add up to %s (list %s) in %s', month, project_id, source_no, class, "
    "s.points_micro, s.list_micro, s.charges, c.points, c.list, c.n) "
    "FROM (SELECT month, project_id, source_no, class, sum(points_micro) AS points, "
    "sum(list_micro) AS list, count(*) AS n FROM ledger.charge GROUP BY 1, 2, 3, 4) c "
    "FULL JOIN ledger.usage_total s USING (month, project_id, source_no, class) "
    "WHERE c.points IS DISTINCT FROM s.points_micro OR c.list IS DISTINCT FROM s.list_micro "
    "OR c.n IS DISTINCT FROM s.charges ORDER BY month, project_id LIMIT 1";

static const char draw_sql[] =
    "WITH edge AS (SELECT project_id, edge FROM ledger.grant_edge UNION ALL "
    "SELECT project_id, '-infinity' FROM ledger.project), "
    "segment AS (SELECT project_id, edge AS since, lead(edge, 1, 'infinity') "
    "OVER (PARTITION BY project_id ORDER BY edge) AS until FROM edge), "
    "charged AS (SELECT s.project_id, s.since, sum(c.points_micro) AS amount FROM segment s "
    "JOIN ledger.draw_item c ON c.project_id = s.project_id AND c.last_at >= s.since "
    "AND c.last_at < s.until GROUP BY 1, 2) "
    "SELECT format('project %s, segment from %s: the draw says %s micro-points, the charges add up "
    "to %s', project_id, since, coalesce(d.points_micro, 0), coalesce(c.amount, 0)) FROM charged c "
    "FULL JOIN ledger.project_draw d USING (project_id, since) "
    "WHERE coalesce(c.amount, 0) <> coalesce(d.points_micro, 0) ORDER BY project_id, since LIMIT 1";

static const char version_sql[] =
    "SELECT format('record %s of source %s (number %s): the identity is at version %s, the book "
    "holds "
    "%s versions up to %s', i.id, i.source_no, record_no, i.version, u.n, u.newest) "
    "FROM ledger.record_identity i FULL JOIN (SELECT record_no, count(*) AS n, "
    "max(version) AS newest FROM ledger.usage_record GROUP BY 1) u USING (record_no) "
    "WHERE u.n IS DISTINCT FROM i.version OR u.newest IS DISTINCT FROM i.version "
    "ORDER BY record_no LIMIT 1";

static const char current_sql[] =
    "SELECT format('record %s of source %s: version %s of number %s is not in %s', id, source_no, "
    "version, record_no, month) FROM (SELECT record_no, version, month, source_no, id "
    "FROM ledger.record_identity EXCEPT SELECT record_no, version, month, source_no, id "
    "FROM ledger.usage_record) x ORDER BY record_no LIMIT 1";

static const char once_sql[] =
    "SELECT format('record number %s: identities %s, charges %s, of versions up to %s', record_no, "
    "coalesce(i.n, 0), coalesce(c.n, 0), c.newest) FROM (SELECT record_no, count(*) AS n, "
    "max(version) AS version FROM ledger.record_identity GROUP BY 1) i FULL JOIN "
    "(SELECT record_no, count(*) AS n, max(version) AS newest FROM ledger.charge GROUP BY 1) c "
    "USING (record_no) WHERE i.n IS DISTINCT FROM 1 OR c.n IS NULL OR c.newest > i.version "
    "ORDER BY record_no LIMIT 1";

static const char supply_sql[] =
    "WITH minted AS (SELECT account_no, sum(amount) AS amount FROM (SELECT credit_account AS "
    "account_no, amount_micro AS amount FROM ledger.transfer WHERE kind = 'mint' UNION ALL "
    "SELECT debit_account, -amount_micro FROM ledger.transfer WHERE kind = 'mint') x "
    "JOIN ledger.account b USING (account_no) WHERE b.kind = 'pool' GROUP BY 1), "
    "part AS (SELECT supply_id, share, points_micro FROM ledger.supply_share UNION ALL "
    "SELECT supply_id, h.share, h.points_micro FROM ledger.supply_adjustment "
    "JOIN ledger.supply_adjustment_share h USING (adjustment_no)), "
    "due AS (SELECT format('pool/%s/%s', h.share, s.fiscal_year) AS name, sum(h.points_micro) AS "
    "amount FROM ledger.supply s JOIN part h USING (supply_id) GROUP BY 1), "
    "whole AS (SELECT supply_id, minted_micro + coalesce((SELECT sum(points_micro) FROM "
    "ledger.supply_adjustment j WHERE j.supply_id = s.supply_id), 0) AS amount "
    "FROM ledger.supply s), "
    "parts AS (SELECT supply_id, sum(points_micro) AS amount FROM part GROUP BY 1) "
    "SELECT x.detail FROM (SELECT format('%s: supply entries give it %s micro-points, %s were "
    "minted', "
    "coalesce(d.name, a.name), coalesce(d.amount, 0), coalesce(m.amount, 0)) AS detail "
    "FROM minted m JOIN ledger.account a USING (account_no) FULL JOIN due d USING (name) "
    "WHERE coalesce(m.amount, 0) <> coalesce(d.amount, 0) UNION ALL "
    "SELECT format('supply %s: its parts add up to %s of %s micro-points', supply_id, p.amount, "
    "s.amount) FROM whole s LEFT JOIN parts p USING (supply_id) "
    "WHERE p.amount IS DISTINCT FROM s.amount) x LIMIT 1";

/* A grant came out of a pool, or out of another project's grant; what it gave up went back to the
 * pool or on to another project, and what was refunded to it came from where it was spent. */
static const char grant_sql[] =
    "WITH moved AS (SELECT t.grant_id, "
    "sum(t.amount_micro) FILTER (WHERE t.kind = 'grant' AND d.kind = 'pool') AS given, "
    "sum(t.amount_micro) FILTER (WHERE t.kind = 'move' AND c.kind = 'project') AS brought, "
    "sum(t.amount_micro) FILTER (WHERE t.kind = 'revoke') AS taken, "
    "count(*) FILTER (WHERE t.kind IN ('grant', 'move') AND c.kind = 'project') AS n, "
    "max(CASE t.kind WHEN 'revoke' THEN d.project_id ELSE c.project_id END) AS last, "
    "min(CASE t.kind WHEN 'revoke' THEN d.project_id ELSE c.project_id END) AS first "
    "FROM ledger.transfer t JOIN ledger.account d ON d.account_no = t.debit_account "
    "JOIN ledger.account c ON c.account_no = t.credit_account "
    "WHERE t.kind IN ('grant', 'move', 'revoke') AND t.grant_id IS NOT NULL GROUP BY 1), "
    "changed AS (SELECT grant_id, sum(points_micro) FILTER (WHERE kind = 'revoke') AS taken, "
    "sum(points_micro) FILTER (WHERE kind = 'move') AS passed, "
    "sum(points_micro) FILTER (WHERE kind = 'refund') AS refunded "
    "FROM ledger.grant_change GROUP BY 1), "
    "passed AS (SELECT moved_from AS grant_id, sum(points_micro) AS amount "
    "FROM ledger.project_grant WHERE moved_from IS NOT NULL GROUP BY 1), "
    "refunded AS (SELECT grant_id, sum(points_micro) AS amount FROM ledger.refund "
    "WHERE grant_id IS NOT NULL GROUP BY 1) "
    "SELECT format('grant %s of %s: %s micro-points given, %s taken back, %s passed on, %s "
    "refunded; the transfers add up to %s and %s, the grants made of it to %s, the refunds to %s', "
    "coalesce(g.grant_id, m.grant_id), g.project_id, g.granted_micro, coalesce(h.taken, 0), "
    "coalesce(h.passed, 0), coalesce(h.refunded, 0), coalesce(m.given, m.brought), "
    "coalesce(m.taken, 0), coalesce(p.amount, 0), coalesce(r.amount, 0)) "
    "FROM ledger.grant_now g JOIN ledger.project_grant w USING (grant_id) "
    "FULL JOIN moved m USING (grant_id) LEFT JOIN changed h USING (grant_id) "
    "LEFT JOIN passed p USING (grant_id) LEFT JOIN refunded r USING (grant_id) "
    "WHERE CASE WHEN w.move_id IS NULL THEN m.given ELSE m.brought END "
    "IS DISTINCT FROM g.granted_micro OR m.n IS DISTINCT FROM 1 "
    "OR coalesce(m.taken, 0) <> coalesce(h.taken, 0) "
    "OR coalesce(p.amount, 0) <> coalesce(h.passed, 0) "
    "OR coalesce(r.amount, 0) <> coalesce(h.refunded, 0) "
    "OR m.first IS DISTINCT FROM g.project_id OR m.last IS DISTINCT FROM g.project_id "
    "OR g.points_micro < 0 ORDER BY 1 LIMIT 1";

static const char expiry_sql[] =
    "WITH moved AS (SELECT grant_id, sum(CASE WHEN c.kind = 'expired' THEN amount_micro "
    "WHEN d.kind = 'expired' THEN -amount_micro ELSE 0 END) AS sink, "
    "sum(CASE WHEN c.kind = 'pool' THEN amount_micro WHEN d.kind = 'pool' THEN -amount_micro "
    "ELSE 0 END) AS pool, max(coalesce(c.project_id, d.project_id)) AS last, "
    "min(coalesce(c.project_id, d.project_id)) AS first FROM ledger.transfer t "
    "JOIN ledger.account d ON d.account_no = t.debit_account "
    "JOIN ledger.account c ON c.account_no = t.credit_account "
    "WHERE t.kind = 'expire' AND grant_id IS NOT NULL GROUP BY 1) "
    "SELECT format('grant %s of %s: %s micro-points have expired and %s gone back to the pool, the "
    "transfers add up to %s and %s', grant_id, g.project_id, coalesce(x.sink_micro, 0), "
    "coalesce(x.pool_micro, 0), coalesce(m.sink, 0), coalesce(m.pool, 0)) "
    "FROM ledger.grant_expiry x FULL JOIN moved m USING (grant_id) "
    "LEFT JOIN ledger.project_grant g USING (grant_id) "
    "WHERE coalesce(m.sink, 0) <> coalesce(x.sink_micro, 0) "
    "OR coalesce(m.pool, 0) <> coalesce(x.pool_micro, 0) OR g.grant_id IS NULL "
    "OR m.first <> g.project_id OR m.last <> g.project_id ORDER BY grant_id LIMIT 1";

/* A refund's project is credited, or debited where the sum is negative. */
static const char refund_sql[] =
    "WITH refunded AS (SELECT transfer_id, month, source_no, sum(points_micro) AS amount, "
    "count(*) AS n, min(project_id) AS first, max(project_id) AS last FROM ledger.refund "
    "WHERE transfer_id <> 0 GROUP BY 1, 2, 3), "
    "moved AS (SELECT transfer_id, coalesce(belongs_to, month) AS month, source_no, amount_micro, "
    "charges, debit_account, credit_account FROM ledger.transfer WHERE kind = 'refund') "
    "SELECT format('transfer %s, %s: it moves %s micro-points for %s refunds, the refunds are %s "
    "and add up to %s', transfer_id, month, t.amount_micro, t.charges, c.n, c.amount) "
    "FROM refunded c FULL JOIN moved t USING (transfer_id, month, source_no) "
    "LEFT JOIN ledger.account a ON a.project_id = c.first "
    "WHERE c.n IS DISTINCT FROM t.charges OR c.first IS DISTINCT FROM c.last "
    "OR c.amount IS DISTINCT FROM CASE a.account_no WHEN t.credit_account THEN t.amount_micro "
    "WHEN t.debit_account THEN -t.amount_micro END ORDER BY transfer_id LIMIT 1";

/* All bad rows first, then the first of them: asked for in order at once, the planner might look
 * for the record of each refund on its own. */
static const char refunded_sql[] =
    "WITH bad AS MATERIALIZED (SELECT r.*, i.record_no IS NULL AS is_lost FROM ledger.refund r "
    "LEFT JOIN ledger.record_identity i USING (record_no) WHERE i.source_no IS DISTINCT FROM "
    "r.source_no OR r.version NOT BETWEEN 1 AND i.version) "
    "SELECT format('refund %s of %s micro-points: record number %s, which it names, %s', "
    "refund_no, points_micro, record_no, CASE WHEN is_lost THEN 'is not there' "
    "ELSE 'has another source or no such version' END) FROM bad ORDER BY refund_no LIMIT 1";

static const char adjusted_sql[] =
    "SELECT format('%s -> %s, %s, %s: the total says %s micro-points of closed months, the "
    "transfers add up to %s', " ACCOUNT_NAME("debit_account") ", " ACCOUNT_NAME(
        "credit_account") ", month, kind, s.adjusted_micro, t.amount) "
                          "FROM (SELECT debit_account, credit_account, month, kind, source_no, "
                          "sum(amount_micro) AS amount FROM ledger.transfer "
                          "WHERE belongs_to IS NOT NULL GROUP BY 1, 2, 3, 4, 5) t "
                          "FULL JOIN (SELECT * FROM ledger.transfer_total "
                          "WHERE adjusted_micro <> 0) s "
                          "USING (debit_account, credit_account, month, kind, source_no) "
                          "WHERE t.amount IS DISTINCT FROM s.adjusted_micro "
                          "ORDER BY debit_account, credit_account, month LIMIT 1";

/* What belongs to another month belongs to one that was closed, and counts in one that was not yet.
 * The late ones are few and have an index of their own; asked for in order at once, the planner
 * would walk all transfers by number. */
static const char belongs_sql[] =
    "WITH late AS MATERIALIZED (SELECT transfer_id, month, belongs_to FROM ledger.transfer "
    "WHERE belongs_to IS NOT NULL) "
    "SELECT format('transfer %s, %s: it belongs to %s, which is not closed', transfer_id, "
    "to_char(month, 'YYYY-MM'), to_char(belongs_to, 'YYYY-MM')) FROM late "
    "WHERE belongs_to > coalesce((SELECT max(month) FROM ledger.month_close), '-infinity') "
    "ORDER BY transfer_id LIMIT 1";

/* All that counts in a closed month or before it, against what did when it was closed. */
static const char closed_sql[] = MOVED
    ", sums AS (SELECT c.month, c.transfers, c.moved_micro, coalesce(sum(m.n), 0) AS n, "
    "coalesce(sum(m.amount), 0) AS amount FROM ledger.month_close c LEFT JOIN moved m "
    "ON m.month <= c.month GROUP BY c.month) "
    "SELECT format('%s was closed with %s transfers of %s micro-points in it and before it, it "
    "has %s of %s', to_char(month, 'YYYY-MM'), transfers, moved_micro, n, amount) FROM sums "
    "WHERE n <> transfers OR amount <> moved_micro ORDER BY month LIMIT 1";

static const char limit_sql[] =
    "WITH charged AS (SELECT l.limit_no, ledger.limit_since(l.period, c.month, c.last_at, "
    "b.timezone, left(b.fiscal_year_start, 2)::integer) AS since, sum(c.points_micro) AS amount "
    "FROM ledger.project_limit l CROSS JOIN ledger.book b JOIN ledger.charge c "
    "ON c.project_id = l.project_id AND (l.user_name = '' OR c.user_name = l.user_name) "
    "GROUP BY 1, 2) "
    "SELECT format('limit of project %s, user %s, by %s from %s: the sum says %s micro-points, the "
    "charges add up to %s', l.project_id, coalesce(nullif(l.user_name, ''), '-'), l.period, since, "
    "coalesce(u.charged_micro, 0), coalesce(c.amount, 0)) FROM charged c "
    "FULL JOIN ledger.limit_use u USING (limit_no, since) JOIN ledger.project_limit l "
    "USING (limit_no) WHERE coalesce(c.amount, 0) <> coalesce(u.charged_micro, 0) "
    "ORDER BY limit_no, since LIMIT 1";

const struct verify_statement verify_statements[] = {
    {"unmoved_charges_are_zero", "charges and refunds that moved no points add up to none",
     unmoved_sql},
    {"usage_totals_match", "every roll-up is the sum of its charges", usage_sql},
    {"adjusted_totals_match", "what closed months are adjusted by is the sum of its transfers",
     adjusted_sql},
    {"adjusted_months_are_closed", "what is booked late belongs to a closed month", belongs_sql},
    {"limits_match", "what counts against limits is the sum of the charges in their periods",
     limit_sql},
    {"draws_match", "what grants paid is the sum of the charges in their time", draw_sql},
    {"versions_are_complete", "every record has each of its versions once", version_sql},
    {"identities_are_current", "every identity points at its current version", current_sql},
    {"charged_once", "every record was charged, and every charge has its record", once_sql},
    {"supply_is_minted_once", "every pool holds what its supply entries gave it", supply_sql},
    {"grants_match_transfers", "every grant moved its points once", grant_sql},
    {"expiries_match_transfers", "what expired of every grant is the sum of its transfers",
     expiry_sql},
    {"refunds_match_transfers", "every refund transfer is the sum of its refunds", refund_sql},
    {"refunds_have_their_record", "every refund is of a record that is there", refunded_sql},
};
const size_t verify_statement_count = sizeof verify_statements / sizeof verify_statements[0];

const struct verify_statement verify_moved_statements[] = {
    {"accounts_sum_to_zero", "the balances of all accounts add up to zero", zero_sql},
    {"transfer_totals_match", "every total is the sum of its transfers", total_sql},
    {"months_stay_closed", "nothing was booked in a month after it was closed", closed_sql},
    {"positions_match", "every project stands where its transfers and accruals put it",
     position_sql},
};
const size_t verify_moved_statement_count = sizeof verify_moved_statements /
                                            sizeof verify_moved_statements[0];
