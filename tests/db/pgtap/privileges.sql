-- Least privilege: the daemon's role adds to the book and cannot take from it; the report's role reads; nobody else does.
BEGIN;
SELECT plan(74);

-- What was booked, agreed or done is only ever added to.
SELECT table_privs_are('ledger', t, 'ledger_daemon', ARRAY['SELECT', 'INSERT'], 'the daemon adds to ' || t || ', no more')
  FROM unnest(ARRAY['account', 'audit', 'entry', 'transfer', 'policy', 'supply', 'supply_share', 'rate_card', 'project_grant',
                    'grant_change', 'usage_record', 'charge', 'skipped', 'service_class', 'seal', 'hold', 'hold_event', 'hold_refusal',
                    'month_close', 'month_statement', 'slurm_event']) AS t;

-- Sums and states move, but do not go away.
SELECT table_privs_are('ledger', t, 'ledger_daemon', ARRAY['SELECT', 'INSERT', 'UPDATE'], 'the daemon keeps ' || t)
  FROM unnest(ARRAY['transfer_total', 'source', 'project', 'record_identity', 'project_position', 'usage_total',
                    'meter_total', 'quarantine', 'limit_use', 'pull', 'token_cursor']) AS t;

SELECT table_privs_are('ledger', t, 'ledger_daemon', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'], 'the daemon replaces ' || t)
  FROM unnest(ARRAY['accrual', 'project_alias', 'project_member', 'project_draw', 'project_limit', 'limit_held',
                    'slurm_user', 'slurm_association', 'slurm_partition', 'slurm_job', 'token_journal']) AS t;

-- How a hold stands moves; what was asked for, and what was answered, does not.
SELECT column_privs_are('ledger', 'hold', c, 'ledger_daemon', ARRAY['SELECT', 'INSERT'], 'the daemon writes a hold''s ' || c || ' once')
  FROM unnest(ARRAY['points_micro', 'project_id', 'key_hash', 'request', 'decision', 'source', 'at_once']) AS c;

-- A token is revoked, and otherwise stays what it was made as.
SELECT table_privs_are('ledger', 'access_token', 'ledger_daemon', ARRAY['SELECT', 'INSERT'], 'the daemon makes tokens and keeps them');
SELECT column_privs_are('ledger', 'access_token', c, 'ledger_daemon', ARRAY['SELECT', 'INSERT'], 'a token''s ' || c || ' is for good')
  FROM unnest(ARRAY['sha256', 'roles']) AS c;
SELECT column_privs_are('ledger', 'access_token', 'revoked_at', 'ledger_daemon', ARRAY['SELECT', 'INSERT', 'UPDATE'], 'it can be revoked');

SELECT table_privs_are('ledger', 'schema_migration', 'ledger_daemon', ARRAY['SELECT'], 'the daemon does not migrate');
SELECT table_privs_are('ledger', 'book', 'ledger_daemon', ARRAY['SELECT'], 'the daemon cannot make a book a sandbox');
SELECT column_privs_are('ledger', 'book', 'is_sandbox', 'ledger_daemon', ARRAY['SELECT'], 'nor a sandbox a book');
SELECT column_privs_are('ledger', 'book', 'timezone', 'ledger_daemon', ARRAY['SELECT', 'UPDATE'], 'but it fixes the zone');

SELECT is_empty($$
    SELECT c.relname, p.priv FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p(priv)
     WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p', 'v')
       AND has_table_privilege('ledger_report', c.oid, p.priv)
$$, 'the report''s role writes nothing');
SELECT is_empty($$
    SELECT c.relname FROM pg_class c
     WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
       AND NOT has_table_privilege('ledger_report', c.oid, 'SELECT')
$$, 'the report''s role reads everything');
SELECT is_empty($$
    SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
       AND EXISTS (SELECT FROM aclexplode(c.relacl) x WHERE x.grantee = 0)
$$, 'the public has no privilege on any table or sequence');
SELECT is_empty($$
    SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'ledger'::regnamespace
       AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) x WHERE x.grantee = 0))
$$, 'nor on any function');
SELECT is_empty($$
    SELECT n.nspname FROM pg_namespace n WHERE n.nspname = 'ledger'
       AND EXISTS (SELECT FROM aclexplode(n.nspacl) x WHERE x.grantee = 0)
$$, 'nor on the schema');
SELECT is_empty($$
    SELECT rolname FROM pg_roles WHERE rolname IN ('ledger_daemon', 'ledger_report')
       AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)
$$, 'the roles cannot log in and have no powers of the server');
SELECT is_empty($$
    SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'ledger'::regnamespace AND p.prosecdef
       AND NOT ('search_path=pg_catalog' = ANY (coalesce(p.proconfig, '{}')))
$$, 'a function that runs with its owner''s rights fixes its search path');
SELECT is_empty($$
    SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'ledger'::regnamespace
       AND c.relowner IN (SELECT oid FROM pg_roles WHERE rolname IN ('ledger_daemon', 'ledger_report'))
$$, 'the roles own nothing, so they cannot grant themselves more');

-- And tried, as the daemon's role.
SET ROLE ledger_daemon;
SELECT ledger.ensure_month('2027-06-01');
SELECT throws_ok(format('UPDATE ledger.%I SET %I = %2$I', t, c), '42501', NULL, 'the daemon cannot update ' || t)
  FROM (VALUES ('transfer', 'amount_micro'), ('charge', 'points_micro'), ('usage_record', 'user_name'),
               ('audit', 'actor')) AS x(t, c);
SELECT throws_ok('DELETE FROM ledger.transfer', '42501', NULL, 'the daemon cannot delete transfers');
SELECT throws_ok('TRUNCATE ledger.charge', '42501', NULL, 'the daemon cannot empty the charges');
SELECT throws_ok('DROP TABLE ledger.transfer_2027_06', '42501', NULL, 'the daemon cannot drop a month that it made');
SELECT throws_ok('UPDATE ledger.transfer_2027_06 SET amount_micro = 1', '42501', NULL, 'nor change it behind the parent''s back');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
