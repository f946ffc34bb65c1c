-- What was used: record identities, usage records, charges, running work, quarantine, and the roll-ups of the reports.
--
-- Tables that grow by the record are partitioned by month and carry no unique index: what must be unique for ever, the
-- identity of a record, lives in one flat table of its own.  Names are kept as text in records and charges, so that a
-- row can be read as it stands.

CREATE TABLE ledger.source (
    source_no      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL UNIQUE CHECK (name <> ''),
    last_record_at timestamptz
);
COMMENT ON TABLE ledger.source IS 'Where records come from';
COMMENT ON COLUMN ledger.source.source_no IS 'Number by which other tables name it';
COMMENT ON COLUMN ledger.source.name IS 'Its name: slurm:<cluster>, gateway:<name>, …';
COMMENT ON COLUMN ledger.source.last_record_at IS 'Latest end of a booked record: nothing may be re-rated before it by a new card';

CREATE SEQUENCE ledger.record_number CACHE 1;
COMMENT ON SEQUENCE ledger.record_number IS 'Hands out record numbers in blocks of 65536: number = block * 65536 + i';

CREATE TABLE ledger.record_identity (
    source_no integer NOT NULL,
    id        text COLLATE "C" NOT NULL,
    content   uuid NOT NULL,
    record_no bigint NOT NULL,
    version   smallint NOT NULL DEFAULT 1,
    month     date NOT NULL,
    PRIMARY KEY (source_no, id)
);
COMMENT ON TABLE ledger.record_identity IS 'Every final record that was booked, once';
COMMENT ON COLUMN ledger.record_identity.source_no IS 'Its source';
COMMENT ON COLUMN ledger.record_identity.id IS 'Its id in that source';
COMMENT ON COLUMN ledger.record_identity.content IS 'First 128 bits of the SHA-256 of the current version''s content as the source sent it';
COMMENT ON COLUMN ledger.record_identity.record_no IS 'Number shared by all versions of the record and by its charges';
COMMENT ON COLUMN ledger.record_identity.version IS 'Current version';
COMMENT ON COLUMN ledger.record_identity.month IS 'Partition of the current version in usage_record';

CREATE TABLE ledger.record_content (
    record_no bigint NOT NULL,
    content   uuid NOT NULL,
    seen_at   timestamptz,
    PRIMARY KEY (record_no, content)
);
COMMENT ON TABLE ledger.record_content IS 'Every other content that an identity ever had, so that replaying an old file changes nothing, and later sightings of the current one';
COMMENT ON COLUMN ledger.record_content.record_no IS 'The record';
COMMENT ON COLUMN ledger.record_content.content IS 'Hash of a content that was replaced, that lost, or that was shown again with a later seen';
COMMENT ON COLUMN ledger.record_content.seen_at IS 'Latest seen that the source gave with it; null if it gave none';

CREATE TABLE ledger.usage_record (
    record_no         bigint NOT NULL,
    month             date NOT NULL,
    version           smallint NOT NULL,
    source_no         integer NOT NULL,
    id                text COLLATE "C" NOT NULL,
    project_id        text COLLATE "C" NOT NULL,
    user_name         text COLLATE "C" NOT NULL,
    class             text COLLATE "C" NOT NULL,
    start_at          timestamptz NOT NULL,
    end_at            timestamptz NOT NULL,
    submitted_at      timestamptz,
    seen_at           timestamptz NOT NULL,
    outcome           text NOT NULL,
    basis             text NOT NULL,
    qos               text NOT NULL,
    elapsed_seconds   text,
    requested_seconds text NOT NULL,
    meters            text NOT NULL,
    attributes        text NOT NULL,
    hold              text NOT NULL
) PARTITION BY RANGE (month);
COMMENT ON TABLE ledger.usage_record IS 'Usage records as they were booked, each version of each';
COMMENT ON COLUMN ledger.usage_record.record_no IS 'Number of the record, the same for all its versions';
COMMENT ON COLUMN ledger.usage_record.month IS 'First day of the month of its last instant, in the site''s zone';
COMMENT ON COLUMN ledger.usage_record.version IS '1 for the first content booked, one more for each amendment';
COMMENT ON COLUMN ledger.usage_record.source_no IS 'Its source';
COMMENT ON COLUMN ledger.usage_record.id IS 'Its id in that source';
COMMENT ON COLUMN ledger.usage_record.project_id IS 'Project that it belongs to, after aliases and configuration';
COMMENT ON COLUMN ledger.usage_record.user_name IS 'Who used it; empty if the source did not say';
COMMENT ON COLUMN ledger.usage_record.class IS 'What was used: partition or model, after configuration';
COMMENT ON COLUMN ledger.usage_record.start_at IS 'Start of use';
COMMENT ON COLUMN ledger.usage_record.end_at IS 'End of use (exclusive)';
COMMENT ON COLUMN ledger.usage_record.submitted_at IS 'When it was asked for';
COMMENT ON COLUMN ledger.usage_record.seen_at IS 'When the source showed this version; orders versions';
COMMENT ON COLUMN ledger.usage_record.outcome IS 'How it ended';
COMMENT ON COLUMN ledger.usage_record.basis IS 'reported, partial or estimated';
COMMENT ON COLUMN ledger.usage_record.qos IS 'Quality of service; empty if none';
COMMENT ON COLUMN ledger.usage_record.elapsed_seconds IS 'Decimal: time used where it differs from end - start (suspension)';
COMMENT ON COLUMN ledger.usage_record.requested_seconds IS 'Decimal: time asked for, 0 if none';
COMMENT ON COLUMN ledger.usage_record.meters IS 'name=decimal pairs, sorted by name, separated by blanks';
COMMENT ON COLUMN ledger.usage_record.attributes IS 'JSON object of strings; empty if there are none';
COMMENT ON COLUMN ledger.usage_record.hold IS 'Hold id or key that it names; empty if none';

