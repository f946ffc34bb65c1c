"""Rows put straight into the accounting database: a backlog that is read while slurmdbd goes away, and a job across the
end of a month."""

import datetime
import time
import unittest
from fractions import Fraction

import ledger_test as lt
from slurm_cluster import Cluster
from slurm_site import ZONE, Site, first_of_month, identity

HOUR = 3600
JOBS = 100_000
LENGTHS = 300  # jobs last 1 to 300 seconds
APART = 10  # a job each ten seconds: twelve days, and a backlog is read a day at a time
cluster = None


def setUpModule():
    global cluster
    cluster = Cluster.start("--gpu-nodes", "1", "--cpu-nodes", "0")


def tearDownModule():
    cluster.stop()


def insert(first_id, rows, state, submit, start, end):
    """Rows of jobs with 2 GPUs and 8 cores of alice in ml; times and the end are expressions over seq, from 1."""
    assoc = cluster.sql("SELECT id_assoc FROM sdli_assoc_table WHERE user = 'alice' AND acct = 'ml' AND deleted = 0").strip()
    gpu = cluster.sql("SELECT id FROM tres_table WHERE type = 'gres' AND name = 'gpu'").strip()
    qos = cluster.sql("SELECT id FROM qos_table WHERE name = 'normal'").strip()
    tres = f"1=8,2=16000,4=1,5=8,{gpu}=2"
    cluster.sql(f"""
        INSERT INTO sdli_job_table (mod_time, account, cpus_req, exit_code, flags, job_name, id_assoc, id_array_job, id_array_task,
            id_job, id_qos, id_resv, id_wckey, id_user, id_group, het_job_id, het_job_offset, state_reason_prev, nodelist,
            nodes_alloc, node_inx, `partition`, priority, state, timelimit, time_submit, time_eligible, time_start, time_end,
            tres_alloc, tres_req, work_dir)
        SELECT {start}, 'ml', 8, 0, 8, 'made', {assoc}, 0, 4294967294, {first_id} + seq, {qos}, 0, 0, 20001, 20001, 0, 4294967294, 0,
            'gn1', 1, '0', 'gpu', 1, {state}, 60, {submit}, {submit}, {start}, {end}, '{tres}', '{tres}', '/tmp'
          FROM seq_1_to_{rows}""")


