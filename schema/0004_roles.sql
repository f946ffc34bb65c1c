-- Who may do what.  ledger_daemon books: it inserts, and updates only positions, roll-ups and states.  ledger_report
-- reads.  Both are group roles without login: an operator grants them to the login roles that the site uses, and
-- programs put them on (SET ROLE) after connecting.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['ledger_daemon', 'ledger_report'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted); -- made by the server's keeper, or for another book
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another book's migration was faster
        END;
    END LOOP;
END $$;

REVOKE ALL ON SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO ledger_daemon, ledger_report;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO ledger_daemon, ledger_report;

GRANT INSERT ON ledger.account, ledger.audit, ledger.entry, ledger.transfer, ledger.policy, ledger.supply,
    ledger.supply_share, ledger.rate_card, ledger.project_grant, ledger.grant_change, ledger.usage_record, ledger.charge,
    ledger.skipped, ledger.service_class
    TO ledger_daemon;
GRANT INSERT, UPDATE ON ledger.transfer_total, ledger.source, ledger.project, ledger.project_alias, ledger.project_member,
    ledger.record_identity, ledger.record_content, ledger.accrual, ledger.project_position, ledger.project_draw, ledger.usage_total,
    ledger.meter_total, ledger.quarantine
    TO ledger_daemon;
GRANT UPDATE ON ledger.catalog_version TO ledger_daemon;
GRANT UPDATE (timezone, fiscal_year_start) ON ledger.book TO ledger_daemon;
GRANT DELETE ON ledger.accrual, ledger.project_member, ledger.project_alias, ledger.project_draw TO ledger_daemon;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA ledger TO ledger_daemon;
GRANT EXECUTE ON FUNCTION ledger.ensure_month(date), ledger.bump_catalog() TO ledger_daemon;
