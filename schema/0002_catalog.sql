-- What is agreed: policies and their supply, rate cards, projects with their names and members, grants.

CREATE TABLE ledger.policy (
    policy_no      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL,
    effective_from timestamptz NOT NULL UNIQUE,
    document       text NOT NULL,
    applied_at     timestamptz NOT NULL,
    UNIQUE (name, effective_from)
);
COMMENT ON TABLE ledger.policy IS 'Policies as they were applied; never changed';
COMMENT ON COLUMN ledger.policy.policy_no IS 'Running number';
COMMENT ON COLUMN ledger.policy.name IS 'Its name, member "policy" of the document';
COMMENT ON COLUMN ledger.policy.effective_from IS 'From when on it is in force';
COMMENT ON COLUMN ledger.policy.document IS 'The JSON document, byte for byte';
COMMENT ON COLUMN ledger.policy.applied_at IS 'When it was applied, by the process''s clock';

CREATE TABLE ledger.supply (
    supply_id       text PRIMARY KEY,
    policy_no       integer NOT NULL REFERENCES ledger.policy,
    fiscal_year     integer NOT NULL,
    valid_from      timestamptz NOT NULL,
    valid_to        timestamptz NOT NULL CHECK (valid_to > valid_from),
    resource        text NOT NULL,
    count           numeric NOT NULL CHECK (count >= 0),
    hours           numeric NOT NULL CHECK (hours >= 0),
    points_per_hour numeric NOT NULL CHECK (points_per_hour >= 0),
    minted_micro    bigint NOT NULL CHECK (minted_micro >= 0)
);
COMMENT ON TABLE ledger.supply IS 'What the machine can deliver in a period; each entry was minted once, when it was first applied';
COMMENT ON COLUMN ledger.supply.supply_id IS 'Its id in the policy';
COMMENT ON COLUMN ledger.supply.policy_no IS 'Policy that minted it';
COMMENT ON COLUMN ledger.supply.fiscal_year IS 'Fiscal year of the pools it was minted into';
COMMENT ON COLUMN ledger.supply.valid_from IS 'Start of the period';
COMMENT ON COLUMN ledger.supply.valid_to IS 'End of the period';
COMMENT ON COLUMN ledger.supply.resource IS 'What is delivered, such as gpu';
COMMENT ON COLUMN ledger.supply.count IS 'How many devices';
COMMENT ON COLUMN ledger.supply.hours IS 'Hours each is offered';
COMMENT ON COLUMN ledger.supply.points_per_hour IS 'Points minted for a device hour';
COMMENT ON COLUMN ledger.supply.minted_micro IS 'count x hours x points_per_hour, in micro-points';

CREATE TABLE ledger.supply_share (
    supply_id    text NOT NULL REFERENCES ledger.supply,
    share        text NOT NULL,
    fraction     numeric NOT NULL,
    points_micro bigint NOT NULL,
    PRIMARY KEY (supply_id, share)
);
COMMENT ON TABLE ledger.supply_share IS 'How each supply entry was split over the shares';
COMMENT ON COLUMN ledger.supply_share.supply_id IS 'The supply entry';
COMMENT ON COLUMN ledger.supply_share.share IS 'The share';
COMMENT ON COLUMN ledger.supply_share.fraction IS 'Fraction in force at the entry''s start';
COMMENT ON COLUMN ledger.supply_share.points_micro IS 'Its part in micro-points; the parts add up to minted_micro';

CREATE TABLE ledger.rate_card (
    card_no        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL,
    effective_from timestamptz NOT NULL UNIQUE,
    document       text NOT NULL,
    applied_at     timestamptz NOT NULL
);
COMMENT ON TABLE ledger.rate_card IS 'Rate cards as they were applied; never changed';
COMMENT ON COLUMN ledger.rate_card.card_no IS 'Running number';
COMMENT ON COLUMN ledger.rate_card.name IS 'Its name, member "card" of the document';
COMMENT ON COLUMN ledger.rate_card.effective_from IS 'From when on it is in force';
COMMENT ON COLUMN ledger.rate_card.document IS 'The JSON document, byte for byte';
COMMENT ON COLUMN ledger.rate_card.applied_at IS 'When it was applied, by the process''s clock';

