"""Every kind of job on a real cluster, from submission to the book: what is held, what sbatch says, what is charged, and
that nothing is left held when the job is gone.

Whatever a test does, its jobs must cost what the oracle makes of their rows in sacct, to the micro-point.
"""

import datetime
import unittest
from fractions import Fraction

import ledger_test as lt
from slurm_cluster import ENDED, SLOW, Cluster, Refused, state_of
from slurm_jobs import HOUR, RealJobs, cpu_price, gpu_price, whole_price
from slurm_site import ZONE, Site, identity, started

GRANTS = {"ml": 5000, "bio": "12.4", "crowd": 10}
cluster = site = long_job = None


def setUpModule():
    global cluster, site, long_job
    cluster = Cluster.start(plugin=True)
    site = Site(GRANTS)
    RealJobs.cluster, RealJobs.site = cluster, site
    site.serve(cluster, hook={"deadline": "2s", "fail": "closed"})
    # Slurm's shortest limit is a minute: this one runs beside all others.
    long_job = cluster.sbatch("u01", "-t", "1", "-p", "cpu", "-w", "cn1")


def tearDownModule():
    site.stop()
    cluster.stop()


class Submission(RealJobs):
    """What is held, and what users read."""

    def test_an_accepted_job_holds_its_price_and_pays_what_it_used(self):
        job = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:2", "-t", "30", script="sleep 2")
        self.assert_held(job, "ml", gpu_price(2, 30 * 60))
        rows = self.finish()
        self.assertEqual([state_of(row) for row in rows], ["COMPLETED"])

    def test_defaults_of_user_and_partition_count_where_nothing_was_said(self):
        job = self.submit("carol", "--begin=now+1hour")
        self.assert_held(job, "bio", cpu_price(1, Fraction(1000, 1024), HOUR))
        self.give_up()

    def test_a_refusal_says_what_would_fit_and_that_fits_to_the_minute(self):
        def shape(limit):
            return ["-A", "bio", "-p", "gpu", "--gres=gpu:4", "-t", limit]
        with self.assertRaises(Refused) as refused:
            self.submit("carol", *shape("24:00:00"))
        self.assertRegex(str(refused.exception),
                         r"error: project bio has 12\.\d+ points left, this job may need 96\.0 \(4 GPU x 24 h\); a limit of .* would fit")
        left = site.balance("bio")["available"]
        minutes = left * 60 // (4 * 10**6)  # four points an hour
        with self.assertRaises(Refused):
            self.submit("carol", *shape(minutes + 1))
        job = self.submit("carol", *shape(minutes), "--begin=now+1hour")
        self.assert_held(job, "bio", gpu_price(4, minutes * 60))
        self.give_up()

    def test_what_a_waiting_job_holds_is_nobody_elses(self):
        limit = site.balance("bio")["available"] * 60 // (4 * 10**6)
        self.submit("carol", "-A", "bio", "-p", "gpu", "--gres=gpu:4", "-t", limit, "--begin=now+1hour")
        with self.assertRaises(Refused):
            self.submit("alice", "-A", "bio", "-p", "gpu", "--gres=gpu:4", "-t", limit)
        self.give_up()
        self.jobs = []
        self.submit("alice", "-A", "bio", "-p", "gpu", "--gres=gpu:4", "-t", limit, script="true")
        self.finish()

    def test_no_time_limit_at_all_is_refused(self):
        with self.assertRaisesRegex(Refused, "-t"):
            self.submit("alice", "-A", "ml", "-p", "endless")
        self.submit("alice", "-A", "ml", "-p", "endless", "-t", "10", script="true")
        self.finish()

    def test_without_a_default_the_longest_limit_and_the_nodes_memory_count(self):
        job = self.submit("alice", "-A", "ml", "-p", "mem", "--begin=now+1hour")
        self.assert_held(job, "ml", cpu_price(1, Fraction(8000, 1024), 2 * 24 * HOUR))
        self.give_up()

    def test_exclusive_jobs_hold_and_pay_for_whole_nodes(self):
        job = self.submit("alice", "-A", "ml", "-p", "whole", "-t", "10", "-w", "cn1", script="sleep 1")
        self.assert_held(job, "ml", whole_price(1, 600))
        job = self.submit("bob", "-A", "ml", "-p", "gpu", "--exclusive", "--gres=gpu:1", "-t", "10", script="sleep 1")
        _, held, _, _ = site.hold_of(cluster, job)
        self.assertGreaterEqual(held, gpu_price(1, 600))
        rows = self.finish()
        self.assertIn("cpu=16", rows[1]["AllocTRES"])

    def test_of_several_partitions_the_dearest_is_held_and_the_used_one_paid(self):
        job = self.submit("alice", "-A", "ml", "-p", "gpu,cpu", "-n", "2", "--gres=gpu:1", "-t", "60", script="sleep 1")
        self.assert_held(job, "ml", gpu_price(1, HOUR))
        self.finish()

    def test_gpus_are_counted_as_slurm_counts_them(self):
        """However they are written: what Slurm accepts is held as it will be given; nonsense is for Slurm to refuse."""
        held = {}
        for words in (["--gres=gpu:2"], ["--gres=gpu"], ["--gres=gpu:a100"], ["--gres=gpu:0"], ["-G", "gpu:2"], ["-G", "2"], ["--gres=gpu:-1"],
                      ["--gres=gpu:1.5"], ["--gres=gpu:a100:"], ["--gres=gpu::2"], ["-G", "-1"], ["-G", "v100:1"], ["-G", "a100:1,v100:1"],
                      ["--gres=gpu=2"], ["-G", "a100=1"], ["--gres=gpu:a100:-3"]):
            try:
                job = self.submit("u01", "-p", "gpu", "-w", "gn1", "-t", "6", *words, script="true")
            except Refused as refused:
                self.assertNotIn("points left", str(refused), words)
                continue
            held[str(job)] = (words, site.hold_of(cluster, job)[1])
        rows = cluster.wait_recorded(self.jobs)
        self.assertGreater(len(rows), 3)
        for row in rows:
            gpus = int(dict(entry.split("=") for entry in row["AllocTRES"].split(",")).get("gres/gpu", 0))
            words, points = held[row["JobID"]]
            self.assertEqual(points, max(gpu_price(gpus, 360), gpu_price(1, 360, Fraction("0.0138"))), words)
        site.wait_round()
        site.check_booked(self, rows)

    def test_quality_of_service_has_its_factor(self):
        job = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:1", "-t", "60", "--qos=urgent", script="sleep 1")
        self.assert_held(job, "ml", gpu_price(1, HOUR, 2))
        job = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:1", "-t", "60", "--qos=low", script="sleep 1")
        self.assert_held(job, "ml", gpu_price(1, HOUR, Fraction(1, 2)))
        self.finish()