class Backlog(unittest.TestCase):
    def tearDown(self):
        cluster.sql("DELETE FROM sdli_job_table")

    def test_a_hundred_thousand_jobs_are_booked_once_while_slurmdbd_restarts(self):
        site = Site({"ml": 100})
        base = int((site.begin + datetime.timedelta(days=3)).timestamp())
        submit = f"{base} + {APART} * seq"
        insert(10_000_000, JOBS, 3, submit, f"{submit} + 5", f"{submit} + 6 + seq MOD {LENGTHS}")

        def booked():
            return int(lt.scalar(site.db, "SELECT count(*) FROM ledger.record_identity"))
        site.configure(cluster)
        site.ledgerd = lt.start_ledgerd(site.db, conf=site.conf_text, env=cluster.names())
        restarted_at = []
        for enough in (1, JOBS // 4):
            lt.eventually(lambda enough=enough: booked() >= enough, 120)
            cluster.restart_daemon("slurmdbd")
            restarted_at.append(booked())
        self.assertLess(restarted_at[0], JOBS, "all was read before slurmdbd went away")
        lt.eventually(lambda: booked() >= JOBS, 180)
        site.wait_round()
        self.check(site, base)
        site.stop()

    def check(self, site, base):
        """Each job has the price of its length; the oracle prices one of each. Slurm itself agrees with the book."""
        month = f"{site.begin.year}-{site.begin.month:02}"
        rows = cluster.rows("-j", ",".join(str(10_000_001 + n) for n in range(LENGTHS)))
        self.assertEqual(len({row["ElapsedRaw"] for row in rows}), LENGTHS)
        price = {int(row["ElapsedRaw"]): site.oracle.charge(row)[0][month] for row in rows}
        book = site.booked()
        self.assertEqual(len(book), JOBS)
        for seq in range(1, JOBS + 1):
            months, back, project = book[f"{10_000_000 + seq}@{base + APART * seq}"]
            self.assertEqual((months, back, project), ({month: price[1 + seq % LENGTHS]}, 0, "ml"))
        self.assertEqual(site.ctl_json("quarantine", "list"), [])
        compared = site.ctl_json("reconcile", "slurm", "sdli", "--from", site.begin.isoformat(), "--to",
                                 (site.begin + datetime.timedelta(days=20)).isoformat(), "--no-sreport", "-c", site.configure(cluster),
                                 env=cluster.names())
        self.assertEqual((compared["jobs"]["slurm"], compared["jobs"]["book"], compared["differences"]), (JOBS, JOBS, []))


class EndOfMonth(unittest.TestCase):
    def test_a_job_across_the_end_of_a_month_is_right_in_both(self):
        """Read an hour before, at and an hour after the edge, then when it has ended; ledgerctl runs with TZ=UTC."""
        hour = datetime.timedelta(hours=1)
        edge = first_of_month(datetime.datetime.now(datetime.timezone.utc).astimezone(), 0)
        site = Site({"ml": 0}, now=edge - 4 * hour)
        site.ctl("grant", "ml", 1000)
        start = int((edge - 2 * hour).timestamp())
        insert(20_000_000, 1, 1, start - 60, start, 0)
        for now in (edge - hour, edge, edge + hour):
            site.pull(cluster, now)
            site.now = now
            seen = int(lt.scalar(site.db, "SELECT extract(epoch FROM end_at) * 1000000 FROM ledger.accrual").split(".")[0])
            late = seen - int(now.timestamp()) * 10**6  # the pretended clock goes on while the round runs
            self.assertTrue(0 <= late < 120 * 10**6, late)
            self.assertEqual(site.balance("ml")["accrued"], round(Fraction(2 * (seen - start * 10**6), HOUR)))
        end = int((edge + 1.5 * hour).timestamp())
        cluster.sql(f"UPDATE sdli_job_table SET state = 3, time_end = {end}, mod_time = {end} WHERE id_job = 20000001")
        site.pull(cluster, edge + 2 * hour)
        rows = cluster.rows("-j", "20000001")
        site.check_booked(self, rows, whole=True)
        months = site.booked()[identity(rows[0])][0]
        self.assertEqual(sorted(months.values()), [3 * 10**6, 4 * 10**6])
        last = (edge - hour).strftime("%Y-%m")
        self.assertEqual(months[last], 4 * 10**6)
        site.now = edge + 2 * hour
        self.assertEqual(site.balance("ml")["accrued"], 0)

    def test_ledgerd_itself_reads_on_across_the_end(self):
        """It runs with TZ=UTC, from some seconds before the site's month ends until the job has ended behind it."""
        edge = first_of_month(datetime.datetime.now(datetime.timezone.utc).astimezone(ZONE), 0)
        site = Site({"ml": 0}, now=edge - datetime.timedelta(seconds=25))
        site.ctl("grant", "ml", 1000)
        start = int((edge - datetime.timedelta(hours=1)).timestamp())
        insert(30_000_000, 1, 1, start - 60, start, 0)
        site.serve(cluster)
        began = time.monotonic()

        def seen():
            """Seconds behind the month's end for which the book has the cost of the job, and that cost."""
            row = lt.query(site.db, "SELECT round(extract(epoch FROM end_at))::bigint, points_micro, to_char(month, 'YYYY-MM'), month_micro "
                                    "FROM ledger.accrual")[0]
            return int(row[0]) - int(edge.timestamp()), int(row[1]), row[2], int(row[3] or row[1])
        last = (edge - datetime.timedelta(hours=1)).strftime("%Y-%m")
        before = seen()
        self.assertLess(before[0], 0, "started too late")
        self.assertEqual(before[1:], (round(Fraction(2 * (before[0] + HOUR) * 10**6, HOUR)), last, before[1]))
        after = lt.eventually(lambda: (found := seen())[0] > 3 and found, 60)
        self.assertEqual(after[1], round(Fraction(2 * (after[0] + HOUR) * 10**6, HOUR)))
        self.assertEqual(after[2:], (edge.strftime("%Y-%m"), after[1] - 2 * 10**6))
        site.now = edge + datetime.timedelta(seconds=time.monotonic() - began)
        end = int(edge.timestamp()) + 3
        cluster.sql(f"UPDATE sdli_job_table SET state = 3, time_end = {end}, mod_time = {end} WHERE id_job = 30000001")
        lt.eventually(lambda: site.booked(), 60)
        site.wait_round()
        rows = cluster.rows("-j", "30000001")
        site.check_booked(self, rows, whole=True)
        self.assertEqual(site.booked()[identity(rows[0])][0], {last: 2 * 10**6, edge.strftime("%Y-%m"): round(Fraction(2 * 3 * 10**6, HOUR))})
        self.assertEqual([site.balance("ml")[part] for part in ("held", "accrued")], [0, 0])
        self.assertEqual(site.holds(), [])
        site.ctl("verify")
        site.stop()


if __name__ == "__main__":
    unittest.main()
