-- Slurm, live: what the puller knows of each cluster, and how holds of jobs are kept while Slurm confirms them.
--
-- What is here of users, partitions and jobs is Slurm's own and only remembered: each round of the puller brings it up
-- to date. Associations and partitions are part of the catalog; jobs and the puller's standing are not.

CREATE TABLE ledger.pull (
    source        text COLLATE "C" PRIMARY KEY CHECK (source <> ''),
    read_through  timestamptz,
    last_end      timestamptz,
    rounds        bigint NOT NULL DEFAULT 0,
    last_good_at  timestamptz,
    fresh_until   timestamptz,
    failing_since timestamptz,
    failures      bigint NOT NULL DEFAULT 0,
    error         text NOT NULL DEFAULT ''
);
COMMENT ON TABLE ledger.pull IS 'Sources that ledgerd reads by itself: how far, and since when it cannot';
COMMENT ON COLUMN ledger.pull.source IS 'The source, slurm:<cluster>';
COMMENT ON COLUMN ledger.pull.read_through IS 'Work that ended up to then has been read; null before the first round';
COMMENT ON COLUMN ledger.pull.last_end IS 'End of the latest work that was read: an answer that reaches back to it and is empty is none';
COMMENT ON COLUMN ledger.pull.rounds IS 'Rounds that read everything';
COMMENT ON COLUMN ledger.pull.last_good_at IS 'When the last of these ended';
COMMENT ON COLUMN ledger.pull.fresh_until IS 'What it confirmed stands until then; behind it, deadlines of the source''s holds stand still';
COMMENT ON COLUMN ledger.pull.failing_since IS 'When the first round of those failed that have failed since the last good one; null after a good one';
COMMENT ON COLUMN ledger.pull.failures IS 'How many have failed since then';
COMMENT ON COLUMN ledger.pull.error IS 'Why the last one failed; empty after a good one';

CREATE TABLE ledger.slurm_user (
    cluster         text COLLATE "C" NOT NULL,
    user_name       text COLLATE "C" NOT NULL,
    uid             bigint,
    default_account text COLLATE "C" NOT NULL,
    PRIMARY KEY (cluster, user_name)
);
COMMENT ON TABLE ledger.slurm_user IS 'Users of a cluster, as sacctmgr tells of them';
COMMENT ON COLUMN ledger.slurm_user.cluster IS 'The cluster';
COMMENT ON COLUMN ledger.slurm_user.user_name IS 'The user';
COMMENT ON COLUMN ledger.slurm_user.uid IS 'Number of the user on the cluster; null if the system does not know the name';
COMMENT ON COLUMN ledger.slurm_user.default_account IS 'Slurm account of jobs that name none; empty if there is none';

CREATE TABLE ledger.slurm_association (
    cluster     text COLLATE "C" NOT NULL,
    user_name   text COLLATE "C" NOT NULL,
    account     text COLLATE "C" NOT NULL,
    partition   text COLLATE "C" NOT NULL,
    default_qos text COLLATE "C" NOT NULL,
    PRIMARY KEY (cluster, user_name, account, partition)
);
COMMENT ON TABLE ledger.slurm_association IS 'Which user may use which Slurm account, as sacctmgr tells';
COMMENT ON COLUMN ledger.slurm_association.cluster IS 'The cluster';
COMMENT ON COLUMN ledger.slurm_association.user_name IS 'The user';
COMMENT ON COLUMN ledger.slurm_association.account IS 'The Slurm account';
COMMENT ON COLUMN ledger.slurm_association.partition IS 'The one partition that it is for; empty if for all';
COMMENT ON COLUMN ledger.slurm_association.default_qos IS 'QOS of jobs that name none, its own or inherited; empty if Slurm tells none';

CREATE TABLE ledger.slurm_partition (
    cluster         text COLLATE "C" NOT NULL,
    partition       text COLLATE "C" NOT NULL,
    is_default      boolean NOT NULL,
    default_seconds bigint,
    max_seconds     bigint,
    is_exclusive    boolean NOT NULL,
    mem_per_node    bigint,
    mem_per_cpu     bigint,
    node_cpus       bigint NOT NULL,
    node_gpus       bigint NOT NULL,
    node_mem        bigint NOT NULL,
    PRIMARY KEY (cluster, partition)
);
COMMENT ON TABLE ledger.slurm_partition IS 'Partitions of a cluster, as scontrol tells of them: what jobs get that do not say';
COMMENT ON COLUMN ledger.slurm_partition.cluster IS 'The cluster';
COMMENT ON COLUMN ledger.slurm_partition.partition IS 'The partition';
COMMENT ON COLUMN ledger.slurm_partition.is_default IS 'Jobs that name no partition run here';
COMMENT ON COLUMN ledger.slurm_partition.default_seconds IS 'Time limit of jobs that name none; null if the partition has none, then max_seconds';
COMMENT ON COLUMN ledger.slurm_partition.max_seconds IS 'Longest time limit; null if unlimited';
COMMENT ON COLUMN ledger.slurm_partition.is_exclusive IS 'Jobs get whole nodes (OverSubscribe=EXCLUSIVE)';
COMMENT ON COLUMN ledger.slurm_partition.mem_per_node IS 'MiB a node of jobs that name no memory; null if the partition does not say';
COMMENT ON COLUMN ledger.slurm_partition.mem_per_cpu IS 'MiB a CPU of such jobs; null if the partition does not say';
COMMENT ON COLUMN ledger.slurm_partition.node_cpus IS 'CPUs of its largest node';
COMMENT ON COLUMN ledger.slurm_partition.node_gpus IS 'GPUs of the node that has most';
COMMENT ON COLUMN ledger.slurm_partition.node_mem IS 'MiB of the node that has most';