CREATE TABLE ledger.project (
    project_id      text PRIMARY KEY CHECK (project_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    kind            text NOT NULL CHECK (kind IN ('project', 'service')),
    share           text CHECK ((kind = 'project') = (share IS NOT NULL)),
    name            text NOT NULL DEFAULT '',
    account_no      integer NOT NULL UNIQUE REFERENCES ledger.account,
    overdraft_micro bigint NOT NULL DEFAULT 0 CHECK (overdraft_micro >= 0),
    added_at        timestamptz NOT NULL,
    closed_at       timestamptz
);
COMMENT ON TABLE ledger.project IS 'Projects, and inference services (kind service)';
COMMENT ON COLUMN ledger.project.project_id IS 'Its id, as users write it';
COMMENT ON COLUMN ledger.project.kind IS 'project or service';
COMMENT ON COLUMN ledger.project.share IS 'Share that its grants come from; a service has none';
COMMENT ON COLUMN ledger.project.name IS 'Its title';
COMMENT ON COLUMN ledger.project.account_no IS 'Its account';
COMMENT ON COLUMN ledger.project.overdraft_micro IS 'How far below zero it may be held or checked, in micro-points';
COMMENT ON COLUMN ledger.project.added_at IS 'When it was added';
COMMENT ON COLUMN ledger.project.closed_at IS 'When it was closed; its records are still booked';

CREATE TABLE ledger.service_class (
    project_id text NOT NULL REFERENCES ledger.project,
    source     text NOT NULL,
    class      text NOT NULL,
    PRIMARY KEY (source, class)
);
COMMENT ON TABLE ledger.service_class IS 'Which usage an inference service serves: points of such records move to the service';
COMMENT ON COLUMN ledger.service_class.project_id IS 'The service';
COMMENT ON COLUMN ledger.service_class.source IS 'Pattern of the records'' source';
COMMENT ON COLUMN ledger.service_class.class IS 'Pattern of the records'' class';

CREATE TABLE ledger.project_alias (
    source     text NOT NULL,
    name       text NOT NULL,
    project_id text NOT NULL REFERENCES ledger.project,
    PRIMARY KEY (source, name)
);
COMMENT ON TABLE ledger.project_alias IS 'Names by which sources call projects';
COMMENT ON COLUMN ledger.project_alias.source IS 'The records'' source';
COMMENT ON COLUMN ledger.project_alias.name IS 'The name that its records carry, such as a Slurm account';
COMMENT ON COLUMN ledger.project_alias.project_id IS 'The project that it means';

CREATE TABLE ledger.project_member (
    project_id text NOT NULL REFERENCES ledger.project,
    user_name  text NOT NULL CHECK (user_name <> ''),
    role       text NOT NULL CHECK (role IN ('pi', 'member')),
    added_at   timestamptz NOT NULL,
    PRIMARY KEY (project_id, user_name)
);
COMMENT ON TABLE ledger.project_member IS 'Who belongs to a project now; changes are on the audit list';
COMMENT ON COLUMN ledger.project_member.project_id IS 'The project';
COMMENT ON COLUMN ledger.project_member.user_name IS 'The user';
COMMENT ON COLUMN ledger.project_member.role IS 'pi or member';
COMMENT ON COLUMN ledger.project_member.added_at IS 'Since when';

CREATE TABLE ledger.project_grant (
    grant_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id      text NOT NULL REFERENCES ledger.project,
    share           text NOT NULL,
    fiscal_year     integer NOT NULL,
    points_micro    bigint NOT NULL CHECK (points_micro > 0),
    valid_from      timestamptz NOT NULL,
    valid_to        timestamptz NOT NULL CHECK (valid_to > valid_from),
    lend_from_share text,
    key             text UNIQUE,
    request         text NOT NULL,
    entry_id        bigint NOT NULL REFERENCES ledger.entry,
    granted_at      timestamptz NOT NULL
);
CREATE INDEX project_grant_project ON ledger.project_grant (project_id);
COMMENT ON TABLE ledger.project_grant IS 'Parts of a pool that projects were given, as given; later changes are in grant_change';
COMMENT ON COLUMN ledger.project_grant.grant_id IS 'Running number';
COMMENT ON COLUMN ledger.project_grant.project_id IS 'The project';
COMMENT ON COLUMN ledger.project_grant.share IS 'Share whose pool it came out of';
COMMENT ON COLUMN ledger.project_grant.fiscal_year IS 'Fiscal year of that pool';
COMMENT ON COLUMN ledger.project_grant.points_micro IS 'Micro-points granted';
COMMENT ON COLUMN ledger.project_grant.valid_from IS 'Valid from (inclusive)';
COMMENT ON COLUMN ledger.project_grant.valid_to IS 'Valid to (exclusive), as first granted';
COMMENT ON COLUMN ledger.project_grant.lend_from_share IS 'Share that lent the points, if one did';
COMMENT ON COLUMN ledger.project_grant.key IS 'The caller''s key: the same key answers the first result';
COMMENT ON COLUMN ledger.project_grant.request IS 'The arguments in canonical form, to tell the same call from another one';
COMMENT ON COLUMN ledger.project_grant.entry_id IS 'The entry that booked it';
COMMENT ON COLUMN ledger.project_grant.granted_at IS 'When, by the process''s clock';

CREATE TABLE ledger.grant_change (
    grant_id     bigint NOT NULL REFERENCES ledger.project_grant,
    n            integer NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('revoke', 'extend')),
    points_micro bigint CHECK ((kind = 'revoke') = (points_micro IS NOT NULL) AND points_micro >= 0),
    valid_to     timestamptz CHECK ((kind = 'extend') = (valid_to IS NOT NULL)),
    is_whole     boolean NOT NULL DEFAULT false,
    entry_id     bigint REFERENCES ledger.entry,
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (grant_id, n)
);
COMMENT ON TABLE ledger.grant_change IS 'What happened to grants after they were given';
COMMENT ON COLUMN ledger.grant_change.grant_id IS 'The grant';
COMMENT ON COLUMN ledger.grant_change.n IS 'Order of its changes, from 1';
COMMENT ON COLUMN ledger.grant_change.kind IS 'revoke: points taken back; extend: valid for longer';
COMMENT ON COLUMN ledger.grant_change.points_micro IS 'Micro-points taken back';
COMMENT ON COLUMN ledger.grant_change.valid_to IS 'New end of validity';
COMMENT ON COLUMN ledger.grant_change.is_whole IS 'A revocation took all that remained';
COMMENT ON COLUMN ledger.grant_change.entry_id IS 'The entry that booked a revocation';
COMMENT ON COLUMN ledger.grant_change.changed_at IS 'When, by the process''s clock';

