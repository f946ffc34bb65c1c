/* store_verify_hold - the statements of verify about holds; see store_verify.h. */
#include "ledgerd/store/store_verify.h"

static const char event_sql[] =
    "SELECT format('hold h_%s: it says %s events that freed %s micro-points and ended %s parts, "
    "there are %s that freed %s and ended %s', h.hold_no, h.events, h.freed_micro, h.ended_parts, "
    "coalesce(e.n, 0), coalesce(e.freed, 0), coalesce(e.parts, 0)) FROM ledger.hold h "
    "FULL JOIN (SELECT hold_no, count(*) AS n, max(n) AS last, sum(freed_micro) AS freed, "
    "sum(parts) FILTER (WHERE is_end AND kind IN ('record', 'settle', 'cancel')) AS parts "
    "FROM ledger.hold_event GROUP BY 1) e USING (hold_no) "
    "WHERE h.events IS DISTINCT FROM coalesce(e.n, 0) OR e.last <> e.n "
    "OR h.freed_micro <> coalesce(e.freed, 0) "
    "OR h.ended_parts <> least(h.parts, coalesce(e.parts, 0)) ORDER BY hold_no LIMIT 1";

static const char held_sql[] =
    "SELECT format('hold h_%s is %s and holds %s micro-points, it comes to %s', h.hold_no, "
    "h.state, h.held_micro, d.due) FROM ledger.hold h "
    "LEFT JOIN (SELECT hold_no, sum(covered_micro) AS covered FROM ledger.accrual "
    "WHERE hold_no IS NOT NULL GROUP BY 1) a USING (hold_no) "
    "CROSS JOIN LATERAL (SELECT CASE WHEN h.state = 'open' THEN greatest(0, "
    "h.points_micro - h.freed_micro - coalesce(a.covered, 0)) ELSE 0 END AS due) d "
    "WHERE h.held_micro <> d.due ORDER BY h.hold_no LIMIT 1";

/* What is left of it is what its remaining parts, as many as may run at a time, come to. One part
 * alone may have been settled bit by bit. */
static const char part_sql[] =
    "SELECT format('hold h_%s has %s of %s parts to come, %s at a time, and reserves %s "
    "micro-points for them, it comes to %s', h.hold_no, h.parts - h.ended_parts, h.parts, d.slots, "
    "h.points_micro - h.freed_micro, d.due) FROM ledger.hold h "
    "CROSS JOIN LATERAL (SELECT CASE WHEN h.at_once BETWEEN 1 AND h.parts THEN h.at_once "
    "ELSE h.parts END AS n) s CROSS JOIN LATERAL (SELECT s.n AS slots, h.points_micro - "
    "(s.n - least(s.n, h.parts - h.ended_parts)) * (h.points_micro / s.n) AS due) d "
    "WHERE h.state = 'open' AND h.parts > 1 AND h.points_micro - h.freed_micro <> d.due "
    "ORDER BY h.hold_no LIMIT 1";

static const char position_sql[] =
    "SELECT format('project %s: the position says %s micro-points are held, its open holds add up "
    "to %s', p.project_id, p.held_micro, coalesce(h.held, 0)) FROM ledger.project_position p "
    "LEFT JOIN (SELECT project_id, sum(held_micro) AS held FROM ledger.hold WHERE state = 'open' "
    "GROUP BY 1) h USING (project_id) WHERE p.held_micro <> coalesce(h.held, 0) "
    "ORDER BY p.project_id LIMIT 1";

static const char limit_sql[] =
    "SELECT format('limit %s of project %s: it says %s micro-points are held, the open holds add "
    "up to %s', l.limit_no, l.project_id, n.held_micro, d.held) FROM ledger.project_limit l "
    "LEFT JOIN ledger.limit_held n USING (limit_no) CROSS JOIN LATERAL ("
    "SELECT coalesce(sum(h.held_micro), 0) AS held FROM ledger.hold h WHERE h.state = 'open' "
    "AND h.project_id = l.project_id AND (l.user_name = '' OR h.user_name = l.user_name)) d "
    "WHERE n.held_micro IS DISTINCT FROM d.held ORDER BY l.limit_no LIMIT 1";

/* No card rates a settlement: what was asked for is what is charged. */
static const char settle_sql[] =
    "SELECT format('record %s of a settled hold: %s micro-points were to be charged, %s are "
    "booked', record_no, coalesce(e.charged, 0), coalesce(c.points, 0)) FROM ("
    "SELECT record_no, sum(points_micro) AS points FROM ledger.charge WHERE rule = -1 GROUP BY 1) "
    "c "
    "FULL JOIN (SELECT record_no, sum(charged_micro) AS charged FROM ledger.hold_event "
    "WHERE kind = 'settle' GROUP BY 1) e USING (record_no) "
    "WHERE c.points IS DISTINCT FROM e.charged ORDER BY record_no LIMIT 1";

const struct verify_statement verify_hold_statements[] = {
    {"holds_follow_their_events", "every hold is what its events have left of it", event_sql},
    {"holds_hold_the_rest", "every open hold holds its points less what was freed or is accrued",
     held_sql},
    {"holds_reserve_parts", "every open hold reserves for the parts that are still to come",
     part_sql},
    {"positions_sum_holds", "what is held of every project is the sum of its open holds",
     position_sql},
    {"limits_sum_holds", "what is held against every limit is the sum of its open holds",
     limit_sql},
    {"settlements_match", "every settlement of a hold charged what it was asked to", settle_sql},
};

const size_t verify_hold_statement_count = sizeof verify_hold_statements /
                                           sizeof verify_hold_statements[0];
