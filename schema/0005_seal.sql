-- The seal: a chain of hashes over every transfer, made behind the writers' backs.
--
-- A transfer names the transaction that booked it, so that what is committed for good has an order: by transaction,
-- then by number.  A seal takes the next transfers of that order once every transaction below theirs has ended, and
-- its head is the SHA-256 over its leaves and the head before it.  Writers take no part in this and never wait for it.

ALTER TABLE ledger.transfer ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE ledger.entry ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX transfer_order ON ledger.transfer (xid, transfer_id);
CREATE INDEX transfer_kind ON ledger.transfer (kind) WHERE kind <> 'charge'; -- few among many charges: verify asks for them
COMMENT ON COLUMN ledger.transfer.xid IS 'Transaction that booked it: the order in which transfers are sealed';
COMMENT ON COLUMN ledger.entry.xid IS 'Transaction that booked it: its transfers carry the same';

DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ledger.transfer'::regclass LOOP
        EXECUTE format('COMMENT ON COLUMN %s.xid IS %L', part, 'Transaction that booked it: the order in which transfers are sealed');
    END LOOP;
END $$;

CREATE TABLE ledger.seal (
    n             bigint PRIMARY KEY CHECK (n > 0),
    last_xid      xid8 NOT NULL,
    last_transfer bigint NOT NULL,
    transfers     bigint NOT NULL CHECK (transfers > 0),
    total         bigint NOT NULL,
    sealed_at     timestamptz NOT NULL,
    leaves        bytea NOT NULL,
    head          bytea NOT NULL CHECK (length(head) = 32)
);
ALTER TABLE ledger.seal ALTER COLUMN leaves SET STORAGE EXTERNAL; -- hashes do not compress
COMMENT ON TABLE ledger.seal IS 'Links of the chain of hashes over all transfers, each over the transfers after those of the link before; only ever inserted';
COMMENT ON COLUMN ledger.seal.n IS 'Number of the link, without gaps from 1';
COMMENT ON COLUMN ledger.seal.last_xid IS 'Transaction of its last transfer';
COMMENT ON COLUMN ledger.seal.last_transfer IS 'Number of its last transfer';
COMMENT ON COLUMN ledger.seal.transfers IS 'How many transfers it seals';
COMMENT ON COLUMN ledger.seal.total IS 'How many transfers it and all links before it seal';
COMMENT ON COLUMN ledger.seal.sealed_at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.seal.leaves IS 'For each transfer in order its number (8 bytes) and the SHA-256 of its row (32 bytes)';
COMMENT ON COLUMN ledger.seal.head IS 'SHA-256 over the head before it, the columns above and the leaves';

GRANT SELECT ON ledger.seal TO ledger_daemon, ledger_report;
GRANT INSERT ON ledger.seal TO ledger_daemon;
