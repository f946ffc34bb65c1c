-- Holds: points that are reserved before work runs.
--
-- A hold takes what it holds from its project's available points until it is settled, released, or past its deadline:
-- every reader ignores it from that instant on, whether or not anything has swept it.  The database decides who gets
-- the last points: whoever makes, ends or changes holds first locks the positions of their projects in the order of
-- project_id, then the holds in the order of hold_no.

CREATE SEQUENCE ledger.hold_number CACHE 1;
COMMENT ON SEQUENCE ledger.hold_number IS 'Hands out hold numbers in blocks of 4096: number = block * 4096 + i';

CREATE TABLE ledger.hold (
    hold_no      bigint PRIMARY KEY,
    key_hash     uuid,
    key          text COLLATE "C" NOT NULL,
    request      uuid NOT NULL,
    project_id   text COLLATE "C" NOT NULL,
    user_name    text COLLATE "C" NOT NULL,
    class        text COLLATE "C" NOT NULL,
    ref_kind     text COLLATE "C" NOT NULL,
    ref_id       text COLLATE "C" NOT NULL,
    points_micro bigint NOT NULL CHECK (points_micro >= 0),
    parts        integer NOT NULL CHECK (parts >= 0),
    ended_parts  integer NOT NULL DEFAULT 0 CHECK (ended_parts >= 0),
    freed_micro  bigint NOT NULL DEFAULT 0 CHECK (freed_micro >= 0 AND freed_micro <= points_micro),
    held_micro   bigint NOT NULL CHECK (held_micro >= 0 AND held_micro <= points_micro - freed_micro),
    events       integer NOT NULL DEFAULT 0,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'released', 'expired')),
    made_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    decision     text NOT NULL,
    CHECK ((key_hash IS NULL) = (key = '')),
    CHECK ((state = 'open') = (ended_at IS NULL)),
    CHECK (state = 'open' OR held_micro = 0)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX hold_key ON ledger.hold (key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX hold_open ON ledger.hold (expires_at) WHERE state = 'open';
COMMENT ON TABLE ledger.hold IS 'Holds that were made; a refusal makes none';
COMMENT ON COLUMN ledger.hold.hold_no IS 'Its number; its id is h_ and this number';
COMMENT ON COLUMN ledger.hold.key_hash IS 'First 128 bits of the SHA-256 of the caller''s key: what is unique; null if it gave none';
COMMENT ON COLUMN ledger.hold.key IS 'The caller''s key; empty if it gave none';
COMMENT ON COLUMN ledger.hold.request IS 'First 128 bits of the SHA-256 of the request in canonical form, to tell the same call from another one';
COMMENT ON COLUMN ledger.hold.project_id IS 'Project whose points are held';
COMMENT ON COLUMN ledger.hold.user_name IS 'User within it; empty if nobody was named';
COMMENT ON COLUMN ledger.hold.class IS 'Class of the shape that was asked for; empty if points were';
COMMENT ON COLUMN ledger.hold.ref_kind IS 'What it is for: slurm, gateway, other; empty if not said';
COMMENT ON COLUMN ledger.hold.ref_id IS 'Which one of these';
COMMENT ON COLUMN ledger.hold.points_micro IS 'Micro-points reserved for all its parts together';
COMMENT ON COLUMN ledger.hold.parts IS 'How many records end it (array tasks); 0 for a lease, which no record ends';
COMMENT ON COLUMN ledger.hold.ended_parts IS 'How many of them have ended';
COMMENT ON COLUMN ledger.hold.freed_micro IS 'What its events have freed of it, in micro-points';
COMMENT ON COLUMN ledger.hold.held_micro IS 'What it takes from what the project has available, before its deadline: points less what was freed, less what accruals of running work take the place of';
COMMENT ON COLUMN ledger.hold.events IS 'How many events it has had';
COMMENT ON COLUMN ledger.hold.state IS 'open; settled or released; expired once its passing was noted, which may be later than its deadline';
COMMENT ON COLUMN ledger.hold.made_at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.hold.expires_at IS 'Deadline, after extensions: ignored from then on';
COMMENT ON COLUMN ledger.hold.ended_at IS 'When it was settled, released or noted as expired';
COMMENT ON COLUMN ledger.hold.decision IS 'The decision that made it, as it was answered (JSON)';

CREATE TABLE ledger.hold_event (
    hold_no      bigint NOT NULL REFERENCES ledger.hold,
    n            integer NOT NULL CHECK (n > 0),
    kind         text NOT NULL CHECK (kind IN ('record', 'settle', 'release', 'extend', 'expire')),
    at           timestamptz NOT NULL,
    is_end       boolean NOT NULL,
    charged_micro bigint NOT NULL,
    freed_micro  bigint NOT NULL CHECK (freed_micro >= 0),
    record_no    bigint,
    expires_at   timestamptz,
    key_hash     uuid,
    request      uuid,
    result       text NOT NULL DEFAULT '',
    PRIMARY KEY (hold_no, n)
);
CREATE UNIQUE INDEX hold_event_key ON ledger.hold_event (key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX hold_event_record ON ledger.hold_event (record_no) WHERE record_no IS NOT NULL;
COMMENT ON TABLE ledger.hold_event IS 'What happened to holds after they were made; only ever inserted';
COMMENT ON COLUMN ledger.hold_event.hold_no IS 'The hold';
COMMENT ON COLUMN ledger.hold_event.n IS 'Order of its events, from 1';
COMMENT ON COLUMN ledger.hold_event.kind IS 'record: a record that names it was booked; settle, release, extend: asked for; expire: its deadline was noted to have passed';
COMMENT ON COLUMN ledger.hold_event.at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.hold_event.is_end IS 'It ended a part of the hold, or the whole';
COMMENT ON COLUMN ledger.hold_event.charged_micro IS 'Micro-points booked with it';
COMMENT ON COLUMN ledger.hold_event.freed_micro IS 'Micro-points by which it made the hold smaller';
COMMENT ON COLUMN ledger.hold_event.record_no IS 'The record that was booked with it';
COMMENT ON COLUMN ledger.hold_event.expires_at IS 'New deadline of an extension';
COMMENT ON COLUMN ledger.hold_event.key_hash IS 'First 128 bits of the SHA-256 of the caller''s key of a settlement in part';
COMMENT ON COLUMN ledger.hold_event.request IS 'First 128 bits of the SHA-256 of the request in canonical form';
COMMENT ON COLUMN ledger.hold_event.result IS 'What was answered (JSON), to answer the same request again';

CREATE TABLE ledger.hold_refusal (
    hold_no  bigint PRIMARY KEY,
    at       timestamptz NOT NULL,
    decision text NOT NULL
);
COMMENT ON TABLE ledger.hold_refusal IS 'Decisions that refused a hold, to be looked up';
COMMENT ON COLUMN ledger.hold_refusal.hold_no IS 'Number that the hold would have had; the decision''s id is d_h and this number';
COMMENT ON COLUMN ledger.hold_refusal.at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.hold_refusal.decision IS 'The decision as it was answered (JSON)';

ALTER TABLE ledger.project_position
    ADD COLUMN held_micro bigint NOT NULL DEFAULT 0 CHECK (held_micro >= 0),
    ADD COLUMN version    bigint NOT NULL DEFAULT 0;
-- Every hold moves its project's position: without an index on what moves, a new version of the row stays in its page
-- and costs no index an entry. Readers of what has changed scan the table, which has a row a project.
DROP INDEX ledger.project_position_changed;
COMMENT ON COLUMN ledger.project_position.held_micro IS 'Sum of held_micro of its open holds, those included whose deadline has passed but was not noted';
COMMENT ON COLUMN ledger.project_position.version IS 'Moves with every change of the row or of what the project''s balance is made of, but for changes of held_micro alone';

ALTER TABLE ledger.accrual
    ADD COLUMN hold_no       bigint,
    ADD COLUMN covered_micro bigint NOT NULL DEFAULT 0 CHECK (covered_micro >= 0);
CREATE INDEX accrual_hold ON ledger.accrual (hold_no) WHERE hold_no IS NOT NULL;
COMMENT ON COLUMN ledger.accrual.hold_no IS 'Hold of its project that the record names';
COMMENT ON COLUMN ledger.accrual.covered_micro IS 'How much of that hold it takes the place of, in micro-points';

CREATE TABLE ledger.limit_held (
    limit_no   integer PRIMARY KEY REFERENCES ledger.project_limit ON DELETE CASCADE,
    held_micro bigint NOT NULL CHECK (held_micro >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE ledger.limit_held IS 'Sums of held_micro of the open holds that count against a limit, those included whose deadline has passed but was not noted';
COMMENT ON COLUMN ledger.limit_held.limit_no IS 'The limit';
COMMENT ON COLUMN ledger.limit_held.held_micro IS 'Micro-points held';

INSERT INTO ledger.limit_held (limit_no, held_micro) SELECT limit_no, 0 FROM ledger.project_limit;

GRANT SELECT ON ledger.hold, ledger.hold_event, ledger.hold_refusal, ledger.limit_held TO ledger_daemon, ledger_report;
GRANT INSERT ON ledger.hold, ledger.hold_event, ledger.hold_refusal TO ledger_daemon;
GRANT UPDATE (ended_parts, freed_micro, held_micro, events, state, expires_at, ended_at) ON ledger.hold TO ledger_daemon;
GRANT INSERT, UPDATE, DELETE ON ledger.limit_held TO ledger_daemon;
GRANT USAGE ON SEQUENCE ledger.hold_number TO ledger_daemon;