CREATE TABLE ledger.slurm_job (
    cluster       text COLLATE "C" NOT NULL,
    job_id        bigint NOT NULL,
    submitted_at  timestamptz NOT NULL,
    array_job_id  bigint NOT NULL DEFAULT 0,
    array_task    bigint,
    tasks         integer NOT NULL DEFAULT 1 CHECK (tasks > 0),
    at_once       integer NOT NULL DEFAULT 0 CHECK (at_once >= 0),
    het_job_id    bigint NOT NULL DEFAULT 0,
    uid           bigint NOT NULL,
    user_name     text COLLATE "C" NOT NULL,
    account       text COLLATE "C" NOT NULL,
    partition     text COLLATE "C" NOT NULL,
    qos           text COLLATE "C" NOT NULL,
    state         text NOT NULL CHECK (state IN ('pending', 'running', 'suspended', 'ending')),
    is_held       boolean NOT NULL DEFAULT false,
    start_at      timestamptz,
    limit_seconds bigint,
    meters        text NOT NULL,
    hold_key      text COLLATE "C" NOT NULL DEFAULT '',
    start_key     text COLLATE "C" NOT NULL DEFAULT '',
    held_by_us    boolean NOT NULL DEFAULT false,
    seen_at       timestamptz NOT NULL,
    PRIMARY KEY (cluster, job_id)
);
CREATE INDEX slurm_job_key ON ledger.slurm_job (cluster, hold_key) WHERE hold_key <> '';
CREATE INDEX slurm_job_start_key ON ledger.slurm_job (cluster, start_key) WHERE start_key <> '';
COMMENT ON TABLE ledger.slurm_job IS 'Jobs that are pending or running, as the last round saw them';
COMMENT ON COLUMN ledger.slurm_job.cluster IS 'The cluster';
COMMENT ON COLUMN ledger.slurm_job.job_id IS 'Its own (raw) job id';
COMMENT ON COLUMN ledger.slurm_job.submitted_at IS 'When it was submitted: with the id, its identity';
COMMENT ON COLUMN ledger.slurm_job.array_job_id IS 'Id of the array that it belongs to; 0 if to none';
COMMENT ON COLUMN ledger.slurm_job.array_task IS 'Its number in the array; null for what is still to be split off, and for other jobs';
COMMENT ON COLUMN ledger.slurm_job.tasks IS 'How many array tasks it stands for: those that are still to be split off';
COMMENT ON COLUMN ledger.slurm_job.at_once IS 'How many tasks of the array may run at a time; 0 for any number';
COMMENT ON COLUMN ledger.slurm_job.het_job_id IS 'Leader of the heterogeneous job that it is a component of; 0 if of none';
COMMENT ON COLUMN ledger.slurm_job.uid IS 'Number of its user';
COMMENT ON COLUMN ledger.slurm_job.user_name IS 'Its user';
COMMENT ON COLUMN ledger.slurm_job.account IS 'Its Slurm account';
COMMENT ON COLUMN ledger.slurm_job.partition IS 'Its partition; several, with commas, while it is pending';
COMMENT ON COLUMN ledger.slurm_job.qos IS 'Its QOS';
COMMENT ON COLUMN ledger.slurm_job.state IS 'pending; running; suspended; ending: completing, not yet in accounting';
COMMENT ON COLUMN ledger.slurm_job.is_held IS 'It waits because somebody has held it (scontrol hold)';
COMMENT ON COLUMN ledger.slurm_job.start_at IS 'When it started; null while pending';
COMMENT ON COLUMN ledger.slurm_job.limit_seconds IS 'Its time limit; null if unlimited';
COMMENT ON COLUMN ledger.slurm_job.meters IS 'What it has, or will get, of each task: name=decimal pairs, sorted by name, separated by blanks';
COMMENT ON COLUMN ledger.slurm_job.hold_key IS 'Key of the hold that was taken when it was submitted, from its admin comment; empty if there is none';
COMMENT ON COLUMN ledger.slurm_job.start_key IS 'Key of the hold that was taken for it later, when it was seen without one; empty if none was';
COMMENT ON COLUMN ledger.slurm_job.held_by_us IS 'We have held it because its project had run dry, and will release it';
COMMENT ON COLUMN ledger.slurm_job.seen_at IS 'Round that saw it first as it is';

