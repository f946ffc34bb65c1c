"""ledgerd stopped, hung or slow under submissions: slurmctld is never held up for long, jobs go on as the site decided, and
when ledgerd is back everything that ran is booked and nothing stays held.

What slurmctld took over a submission, the hook included, is what its own statistics say (sdiag).
"""

import re
import signal
import statistics
import subprocess
import time
import unittest

import ledger_test as lt
from slurm_cluster import Cluster, Refused
from slurm_site import Site

DEADLINE_US = 50_000
UNSEEN = 90  # a hold whose job was never seen is given back after a minute
BOUND_US = 5 * DEADLINE_US * lt.SLOWDOWN  # other programs want the two cores as well
HOOK = {"deadline": "50ms", "breaker_failures": 3, "breaker_pause": "2s", "fail": "open", "fail.gpu": "closed"}
cluster = site = None


def setUpModule():
    global cluster, site
    cluster = Cluster.start("--gpu-nodes", "1", plugin=True)
    site = Site({"ml": 1000})
    site.serve(cluster, hook=HOOK)


def tearDownModule():
    site.stop()
    cluster.stop()


class Away(unittest.TestCase):
    def setUp(self):
        self.jobs, self.took_us = [], []

    def tearDown(self):
        cluster.cancel(self.jobs)

    def spent_us(self):
        """What slurmctld has spent on submissions since it started."""
        found = re.search(r"REQUEST_SUBMIT_BATCH_JOB .*total_time:(\d+)", cluster.command("sdiag"))
        return int(found.group(1)) if found else 0

    def submit(self, *args, script="true", **options):
        before = self.spent_us()
        job = cluster.sbatch("alice", "-A", "ml", "-t", "60", *args, script=script, **options)
        self.took_us.append(self.spent_us() - before)
        self.jobs.append(job)
        return job

    def comment(self, job):
        return re.search(r"AdminComment=(\S*)", cluster.command("scontrol", "show", "job", job)).group(1)

    def submit_unasked(self, count):
        """So many jobs while nobody answers: the deadline holds for those that ask, the breaker for the rest."""
        for _ in range(count):
            self.assertEqual(self.comment(self.submit("-p", "cpu")), "ledger:unheld")
        self.assertLess(max(self.took_us), BOUND_US, self.took_us)
        return self.took_us

    def assert_back(self):
        """The hook asks again once the breaker's pause is over; all that ran is booked, nothing is left held."""
        def held():
            return site.hold_of(cluster, self.submit("-p", "cpu"))
        lt.eventually(held, 20)
        rows = cluster.wait_recorded(self.jobs)
        site.wait_round()
        site.check_booked(self, rows)
        lt.eventually(lambda: site.holds() == [], UNSEEN)

    def test_hung_it_costs_the_deadline_a_few_times_and_then_nothing(self):
        site.ledgerd.process.send_signal(signal.SIGSTOP)
        try:
            took = self.submit_unasked(8)
        finally:
            site.ledgerd.process.send_signal(signal.SIGCONT)
        asked = [us for us in took if us >= DEADLINE_US]
        self.assertGreaterEqual(len(asked), 1, took)
        self.assertLess(statistics.median(took[3:]), DEADLINE_US, took)
        self.assert_back()

    def test_stopped_it_costs_nothing(self):
        site.stop()
        took = self.submit_unasked(6)
        self.assertLess(statistics.median(took), DEADLINE_US, took)
        with self.assertRaisesRegex(Refused, "accounting cannot be asked at the moment"):
            cluster.sbatch("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:1", "-t", "60")
        site.serve(cluster)
        self.assert_back()

    def test_a_running_job_that_was_accepted_unheld_is_held_when_ledgerd_is_back(self):
        site.stop()
        job = self.submit("-p", "cpu", script="sleep 300")
        cluster.wait_for(job, "RUNNING")
        site.serve(cluster)
        lt.eventually(lambda: [key for key, *_ in site.holds() if key.startswith(f"sdli/{job}@")], 20)
        cluster.cancel(self.jobs)
        self.assert_back()

    def test_what_may_run_unheld_is_bounded(self):
        site.stop()
        site.write_hook(cluster, HOOK | {"risk_budget": 3, "risk.cpu_hour": 1})
        try:
            for _ in range(3):
                self.submit("-p", "cpu")
            with self.assertRaisesRegex(Refused, "error: "):
                cluster.sbatch("alice", "-A", "ml", "-p", "cpu", "-t", "60")
        finally:
            site.serve(cluster, hook=HOOK)
        self.assert_back()

    def test_slow_it_is_as_good_as_hung_and_what_it_held_too_late_comes_back(self):
        locker = subprocess.Popen(["psql", "-XqAt", "-d", site.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with locker:
            locker.stdin.write("BEGIN; LOCK TABLE ledger.hold IN EXCLUSIVE MODE;\n\\echo locked\n")
            locker.stdin.flush()
            self.assertEqual(locker.stdout.readline(), "locked\n")
            self.submit_unasked(5)
            locker.stdin.close()
        self.assert_back()

    def test_the_hook_costs_a_submission_little(self):
        """sbatch's own time: with the hook, and with a user who is not asked about; printed for the reader."""
        def latency(count=10):
            taken = []
            for _ in range(count):
                self.submit("-p", "cpu", "-H")
                began = time.monotonic()
                self.jobs.append(cluster.sbatch("alice", "-A", "ml", "-t", "60", "-p", "cpu", "-H"))
                taken.append(time.monotonic() - began)
            return statistics.median(taken) * 1000
        asked = latency()
        asked_us = statistics.median(self.took_us)
        site.write_hook(cluster, HOOK | {"exempt_uids": cluster.uids["alice"][0]})
        unasked = latency()
        unasked_us = statistics.median(self.took_us[10:])
        site.write_hook(cluster, HOOK)
        print(f"sbatch {asked:.1f} ms with the hook, {unasked:.1f} ms without; slurmctld {asked_us / 1000:.1f} ms and "
              f"{unasked_us / 1000:.1f} ms", flush=True)
        self.assertLess(asked_us, DEADLINE_US)
        site.wait_round()


if __name__ == "__main__":
    unittest.main()
