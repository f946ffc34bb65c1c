-- What the database itself refuses, whoever asks.
BEGIN;
SELECT plan(65);

SELECT ledger.ensure_month('2027-06-15');

CREATE FUNCTION pg_temp.transfer(id bigint, month date, debit int, credit int, amount bigint, kind text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO ledger.transfer (transfer_id, month, entry_id, debit_account, credit_account, amount_micro, kind, booked_at)
    VALUES (id, month, 1, debit, credit, amount, kind, now())
$$;

SELECT lives_ok($$ SELECT pg_temp.transfer(1, '2027-06-01', 1, 2, 5, 'move') $$, 'a transfer moves points');
SELECT throws_ok($$ SELECT pg_temp.transfer(2, '2027-06-01', 1, 2, 0, 'move') $$, '23514', NULL, 'a transfer moves something');
SELECT throws_ok($$ SELECT pg_temp.transfer(2, '2027-06-01', 1, 2, -5, 'move') $$, '23514', NULL, 'a transfer is never negative');
SELECT throws_ok($$ SELECT pg_temp.transfer(2, '2027-06-01', 1, 1, 5, 'move') $$, '23514', NULL, 'a transfer has two accounts');
SELECT throws_ok($$ SELECT pg_temp.transfer(2, '2027-06-02', 1, 2, 5, 'move') $$, '23514', NULL, 'a month is its first day');
SELECT throws_ok($$ SELECT pg_temp.transfer(2, '2027-06-01', 1, 2, 5, 'gift') $$, '23514', NULL, 'a transfer has a known kind');
SELECT throws_ok($$ SELECT pg_temp.transfer(1, '2027-06-01', 1, 2, 5, 'move') $$, '23505', NULL, 'a transfer''s number is its own');
SELECT throws_ok($$ SELECT pg_temp.transfer(3, '2031-01-01', 1, 2, 5, 'move') $$, '23514', NULL, 'a month must be opened first');

SELECT lives_ok($$ INSERT INTO ledger.record_identity VALUES (1, 'a', gen_random_uuid(), 1, 1, '2027-06-01') $$, 'a record is booked');
SELECT throws_ok($$ INSERT INTO ledger.record_identity VALUES (1, 'a', gen_random_uuid(), 2, 1, '2027-06-01') $$, '23505', NULL,
                 'a record is booked once');
SELECT lives_ok($$ INSERT INTO ledger.record_identity VALUES (2, 'a', gen_random_uuid(), 2, 1, '2027-06-01') $$,
                'another source may use the same id');
SELECT lives_ok($$ INSERT INTO ledger.record_identity VALUES (1, 'A', gen_random_uuid(), 3, 1, '2027-06-01') $$,
                'ids are told apart by their bytes');

SELECT throws_ok($$ INSERT INTO ledger.account (name, kind) VALUES ('supply', 'supply') $$, '23505', NULL, 'an account''s name is its own');
SELECT throws_ok($$ INSERT INTO ledger.account (name, kind) VALUES ('x', 'wallet') $$, '23514', NULL, 'an account has a known kind');
SELECT throws_ok($$ INSERT INTO ledger.audit (at, actor, verb, subject) VALUES (now(), '', 'x', 'y') $$, '23514', NULL,
                 'an act has an actor');
SELECT throws_ok($$ INSERT INTO ledger.book (one) VALUES (true) $$, '23505', NULL, 'there is one book');
SELECT throws_ok($$ INSERT INTO ledger.book (one) VALUES (false) $$, '23514', NULL, 'and no other one');

INSERT INTO ledger.account (name, kind, project_id) VALUES ('project/p', 'project', 'p'), ('service/s', 'service', 's');
SELECT throws_ok($$ INSERT INTO ledger.project SELECT 'p', 'project', NULL, '', account_no, 0, now() FROM ledger.account
                     WHERE name = 'project/p' $$, '23514', NULL, 'a project has a share');
SELECT throws_ok($$ INSERT INTO ledger.project SELECT 's', 'service', 'hpci', '', account_no, 0, now() FROM ledger.account
                     WHERE name = 'service/s' $$, '23514', NULL, 'a service has none');
SELECT throws_ok($$ INSERT INTO ledger.project SELECT 'a b', 'project', 'hpci', '', account_no, 0, now() FROM ledger.account
                     WHERE name = 'project/p' $$, '23514', NULL, 'a project''s id is plain');
SELECT throws_ok($$ INSERT INTO ledger.project SELECT 'p', 'project', 'hpci', '', account_no, -1, now() FROM ledger.account
                     WHERE name = 'project/p' $$, '23514', NULL, 'an overdraft is not negative');
SELECT lives_ok($$ INSERT INTO ledger.project SELECT 'p', 'project', 'hpci', '', account_no, 0, now() FROM ledger.account
                     WHERE name = 'project/p' $$, 'a project is added');

INSERT INTO ledger.entry (booked_at, kind) VALUES (now(), 'grant');
CREATE FUNCTION pg_temp.grant_of(points bigint, valid_from timestamptz, valid_to timestamptz, key text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO ledger.project_grant (project_id, share, fiscal_year, points_micro, valid_from, valid_to, key, request, entry_id, granted_at)
    SELECT 'p', 'hpci', 2027, points, valid_from, valid_to, key, '', max(entry_id), now() FROM ledger.entry
$$;
SELECT lives_ok($$ SELECT pg_temp.grant_of(5, '2027-06-01', '2027-07-01', 'k') $$, 'a grant is made');
SELECT throws_ok($$ SELECT pg_temp.grant_of(0, '2027-06-01', '2027-07-01', NULL) $$, '23514', NULL, 'a grant is of something');
SELECT throws_ok($$ SELECT pg_temp.grant_of(5, '2027-06-01', '2027-06-01', NULL) $$, '23514', NULL, 'a grant is valid for a while');
SELECT throws_ok($$ SELECT pg_temp.grant_of(5, '2027-06-01', '2027-07-01', 'k') $$, '23505', NULL, 'a key is used once');

CREATE FUNCTION pg_temp.hold_of(n bigint, key text, points bigint, freed bigint, held bigint, state text, ended timestamptz) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO ledger.hold (hold_no, key_hash, key, request, project_id, user_name, class, ref_kind, ref_id, points_micro, parts,
                             freed_micro, held_micro, state, made_at, expires_at, ended_at, decision)
    VALUES (n, CASE WHEN key <> '' THEN md5(key)::uuid END, key, md5('r')::uuid, 'p', '', '', '', '', points, 1, freed, held, state,
            now(), now(), ended, '{}')
$$;
SELECT lives_ok($$ SELECT pg_temp.hold_of(1, 'k', 5, 0, 5, 'open', NULL) $$, 'a hold holds points');
SELECT throws_ok($$ SELECT pg_temp.hold_of(2, 'k', 5, 0, 5, 'open', NULL) $$, '23505', NULL, 'a key makes one hold');
SELECT lives_ok($$ SELECT pg_temp.hold_of(2, '', 5, 0, 5, 'open', NULL), pg_temp.hold_of(3, '', 5, 0, 5, 'open', NULL) $$,
                'holds without a key are as many as are made');
SELECT throws_ok($$ SELECT pg_temp.hold_of(4, '', 5, 2, 4, 'open', NULL) $$, '23514', NULL, 'what was freed is held no more');
SELECT throws_ok($$ SELECT pg_temp.hold_of(4, '', 5, 6, 0, 'open', NULL) $$, '23514', NULL, 'no more is freed than was held');
SELECT throws_ok($$ SELECT pg_temp.hold_of(4, '', 5, 0, 5, 'settled', now()) $$, '23514', NULL, 'a hold that has ended holds nothing');
SELECT throws_ok($$ SELECT pg_temp.hold_of(4, '', 5, 5, 0, 'released', NULL) $$, '23514', NULL, 'a hold that has ended says when');
SELECT throws_ok($$ SELECT pg_temp.hold_of(4, '', 5, 0, 5, 'lost', NULL) $$, '23514', NULL, 'a hold''s state is one of four');
SELECT throws_ok($$ SELECT pg_temp.hold_of(4, '', 5, 5, 0, 'lost', now()) $$, '23514', NULL, 'an ended one''s too');
SELECT throws_ok($$ SELECT pg_temp.hold_of(4, '', 5, 0, 5, 'open', now()) $$, '23514', NULL, 'a hold that is open has not ended');
SELECT throws_ok($$ UPDATE ledger.hold SET key = 'k' WHERE hold_no = 2 $$, '23514', NULL, 'a key has its hash');
SELECT throws_ok($$ UPDATE ledger.hold SET key = '' WHERE hold_no = 1 $$, '23514', NULL, 'a hash is of a key');
SELECT throws_ok(format('UPDATE ledger.hold SET %I = -1 WHERE hold_no = 1', c), '23514', NULL, 'a hold''s ' || c || ' is not negative')
  FROM unnest(ARRAY['points_micro', 'freed_micro', 'held_micro', 'parts', 'ended_parts', 'at_once']) c;
SELECT lives_ok($$ SELECT pg_temp.hold_of(5, '', 5, 2, 3, 'open', NULL), pg_temp.hold_of(6, '', 0, 0, 0, 'open', NULL),
                          pg_temp.hold_of(7, '', 5, 1, 0, 'settled', now()), pg_temp.hold_of(8, '', 5, 5, 0, 'released', now()),
                          pg_temp.hold_of(9, '', 5, 5, 0, 'expired', now()) $$, 'holds stand as they do');

CREATE FUNCTION pg_temp.event_of(n integer, kind text, parts integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger.hold_event (hold_no, n, kind, at, is_end, charged_micro, freed_micro, parts) VALUES (1, n, kind, now(), true, 0, 0, parts)
$$;
SELECT lives_ok($$ SELECT pg_temp.event_of(1, 'cancel', 3) $$, 'parts that will never run end together');
SELECT throws_ok($$ SELECT pg_temp.event_of(2, 'cancel', 0) $$, '23514', NULL, 'but at least one');
SELECT throws_ok($$ SELECT pg_temp.event_of(2, 'lose', 1) $$, '23514', NULL, 'an event is one of six');
SELECT throws_ok($$ INSERT INTO ledger.pull (source) VALUES ('') $$, '23514', NULL, 'what is read has a name');

SELECT throws_ok($$ SELECT ledger.ensure_month('1969-12-31') $$, NULL, NULL, 'no month before 1970');
SELECT throws_ok($$ SELECT ledger.ensure_month('2200-01-01') $$, NULL, NULL, 'no month after 2199');

INSERT INTO ledger.policy (name, effective_from, document, applied_at) VALUES ('a', '2027-06-01', '{}', now());
SELECT throws_ok($$ INSERT INTO ledger.policy (name, effective_from, document, applied_at) VALUES ('b', '2027-06-01', '{}', now()) $$,
                 '23505', NULL, 'one policy begins at a time');

-- Months that close.
INSERT INTO ledger.audit (at, actor, verb, subject) VALUES (now(), 'a', 'close', '2027-06');
CREATE FUNCTION pg_temp.close(month date) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger.month_close (month, closed_at, audit_n, transfers, moved_micro, statements, statements_digest, digest, report)
    SELECT month, now(), max(n), 1, 5, 0, repeat('0', 64), repeat('a', 64), '{}' FROM ledger.audit
$$;
CREATE FUNCTION pg_temp.late(id bigint, month date, belongs date) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger.transfer (transfer_id, month, belongs_to, entry_id, debit_account, credit_account, amount_micro, kind, booked_at)
    VALUES (id, month, belongs, 1, 1, 2, 5, 'grant', now())
$$;
SELECT ledger.ensure_month('2027-07-01');
SELECT throws_ok($$ SELECT pg_temp.close('2027-06-02') $$, '23514', NULL, 'a close is of a month');
SELECT lives_ok($$ SELECT pg_temp.close('2027-06-01') $$, 'a month closes');
SELECT throws_ok($$ SELECT pg_temp.close('2027-06-01') $$, NULL, NULL, 'and closes once');
SELECT throws_ok($$ SELECT pg_temp.close('2027-08-01') $$, NULL, NULL, 'months close in order');
SELECT throws_ok($$ SELECT pg_temp.transfer(10, '2027-06-01', 1, 2, 5, 'move') $$, 'P0001', NULL, 'a closed month takes no transfer');
SELECT throws_ok($$ SELECT pg_temp.late(10, '2027-06-01', '2027-05-01') $$, 'P0001', NULL, 'not even an adjustment');
SELECT throws_ok($$ SELECT pg_temp.late(10, '2027-07-01', '2027-07-01') $$, '23514', NULL, 'what belongs to its own month does not say so');
SELECT throws_ok($$ SELECT pg_temp.late(10, '2027-07-01', '2027-06-02') $$, '23514', NULL, 'a month that it belongs to is its first day');
SELECT lives_ok($$ SELECT pg_temp.late(10, '2027-07-01', '2027-06-01') $$, 'what is late counts in the open month');
SELECT throws_ok($$ INSERT INTO ledger.transfer_total (debit_account, credit_account, month, kind, source_no, amount_micro, transfers, adjusted_micro)
                    VALUES (1, 2, '2027-07-01', 'grant', 0, 5, 1, 6) $$, '23514', NULL, 'no more is adjusted than moved');
SELECT throws_ok($$ INSERT INTO ledger.seal VALUES (1, '1', 1, 0, 0, now(), '', decode(repeat('00', 32), 'hex')) $$, '23514', NULL,
                 'a seal seals something');
SELECT throws_ok($$ INSERT INTO ledger.seal VALUES (1, '1', 1, 0, 0, now(), '', decode(repeat('00', 32), 'hex'), 'x') $$, '23514', NULL,
                 'closes are sealed by their number and hash');
SELECT lives_ok($$ INSERT INTO ledger.seal VALUES (1, '1', 1, 0, 0, now(), '', decode(repeat('00', 32), 'hex'),
                    decode(repeat('00', 40), 'hex')) $$, 'a close may be sealed alone');

SELECT * FROM finish();
ROLLBACK;