CREATE VIEW ledger.grant_now AS
SELECT g.grant_id, g.project_id, g.share, g.fiscal_year, g.valid_from,
       coalesce((SELECT c.valid_to FROM ledger.grant_change c
                  WHERE c.grant_id = g.grant_id AND c.kind = 'extend' ORDER BY c.n DESC LIMIT 1), g.valid_to) AS valid_to,
       g.points_micro AS granted_micro,
       g.points_micro - coalesce(r.points_micro, 0)::bigint AS points_micro,
       coalesce(r.is_whole, false) AS is_revoked
  FROM ledger.project_grant g
  LEFT JOIN LATERAL (SELECT sum(c.points_micro) AS points_micro, bool_or(c.is_whole) AS is_whole FROM ledger.grant_change c
                      WHERE c.grant_id = g.grant_id AND c.kind = 'revoke') r ON true;
COMMENT ON VIEW ledger.grant_now IS 'Grants with their changes applied';
COMMENT ON COLUMN ledger.grant_now.grant_id IS 'The grant';
COMMENT ON COLUMN ledger.grant_now.project_id IS 'Its project';
COMMENT ON COLUMN ledger.grant_now.share IS 'Share whose pool it came out of';
COMMENT ON COLUMN ledger.grant_now.fiscal_year IS 'Fiscal year of that pool';
COMMENT ON COLUMN ledger.grant_now.valid_from IS 'Valid from (inclusive)';
COMMENT ON COLUMN ledger.grant_now.valid_to IS 'Valid to (exclusive), after extensions';
COMMENT ON COLUMN ledger.grant_now.granted_micro IS 'Micro-points as granted';
COMMENT ON COLUMN ledger.grant_now.points_micro IS 'Micro-points net of what was revoked';
COMMENT ON COLUMN ledger.grant_now.is_revoked IS 'All that remained was taken back by hand';

CREATE VIEW ledger.grant_edge AS
SELECT project_id, valid_from AS edge FROM ledger.project_grant
UNION
SELECT project_id, valid_to FROM ledger.project_grant
UNION
SELECT g.project_id, c.valid_to FROM ledger.grant_change c JOIN ledger.project_grant g USING (grant_id) WHERE c.kind = 'extend';
COMMENT ON VIEW ledger.grant_edge IS 'Every instant at which one of a project''s grants ever began or ended, each once: they bound the segments of project_draw';
COMMENT ON COLUMN ledger.grant_edge.project_id IS 'The project';
COMMENT ON COLUMN ledger.grant_edge.edge IS 'A from or to, as granted or as extended; once an edge, always one';

CREATE TRIGGER policy_catalog AFTER INSERT ON ledger.policy FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog('rating');
CREATE TRIGGER rate_card_catalog AFTER INSERT ON ledger.rate_card FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog('rating');
CREATE TRIGGER supply_catalog AFTER INSERT ON ledger.supply FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER project_catalog AFTER INSERT OR UPDATE ON ledger.project FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER service_class_catalog AFTER INSERT ON ledger.service_class FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER project_alias_catalog AFTER INSERT OR UPDATE OR DELETE ON ledger.project_alias FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER project_member_catalog AFTER INSERT OR UPDATE OR DELETE ON ledger.project_member FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER project_grant_catalog AFTER INSERT ON ledger.project_grant FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER grant_change_catalog AFTER INSERT ON ledger.grant_change FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
