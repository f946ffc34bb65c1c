"""The puller by slurmrestd: every release's shapes, windows that its answers fit, and every fault told with its reason."""

import glob
import json
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_slurmrestd  # noqa: E402
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402
from fake_slurmrestd import job  # noqa: E402

NOW = "2027-06-10T12:00:00+09:00"
T = 1812596400  # 2027-06-10 12:00 in Tokyo
HOUR = 3600
DAY = 86400
RECORDED = sorted(glob.glob(os.path.join(lt.ROOT, "tests/data/slurm-json/2*/0.0.*/slurmdb-job-*.json"))
                  + [os.path.join(lt.ROOT, "tests/data/slurm-json/22.05/rest_slurmdb_jobs.json")])


class PullRest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.db = site.new_book("rest")
        for project in ("h1", "h2"):
            lt.ctl(["grant", project, "100000", "--from", "2027-06-01T00:00:00+09:00"], db=self.db, now=NOW)
        self.rest = fake_slurmrestd.FakeRest()
        self.rest.__enter__()
        self.addCleanup(self.rest.__exit__)
        self.addCleanup(lt.drop_db, self.db)
        self.token = lt.write_file("SLURM_JWT=" + fake_slurmrestd.TOKEN + "\n", "token")
        os.chmod(self.token, 0o600)

    def conf(self, **settings):
        lines = {"mode": "slurmrestd", "url": self.rest.url, "token_file": self.token, "timeout": "1s",
                 "since": "2027-06-10T00:00:00+09:00", **settings}
        return "[slurm sdli]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)

    def run_pull(self, db=None, now=NOW, env=None, **settings):
        rc, out, err = lt.run_ctl(["pull", "sdli", "-c", lt.write_file(self.conf(**settings), "ledgerd.conf"), "--json"],
                                  db=db or self.db, now=now, env=env)
        self.assertNotIn("secretsecret", out + err)
        return rc, out, err

    def pull(self, expect=0, **options):
        rc, out, err = self.run_pull(**options)
        self.assertEqual(rc, expect, out + err)
        return json.loads(out)

    def fails(self, *words, expect=(3, 4), **options):
        rc, out, err = self.run_pull(**options)
        self.assertIn(rc, expect, out + err)
        for word in words:
            self.assertIn(word, err)
        kept = lt.query(self.db, "SELECT error FROM ledger.pull")
        self.assertNotIn("secretsecret", str(kept))
        return err

    def booked(self, db=None):
        return sorted(row[0] for row in lt.query(db or self.db, "SELECT id FROM ledger.record_identity"))

    # --- what is read ---------------------------------------------------------------------------

    def test_every_release_tells_the_same(self):
        told = []
        for version in range(38, 44):
            with self.subTest(version=version):
                db = site.new_book("rest")
                self.addCleanup(lt.drop_db, db)
                lt.ctl(["grant", "h1", "100000", "--from", "2027-06-01T00:00:00+09:00"], db=db, now=NOW)
                self.rest.versions = (version,)
                self.rest.jobs = [job(1, T - 3 * HOUR, T - 2 * HOUR, T - HOUR), job(2, T - HOUR, T - HOUR, None),
                                  job(3, T - 4 * HOUR, T - 3 * HOUR, T - HOUR, state="REQUEUED"),
                                  job(4, T - HOUR, 0, T - HOUR, state="CANCELLED", elapsed=0),
                                  job(5, T - 4 * HOUR, T - 3 * HOUR, T - HOUR, state="NODE_FAIL", elapsed=60)]
                self.rest.live = [job(2, T - HOUR, T - HOUR, None), job(6, T - 60, None, None)]
                document = self.pull(db=db)
                self.assertEqual([document[k] for k in ("quarantined", "pending_jobs", "running_jobs", "unread_jobs")],
                                 [0, 1, 1, 0])
                told.append([self.booked(db), document["points"],
                             lt.query(db, "SELECT id, outcome, elapsed_seconds, requested_seconds, meters"
                                          " FROM ledger.usage_record ORDER BY 1"),
                             lt.query(db, "SELECT job_id, state, start_at, limit_seconds, meters FROM ledger.slurm_job"
                                          " ORDER BY 1"),
                             lt.query(db, "SELECT * FROM ledger.slurm_association ORDER BY 1, 2, 3"),
                             lt.query(db, "SELECT partition, default_seconds, max_seconds, mem_per_node, mem_per_cpu,"
                                          " node_cpus, node_gpus, node_mem FROM ledger.slurm_partition ORDER BY 1")])
                self.assertEqual(told[-1], told[0])
        self.assertEqual(told[0][0], [f"1@{T - 3 * HOUR}", f"3@{T - 4 * HOUR}", f"5@{T - 4 * HOUR}"])
        self.assertEqual(told[0][4], [["sdli", "alice", "h1", "", "normal"], ["sdli", "alice", "h2", "", "normal"]])
        self.assertEqual(told[0][5], [[name, "3600", "14400", None, "2048", "16", "4", "64000"]
                                      for name in ("cpu", "gpu")])

    def test_defaults_of_users_and_partitions_are_known_as_far_as_the_release_tells(self):
        self.pull()
        self.assertEqual(lt.query(self.db, "SELECT user_name, default_account FROM ledger.slurm_user"), [["alice", "h1"]])
        self.assertEqual(lt.query(self.db, "SELECT partition FROM ledger.slurm_partition WHERE is_default"), [["cpu"]])
        db = site.new_book("rest")
        self.addCleanup(lt.drop_db, db)
        self.rest.versions = (42,)
        self.pull(db=db)
        self.assertEqual(lt.query(db, "SELECT partition FROM ledger.slurm_partition WHERE is_exclusive"), [["gpu"]])

    def recorded(self):
        """What every release answered, by version: one document with the jobs of all of them."""
        documents = {}
        for path in RECORDED:
            with open(path, encoding="utf-8") as file:
                jobs = json.load(file)["jobs"]
            version = [int(part[4:]) for part in path.split(os.sep) if part.startswith("0.0.")] or [38]
            documents.setdefault(version[0], []).extend({**job, "cluster": "sdli"} for job in jobs)
        self.assertEqual(sorted(documents), [38, 39, 41, 42, 43])
        return {version: json.dumps({"jobs": jobs}) for version, jobs in documents.items()}

    def test_recorded_answers_are_pulled_as_they_are_imported(self):
        self.assertGreater(len(RECORDED), 40)
        policy = site.file_of(site.policy(effective_from="2020-01-01T00:00:00+09:00", supply=[]))
        rules = [{"source": "slurm:*", "class": "*", "per_hour": {"cpu": "1"}}]
        card = site.file_of(site.card(effective_from="2020-01-01T00:00:00+09:00", rules=rules))
        books = []
        for _ in range(2):
            db = lt.create_db("rest")
            self.addCleanup(lt.drop_db, db)
            lt.ctl(["policy", "apply", policy], db=db, now=NOW)
            lt.ctl(["rates", "apply", card], db=db, now=NOW)
            for account in ("biology", "acoustic", "ml"):
                lt.ctl(["project", "add", account, "--share", "hpci"], db=db, now=NOW)
            books.append(db)
        for version, text in self.recorded().items():
            self.rest.versions, self.rest.body = (version,), text
            self.run_pull(db=books[0], since="2027-06-10T11:00:00+09:00")
            lt.run_ctl(["import", "slurm", "-", "--format", "json", "--cluster", "sdli"], db=books[1], stdin=text,
                       now=NOW)
        for sql in ("SELECT id, version, project_id, outcome, start_at, end_at, elapsed_seconds, meters, attributes"
                    " FROM ledger.usage_record WHERE booked_through IS NULL ORDER BY 1, 2",
                    "SELECT id, reason FROM ledger.quarantine ORDER BY 1, 2"):
            pulled, imported = (lt.query(db, sql) for db in books)
            self.assertEqual(pulled, imported)
        self.assertGreater(len(pulled) + len(self.booked(books[0])), 20)

    def test_the_version_may_be_named_in_the_url(self):
        self.rest.versions = (38, 40, 41)
        self.rest.jobs = [job(1, T - HOUR, T - HOUR, T - 60)]
        self.pull(url=self.rest.url + "/v0.0.40")
        self.assertFalse([path for path in self.rest.asked if "openapi" in path or "v0.0.4" not in path
                          or "v0.0.41" in path])
        self.rest.asked.clear()
        self.pull()
        self.assertIn("/openapi", self.rest.asked)
        self.assertTrue([path for path in self.rest.asked if "v0.0.41" in path])

    # --- windows --------------------------------------------------------------------------------

    def check_windows(self, excess):
        self.rest.jobs = [job(n, T - 12 * HOUR + n * 1700 - 60, T - 12 * HOUR + n * 1700 - 30, T - 12 * HOUR + n * 1700)
                          for n in range(1, 25)]
        self.rest.longest, self.rest.excess = 1500, excess
        self.assertEqual(self.pull()["booked"], 24)
        good = [w for w in self.rest.windows() if w[1] - w[0] <= 1500]
        self.assertEqual(good[0][0], T - 12 * HOUR)
        for before, after in zip(good, good[1:]):
            self.assertLessEqual(after[0], before[1])
        self.assertGreaterEqual(good[-1][1], T)

    def test_windows_whose_answers_are_too_large_are_halved(self):
        self.check_windows("too large")

    def test_windows_whose_answers_are_too_large_without_saying_so_are_halved(self):
        self.rest.longest, self.rest.excess = 1900, "endless"
        self.pull(since="2027-06-10T11:00:00+09:00")
        self.assertEqual([end - begin for begin, end in self.rest.windows()], [3600, 1800, 1801])

    def test_windows_whose_answers_take_too_long_are_halved(self):
        self.rest.longest, self.rest.excess = 1900, "hang"
        self.rest.jobs = [job(1, T - HOUR, T - HOUR, T - 60)]
        self.assertEqual(self.pull(since="2027-06-10T11:00:00+09:00")["booked"], 1)
        self.assertEqual([end - begin for begin, end in self.rest.windows()], [3600, 1800, 1801])

    def test_windows_of_quiet_times_grow(self):
        self.pull(since="2027-06-01T00:00:00+09:00", lag="10d")
        hours = 10 * 24
        self.assertLess(len(self.rest.windows()), hours // 3)  # each step begins anew while no job is known

    def test_what_runs_always_is_read_though_no_window_is_small_enough(self):
        answer = {"jobs": [fake_slurmrestd.accounting(38, job(1, T - HOUR, T - HOUR, T - 60))], "errors": []}
        self.rest.body = json.dumps(answer) + " " * (66 * 1024 * 1024)
        self.assertEqual(self.pull(since="2027-06-10T11:59:50+09:00")["booked"], 1)
        self.assertEqual([end - begin for begin, end in self.rest.windows()], [11, 5, 2, 1, 1, 10])

    # --- faults ---------------------------------------------------------------------------------

    def test_nothing_found_is_an_answer(self):
        for fault in ("nothing", "nothing 404", "nothing 500"):
            with self.subTest(fault=fault):
                self.rest.fault = fault
                self.assertEqual(self.pull()["read"], 0)

    def test_faults_are_told_and_nothing_is_taken_for_read(self):
        self.rest.jobs = [job(n, T - 2 * HOUR, T - 2 * HOUR, T - HOUR) for n in range(1, 50)]
        for fault, said in (("refused", "1007"), ("500", "slurmdbd is away"), ("502", "HTTP status 502: <html> [31mBad"),
                            ("garbage", "JSON"), ("no jobs", "no list of jobs"), ("empty", "empty"),
                            ("cut off", "slurmrestd"), ("half said to be whole", "cut off"), ("redirect", "302")):
            with self.subTest(fault=fault):
                self.rest.fault = fault
                self.fails(said)
                through = lt.scalar(self.db, "SELECT read_through FROM ledger.pull")
                self.assertTrue(through is None or through < "2027-06-10T02", through)
        self.assertEqual(lt.scalar(self.db, "SELECT failing_since IS NOT NULL FROM ledger.pull"), "true")
        self.assertNotIn("/elsewhere", self.rest.asked)
        self.rest.fault = None
        self.pull()
        self.assertEqual(len(self.booked()), 49)
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.quarantine"), "0")
        self.assertEqual(lt.scalar(self.db, "SELECT error FROM ledger.pull"), "")

    def test_a_wrong_token_is_told_and_never_shown(self):
        self.rest.token = "another"
        self.fails("401", "Authentication failure")

    def test_token_files_that_hold_none_are_told(self):
        for text, said in (("", "no token"), ("a b", "no token"), ("x\r\nX-Evil: 1", "no token"),
                           ("x" * 20000, "longer than any token")):
            self.fails(said, expect=(3,), token_file=lt.write_file(text, "token"))
        self.fails("cannot be read", expect=(3,), token_file="/nonexistent/token")

    def test_a_token_that_everybody_can_read_is_warned_of(self):
        self.assertNotIn("can read the token", self.run_pull()[2])
        os.chmod(self.token, 0o644)
        rc, _, err = self.run_pull()
        self.assertEqual(rc, 0, err)
        self.assertEqual(err.count("can read the token"), 1, err)

    def test_nobody_there_and_no_address_are_told(self):
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            self.fails("slurmrestd at", url=f"http://127.0.0.1:{busy.getsockname()[1]}")
        for url in ("ftp://host/", "host", "http://user:secretsecret@host/", "file:///etc/passwd"):
            self.fails("url", expect=(2,), url=url)

    def test_proxies_of_the_environment_are_not_used(self):
        nowhere = "http://127.0.0.1:9"
        self.pull(env={"http_proxy": nowhere, "HTTP_PROXY": nowhere, "all_proxy": nowhere, "ALL_PROXY": nowhere})

    def test_another_cluster_s_users_are_nobody_here(self):
        rc, _, err = lt.run_ctl(["pull", "nosuch", "-c", lt.write_file(
            self.conf().replace("[slurm sdli]", "[slurm nosuch]"), "ledgerd.conf")], db=self.db, now=NOW)
        self.assertEqual(rc, 4 if "status" in err else 3, err)
        self.assertRegex(err, "nosuch|slurmrestd")

    # --- the daemon -----------------------------------------------------------------------------

    def wait_for(self, what, sql, value):
        end = time.monotonic() + 20 * lt.SLOWDOWN
        while lt.scalar(self.db, sql) != value:
            self.assertLess(time.monotonic(), end, f"{what}: {lt.query(self.db, 'SELECT * FROM ledger.pull')}")
            time.sleep(0.05)

    def test_a_new_token_needs_no_restart_and_a_stop_waits_for_nobody(self):
        failing = "SELECT failing_since IS NOT NULL FROM ledger.pull"
        conf = self.conf(interval="1s", timeout="30s")
        with lt.start_ledgerd(self.db, conf=conf, now=NOW) as daemon:
            self.wait_for("a good round", failing, "false")
            self.rest.token = fake_slurmrestd.TOKEN + "new"
            self.wait_for("a refused token", failing, "true")
            with open(self.token, "w", encoding="utf-8") as file:
                file.write(self.rest.token)
            self.wait_for("the new token", failing, "false")
            self.rest.jobs = [job(1, T - HOUR, T - HOUR, T - 60)]
            self.rest.fault = "hang"
            asked = len(self.rest.asked)
            end = time.monotonic() + 20 * lt.SLOWDOWN
            while len(self.rest.asked) < asked + 2 and time.monotonic() < end:
                time.sleep(0.05)
            began = time.monotonic()
            daemon.stop()
            self.assertLess(time.monotonic() - began, 5 * lt.SLOWDOWN)


if __name__ == "__main__":
    unittest.main()