class Arrays(RealJobs):
    def test_an_array_of_a_hundred_holds_for_all_and_each_task_pays_for_itself(self):
        job = self.submit("alice", "-A", "ml", "-a", "1-100", "-t", "10", script="true")
        self.assert_held(job, "ml", 100 * cpu_price(1, Fraction(1000, 1024), 600), parts=100)
        cluster.wait_recorded(self.jobs, count=100, seconds=90)
        rows = self.finish(count=100)
        self.assertEqual(len({identity(row) for row in rows}), 100)
        # However late a record reached accounting, its task's part has waited for it.
        self.assertEqual(self.ends_of(100), [["record", "100"]])

    def ends_of(self, parts):
        """How the parts of the hold with so many were ended: [kind, how many]."""
        return lt.query(site.db, f"""
            SELECT e.kind, sum(e.parts) FROM ledger.hold_event e JOIN ledger.hold h USING (hold_no)
             WHERE h.parts = {parts} AND e.is_end GROUP BY 1 ORDER BY 1""")

    def test_a_throttled_array_holds_for_as_many_as_run_at_a_time(self):
        job = self.submit("alice", "-A", "ml", "-a", "0-5%2", "-t", "10", script="true")
        self.assertEqual(site.hold_of(cluster, job)[1], 2 * cpu_price(1, Fraction(1000, 1024), 600))
        self.finish(count=6)

    def test_tasks_cancelled_while_they_wait_give_their_part_back(self):
        job = self.submit("alice", "-A", "ml", "-a", "0-10", "-t", "10", "--begin=now+1hour")
        one = cpu_price(1, Fraction(1000, 1024), 600)
        site.wait_round()
        cluster.command("scancel", f"{job}_[2-10]")
        site.wait_round()
        self.assertEqual(site.balance("ml")["held"], 2 * one)
        self.give_up()
        self.assertEqual(self.ends_of(11)[0], ["cancel", "9"])

    def test_what_ran_of_an_array_pays_and_what_was_cancelled_before_is_given_back(self):
        job = self.submit("alice", "-A", "ml", "-p", "cpu", "-a", "0-12%2", "-t", "10", script="sleep 3")
        lt.eventually(lambda: len([row for row in cluster.rows_of([job]) if state_of(row) == "COMPLETED"]) >= 2, SLOW)
        cluster.command("scancel", "--state=PENDING", job)
        lt.eventually(lambda: not cluster.run("squeue", "-h", "-j", job).stdout, SLOW)
        lt.eventually(lambda: not [hold for hold in site.holds() if hold[3] == 13], SLOW)
        rows = self.finish(count=3)
        ran = len([row for row in rows if started(row)])
        ends = dict(self.ends_of(13))
        self.assertEqual(int(ends.pop("record")), ran)
        self.assertEqual(len(ends), 1, "the rest at once")

    def test_components_of_a_heterogeneous_job_hold_and_pay_each(self):
        job = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:1", "-t", "60", ":", "-p", "cpu", "-A", "ml", "-n", "2", "-t", "60",
                          script="sleep 1")
        held = sum(points for _, project, points, _, _ in site.holds() if project == "ml")
        self.assertEqual(held, gpu_price(1, HOUR) + cpu_price(2, Fraction(2000, 1024), HOUR))
        rows = self.finish(count=2)
        self.assertEqual([row["JobID"] for row in rows], [f"{job}+0", f"{job}+1"])


