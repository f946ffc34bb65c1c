"""Twenty users at once, and a project that can afford half of what they submit: exactly that half is accepted and runs."""

import concurrent.futures
import datetime
import json
import unittest

import ledger_test as lt
from slurm_cluster import Cluster, Refused, state_of
from slurm_site import ZONE, Site, policy

USERS = [f"u{n:02}" for n in range(1, 21)]
EACH = 3  # jobs of a user
POINTS = 30  # a job of a GPU and an hour costs one: half of the sixty
cluster = site = None


def setUpModule():
    global cluster, site
    cluster = Cluster.start("--gpu-nodes", "2", "--cpu-nodes", "0", "--gpus", "8", plugin=True)
    site = Site({"crowd": POINTS})
    site.serve(cluster, hook={"deadline": "2s", "fail": "closed"})


def tearDownModule():
    site.stop()
    cluster.stop()


class Crowd(unittest.TestCase):
    def submit_all(self, *args):
        """Everybody's jobs, all at the same time: the numbers of those that were accepted, and what others read."""
        def one(user):
            try:
                return cluster.sbatch(user, "-p", "gpu", "--gres=gpu:1", "-t", "60", *args, script="sleep 1"), None
            except Refused as refused:
                return None, str(refused)
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(USERS)) as pool:
            answers = list(pool.map(one, USERS * EACH))
        return [job for job, _ in answers if job], [said for job, said in answers if job is None]

    def test_exactly_the_affordable_jobs_run(self):
        accepted, refused = self.submit_all("--begin=now+5")
        self.assertEqual((len(accepted), len(refused)), (POINTS, len(USERS) * EACH - POINTS), refused[:3])
        for said in refused:
            self.assertRegex(said, r"project crowd has 0(\.0)? points left, this job may need 1\.0 ")
        balance = site.balance("crowd")
        self.assertEqual((balance["held"], balance["available"]), (POINTS * 10**6, 0))
        rows = cluster.wait_recorded(accepted, seconds=90)
        self.assertEqual({state_of(row) for row in rows}, {"COMPLETED"})
        self.assertEqual(len(rows), POINTS)
        site.wait_round()
        site.check_booked(self, cluster.rows(), whole=True)
        self.assertEqual(site.holds(), [])
        site.ctl("verify")


class Downgrade(unittest.TestCase):
    """Runs after the crowd (classes run in the order of their names), under a policy of its own."""

    def test_who_cannot_pay_runs_in_the_low_qos_and_is_told(self):
        begin = datetime.datetime.now(ZONE) + datetime.timedelta(seconds=1)
        site.ctl("policy", "apply", lt.write_file(json.dumps(policy(
            begin, begin, policy="lenient", supply=[], exhausted={"slurm": "downgrade:low", "gateway": "deny"}))))

        def submit():
            return cluster.sbatch_saying("u01", "-p", "gpu", "--gres=gpu:8", "-t", "24:00:00", script="sleep 1")
        job, said = lt.eventually(lambda: self.accepted(submit), 20)
        self.assertIn("low", said)
        self.assertEqual(site.hold_of(cluster, job)[1], 0)
        rows = cluster.wait_recorded([job])
        self.assertEqual([row["QOS"] for row in rows], ["low"])
        site.wait_round()
        site.check_booked(self, rows)
        self.assertEqual(site.holds(), [])

    @staticmethod
    def accepted(submit):
        """ledgerd learns of a new policy within a second or two."""
        try:
            return submit()
        except Refused:
            return None


if __name__ == "__main__":
    unittest.main()
