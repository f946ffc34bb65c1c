-- The book: accounts, entries, transfers, and the sums that are kept beside them.
--
-- Points move by transfers, each with one debit account (points leave it) and one credit account (points arrive), so
-- that all balances add up to zero by construction.  Transfers are only ever inserted.  What must be fast to read is
-- kept beside them in the same transaction: transfer_total by pair of accounts, month and kind, and project_position
-- for the accounts that decisions look at.  No row of a hot account (a pool, a sink) is locked by a posting.

CREATE SCHEMA ledger;
COMMENT ON SCHEMA ledger IS 'The book of usage points: accounts, transfers, usage records, charges and what they follow from';

CREATE TABLE ledger.schema_migration (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ledger.schema_migration IS 'Migrations that this database has seen, in order';
COMMENT ON COLUMN ledger.schema_migration.number IS 'Number in the file name';
COMMENT ON COLUMN ledger.schema_migration.name IS 'File name without its ending';
COMMENT ON COLUMN ledger.schema_migration.applied_at IS 'When it was applied';

CREATE TABLE ledger.book (
    one                boolean PRIMARY KEY DEFAULT true CHECK (one),
    is_sandbox         boolean NOT NULL DEFAULT false,
    timezone           text,
    fiscal_year_start  text,
    created_at         timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ledger.book IS 'What is true of the whole book; exactly one row';
COMMENT ON COLUMN ledger.book.one IS 'Always true: allows one row only';
COMMENT ON COLUMN ledger.book.is_sandbox IS 'Commands may pretend another time (--now) on a sandbox only';
COMMENT ON COLUMN ledger.book.timezone IS 'Zone of days, months and fiscal years; set by the first policy, then fixed';
COMMENT ON COLUMN ledger.book.fiscal_year_start IS 'MM-DD at which the fiscal year starts; set by the first policy, then fixed';
COMMENT ON COLUMN ledger.book.created_at IS 'When the book was opened';

CREATE TABLE ledger.catalog_version (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    version        bigint NOT NULL DEFAULT 1,
    rating_version bigint NOT NULL DEFAULT 1
);
COMMENT ON TABLE ledger.catalog_version IS 'Counts changes of what readers keep in memory, so that they know when to read it again; exactly one row';
COMMENT ON COLUMN ledger.catalog_version.one IS 'Always true: allows one row only';
COMMENT ON COLUMN ledger.catalog_version.version IS 'Moves with every change of policies, cards, projects, aliases, members, services or grants';
COMMENT ON COLUMN ledger.catalog_version.rating_version IS 'Moves with every change of policies and cards alone';

CREATE TABLE ledger.audit (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    actor   text NOT NULL CHECK (actor <> ''),
    verb    text NOT NULL,
    subject text NOT NULL,
    detail  text NOT NULL DEFAULT '',
    note    text NOT NULL DEFAULT '',
    ref     text NOT NULL DEFAULT ''
);
COMMENT ON TABLE ledger.audit IS 'Every manual act: who did what to what, when and why; only ever inserted';
COMMENT ON COLUMN ledger.audit.n IS 'Running number';
COMMENT ON COLUMN ledger.audit.at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.audit.actor IS 'Who: --actor, else the Unix user';
COMMENT ON COLUMN ledger.audit.verb IS 'What: the command''s verb, such as "grant revoke"';
COMMENT ON COLUMN ledger.audit.subject IS 'To what: a project, card, policy, grant or quarantine entry';
COMMENT ON COLUMN ledger.audit.detail IS 'The arguments that mattered, as text';
COMMENT ON COLUMN ledger.audit.note IS 'Why: --note';
COMMENT ON COLUMN ledger.audit.ref IS 'Decision number of the outside world: --ref';

CREATE TABLE ledger.account (
    account_no  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    kind        text NOT NULL CHECK (kind IN ('supply', 'pool', 'project', 'spent', 'expired', 'service')),
    share       text,
    fiscal_year integer,
    project_id  text UNIQUE
);
COMMENT ON TABLE ledger.account IS 'Accounts between which points move';
COMMENT ON COLUMN ledger.account.account_no IS 'Number by which transfers name it';
COMMENT ON COLUMN ledger.account.name IS 'supply, pool/<share>/<fy>, project/<id>, spent/<share>, spent/service, expired/<share>, service/<id>';
COMMENT ON COLUMN ledger.account.kind IS 'First part of its name';
COMMENT ON COLUMN ledger.account.share IS 'Share of a pool, spent or expired account';
COMMENT ON COLUMN ledger.account.fiscal_year IS 'Fiscal year of a pool';
COMMENT ON COLUMN ledger.account.project_id IS 'Project or service whose account it is';

CREATE SEQUENCE ledger.transfer_number CACHE 1;
COMMENT ON SEQUENCE ledger.transfer_number IS 'Hands out transfer numbers in blocks of 4096: number = block * 4096 + i';

CREATE TABLE ledger.entry (
    entry_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    booked_at  timestamptz NOT NULL,
    kind       text NOT NULL,
    audit_n    bigint REFERENCES ledger.audit
);
COMMENT ON TABLE ledger.entry IS 'Transfers that belong together and were committed together';
COMMENT ON COLUMN ledger.entry.entry_id IS 'Running number';
COMMENT ON COLUMN ledger.entry.booked_at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.entry.kind IS 'What made it: import, policy, grant, revoke, …';
COMMENT ON COLUMN ledger.entry.audit_n IS 'The manual act behind it, if one is';

CREATE TABLE ledger.transfer (
    transfer_id    bigint NOT NULL,
    month          date NOT NULL CHECK (extract(day FROM month) = 1),
    entry_id       bigint NOT NULL,
    debit_account  integer NOT NULL,
    credit_account integer NOT NULL,
    amount_micro   bigint NOT NULL CHECK (amount_micro > 0),
    kind           text NOT NULL CHECK (kind IN ('mint', 'grant', 'revoke', 'lend', 'charge', 'refund', 'expire', 'move')),
    source_no      integer NOT NULL DEFAULT 0,
    charges        bigint NOT NULL DEFAULT 0 CHECK (charges >= 0),
    grant_id       bigint,
    booked_at      timestamptz NOT NULL,
    CHECK (debit_account <> credit_account),
    PRIMARY KEY (transfer_id, month)
) PARTITION BY RANGE (month);
COMMENT ON TABLE ledger.transfer IS 'Movements of points: one debit, one credit account, immutable';
COMMENT ON COLUMN ledger.transfer.transfer_id IS 'Number, unique in the book';
COMMENT ON COLUMN ledger.transfer.month IS 'First day of the month in which it counts';
COMMENT ON COLUMN ledger.transfer.entry_id IS 'The entry that it is part of';
COMMENT ON COLUMN ledger.transfer.debit_account IS 'Account that the points leave';
COMMENT ON COLUMN ledger.transfer.credit_account IS 'Account at which they arrive';
COMMENT ON COLUMN ledger.transfer.amount_micro IS 'Micro-points, above zero';
COMMENT ON COLUMN ledger.transfer.kind IS 'Why the points move';
COMMENT ON COLUMN ledger.transfer.source_no IS 'Source of the records it stands for; 0 for manual acts';
COMMENT ON COLUMN ledger.transfer.charges IS 'How many charges it stands for; their sum is its amount (negative when debit and credit are swapped)';
COMMENT ON COLUMN ledger.transfer.grant_id IS 'The grant that it made or changed';
COMMENT ON COLUMN ledger.transfer.booked_at IS 'When, by the process''s clock';

CREATE TABLE ledger.transfer_total (
    debit_account  integer NOT NULL,
    credit_account integer NOT NULL,
    month          date NOT NULL,
    kind           text NOT NULL,
    source_no      integer NOT NULL,
    amount_micro   bigint NOT NULL CHECK (amount_micro >= 0),
    transfers      bigint NOT NULL CHECK (transfers > 0),
    PRIMARY KEY (debit_account, credit_account, month, kind, source_no)
) WITH (fillfactor = 70);
CREATE INDEX transfer_total_credit ON ledger.transfer_total (credit_account);
COMMENT ON TABLE ledger.transfer_total IS 'Sums of transfers by pair of accounts, month, kind and source, kept in the same transaction: balances and report columns are read from here';
COMMENT ON COLUMN ledger.transfer_total.debit_account IS 'Account that the points leave';
COMMENT ON COLUMN ledger.transfer_total.credit_account IS 'Account at which they arrive';
COMMENT ON COLUMN ledger.transfer_total.month IS 'First day of the month in which they count';
COMMENT ON COLUMN ledger.transfer_total.kind IS 'Kind of the transfers';
COMMENT ON COLUMN ledger.transfer_total.source_no IS 'Source of the charges, 0 for manual acts';
COMMENT ON COLUMN ledger.transfer_total.amount_micro IS 'Sum in micro-points';
COMMENT ON COLUMN ledger.transfer_total.transfers IS 'How many transfers';

CREATE FUNCTION ledger.bump_catalog() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_ARGV[0] = 'rating' THEN
        UPDATE ledger.catalog_version SET version = version + 1, rating_version = rating_version + 1;
    ELSE
        UPDATE ledger.catalog_version SET version = version + 1;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION ledger.bump_catalog() IS 'Statement trigger of the tables that readers keep in memory';

INSERT INTO ledger.book DEFAULT VALUES;
INSERT INTO ledger.catalog_version DEFAULT VALUES;
INSERT INTO ledger.account (name, kind) VALUES ('supply', 'supply'), ('spent/service', 'spent');
