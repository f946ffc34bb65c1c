-- Grants with a life, and corrections: expiry, refunds, transfers between projects, adjusted supply.

CREATE TABLE ledger.grant_expiry (
    grant_id   bigint PRIMARY KEY REFERENCES ledger.project_grant,
    sink_micro bigint NOT NULL CHECK (sink_micro >= 0),
    pool_micro bigint NOT NULL CHECK (pool_micro >= 0),
    settled_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger.grant_expiry IS 'What has expired of each grant whose end was posted, kept in the transaction that posts it; late charges take some of it back';
COMMENT ON COLUMN ledger.grant_expiry.grant_id IS 'The grant';
COMMENT ON COLUMN ledger.grant_expiry.sink_micro IS 'Micro-points that went to expired/<share>, net of what was taken back';
COMMENT ON COLUMN ledger.grant_expiry.pool_micro IS 'Micro-points that went back to the pool, net of what was taken back';
COMMENT ON COLUMN ledger.grant_expiry.settled_at IS 'When it was last looked at and changed, by the process''s clock';

CREATE TABLE ledger.project_move (
    move_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_project text NOT NULL REFERENCES ledger.project,
    to_project   text NOT NULL REFERENCES ledger.project CHECK (to_project <> from_project),
    points_micro bigint NOT NULL CHECK (points_micro > 0),
    is_across    boolean NOT NULL,
    key          text UNIQUE,
    request      text NOT NULL,
    entry_id     bigint NOT NULL REFERENCES ledger.entry,
    moved_at     timestamptz NOT NULL
);
COMMENT ON TABLE ledger.project_move IS 'Transfers of points from one project to another one';
COMMENT ON COLUMN ledger.project_move.move_id IS 'Running number';
COMMENT ON COLUMN ledger.project_move.from_project IS 'Project that gave';
COMMENT ON COLUMN ledger.project_move.to_project IS 'Project that received grants of the same validity as those drawn from';
COMMENT ON COLUMN ledger.project_move.points_micro IS 'Micro-points moved';
COMMENT ON COLUMN ledger.project_move.is_across IS 'Between projects of two shares: the one pool lent the other one what moved';
COMMENT ON COLUMN ledger.project_move.key IS 'The caller''s key: the same key answers the first result';
COMMENT ON COLUMN ledger.project_move.request IS 'The arguments in canonical form, to tell the same call from another one';
COMMENT ON COLUMN ledger.project_move.entry_id IS 'The entry that booked it';
COMMENT ON COLUMN ledger.project_move.moved_at IS 'When, by the process''s clock';

ALTER TABLE ledger.project_grant
    ADD COLUMN move_id    bigint REFERENCES ledger.project_move,
    ADD COLUMN moved_from bigint REFERENCES ledger.project_grant,
    ADD CHECK ((move_id IS NULL) = (moved_from IS NULL));
COMMENT ON COLUMN ledger.project_grant.move_id IS 'The transfer that made it, if no pool gave it';
COMMENT ON COLUMN ledger.project_grant.moved_from IS 'The other project''s grant that it was drawn from then';

ALTER TABLE ledger.grant_change
    DROP CONSTRAINT grant_change_kind_check,
    DROP CONSTRAINT grant_change_check,
    ADD CONSTRAINT grant_change_kind_check CHECK (kind IN ('revoke', 'extend', 'move', 'refund')),
    ADD CONSTRAINT grant_change_points_check CHECK ((kind <> 'extend') = (points_micro IS NOT NULL) AND points_micro >= 0);
COMMENT ON COLUMN ledger.grant_change.kind IS
    'revoke: points taken back; move: points transferred to another project; refund: points that came back when their own grant had ended; extend: valid for longer';
COMMENT ON COLUMN ledger.grant_change.points_micro IS 'Micro-points taken back, moved away, or refunded';

CREATE OR REPLACE VIEW ledger.grant_now AS
SELECT g.grant_id, g.project_id, g.share, g.fiscal_year, g.valid_from,
       coalesce((SELECT c.valid_to FROM ledger.grant_change c
                  WHERE c.grant_id = g.grant_id AND c.kind = 'extend' ORDER BY c.n DESC LIMIT 1), g.valid_to) AS valid_to,
       g.points_micro AS granted_micro,
       g.points_micro - coalesce(r.points_micro, 0)::bigint AS points_micro,
       coalesce(r.is_whole, false) AS is_revoked
  FROM ledger.project_grant g
  LEFT JOIN LATERAL (SELECT sum(CASE c.kind WHEN 'refund' THEN -c.points_micro ELSE c.points_micro END) AS points_micro,
                            bool_or(c.is_whole) AS is_whole
                       FROM ledger.grant_change c
                      WHERE c.grant_id = g.grant_id AND c.kind <> 'extend') r ON true;
COMMENT ON COLUMN ledger.grant_now.points_micro IS 'Micro-points net of what was revoked, moved away and refunded';

CREATE TABLE ledger.refund (
    refund_no    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_no    bigint NOT NULL,
    version      smallint NOT NULL,
    is_manual    boolean NOT NULL,
    month        date NOT NULL CHECK (extract(day FROM month) = 1),
    source_no    integer NOT NULL,
    transfer_id  bigint NOT NULL,
    last_at      timestamptz NOT NULL,
    grant_id     bigint REFERENCES ledger.project_grant,
    points_micro bigint NOT NULL CHECK (points_micro <> 0),
    project_id   text COLLATE "C" NOT NULL,
    class        text COLLATE "C" NOT NULL,
    CHECK (NOT is_manual OR points_micro > 0)
);
CREATE INDEX refund_record ON ledger.refund (record_no);
CREATE INDEX refund_project ON ledger.refund (project_id, last_at);
COMMENT ON TABLE ledger.refund IS 'What was given back of what records cost: by the rate card''s refund table with the charge, or by hand';
COMMENT ON COLUMN ledger.refund.refund_no IS 'Running number';
COMMENT ON COLUMN ledger.refund.record_no IS 'The record';
COMMENT ON COLUMN ledger.refund.version IS 'Version of the record that it was booked for';
COMMENT ON COLUMN ledger.refund.is_manual IS 'By hand; else by the rate card';
COMMENT ON COLUMN ledger.refund.month IS 'First day of the month in which it counts';
COMMENT ON COLUMN ledger.refund.source_no IS 'The record''s source';
COMMENT ON COLUMN ledger.refund.transfer_id IS 'Transfer that moved the points; 0 if its batch''s sum was zero and nothing moved';
COMMENT ON COLUMN ledger.refund.last_at IS 'Last instant of the slice whose grant gets it back; the time of the act where that grant had ended';
COMMENT ON COLUMN ledger.refund.grant_id IS 'The later grant that was raised by it, where the grant that had paid had ended';
COMMENT ON COLUMN ledger.refund.points_micro IS 'Micro-points given back; negative where an amendment takes an automatic one back';
COMMENT ON COLUMN ledger.refund.project_id IS 'The project';
COMMENT ON COLUMN ledger.refund.class IS 'The record''s class';

CREATE VIEW ledger.draw_item AS
SELECT project_id, last_at, points_micro FROM ledger.charge
UNION ALL
SELECT project_id, last_at, -points_micro FROM ledger.refund WHERE grant_id IS NULL;
COMMENT ON VIEW ledger.draw_item IS 'What project_draw sums up: charges, less the refunds that went back to the grant they were drawn from';
COMMENT ON COLUMN ledger.draw_item.project_id IS 'The project';
COMMENT ON COLUMN ledger.draw_item.last_at IS 'Instant whose grants pay';
COMMENT ON COLUMN ledger.draw_item.points_micro IS 'Micro-points drawn, negative for a refund';

CREATE TABLE ledger.supply_adjustment (
    adjustment_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    supply_id     text NOT NULL REFERENCES ledger.supply,
    points_micro  bigint NOT NULL CHECK (points_micro <> 0),
    entry_id      bigint NOT NULL REFERENCES ledger.entry,
    adjusted_at   timestamptz NOT NULL
);
COMMENT ON TABLE ledger.supply_adjustment IS 'What the machine could not deliver of a supply entry, or could on top';
COMMENT ON COLUMN ledger.supply_adjustment.adjustment_no IS 'Running number';
COMMENT ON COLUMN ledger.supply_adjustment.supply_id IS 'The supply entry';
COMMENT ON COLUMN ledger.supply_adjustment.points_micro IS 'Micro-points, negative for what was not delivered';
COMMENT ON COLUMN ledger.supply_adjustment.entry_id IS 'The entry that booked it';
COMMENT ON COLUMN ledger.supply_adjustment.adjusted_at IS 'When, by the process''s clock';

CREATE TABLE ledger.supply_adjustment_share (
    adjustment_no bigint NOT NULL REFERENCES ledger.supply_adjustment,
    share         text NOT NULL,
    points_micro  bigint NOT NULL,
    PRIMARY KEY (adjustment_no, share)
);
COMMENT ON TABLE ledger.supply_adjustment_share IS 'How each adjustment was split: as its supply entry was';
COMMENT ON COLUMN ledger.supply_adjustment_share.adjustment_no IS 'The adjustment';
COMMENT ON COLUMN ledger.supply_adjustment_share.share IS 'The share';
COMMENT ON COLUMN ledger.supply_adjustment_share.points_micro IS 'Its part in micro-points; the parts add up to the adjustment';

CREATE INDEX project_grant_valid_to ON ledger.project_grant (valid_to);

GRANT SELECT ON ledger.grant_expiry, ledger.project_move, ledger.refund, ledger.draw_item, ledger.supply_adjustment,
    ledger.supply_adjustment_share TO ledger_daemon, ledger_report;
GRANT INSERT ON ledger.project_move, ledger.refund, ledger.supply_adjustment, ledger.supply_adjustment_share TO ledger_daemon;
GRANT INSERT, UPDATE ON ledger.grant_expiry TO ledger_daemon;