CREATE TABLE ledger.charge (
    record_no    bigint NOT NULL,
    month        date NOT NULL,
    version      smallint NOT NULL,
    source_no    integer NOT NULL,
    card_no      integer NOT NULL,
    rule         integer NOT NULL,
    transfer_id  bigint NOT NULL,
    last_at      timestamptz NOT NULL,
    points_micro bigint NOT NULL,
    list_micro   bigint NOT NULL,
    project_id   text COLLATE "C" NOT NULL,
    user_name    text COLLATE "C" NOT NULL,
    class        text COLLATE "C" NOT NULL
) PARTITION BY RANGE (month);
COMMENT ON TABLE ledger.charge IS 'What records cost, slice by slice; an amendment adds rows with the difference';
COMMENT ON COLUMN ledger.charge.record_no IS 'The record';
COMMENT ON COLUMN ledger.charge.month IS 'First day of the month that the slice belongs to, by the month rule';
COMMENT ON COLUMN ledger.charge.version IS 'Version of the record that it was booked for';
COMMENT ON COLUMN ledger.charge.source_no IS 'The record''s source';
COMMENT ON COLUMN ledger.charge.card_no IS 'Rate card in force at the record''s start';
COMMENT ON COLUMN ledger.charge.rule IS 'Index of the rule in that card, from 0';
COMMENT ON COLUMN ledger.charge.transfer_id IS 'Transfer that moved the points; 0 if its batch''s sum was zero and nothing moved';
COMMENT ON COLUMN ledger.charge.last_at IS 'Last instant of the slice: grants valid then pay it';
COMMENT ON COLUMN ledger.charge.points_micro IS 'Micro-points charged, either sign';
COMMENT ON COLUMN ledger.charge.list_micro IS 'The same before discount';
COMMENT ON COLUMN ledger.charge.project_id IS 'The record''s project';
COMMENT ON COLUMN ledger.charge.user_name IS 'The record''s user';
COMMENT ON COLUMN ledger.charge.class IS 'The record''s class';

CREATE TABLE ledger.accrual (
    source_no    integer NOT NULL,
    id           text COLLATE "C" NOT NULL,
    content      uuid NOT NULL,
    project_id   text COLLATE "C" NOT NULL,
    user_name    text COLLATE "C" NOT NULL,
    class        text COLLATE "C" NOT NULL,
    start_at     timestamptz NOT NULL,
    end_at       timestamptz NOT NULL,
    points_micro bigint NOT NULL CHECK (points_micro >= 0),
    list_micro   bigint NOT NULL CHECK (list_micro >= 0),
    card_no      integer NOT NULL,
    record       text NOT NULL,
    PRIMARY KEY (source_no, id)
) WITH (fillfactor = 70);
CREATE INDEX accrual_project ON ledger.accrual (project_id);
COMMENT ON TABLE ledger.accrual IS 'Cost so far of running work: a position beside the book, replaced at each sighting and gone when the work ends';
COMMENT ON COLUMN ledger.accrual.source_no IS 'The running record''s source';
COMMENT ON COLUMN ledger.accrual.id IS 'Its id in that source';
COMMENT ON COLUMN ledger.accrual.content IS 'Hash of its content at this sighting';
COMMENT ON COLUMN ledger.accrual.project_id IS 'Its project';
COMMENT ON COLUMN ledger.accrual.user_name IS 'Its user';
COMMENT ON COLUMN ledger.accrual.class IS 'Its class';
COMMENT ON COLUMN ledger.accrual.start_at IS 'Start of the work';
COMMENT ON COLUMN ledger.accrual.end_at IS 'When it was seen running';
COMMENT ON COLUMN ledger.accrual.points_micro IS 'Cost so far in micro-points';
COMMENT ON COLUMN ledger.accrual.list_micro IS 'The same before discount';
COMMENT ON COLUMN ledger.accrual.card_no IS 'Rate card in force at its start';
COMMENT ON COLUMN ledger.accrual.record IS 'The record in format ledger, to post its slices when a month closes';

