-- Limits: how much a project, or a user within it, may spend in a day, a month, a fiscal year or altogether.
--
-- What counts against a limit is kept beside it, by period and in the transaction of the charges, for projects that have
-- limits alone.  A period is named by its first day.  Charges belong to the month that the month rule gives them, so to
-- that month's fiscal year, and to the day of their last instant.

CREATE TABLE ledger.project_limit (
    limit_no     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id   text COLLATE "C" NOT NULL REFERENCES ledger.project,
    user_name    text COLLATE "C" NOT NULL DEFAULT '',
    period       text NOT NULL CHECK (period IN ('day', 'month', 'fiscal_year', 'total')),
    points_micro bigint NOT NULL CHECK (points_micro >= 0),
    set_at       timestamptz NOT NULL,
    UNIQUE (project_id, user_name, period)
);
COMMENT ON TABLE ledger.project_limit IS 'How much a project, or a user within it, may spend in a period; changes are on the audit list';
COMMENT ON COLUMN ledger.project_limit.limit_no IS 'Running number';
COMMENT ON COLUMN ledger.project_limit.project_id IS 'The project';
COMMENT ON COLUMN ledger.project_limit.user_name IS 'The user; empty for the whole project';
COMMENT ON COLUMN ledger.project_limit.period IS 'day, month, fiscal_year (all of the site''s zone) or total';
COMMENT ON COLUMN ledger.project_limit.points_micro IS 'Micro-points that may be spent in each such period';
COMMENT ON COLUMN ledger.project_limit.set_at IS 'When it was set to this, by the process''s clock';

CREATE TABLE ledger.limit_use (
    limit_no      integer NOT NULL REFERENCES ledger.project_limit ON DELETE CASCADE,
    since         date NOT NULL,
    charged_micro bigint NOT NULL,
    PRIMARY KEY (limit_no, since)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger.limit_use IS 'Sums of the charges that count against a limit, by period, kept in the same transaction';
COMMENT ON COLUMN ledger.limit_use.limit_no IS 'The limit';
COMMENT ON COLUMN ledger.limit_use.since IS 'First day of the period; 1970-01-01, before which the book holds nothing, for a total';
COMMENT ON COLUMN ledger.limit_use.charged_micro IS 'Net charges in micro-points';

-- Running work counts where its last slice would, were it charged now.
ALTER TABLE ledger.accrual
    ADD COLUMN month       date,
    ADD COLUMN month_micro bigint,
    ADD COLUMN year_micro  bigint;
COMMENT ON COLUMN ledger.accrual.month IS 'First day of the month that its last slice belongs to, by the month rule; null if it was seen before this was kept';
COMMENT ON COLUMN ledger.accrual.month_micro IS 'The part of points_micro that belongs to that month; null: all of it';
COMMENT ON COLUMN ledger.accrual.year_micro IS 'The part that belongs to that month''s fiscal year; null: all of it';

CREATE FUNCTION ledger.limit_since(period text, month date, last_at timestamptz, timezone text, fiscal_month integer) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE period
           WHEN 'day' THEN (last_at AT TIME ZONE timezone)::date
           WHEN 'month' THEN month
           WHEN 'fiscal_year' THEN (month - make_interval(months => (extract(month FROM month)::integer - fiscal_month + 12) % 12))::date
           WHEN 'total' THEN DATE '1970-01-01'
           END
$$;
COMMENT ON FUNCTION ledger.limit_since(text, date, timestamptz, text, integer) IS 'First day of the period in which a charge of this month and last instant counts';

CREATE TRIGGER project_limit_catalog AFTER INSERT OR UPDATE OR DELETE ON ledger.project_limit FOR EACH STATEMENT EXECUTE FUNCTION ledger.bump_catalog();

GRANT SELECT ON ledger.project_limit, ledger.limit_use TO ledger_daemon, ledger_report;
GRANT INSERT, UPDATE, DELETE ON ledger.project_limit TO ledger_daemon;
GRANT INSERT, UPDATE ON ledger.limit_use TO ledger_daemon;
REVOKE ALL ON FUNCTION ledger.limit_since(text, date, timestamptz, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.limit_since(text, date, timestamptz, text, integer) TO ledger_daemon, ledger_report;
