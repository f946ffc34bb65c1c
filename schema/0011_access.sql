-- Who may call ledgerd: access tokens. A row is never deleted, so that whoever called with a token can be named later;
-- a revoked one is dead for good, and its name is not given again. Tokens are part of the catalog.

CREATE TABLE ledger.access_token (
    name       text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    sha256     bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    roles      text COLLATE "C" NOT NULL CHECK (roles <> ''),
    project_id text COLLATE "C" REFERENCES ledger.project,
    user_name  text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    created_by text NOT NULL CHECK (created_by <> ''),
    revoked_at timestamptz,
    revoked_by text,
    CHECK ((roles = 'gateway-user') = (project_id IS NOT NULL)),
    CHECK (user_name = '' OR project_id IS NOT NULL),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
COMMENT ON TABLE ledger.access_token IS 'Tokens that callers of ledgerd show; never deleted, only revoked';
COMMENT ON COLUMN ledger.access_token.name IS 'What the token is called in lists, given once for ever';
COMMENT ON COLUMN ledger.access_token.sha256 IS 'SHA-256 of the token''s text, which is kept nowhere';
COMMENT ON COLUMN ledger.access_token.roles IS 'What it may do: roles joined by +, such as submit+ingest or read:<project>';
COMMENT ON COLUMN ledger.access_token.project_id IS 'Project of a gateway-user; null for every other role';
COMMENT ON COLUMN ledger.access_token.user_name IS 'User of that project whose token it is; empty if it is nobody''s own';
COMMENT ON COLUMN ledger.access_token.created_at IS 'When it was made, by the process''s clock';
COMMENT ON COLUMN ledger.access_token.created_by IS 'Who made it';
COMMENT ON COLUMN ledger.access_token.revoked_at IS 'When it was revoked; null while it counts';
COMMENT ON COLUMN ledger.access_token.revoked_by IS 'Who revoked it';

CREATE TRIGGER access_token_catalog AFTER INSERT OR UPDATE ON ledger.access_token FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();

GRANT SELECT ON ledger.access_token TO ledger_daemon, ledger_report;
GRANT INSERT, UPDATE (revoked_at, revoked_by) ON ledger.access_token TO ledger_daemon;
