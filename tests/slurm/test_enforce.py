"""What becomes of jobs for which there are no points, on a real cluster: services, which need none; what waits for its turn
and may not lock up all there is; what is held back while its project has run dry; users whom nobody knows yet.

Whatever a test does, its jobs must cost what the oracle makes of their rows in sacct, to the micro-point.
"""

import datetime
import unittest

import ledger_test as lt
from slurm_cluster import SLOW, Cluster, Refused, state_of
from slurm_jobs import RealJobs, gpu_price
from slurm_site import ZONE, Site

HOOK = {"deadline": "2s", "fail": "closed"}
LATER = "--begin=now+1hour"
cluster = site = None


def setUpModule():
    global cluster, site
    cluster = Cluster.start("--cpu-nodes", "0", plugin=True)
    cluster.command("sacctmgr", "-i", "add", "account", "llm", "parent=research", "Description=service", "Organization=org")
    cluster.command("sacctmgr", "-i", "add", "user", "carol", "account=llm")
    site = Site({"ml": 1000, "bio": 10, "crowd": 10})
    site.ctl("project", "add", "llm", "--service", "gateway:sdli/*")
    RealJobs.cluster, RealJobs.site, RealJobs.projects = cluster, site, ("ml", "bio", "llm", "crowd")
    site.serve(cluster, hook=HOOK)


def tearDownModule():
    site.stop()
    cluster.stop()


def drain(project):
    """All that is available of it goes to another project."""
    left = site.balance(project)["available"]
    site.ctl("transfer", project, "ml", f"{left // 10**6}.{left % 10**6:06}")


class Dry(RealJobs):
    """Under a policy by which nothing is held before the start: so what waits can find its project dry."""

    @classmethod
    def setUpClass(cls):
        cls.paid = cluster.sbatch("carol", "-A", "bio", "-t", "10", LATER)
        site.change_policy(holds={"slurm": "start", "gateway": "request"})
        site.reconfigure(cluster, "enforce = hold\n")

    @classmethod
    def tearDownClass(cls):
        site.change_policy()
        site.reconfigure(cluster, "")

    def setUp(self):
        super().setUp()
        self.jobs.append(self.paid)

    def wait_reason(self, job, reason):
        lt.eventually(lambda: cluster.reason(job) == reason, SLOW)

    def test_what_waits_is_held_back_until_a_grant(self):
        waiting = self.submit("carol", "-A", "bio", "-t", "60", LATER, script="sleep 1")
        array = self.submit("carol", "-A", "bio", "-t", "60", "-a", "1-3", LATER, script="sleep 1")
        own = self.submit("carol", "-A", "bio", "-t", "60", "-H", script="sleep 1")
        others = self.submit("alice", "-A", "ml", "-t", "60", LATER)
        site.wait_round()
        drain("bio")
        for job in (waiting, array):
            self.wait_reason(job, "JobHeldAdmin")
        site.wait_round()
        self.assertEqual([cluster.reason(job) for job in (own, self.paid, others)], ["JobHeldUser", "BeginTime", "BeginTime"])
        with self.assertRaises(Refused):
            cluster.command("scontrol", "release", waiting, user="carol")
        site.ctl("grant", "bio", "5")
        for job in (waiting, array):
            self.wait_reason(job, "BeginTime")
        site.wait_round()
        self.assertEqual([cluster.reason(job) for job in (own, self.paid, others)], ["JobHeldUser", "BeginTime", "BeginTime"])
        for job in (waiting, array):
            self.assertEqual(site.events(job), [["hold", "project bio has 0.000000 points available"],
                                                ["release", "project bio has 5.000000 points available again"]])
        for job in (own, self.paid, others):
            self.assertEqual(site.events(job), [])
        self.assertRegex(site.ledgerd.get("/metrics").text,
                         r'ledger_slurm_commands_total\{source="slurm:sdli",result="done"\} 4\n')
        cluster.command("scancel", own, self.paid, others)
        for job in (waiting, array):
            cluster.command("scontrol", "update", f"jobid={job}", "starttime=now")
        rows = self.finish(count=4)  # sacct tells nothing of jobs that never were eligible
        self.assertEqual([state_of(row) for row in rows], ["COMPLETED"] * 4)

    def test_who_was_let_go_by_hand_is_not_held_back_again(self):
        waiting = self.submit("carol", "-A", "bio", "-t", "60", LATER)
        site.wait_round()
        drain("bio")
        self.wait_reason(waiting, "JobHeldAdmin")
        cluster.command("scontrol", "release", waiting)
        site.wait_round()
        self.assertEqual(cluster.reason(waiting), "BeginTime")
        self.assertEqual([kind for kind, _ in site.events(waiting)], ["hold"])
        site.ctl("grant", "bio", "5")
        self.give_up()


