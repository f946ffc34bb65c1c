"""slurmctld that dies in the middle of jobs' lives, forgets what it had said, and gives the same numbers to other jobs; and a
slurmctld whose hook is a script in Lua. Every job is booked once, as the oracle says, and nothing stays held.
"""

import datetime
import os
import shutil
import unittest
from fractions import Fraction

import ledger_test as lt
from slurm_cluster import ENDED, SLOW, Cluster, Refused, state_of
from slurm_jobs import RealJobs, cpu_price, gpu_price
from slurm_site import ZONE, Site, identity

FIRST, LAST = 101, 140  # numbers of jobs
UNSEEN = 120  # a hold whose job was never seen is given back after a minute
LATER = "--begin=now+1hour"
EXAMPLE = os.path.join(lt.ROOT, "contrib", "slurm", "lua", "job_submit.lua")
cluster = site = None


def setUpModule():
    global cluster, site
    cluster = Cluster.start("--gpu-nodes", "1", "--lua-path", os.path.join(lt.BUILD, "slurm", "?.so"), plugin=True)
    cluster.configure(FirstJobId=FIRST, MaxJobId=LAST, MinJobAge=15)
    site = Site({"ml": 1000, "bio": 10})
    RealJobs.cluster, RealJobs.site = cluster, site
    site.serve(cluster, hook={"deadline": "2s", "fail": "closed"})


def tearDownModule():
    site.stop()
    cluster.stop()


class Lua(RealJobs):
    """The module and its example script in the place of the plugin."""

    @classmethod
    def setUpClass(cls):
        cls.write_script()
        cluster.configure(JobSubmitPlugins="lua")

    @classmethod
    def tearDownClass(cls):
        cluster.configure(JobSubmitPlugins="ledger")

    @staticmethod
    def write_script(before="", after=""):
        """The example with these lines about it. Slurm reads a script again that has changed."""
        with open(EXAMPLE, encoding="utf-8") as file:
            text, end, _ = file.read().rpartition("return slurm.SUCCESS\n")
        text = before + text + after + end
        path = os.path.join(cluster.place(), "etc", "job_submit.lua")
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(path + ".new", (datetime.datetime.now().timestamp() + len(text),) * 2)
        os.replace(path + ".new", path)

    def test_an_accepted_job_holds_its_price(self):
        job = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:a100:2", "-t", "30", script="sleep 1")
        self.assert_held(job, "ml", gpu_price(2, 30 * 60))
        job = self.submit("alice", "-A", "ml", "-a", "0-2%2", "-n", "2", script="true")
        self.assertEqual(site.hold_of(cluster, job)[1:3], (2 * cpu_price(2, Fraction(2000, 1024), 3600), 3))
        self.finish(count=4)

    def test_a_refusal_says_what_would_fit(self):
        with self.assertRaisesRegex(Refused, r"error: project bio has \d+\.\d+ points left, this job may need 96\.0 \(4 GPU x 24 h\); "
                                             r"a limit of .* would fit"):
            self.submit("carol", "-A", "bio", "-p", "gpu", "--gres=gpu:4", "-t", "24:00:00")
        job = self.submit("carol", "-A", "bio", "-p", "gpu", "--gres=gpu:1", "-t", "60", LATER)
        site.wait_round()
        with self.assertRaises(Refused):
            cluster.command("scontrol", "update", f"jobid={job}", "timelimit=2-0")
        cluster.command("scontrol", "update", f"jobid={job}", "timelimit=120")
        self.assertEqual(site.balance("bio")["held"], gpu_price(1, 2 * 3600))
        self.give_up()

    def test_jobs_are_accepted_by_a_script_that_is_broken_and_held_when_they_are_seen(self):
        broken = [{"before": "package.preload.ledger = function() return {submit = function() error('broken') end} end\n"},
                  {"after": "function slurm_job_submit() error('broken, too') end\n"}]
        for lines in broken:
            self.write_script(**lines)
            job = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:1", "-t", "60")
            self.assertIsNone(site.hold_of(cluster, job))
            lt.eventually(lambda job=job: [hold[2] for hold in site.holds() if hold[0].startswith(f"sdli/{job}@")] == [gpu_price(1, 3600)],
                          SLOW)
        self.assertIn("job_submit.lua: ledger.submit: ", cluster.log("slurmctld"))
        self.write_script()
        self.finish(cancel=True)