CREATE TABLE ledger.slurm_event (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    cluster text COLLATE "C" NOT NULL,
    job_id  bigint NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('hold', 'release', 'requeue', 'failed')),
    detail  text NOT NULL
);
CREATE INDEX slurm_event_at ON ledger.slurm_event (at);
COMMENT ON TABLE ledger.slurm_event IS 'What was done to jobs through Slurm''s own commands; only ever inserted';
COMMENT ON COLUMN ledger.slurm_event.n IS 'Running number';
COMMENT ON COLUMN ledger.slurm_event.at IS 'When, by the process''s clock';
COMMENT ON COLUMN ledger.slurm_event.cluster IS 'The cluster';
COMMENT ON COLUMN ledger.slurm_event.job_id IS 'The job';
COMMENT ON COLUMN ledger.slurm_event.kind IS 'hold, release, requeue: done; failed: Slurm refused it';
COMMENT ON COLUMN ledger.slurm_event.detail IS 'Why, with the project and its points; what Slurm said if it refused';

-- A hold that a source confirms: while that source is stale its deadline stands still. The deadline that counts at t is
-- that of the source's own clock, least(t, fresh_until).
ALTER TABLE ledger.hold
    ADD COLUMN source       text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN at_once      integer NOT NULL DEFAULT 0 CHECK (at_once >= 0),
    ADD COLUMN confirmed_at timestamptz;
CREATE INDEX hold_source ON ledger.hold (source, project_id, hold_no) WHERE state = 'open' AND source <> '';
COMMENT ON COLUMN ledger.hold.source IS 'Source that confirms it: slurm:<cluster>; empty if none does';
COMMENT ON COLUMN ledger.hold.at_once IS 'How many of its parts may run at a time, so how many it reserves for: points_micro is that of so many; 0 for all';
COMMENT ON COLUMN ledger.hold.confirmed_at IS 'When its source confirmed it last; null if it never did';

-- Parts that will never run (tasks of an array that were cancelled while they waited) end together, in one event.
ALTER TABLE ledger.hold_event
    DROP CONSTRAINT hold_event_kind_check,
    ADD CONSTRAINT hold_event_kind_check CHECK (kind IN ('record', 'settle', 'release', 'extend', 'expire', 'cancel')),
    ADD COLUMN parts integer NOT NULL DEFAULT 1 CHECK (parts > 0);
COMMENT ON COLUMN ledger.hold_event.kind IS 'record: a record that names it was booked; settle, release, extend: asked for; expire: its deadline was noted to have passed; cancel: parts that its source no longer knows were given back';
COMMENT ON COLUMN ledger.hold_event.parts IS 'How many parts it ended, if it ended any';

CREATE FUNCTION ledger.is_lapsed(source text, expires_at timestamptz, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT expires_at <= at AND (source = '' OR NOT EXISTS (
        SELECT FROM ledger.pull p WHERE p.source = $1 AND p.fresh_until < $2))
$$;
COMMENT ON FUNCTION ledger.is_lapsed(text, timestamptz, timestamptz) IS 'Whether the deadline of a hold of this source has passed at a time: not while the source is stale and the deadline lies behind what it has confirmed';

CREATE TRIGGER slurm_user_catalog AFTER INSERT OR UPDATE OR DELETE ON ledger.slurm_user FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER slurm_association_catalog AFTER INSERT OR UPDATE OR DELETE ON ledger.slurm_association FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();
CREATE TRIGGER slurm_partition_catalog AFTER INSERT OR UPDATE OR DELETE ON ledger.slurm_partition FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();

GRANT SELECT ON ledger.pull, ledger.slurm_user, ledger.slurm_association, ledger.slurm_partition, ledger.slurm_job, ledger.slurm_event
    TO ledger_daemon, ledger_report;
GRANT INSERT, UPDATE ON ledger.pull TO ledger_daemon;
GRANT INSERT, UPDATE, DELETE ON ledger.slurm_user, ledger.slurm_association, ledger.slurm_partition, ledger.slurm_job TO ledger_daemon;
GRANT INSERT ON ledger.slurm_event TO ledger_daemon;
GRANT UPDATE (confirmed_at) ON ledger.hold TO ledger_daemon;
REVOKE ALL ON FUNCTION ledger.is_lapsed(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.is_lapsed(text, timestamptz, timestamptz) TO ledger_daemon, ledger_report;