class DryAndRequeued(RealJobs):
    """The same, but what runs without points goes on at the low QOS."""

    @classmethod
    def setUpClass(cls):
        site.change_policy(holds={"slurm": "start", "gateway": "request"})

    @classmethod
    def tearDownClass(cls):
        site.change_policy()
        site.reconfigure(cluster, "")

    def test_of_an_array_only_the_task_without_points_is_requeued(self):
        """The first task is paid for; the last one, whose number is the array's own, starts when nobody looks."""
        drain("bio")
        site.ctl("grant", "bio", "1")  # a task's price
        array = self.submit("carol", "-A", "bio", "-p", "gpu", "--gres=gpu:1", "-t", "60", "-a", "0-1%1")
        lt.eventually(lambda: [hold for hold in site.holds() if hold[1:3] == ("bio", gpu_price(1, 3600))], SLOW)
        site.stop()
        cluster.command("scontrol", "update", f"jobid={array}", "arraytaskthrottle=0")
        cluster.wait_for(f"{array}_1", "RUNNING")
        lt.eventually(lambda: [row for row in cluster.rows_of([array]) if row["JobIDRaw"] == str(array) and
                               int(row["ElapsedRaw"]) >= 1], SLOW)
        site.serve(cluster, more="enforce = requeue:low\n")
        cluster.wait_for(f"{array}_1", "PENDING")
        self.assertEqual(cluster.state(f"{array}_0"), "RUNNING")
        self.assertEqual([kind for kind, _ in site.events(array)], ["requeue"])
        cluster.wait_for(f"{array}_1", "RUNNING")
        self.assertEqual(sorted(cluster.command("squeue", "-h", "-j", array, "-o", "%K %q").split("\n")), ["", "0 normal", "1 low"])
        rows = self.finish(cancel=True, count=3)
        # Accounting may tell the QOS that it was changed to of the run before, too.
        self.assertEqual(sorted((state_of(row), row["QOS"]) for row in rows if state_of(row) != "REQUEUED"),
                         [("CANCELLED", "low"), ("CANCELLED", "normal")])
        site.ctl("grant", "bio", "5")


class Services(RealJobs):
    def test_a_persistent_job_is_let_through_and_charged_to_its_service(self):
        with self.assertRaisesRegex(Refused, "-t"):
            self.submit("carol", "-A", "bio", "-p", "endless", "--gres=gpu:1")
        job = self.submit("carol", "-A", "llm", "-p", "endless", "--gres=gpu:1")
        self.assertEqual(site.hold_of(cluster, job), ("llm", 0, 1, "open"))
        cluster.wait_for(job, "RUNNING")
        lt.eventually(lambda: site.balance("llm")["accrued"] > 0, SLOW)
        before = site.balance("llm")["accrued"]
        lt.eventually(lambda: site.balance("llm")["accrued"] > before, SLOW)
        self.assertEqual([hold[:3] for hold in site.holds()], [(hold[0], "llm", 0) for hold in site.holds()])
        rows = self.finish(cancel=True)
        self.assertEqual([row["Account"] for row in rows], ["llm"])
        self.assertGreater(site.oracle.charge(rows[0])[0].popitem()[1], 0)
        charged = sum(site.oracle.charge(rows[0])[0].values())
        self.assertEqual(site.balance("llm")["posted"], -charged)
        self.assertEqual(int(lt.scalar(site.db, "SELECT sum(amount_micro) FROM ledger.transfer t JOIN ledger.account a "
                                                "ON a.account_no = t.credit_account WHERE a.name = 'spent/service'")), charged)

    def test_however_much_it_asks_for_it_holds_nothing(self):
        job = self.submit("carol", "-A", "llm", "-p", "gpu", "--gres=gpu:4", "-t", "7-0", "-a", "1-500", LATER)
        self.assertEqual(site.hold_of(cluster, job), ("llm", 0, 500, "open"))
        site.wait_round()
        cluster.command("scontrol", "update", f"jobid={job}", "timelimit=6-0")
        self.give_up()