CREATE TABLE ledger.project_position (
    project_id    text PRIMARY KEY REFERENCES ledger.project,
    posted_micro  bigint NOT NULL DEFAULT 0,
    accrued_micro bigint NOT NULL DEFAULT 0,
    changed       xid8 NOT NULL DEFAULT pg_current_xact_id()
) WITH (fillfactor = 50);
CREATE INDEX project_position_changed ON ledger.project_position (changed);
COMMENT ON TABLE ledger.project_position IS 'Where each project stands, kept in the transaction of whatever moves it';
COMMENT ON COLUMN ledger.project_position.project_id IS 'The project or service';
COMMENT ON COLUMN ledger.project_position.posted_micro IS 'Balance of its account: sum of its transfers';
COMMENT ON COLUMN ledger.project_position.accrued_micro IS 'Sum of its accruals';
COMMENT ON COLUMN ledger.project_position.changed IS 'Transaction that changed it last: readers ask for what changed since';

CREATE TABLE ledger.project_draw (
    project_id   text NOT NULL,
    since        timestamptz NOT NULL,
    points_micro bigint NOT NULL,
    PRIMARY KEY (project_id, since)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger.project_draw IS 'Sums of a project''s charges between the edges of its grants, from which follows what each grant has paid';
COMMENT ON COLUMN ledger.project_draw.project_id IS 'The project';
COMMENT ON COLUMN ledger.project_draw.since IS 'Edge (a grant''s from or to) at which the segment begins; -infinity for the first';
COMMENT ON COLUMN ledger.project_draw.points_micro IS 'Net charges whose last instant lies in the segment, in micro-points';

CREATE TABLE ledger.usage_total (
    month        date NOT NULL,
    project_id   text COLLATE "C" NOT NULL,
    source_no    integer NOT NULL,
    class        text COLLATE "C" NOT NULL,
    points_micro bigint NOT NULL,
    list_micro   bigint NOT NULL,
    charges      bigint NOT NULL,
    PRIMARY KEY (month, project_id, source_no, class)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger.usage_total IS 'Roll-up of charges for the reports, kept in the same transaction';
COMMENT ON COLUMN ledger.usage_total.month IS 'First day of the month that the charges belong to';
COMMENT ON COLUMN ledger.usage_total.project_id IS 'The project';
COMMENT ON COLUMN ledger.usage_total.source_no IS 'The source';
COMMENT ON COLUMN ledger.usage_total.class IS 'The class';
COMMENT ON COLUMN ledger.usage_total.points_micro IS 'Sum of points in micro-points';
COMMENT ON COLUMN ledger.usage_total.list_micro IS 'Sum before discount';
COMMENT ON COLUMN ledger.usage_total.charges IS 'How many charges';

CREATE TABLE ledger.meter_total (
    month      date NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    source_no  integer NOT NULL,
    class      text COLLATE "C" NOT NULL,
    meter      text COLLATE "C" NOT NULL,
    is_held    boolean NOT NULL,
    amount     numeric NOT NULL,
    PRIMARY KEY (month, project_id, source_no, class, meter, is_held)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger.meter_total IS 'Roll-up of meters by physical month, kept in the same transaction';
COMMENT ON COLUMN ledger.meter_total.month IS 'First day of the month in which the use took place, whatever the month rule';
COMMENT ON COLUMN ledger.meter_total.project_id IS 'The project';
COMMENT ON COLUMN ledger.meter_total.source_no IS 'The source';
COMMENT ON COLUMN ledger.meter_total.class IS 'The class';
COMMENT ON COLUMN ledger.meter_total.meter IS 'The meter';
COMMENT ON COLUMN ledger.meter_total.is_held IS 'Held over time (gpu, cpu, …): amount is in unit-seconds; else a count';
COMMENT ON COLUMN ledger.meter_total.amount IS 'Unit-seconds (six decimals) or count (nine decimals), exact';

CREATE TABLE ledger.quarantine (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text NOT NULL,
    id          text NOT NULL DEFAULT '',
    raw_hash    uuid NOT NULL,
    format      text NOT NULL,
    options     text NOT NULL DEFAULT '',
    reason      text NOT NULL CHECK (reason <> ''),
    detail      text NOT NULL,
    raw         bytea NOT NULL,
    is_whole    boolean NOT NULL,
    month       date,
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'dismissed')),
    since       timestamptz NOT NULL,
    ended_at    timestamptz
);
CREATE UNIQUE INDEX quarantine_identity ON ledger.quarantine (source, id) WHERE id <> '';
CREATE UNIQUE INDEX quarantine_raw ON ledger.quarantine (source, raw_hash) WHERE id = '';
CREATE INDEX quarantine_open ON ledger.quarantine (n) WHERE state = 'open';
COMMENT ON TABLE ledger.quarantine IS 'Records that could not be booked, with the reason and their own text; one entry for each (source, id), or for each text where there is no id';
COMMENT ON COLUMN ledger.quarantine.n IS 'Running number';
COMMENT ON COLUMN ledger.quarantine.source IS 'The source that it was read as';
COMMENT ON COLUMN ledger.quarantine.id IS 'Its id; empty if it has none that can be read';
COMMENT ON COLUMN ledger.quarantine.raw_hash IS 'First 128 bits of the SHA-256 of its text';
COMMENT ON COLUMN ledger.quarantine.format IS 'Format that it was read as';
COMMENT ON COLUMN ledger.quarantine.options IS 'Import options needed to read it again, as a JSON object';
COMMENT ON COLUMN ledger.quarantine.reason IS 'Reason code';
COMMENT ON COLUMN ledger.quarantine.detail IS 'What is wrong and where, for the operator';
COMMENT ON COLUMN ledger.quarantine.raw IS 'Its text as it was read, with the header that it needs; cut at 64 KiB';
COMMENT ON COLUMN ledger.quarantine.is_whole IS 'The text was not cut: it can be retried';
COMMENT ON COLUMN ledger.quarantine.month IS 'First day of the month that it belongs to, if that can be told';
COMMENT ON COLUMN ledger.quarantine.state IS 'open; resolved once booked; dismissed by hand';
COMMENT ON COLUMN ledger.quarantine.since IS 'When it was first quarantined';
COMMENT ON COLUMN ledger.quarantine.ended_at IS 'When it was resolved or dismissed';

CREATE TABLE ledger.skipped (
    source_no integer NOT NULL,
    key       text COLLATE "C" NOT NULL,
    reason    text NOT NULL,
    PRIMARY KEY (source_no, key)
);
COMMENT ON TABLE ledger.skipped IS 'Items that are not usage (job steps, jobs never started, error bodies), so that reports can count each once';
COMMENT ON COLUMN ledger.skipped.source_no IS 'The source';
COMMENT ON COLUMN ledger.skipped.key IS 'Its id, or # and the hash of its text';
COMMENT ON COLUMN ledger.skipped.reason IS 'Why it is not usage';

CREATE FUNCTION ledger.ensure_month(wanted date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    base text;
    part text;
    first date := date_trunc('month', wanted::timestamp)::date;
BEGIN
    IF first < DATE '1970-01-01' OR first >= DATE '2200-01-01' THEN
        RAISE EXCEPTION 'month % is outside the years that the book can hold', first;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('ledger.ensure_month'));
    FOREACH base IN ARRAY ARRAY['transfer', 'usage_record', 'charge'] LOOP
        part := base || '_' || to_char(first, 'YYYY_MM');
        IF to_regclass('ledger.' || part) IS NULL THEN
            -- Made aside and attached: CREATE TABLE … PARTITION OF would wait for every reader of the parent.
            EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)', part, base);
            EXECUTE format('COMMENT ON TABLE ledger.%I IS %L', part, 'Rows of ' || base || ' of ' || to_char(first, 'YYYY-MM'));
            EXECUTE format('ALTER TABLE ledger.%I ATTACH PARTITION ledger.%I FOR VALUES FROM (%L) TO (%L)',
                           base, part, first, (first + interval '1 month')::date);
            IF base <> 'transfer' THEN
                EXECUTE format('CREATE INDEX %I ON ledger.%I USING brin (record_no) WITH (pages_per_range = 32)',
                               part || '_record', part);
            ELSE
                EXECUTE format('CREATE INDEX %I ON ledger.%I (debit_account)', part || '_debit', part);
                EXECUTE format('CREATE INDEX %I ON ledger.%I (credit_account)', part || '_credit', part);
            END IF;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION ledger.ensure_month(date) IS 'Make the partitions of a month if they are not there yet';
