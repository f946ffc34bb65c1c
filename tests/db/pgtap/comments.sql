-- Every table, view, column, sequence and function of the book says what it is, partitions included.
BEGIN;
SELECT plan(6);

SELECT ledger.ensure_month('2027-06-01');

SELECT is_empty($$
    SELECT c.relname FROM pg_class c
     WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
       AND obj_description(c.oid, 'pg_class') IS NULL
$$, 'every table and view has a comment');

SELECT is_empty($$
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
       AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL
$$, 'every column has a comment');

SELECT is_empty($$
    SELECT s.relname FROM pg_class s
     WHERE s.relnamespace = 'ledger'::regnamespace AND s.relkind = 'S'
       AND obj_description(s.oid, 'pg_class') IS NULL
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = s.oid AND d.deptype = 'i')
$$, 'every sequence that no column owns has a comment');

SELECT is_empty($$
    SELECT p.proname FROM pg_proc p
     WHERE p.pronamespace = 'ledger'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
$$, 'every function has a comment');

SELECT isnt(obj_description('ledger'::regnamespace, 'pg_namespace'), NULL, 'the schema has a comment');

SELECT isnt(col_description('ledger.charge_2027_06'::regclass, 1), NULL, 'a partition''s columns have comments');

SELECT * FROM finish();
ROLLBACK;