class Restarts(RealJobs):
    def wait_saved(self):
        """slurmctld has written its jobs down since now; what is younger it forgets when it is killed."""
        path = os.path.join(cluster.place(), "state", "job_state")
        began = datetime.datetime.now().timestamp()
        lt.eventually(lambda: os.path.exists(path) and os.path.getmtime(path) > began, SLOW)

    def test_killed_in_the_middle_of_their_lives_it_loses_no_job(self):
        runs = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:1", "-t", "60", script="sleep 300")
        ends = self.submit("alice", "-A", "ml", "-t", "60", script="sleep 8")
        waits = self.submit("carol", "-A", "bio", "-t", "60", LATER, script="sleep 1")
        array = self.submit("bob", "-A", "ml", "-t", "60", "-a", "0-4%2", script="sleep 5")
        for job in (runs, ends, f"{array}_0"):
            cluster.wait_for(job, "RUNNING", "COMPLETED")
        self.wait_saved()
        site.wait_round()
        cluster.kill_daemon("slurmctld")
        lt.eventually(lambda: "failing_seconds{source=\"slurm:sdli\"}" in site.ledgerd.get("/metrics").text, SLOW)
        self.assertGreaterEqual(len(site.holds()), 3)  # the short one's record may have come
        cluster.start_daemon("slurmctld")
        site.wait_round()
        self.assertEqual(cluster.state(runs), "RUNNING")
        self.assertEqual(site.hold_of(cluster, waits)[3], "open")
        cluster.command("scontrol", "update", f"jobid={waits}", "starttime=now")
        cluster.wait_recorded([ends, waits, array], count=7, seconds=90)
        cluster.cancel([runs])
        rows = self.finish(count=8)
        self.assertEqual(len({identity(row) for row in rows}), len(rows))

    def test_a_job_that_was_forgotten_gives_back_and_the_next_one_has_its_number(self):
        """No round is made between the submission and the death."""
        site.stop()
        site.configure(cluster, interval="10m")
        site.ledgerd = lt.start_ledgerd(site.db, conf=site.conf_text, env=cluster.names())
        state, kept = os.path.join(cluster.place(), "state"), os.path.join(cluster.folder, "state")
        cluster.stop_daemon("slurmctld")
        shutil.copytree(state, kept)
        cluster.start_daemon("slurmctld")
        lost = cluster.sbatch("alice", "-A", "ml", "-t", "60", LATER)
        held = [hold[0] for hold in site.holds()]
        self.assertEqual(len(held), 1)
        cluster.kill_daemon("slurmctld")
        shutil.rmtree(state)
        shutil.move(kept, state)
        cluster.start_daemon("slurmctld")
        job = self.submit("bob", "-A", "ml", "-p", "gpu", "--gres=gpu:1", "-t", "60", script="sleep 1")
        self.assertEqual(job, lost)
        self.assert_held(job, "ml", gpu_price(1, 3600))
        self.assertEqual(len(site.holds()), 2)
        site.reconfigure(cluster, "")
        cluster.wait_recorded([job], seconds=60)
        lt.eventually(lambda: not site.holds(), UNSEEN)
        site.wait_round()
        self.assertEqual(lt.query(site.db, f"SELECT state FROM ledger.hold WHERE key = '{held[0]}'"), [["released"]])
        self.finish()

    def test_numbers_that_are_used_again_are_other_jobs(self):
        seen = []
        while seen == sorted(seen) and len(seen) < LAST - FIRST + 10:
            batch = []
            for _ in range(10):
                batch.append(self.submit("alice", "-A", "ml", "-t", "60", script="true"))
                self.assert_held(batch[-1], "ml", cpu_price(1, Fraction(1000, 1024), 3600))
            lt.eventually(lambda batch=batch: not cluster.run("squeue", "-h", "-j", ",".join(map(str, batch))).stdout, SLOW)
            seen += batch
        self.assertNotEqual(seen, sorted(seen), "numbers begin again")
        self.assertLessEqual(max(seen), LAST)
        cluster.wait_recorded(self.jobs)
        lt.eventually(lambda: not site.holds(), UNSEEN)  # sbatch tries again where no number is free: a hold for nothing
        rows = self.finish()
        self.assertEqual(len({identity(row) for row in rows}), len(rows))
        self.assertGreater(len(rows), len({row["JobIDRaw"] for row in rows}))


class Whole(RealJobs):
    """After all of it (classes run in the order of their names)."""

    def test_the_book_has_every_job_once_and_agrees_with_slurm(self):
        site.wait_round()
        rows = [row for row in cluster.rows() if state_of(row) in ENDED + ("REQUEUED",)]
        site.check_booked(self, rows, whole=True)
        lt.eventually(lambda: not site.holds(), UNSEEN)
        site.ctl("verify")
        compared = site.ctl_json("reconcile", "slurm", "sdli", "--from", site.begin.isoformat(), "--to",
                                 datetime.datetime.now(ZONE).isoformat(timespec="seconds"), "--no-sreport", "-c",
                                 site.configure(cluster), env=cluster.names())
        self.assertEqual(compared["differences"], [])


if __name__ == "__main__":
    unittest.main()