class Lives(RealJobs):
    """What can happen to a job after it was accepted."""

    def running(self, *args, user="alice", **options):
        job = self.submit(user, "-A", "ml", "-t", "60", *args, **options)
        cluster.wait_for(job, "RUNNING")
        return job

    def test_cancelled_while_it_waits_gives_all_back_within_a_round(self):
        job = self.submit("alice", "-A", "ml", "-t", "60", "--begin=now+1hour")
        self.assertNotEqual(site.balance("ml")["held"], 0)
        site.wait_round()
        cluster.command("scancel", job, user="alice")
        site.wait_round()
        self.assert_nothing_is_held()

    def test_cancelled_while_it_runs_pays_for_the_time(self):
        self.running()
        rows = self.finish(cancel=True)
        self.assertEqual([state_of(row) for row in rows], ["CANCELLED"])

    def test_running_work_counts_in_the_balance_in_place_of_its_part_of_the_hold(self):
        self.running("-p", "gpu", "--gres=gpu:4")
        before = site.balance("ml")
        lt.eventually(lambda: site.balance("ml")["accrued"] > 0, SLOW)
        balance = site.balance("ml")
        self.assertEqual(balance["held"] + balance["accrued"], gpu_price(4, HOUR))
        self.assertEqual(balance["available"], before["available"])
        self.finish(cancel=True)

    def test_suspended_time_costs_nothing(self):
        job = self.running("-p", "gpu", "--gres=gpu:1")
        cluster.command("scontrol", "suspend", job)
        cluster.wait_for(job, "SUSPENDED")
        site.wait_round()
        site.wait_round()
        cluster.command("scontrol", "resume", job)
        cluster.wait_for(job, "RUNNING")
        rows = self.finish(cancel=True)
        self.assertNotEqual(rows[0]["Suspended"], "00:00:00")
        self.assertLess(int(rows[0]["ElapsedRaw"]), int(rows[0]["End"]) - int(rows[0]["Start"]))

    def test_a_requeued_job_pays_each_time_and_keeps_its_hold(self):
        job = self.running()
        lt.eventually(lambda: [row for row in cluster.rows_of([job]) if int(row["ElapsedRaw"]) >= 1], SLOW)
        held = site.hold_of(cluster, job)
        cluster.command("scontrol", "requeue", job)
        cluster.wait_for(job, "PENDING")
        site.wait_round()
        self.assertEqual(site.hold_of(cluster, job), held)
        cluster.wait_for(job, "RUNNING")
        rows = self.finish(cancel=True, count=2)
        self.assertEqual([state_of(row) for row in rows], ["REQUEUED", "CANCELLED"])
        self.assertEqual(len({identity(row) for row in rows}), 2)

    def test_a_failed_node_is_refunded(self):
        cluster.command("scontrol", "update", "nodename=gn2", "state=drain", "reason=test")
        try:
            job = self.running("--no-requeue", "-p", "gpu", "--gres=gpu:1", "-w", "gn1")
            cluster.kill_daemon("slurmd-gn1")
            cluster.wait_for(job, "NODE_FAIL", seconds=60)
        finally:
            cluster.start_daemon("slurmd-gn1")
            cluster.command("scontrol", "update", "nodename=gn2", "state=resume")
        rows = self.finish()
        self.assertEqual([state_of(row) for row in rows], ["NODE_FAIL"])
        _, back = site.oracle.charge(rows[0])
        self.assertGreater(back, 0)

    def test_a_longer_limit_is_priced_and_refused_where_it_does_not_fit(self):
        job = self.submit("carol", "-A", "bio", "-p", "gpu", "--gres=gpu:1", "-t", "60", "--begin=now+1hour")
        site.wait_round()
        cluster.command("scontrol", "update", f"jobid={job}", "timelimit=30", user="carol")
        with self.assertRaisesRegex(Refused, "accounting"):
            cluster.command("scontrol", "update", f"jobid={job}", "timelimit=2-0")
        self.assertEqual(site.balance("bio")["held"], gpu_price(1, HOUR))
        self.give_up()

    def test_a_longer_limit_that_fits_is_held_and_gone_with_the_job(self):
        job = self.running("-p", "gpu", "--gres=gpu:1", user="bob")
        site.wait_round()
        cluster.command("scontrol", "update", f"jobid={job}", "timelimit=120")
        balance = site.balance("ml")
        self.assertEqual(balance["held"] + balance["accrued"], gpu_price(1, 2 * HOUR))
        site.wait_round()
        self.finish(cancel=True)

    def test_an_administrators_change_of_account_charges_the_new_one(self):
        job = self.submit("alice", "-A", "ml", "-t", "10", "-H", script="sleep 1")
        site.wait_round()
        cluster.command("scontrol", "update", f"jobid={job}", "account=bio")
        site.wait_round()
        cluster.command("scontrol", "release", job)
        rows = self.finish()
        self.assertEqual([row["Account"] for row in rows], ["bio"])

    def test_names_can_hold_any_byte(self):
        names = [b"a|b|c", b"two\nlines\n7|ml|alice", b"\"quoted\" 'twice' \\", b"\xff\xfe not utf-8 \xc3", b"'; DROP TABLE x; --",
                 "名前 😀".encode()]
        for name in names:
            self.submit("alice", "-A", "ml", "-t", "10", b"--job-name=" + name, b"--comment=" + name, script="true")
        rows = self.finish()
        self.assertEqual(len(rows), len(names))
        for row in rows:
            shown = site.ctl("explain", "slurm:sdli", identity(row))
            self.assertNotRegex(shown, r"[\x00-\x08\x0b-\x1f\x7f]")
            self.assertEqual(site.ctl_json("explain", "slurm:sdli", identity(row))["record"]["user"], "alice")


