-- What the book says, whatever the order, batches and numbers in which it came to say so: rows of (part, rows, hash).
-- Two books with the same digest have the same balances, charges, roll-ups, positions, accruals and quarantine.
-- Left out: record, transfer, entry and version numbers, and the times at which something was booked or seen.
WITH part (name, line) AS (
    SELECT 'balance', concat_ws('|', a.name, m.month, m.kind, s.name, sum(m.amount))
      FROM (SELECT debit_account AS account_no, month, kind, source_no, -amount_micro AS amount FROM ledger.transfer
            UNION ALL
            SELECT credit_account, month, kind, source_no, amount_micro FROM ledger.transfer) m
      JOIN ledger.account a USING (account_no)
      LEFT JOIN ledger.source s USING (source_no)
     GROUP BY a.name, m.month, m.kind, s.name HAVING sum(m.amount) <> 0
    UNION ALL
    SELECT 'record', concat_ws('|', s.name, i.id, i.content, i.month, u.project_id, u.user_name, u.class, u.start_at,
                               u.end_at, u.submitted_at, u.outcome, u.basis, u.qos, u.elapsed_seconds,
                               u.requested_seconds, u.meters, u.attributes)
      FROM ledger.record_identity i JOIN ledger.source s USING (source_no)
      LEFT JOIN ledger.usage_record u ON u.record_no = i.record_no AND u.month = i.month AND u.version = i.version
    UNION ALL
    SELECT 'content', concat_ws('|', s.name, i.id, c.content)
      FROM ledger.record_content c JOIN ledger.record_identity i USING (record_no) JOIN ledger.source s USING (source_no)
     WHERE c.content <> i.content
    UNION ALL
    SELECT 'charge', concat_ws('|', s.name, i.id, c.month, c.project_id, c.user_name, c.class, c.last_at,
                               sum(c.points_micro), sum(c.list_micro))
      FROM ledger.charge c JOIN ledger.record_identity i USING (record_no) JOIN ledger.source s ON s.source_no = i.source_no
     GROUP BY s.name, i.id, c.month, c.project_id, c.user_name, c.class, c.last_at
    HAVING sum(c.points_micro) <> 0 OR sum(c.list_micro) <> 0
    UNION ALL
    SELECT 'usage total', concat_ws('|', t.month, t.project_id, s.name, t.class, t.points_micro, t.list_micro)
      FROM ledger.usage_total t JOIN ledger.source s USING (source_no) WHERE t.points_micro <> 0 OR t.list_micro <> 0
    UNION ALL
    SELECT 'meter total', concat_ws('|', t.month, t.project_id, s.name, t.class, t.meter, t.is_held, t.amount)
      FROM ledger.meter_total t JOIN ledger.source s USING (source_no) WHERE t.amount <> 0
    UNION ALL
    SELECT 'position', concat_ws('|', project_id, posted_micro, accrued_micro) FROM ledger.project_position
    UNION ALL
    SELECT 'draw', concat_ws('|', project_id, since, points_micro) FROM ledger.project_draw WHERE points_micro <> 0
    UNION ALL
    SELECT 'accrual', concat_ws('|', s.name, a.id, a.content, a.project_id, a.user_name, a.class, a.start_at, a.end_at,
                                a.points_micro, a.list_micro, a.record)
      FROM ledger.accrual a JOIN ledger.source s USING (source_no)
    UNION ALL
    SELECT 'quarantine', concat_ws('|', source, id, raw_hash, reason, is_whole, month, state)
      FROM ledger.quarantine WHERE state <> 'resolved'
    UNION ALL
    SELECT 'skipped', concat_ws('|', s.name, k.key, k.reason) FROM ledger.skipped k JOIN ledger.source s USING (source_no)
    UNION ALL
    SELECT 'source', concat_ws('|', name, last_record_at) FROM ledger.source
)
SELECT name, count(*) AS rows, md5(string_agg(line, E'\n' ORDER BY line COLLATE "C")) AS hash
  FROM part GROUP BY name ORDER BY name
