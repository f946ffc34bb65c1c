-- Token records that ledgerd reads by itself: how far each journal file and each address has been read.
--
-- What is noted here moves only after what was read is committed, so a crash in between reads again, and what is read
-- again is a duplicate. Nothing here is part of the book.

CREATE TABLE ledger.token_journal (
    source     text COLLATE "C" NOT NULL,
    device     bigint NOT NULL,
    inode      bigint NOT NULL,
    path       text COLLATE "C" NOT NULL,
    read_bytes bigint NOT NULL CHECK (read_bytes >= 0),
    mark       bytea,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    grown_at   timestamptz NOT NULL,
    left_bytes bigint NOT NULL DEFAULT 0 CHECK (left_bytes >= 0),
    seen_at    timestamptz NOT NULL,
    gone_at    timestamptz,
    PRIMARY KEY (source, device, inode)
);
COMMENT ON TABLE ledger.token_journal IS 'Files of the journals that ledgerd follows: how far each has been read';
COMMENT ON COLUMN ledger.token_journal.source IS 'The source that the journal is of';
COMMENT ON COLUMN ledger.token_journal.device IS 'Number of the file system that the file is on';
COMMENT ON COLUMN ledger.token_journal.inode IS 'Number of the file on it';
COMMENT ON COLUMN ledger.token_journal.path IS 'Where the file was seen last';
COMMENT ON COLUMN ledger.token_journal.read_bytes IS 'So much of it is read and committed: whole lines';
COMMENT ON COLUMN ledger.token_journal.mark IS 'Hash of the first and last bytes of what was read: tells the file from another one of the same number, and finds its copy; null while nothing is read';
COMMENT ON COLUMN ledger.token_journal.size_bytes IS 'Its size when it was seen last';
COMMENT ON COLUMN ledger.token_journal.grown_at IS 'When it was first seen with this size';
COMMENT ON COLUMN ledger.token_journal.left_bytes IS 'Bytes behind read_bytes, of a last line that was never finished, that were read as they stand';
COMMENT ON COLUMN ledger.token_journal.seen_at IS 'When it was noted last, at most some days before it was seen last';
COMMENT ON COLUMN ledger.token_journal.gone_at IS 'When it was first found to be gone; null while it is there';

CREATE TABLE ledger.token_cursor (
    source   text COLLATE "C" PRIMARY KEY CHECK (source <> ''),
    cursor   text NOT NULL,
    moved_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger.token_cursor IS 'Addresses that ledgerd asks for token records: where to go on';
COMMENT ON COLUMN ledger.token_cursor.source IS 'The source';
COMMENT ON COLUMN ledger.token_cursor.cursor IS 'What the address gave with the last records that are committed; sent with the next request';
COMMENT ON COLUMN ledger.token_cursor.moved_at IS 'When it was noted';

GRANT SELECT ON ledger.token_journal, ledger.token_cursor TO ledger_daemon, ledger_report;
GRANT INSERT, UPDATE, DELETE ON ledger.token_journal TO ledger_daemon;
GRANT INSERT, UPDATE ON ledger.token_cursor TO ledger_daemon;