class Unknown(RealJobs):
    """Runs between rounds that are ten minutes apart: only who asks makes one."""

    def test_who_is_not_known_yet_wakes_the_puller(self):
        site.stop()
        site.configure(cluster, interval="10m")
        site.ledgerd = lt.start_ledgerd(site.db, conf=site.conf_text, env=cluster.names())
        rounds = site.rounds()
        for user, account in (("dave", "crowd"), ("bob", "crowd")):
            cluster.command("sacctmgr", "-i", "add", "user", user, f"account={account}")

            def submit(user=user):
                return self.submit(user, "-A", "crowd", "-t", "10", script="true")
            with self.assertRaisesRegex(Refused, "not known in Slurm's accounting yet" if user == "dave" else "no project that user bob"):
                submit()
            rounds += 1
            lt.eventually(lambda rounds=rounds: site.rounds() >= rounds, SLOW)
            self.assertIsNotNone(site.hold_of(cluster, submit()))
            self.assertEqual(site.rounds(), rounds)
        site.reconfigure(cluster, "")
        self.finish()


class Waiting(RealJobs):
    """What waits may hold half of what its project has, and each for some seconds."""

    @classmethod
    def setUpClass(cls):
        site.reconfigure(cluster, "pending_share = 0.5\npending_ttl = 20s\n")

    @classmethod
    def tearDownClass(cls):
        site.reconfigure(cluster, "")

    def test_what_waits_cannot_lock_up_all_there_is(self):
        available = site.balance("bio")["available"]
        minutes = 4 * available * 60 // (10 * 10**6)  # a GPU for so long costs some 40 % of it
        shape = ["-A", "bio", "-p", "gpu", "--gres=gpu:1", "-t", minutes]
        first = self.submit("carol", *shape, LATER, script="sleep 1")
        second = self.submit("carol", *shape, LATER, script="sleep 1")
        price = gpu_price(1, minutes * 60)
        self.assert_held(first, "bio", price)
        self.assert_held(second, "bio", 0)
        self.assertEqual(site.balance("bio")["available"], available - price)
        running = self.submit("carol", *shape)
        self.assert_held(running, "bio", 0)
        lt.eventually(lambda: self.held_at_start(running) == [price], SLOW)
        lt.eventually(lambda: site.hold_of(cluster, first)[3] == "released", 2 * SLOW)
        balance = site.balance("bio")
        self.assertEqual((balance["held"] + balance["accrued"], balance["available"]), (price, available - price))
        self.assertEqual(lt.scalar(site.db, "SELECT result::json->>'why' FROM ledger.hold_event WHERE kind = 'release' "
                                            "ORDER BY hold_no DESC LIMIT 1"), "waited")
        cluster.command("scontrol", "update", f"jobid={first}", "starttime=now")
        lt.eventually(lambda: self.held_at_start(first), SLOW)
        cluster.command("scontrol", "update", f"jobid={second}", "starttime=now")
        cluster.wait_recorded([first, second])
        cluster.cancel([running])
        self.finish()

    def held_at_start(self, job):
        """Micro-points of holds that were taken for it when it was seen running."""
        return [int(row[0]) for row in lt.query(site.db, f"SELECT points_micro FROM ledger.hold WHERE key LIKE 'sdli/{job}@%'")]


class Whole(RealJobs):
    """After all of it (classes run in the order of their names)."""

    def test_the_book_has_every_job_once_and_agrees_with_slurm(self):
        site.wait_round()
        site.check_booked(self, cluster.rows(), whole=True)
        self.assertEqual(site.holds(), [])
        site.ctl("verify")
        compared = site.ctl_json("reconcile", "slurm", "sdli", "--from", site.begin.isoformat(), "--to",
                                 datetime.datetime.now(ZONE).isoformat(timespec="seconds"), "--no-sreport", "-c",
                                 site.configure(cluster), env=cluster.names())
        self.assertEqual(compared["differences"], [])


if __name__ == "__main__":
    unittest.main()