class ToTheLimit(RealJobs):
    def test_a_job_that_reaches_its_limit_pays_up_to_there(self):
        self.jobs = [long_job]
        cluster.wait_recorded(self.jobs, seconds=120)
        rows = self.finish()
        self.assertEqual([state_of(row) for row in rows], ["TIMEOUT"])
        # What Slurm accepted and then could place nowhere is given back once slurmctld has forgotten it.
        lt.eventually(lambda: site.holds() == [], seconds=SLOW)


class Whole(RealJobs):
    """After all of it (classes run in the order of their names)."""

    def test_the_book_has_every_job_once_and_agrees_with_slurm(self):
        cluster.wait_recorded([long_job], seconds=120)
        site.wait_round()
        rows = cluster.rows()
        site.check_booked(self, rows, whole=True)
        site.ctl("verify")
        compared = site.ctl_json("reconcile", "slurm", "sdli", "--from", site.begin.isoformat(), "--to",
                                 datetime.datetime.now(ZONE).isoformat(timespec="seconds"), "--no-sreport", "-c",
                                 site.configure(cluster), env=cluster.names())
        self.assertEqual(compared["differences"], [])

    def test_reading_all_by_hand_books_the_same(self):
        rows = [row for row in cluster.rows() if state_of(row) in (*ENDED, "REQUEUED")]
        listing = cluster.run("sacct", "-aXDP", "--delimiter=\x1f", "-S", "now-400days", "-o",
                              "JobID,JobIDRaw,Cluster,Account,User,Partition,QOS,State,Submit,Start,End,ElapsedRaw,Suspended,TimelimitRaw,"
                              "AllocTRES,AdminComment,JobName", env={"SLURM_TIME_FORMAT": "%s"})
        other = Site(GRANTS)
        lt.run_ctl(["import", "slurm", "-", "--cluster", "sdli", "-c", other.configure(cluster)], db=other.db, stdin=listing.stdout)
        self.assertEqual(other.ctl_json("quarantine", "list"), [])
        other.check_booked(self, rows, whole=True)
        self.assertGreater(len([row for row in rows if started(row)]), 0)


if __name__ == "__main__":
    unittest.main()
