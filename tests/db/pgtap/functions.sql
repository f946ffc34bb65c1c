-- The month's partitions and the catalog's version.
BEGIN;
SELECT plan(23);

SELECT lives_ok($$ SELECT ledger.ensure_month('2027-02-28') $$, 'a month is opened by any of its days');
SELECT lives_ok($$ SELECT ledger.ensure_month('2027-02-01') $$, 'and may be opened again');
SELECT is((SELECT count(*)::int FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind = 'r' AND c.relname LIKE '%2027\_02'), 3,
          'transfers, records and charges each get a partition');
SELECT has_index('ledger', 'transfer_2027_02', 'transfer_2027_02_debit', 'a month''s transfers are found by the account that they leave');
SELECT has_index('ledger', 'transfer_2027_02', 'transfer_2027_02_credit', 'and by the one that they reach');
SELECT index_is_type('ledger', 'charge_2027_02', 'charge_2027_02_record', 'brin', 'charges have a small index by record');
SELECT col_is_pk('ledger', 'transfer_2027_02', ARRAY['transfer_id', 'month'], 'a partition keeps the key');
SELECT is_empty($$
    SELECT c.relname, k.relname FROM pg_constraint c0 JOIN pg_class c ON c.oid = c0.conrelid JOIN pg_class k ON k.oid = c0.confrelid
     WHERE c0.contype = 'f' AND c.relnamespace = 'ledger'::regnamespace
       AND (c.relname LIKE 'usage_record%' OR c.relname LIKE 'charge%' OR c.relname LIKE 'transfer%' OR c.relname LIKE 'record_%')
$$, 'the tables that grow by the record have no foreign key: one costs more than the whole row');

CREATE FUNCTION pg_temp.versions() RETURNS text LANGUAGE sql AS
$$ SELECT version || '/' || rating_version FROM ledger.catalog_version $$;
UPDATE ledger.catalog_version SET version = 10, rating_version = 3;

INSERT INTO ledger.rate_card (name, effective_from, document, applied_at) VALUES ('a', '2027-06-01', '{}', now());
SELECT is(pg_temp.versions(), '11/4', 'a card moves both versions');
INSERT INTO ledger.account (name, kind, project_id) VALUES ('project/p', 'project', 'p');
INSERT INTO ledger.project SELECT 'p', 'project', 'hpci', '', account_no, 0, now() FROM ledger.account WHERE name = 'project/p';
SELECT is(pg_temp.versions(), '12/4', 'a project moves the catalog''s alone');
INSERT INTO ledger.project_member VALUES ('p', 'u', 'pi', now());
DELETE FROM ledger.project_member;
SELECT is(pg_temp.versions(), '14/4', 'a member who comes and goes moves it twice');
UPDATE ledger.project SET overdraft_micro = 1;
SELECT is(pg_temp.versions(), '15/4', 'an overdraft moves it');
INSERT INTO ledger.access_token VALUES ('t', sha256('t'), 'submit', NULL, '', now(), 'me');
SELECT is(pg_temp.versions(), '16/4', 'a token moves it');
UPDATE ledger.access_token SET revoked_at = now(), revoked_by = 'me';
SELECT is(pg_temp.versions(), '17/4', 'and so does its end');
INSERT INTO ledger.source (name) VALUES ('slurm:x');
SELECT is(pg_temp.versions(), '17/4', 'a source does not: imports would make every reader read again');

-- Deadlines of holds whose source is stale.
INSERT INTO ledger.pull (source, fresh_until) VALUES ('slurm:fresh', '2027-06-10 12:30Z'), ('slurm:stale', '2027-06-10 12:00Z'), ('slurm:new', NULL);
CREATE FUNCTION pg_temp.lapsed(source text, expires text, at text) RETURNS boolean LANGUAGE sql AS
$$ SELECT ledger.is_lapsed(source, ('2027-06-10 ' || expires || 'Z')::timestamptz, ('2027-06-10 ' || at || 'Z')::timestamptz) $$;
SELECT ok(NOT pg_temp.lapsed('', '12:10', '12:09:59'), 'a hold counts until its deadline');
SELECT ok(pg_temp.lapsed('', '12:10', '12:10'), 'and no longer');
SELECT ok(pg_temp.lapsed('slurm:fresh', '12:10', '12:20'), 'so does that of a source that is fresh');
SELECT ok(NOT pg_temp.lapsed('slurm:stale', '12:10', '23:00'), 'the deadline of a stale one stands still');
SELECT ok(pg_temp.lapsed('slurm:stale', '12:00', '12:20'), 'unless the source had confirmed that time');
SELECT ok(NOT pg_temp.lapsed('slurm:fresh', '12:40', '12:50'), 'which is stale once its time is over');
SELECT ok(pg_temp.lapsed('slurm:new', '12:10', '12:20'), 'a source that was never read confirms nothing');
SELECT ok(pg_temp.lapsed('slurm:unknown', '12:10', '12:20'), 'nor does one that nobody reads');

SELECT * FROM finish();
ROLLBACK;
