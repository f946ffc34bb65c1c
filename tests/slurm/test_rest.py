"""The real slurmrestd: what is pulled through it is what is pulled through sacct, and Slurm's own sums agree with the book."""

import os
import re
import time
import unittest

import ledger_test as lt
from slurm_cluster import Cluster
from slurm_site import Site

cluster = None
# What each way knows otherwise: when a round saw a job, and what v0.0.38 does not tell.
KNOWN = {
    "records": "SELECT id, project_id, user_name, class, start_at, end_at, submitted_at, outcome, qos, elapsed_seconds,"
               " requested_seconds, meters FROM ledger.usage_record ORDER BY id, version",
    "live jobs": "SELECT job_id, submitted_at, array_job_id, array_task, tasks, at_once, uid, user_name, account, partition,"
                 " qos, state, is_held, start_at, limit_seconds, meters FROM ledger.slurm_job ORDER BY 1",
    "running": "SELECT id, project_id, user_name, class, start_at FROM ledger.accrual ORDER BY 1",
    "users": "SELECT * FROM ledger.slurm_user ORDER BY 1, 2",
    "associations": "SELECT * FROM ledger.slurm_association ORDER BY 1, 2, 3, 4",
    "partitions": "SELECT partition, is_default, default_seconds, max_seconds, mem_per_node, node_cpus, node_gpus, node_mem"
                  " FROM ledger.slurm_partition ORDER BY 1",
}


def setUpModule():
    global cluster
    cluster = Cluster.start("--rest")


def tearDownModule():
    cluster.stop()


class Rest(unittest.TestCase):
    maxDiff = None

    def rest_of(self, site):
        """The configuration that reads the cluster through slurmrestd; its path."""
        with open(os.path.join(cluster.place(), "env.sh"), encoding="utf-8") as file:
            url = re.search(r"SLURM_REST=(\S+)", file.read()).group(1)
        token = lt.write_file(cluster.command("scontrol", "token", "username=root", "lifespan=3600"), "token")
        os.chmod(token, 0o600)
        site.configure(cluster)
        text = re.sub(r"mode = sacct\n", f"mode = slurmrestd\nurl = {url}\ntoken_file = {token}\n", site.conf_text)
        return lt.write_file(text, "ledgerd.conf")

    def test_both_ways_lead_to_the_same_book(self):
        ended = [cluster.sbatch("alice", "-p", "gpu", "--gres=gpu:2", "-t", "5", script="sleep 2"),
                 cluster.sbatch("bob", "-p", "cpu", "-c", "2", "-t", "5", script="exit 3"),
                 cluster.sbatch("alice", "-p", "cpu", "-t", "5", "-a", "1-3", script="true"),
                 cluster.sbatch("alice", "-p", "cpu", "-t", "5", "-J", "a|b\nc\"d", script="true")]
        again = cluster.sbatch("alice", "-p", "cpu", "-t", "5", "--requeue", script="sleep 300")
        cluster.wait_for(again, "RUNNING")
        cluster.command("scontrol", "requeue", again)
        waits = cluster.sbatch("alice", "-p", "cpu", "-t", "5", "-H", "-a", "1-9%2")
        runs = cluster.sbatch("alice", "-p", "gpu", "--gres=gpu:1", "-t", "5", script="sleep 300")
        self.addCleanup(cluster.cancel, [again, waits, runs])
        cluster.wait_for(runs, "RUNNING")
        cluster.wait_recorded(ended, count=6)
        lt.eventually(lambda: [r for r in cluster.rows_of([again]) if r["State"] == "REQUEUED"], 30)
        sites = [Site({"ml": 1000, "bio": 1000}) for _ in range(2)]
        end = time.monotonic() + 60 * lt.SLOWDOWN
        while True:  # until nothing happened between the two
            documents = [sites[0].pull(cluster),
                         lt.ctl_json(["pull", "sdli", "-c", self.rest_of(sites[1])], db=sites[1].db, env=cluster.names())]
            told = [{name: lt.query(site.db, sql) for name, sql in KNOWN.items()} for site in sites]
            if told[0] == told[1] or time.monotonic() > end:
                break
            time.sleep(1)
        self.assertEqual(told[0], told[1])
        self.assertEqual([d["unread_jobs"] for d in documents], [0, 0])
        self.assertGreaterEqual(len(told[1]["records"]), 7)
        for site in sites:
            site.check_booked(self, [row for row in cluster.rows() if row["State"] not in ("RUNNING", "PENDING")])
            document = site.ctl_json("reconcile", "slurm", "sdli", "--from", time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime()),
                                     "--command", cluster.bin("sacct"))
            self.assertEqual((document["agrees"], document["differences"]), (True, []))
            self.assertGreaterEqual(document["jobs"]["slurm"], 7)

    def test_a_token_of_nobody_is_told(self):
        site = Site({"ml": 1000})
        path = self.rest_of(site)
        with open(path, encoding="utf-8") as file:
            token = re.search(r"token_file = (\S+)", file.read()).group(1)
        with open(token, "w", encoding="utf-8") as file:
            file.write("bogus")
        rc, _, err = lt.run_ctl(["pull", "sdli", "-c", path], db=site.db, env=cluster.names())
        self.assertEqual(rc, 4, err)
        self.assertIn("Authentication failure", err)


if __name__ == "__main__":
    unittest.main()
