-- Months that close: what was closed, the reports that were stored with it, and what belongs to a closed month and is
-- booked in a later one.
--
-- The months up to the latest one closed are closed.  A transfer that belongs to one of them counts in the earliest
-- open month and names its own; charges and refunds stay under their own month.

CREATE TABLE ledger.month_close (
    month             date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    closed_at         timestamptz NOT NULL,
    audit_n           bigint NOT NULL REFERENCES ledger.audit,
    transfers         bigint NOT NULL CHECK (transfers >= 0),
    moved_micro       numeric NOT NULL CHECK (moved_micro >= 0),
    statements        integer NOT NULL CHECK (statements >= 0),
    statements_digest text NOT NULL CHECK (statements_digest ~ '^[0-9a-f]{64}$'),
    digest            text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    report            text NOT NULL,
    xid               xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE ledger.month_close IS 'Months that were closed, in order, with their reports; only ever inserted';
COMMENT ON COLUMN ledger.month_close.month IS 'First day of the month';
COMMENT ON COLUMN ledger.month_close.closed_at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.month_close.audit_n IS 'The act that closed it';
COMMENT ON COLUMN ledger.month_close.transfers IS 'How many transfers counted in this month and those before it when it was closed';
COMMENT ON COLUMN ledger.month_close.moved_micro IS 'Sum of their amounts in micro-points';
COMMENT ON COLUMN ledger.month_close.statements IS 'How many statements of projects were stored with it';
COMMENT ON COLUMN ledger.month_close.statements_digest IS 'SHA-256, in hexadecimal, over the digests of the statements by project';
COMMENT ON COLUMN ledger.month_close.digest IS 'SHA-256, in hexadecimal, of the report with its member digest empty';
COMMENT ON COLUMN ledger.month_close.report IS 'The month''s report as a JSON document, byte for byte';
COMMENT ON COLUMN ledger.month_close.xid IS 'Transaction that closed it';

CREATE TABLE ledger.month_statement (
    month      date NOT NULL REFERENCES ledger.month_close DEFERRABLE INITIALLY DEFERRED,
    project_id text COLLATE "C" NOT NULL REFERENCES ledger.project,
    digest     text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    document   text NOT NULL,
    PRIMARY KEY (month, project_id)
);
COMMENT ON TABLE ledger.month_statement IS 'Statements of projects as they stood when their month was closed; only ever inserted';
COMMENT ON COLUMN ledger.month_statement.month IS 'First day of the month';
COMMENT ON COLUMN ledger.month_statement.project_id IS 'The project or service';
COMMENT ON COLUMN ledger.month_statement.digest IS 'SHA-256, in hexadecimal, of the document with its member digest empty';
COMMENT ON COLUMN ledger.month_statement.document IS 'The statement as a JSON document, byte for byte';

ALTER TABLE ledger.transfer
    ADD COLUMN belongs_to date,
    ADD CONSTRAINT transfer_belongs_check CHECK (belongs_to < month AND extract(day FROM belongs_to) = 1);
CREATE INDEX transfer_adjusted ON ledger.transfer (month, belongs_to) WHERE belongs_to IS NOT NULL; -- few: reports list them
COMMENT ON COLUMN ledger.transfer.month IS 'First day of the month in which it counts: open when it was booked';
COMMENT ON COLUMN ledger.transfer.belongs_to IS 'First day of the closed month that it belongs to; null: it counts in its own';

ALTER TABLE ledger.transfer_total
    ADD COLUMN adjusted_micro bigint NOT NULL DEFAULT 0 CHECK (adjusted_micro BETWEEN 0 AND amount_micro);
COMMENT ON COLUMN ledger.transfer_total.adjusted_micro IS 'The part of it that belongs to closed months';

ALTER TABLE ledger.usage_record ADD COLUMN booked_through date;
COMMENT ON COLUMN ledger.usage_record.booked_through IS
    'First day of the last month whose slices of it are booked, where its month closed while the work was running; null: a final record, booked whole';

DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ledger.transfer'::regclass LOOP
        EXECUTE format('COMMENT ON COLUMN %s.month IS %L', part, 'First day of the month in which it counts: open when it was booked');
        EXECUTE format('COMMENT ON COLUMN %s.belongs_to IS %L', part,
                       'First day of the closed month that it belongs to; null: it counts in its own');
    END LOOP;
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ledger.usage_record'::regclass LOOP
        EXECUTE format('COMMENT ON COLUMN %s.booked_through IS %L', part,
                       'First day of the last month whose slices of it are booked, where its month closed while the work was running; null: a final record, booked whole');
    END LOOP;
END $$;

-- Whoever books asks for the earliest open month; this is for whoever does not.
CREATE FUNCTION ledger.refuse_closed_months() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    late date;
BEGIN
    SELECT min(a.month) INTO late FROM added a WHERE a.month <= (SELECT max(month) FROM ledger.month_close);
    IF late IS NOT NULL THEN
        RAISE EXCEPTION 'month % is closed: nothing more is booked in it', to_char(late, 'YYYY-MM');
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION ledger.refuse_closed_months() IS 'Statement trigger of ledger.transfer: a closed month takes no more transfers';
CREATE TRIGGER transfer_month_open AFTER INSERT ON ledger.transfer REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_closed_months();

CREATE FUNCTION ledger.close_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    latest date := (SELECT max(month) FROM ledger.month_close);
BEGIN
    IF NEW.month <> latest + interval '1 month' THEN
        RAISE EXCEPTION 'months close in order: after % comes not %', to_char(latest, 'YYYY-MM'), to_char(NEW.month, 'YYYY-MM');
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION ledger.close_in_order() IS 'Trigger of ledger.month_close: each month is closed after the one before it';
CREATE TRIGGER month_close_order BEFORE INSERT ON ledger.month_close FOR EACH ROW EXECUTE FUNCTION ledger.close_in_order();

-- A link of the chain seals the closes that it finds, too, so that a month cannot be reopened unseen.
ALTER TABLE ledger.seal
    DROP CONSTRAINT seal_transfers_check,
    ADD COLUMN closes bytea,
    ADD CONSTRAINT seal_transfers_check CHECK (transfers > 0 OR (transfers = 0 AND closes IS NOT NULL)),
    ADD CONSTRAINT seal_closes_check CHECK (length(closes) > 0 AND length(closes) % 40 = 0);
CREATE INDEX seal_closes ON ledger.seal (n) WHERE closes IS NOT NULL;
COMMENT ON COLUMN ledger.seal.transfers IS 'How many transfers it seals; none where it seals a close alone';
COMMENT ON COLUMN ledger.seal.closes IS
    'For each month whose close it seals, in order, its number (year * 12 + month, from 0; 8 bytes) and the SHA-256 of its row (32 bytes); null: none';
COMMENT ON COLUMN ledger.seal.head IS 'SHA-256 over the head before it, the columns above, the leaves and the closes';

ALTER TABLE ledger.source ADD COLUMN read_to timestamptz;
COMMENT ON COLUMN ledger.source.read_to IS 'Up to when whoever reads it says that everything was read, if that is later than its last record; null: not said';

ALTER TABLE ledger.quarantine ADD COLUMN first_month date;
COMMENT ON COLUMN ledger.quarantine.first_month IS 'First day of the first month that it touches, if that can be told; month is the last one';
UPDATE ledger.quarantine SET first_month = month;

REVOKE ALL ON FUNCTION ledger.refuse_closed_months(), ledger.close_in_order() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.refuse_closed_months(), ledger.close_in_order() TO ledger_daemon;
GRANT SELECT ON ledger.month_close, ledger.month_statement TO ledger_daemon, ledger_report;
GRANT INSERT ON ledger.month_close, ledger.month_statement TO ledger_daemon;
