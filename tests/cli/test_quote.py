"""ledgerctl quote sbatch: words and scripts read as sbatch reads them, priced as the hook's jobs are, decided as holds."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import ledger_test as lt
from test_slurm_ask import CONF, NOW, make_book


def script(*lines):
    return lt.write_file("\n".join(("#!/bin/bash",) + lines) + "\n", "job.sh")


class Quotes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = make_book("quote")

    def quote(self, *words, expect=0, user="bob", cluster=()):
        return lt.ctl_json(["quote", "sbatch", "--user", user, *cluster, *words], db=self.db, now=NOW, expect=expect)

    def one(self, *words, **options):
        """The only component, with its meters as numbers beside it."""
        document = self.quote("-t", "1", *words, **options)
        self.assertEqual(len(document["components"]), 1)
        return {**document["components"][0], **{k: float(v) for k, v in document["components"][0]["meters"].items()}}

    def test_a_job_has_its_price_and_what_is_there(self):
        document = self.quote(script("#SBATCH -t 1:00:00 -G 4", "srun true"))
        self.assertEqual((document["allowed"], document["points"], document["available"], document["project"], document["account"],
                          document["cluster"], document["user"], document["notes"], document["user_message"]),
                         (True, "4.012000", "12.400000", "bio", "bio", "sdli", "bob", [], None))
        self.assertEqual(document["decision"]["requested"], "4.012000")
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.hold"), "0")

    def test_a_refusal_says_why_and_what_would_fit(self):
        document = self.quote("-t", "1-0", "-G4", "--mem=1G", script("true"), expect=1)
        message = "project bio has 12.4 points left, this job may need 96.264 (4 GPU x 24 h); a limit of 3 h 5 min would fit"
        self.assertEqual((document["allowed"], document["reason"], document["user_message"], document["suggest"]),
                         (False, "insufficient_points", message, {"qos": None, "seconds": str(185 * 60)}))
        text = lt.ctl(["quote", "sbatch", "--user", "bob", "-t", "1-0", "-G4", "--mem=1G", script("true")], db=self.db, now=NOW, expect=1)
        self.assertIn("would be refused, insufficient_points: " + message, text if isinstance(text, str) else str(text))
        self.assertEqual(self.quote("-A", "nope", script("true"), expect=1)["reason"], "unknown_project")
        self.assertEqual(self.quote(script("true"), user="nobody", expect=1)["reason"], "unknown_user")

    def test_directives_end_with_the_first_command(self):
        path = script("", "# a comment", "#SBATCH -n 3", "  # another", "   ", "#SBATCH --partition=cpu  # not -n 9", "hostname", "#SBATCH -n 7")
        got = self.one(path)
        self.assertEqual((got["partition"], got["cpu"]), ("cpu", 3))
        self.assertEqual(self.one(script("set -e", "#SBATCH -n 7"))["cpu"], 1)

    def test_words_count_more_than_the_script_and_the_last_one_most(self):
        path = script("#SBATCH -n 3 -p cpu", "#SBATCH -n 4")
        self.assertEqual(self.one(path)["cpu"], 4)
        got = self.one("-n5", "--ntasks", "6", "--part=gpu", path)
        self.assertEqual((got["cpu"], got["partition"]), (6, "gpu"))
        self.assertEqual(self.one("-n2", path, "-n", "9", "--partition=large")["cpu"], 2)  # the script's own words

    def test_quotes_and_backslashes_in_directives(self):
        got = self.one(script("#SBATCH --job-name='a b -n 9' --comment=\"it's # -n 8\" -n\\2 --partition=c\"p\"u"))
        self.assertEqual((got["partition"], got["cpu"]), ("cpu", 2))
        rc, _, err = lt.run_ctl(["quote", "sbatch", "--user", "bob", script("#SBATCH -J 'open")], db=self.db, now=NOW)
        self.assertEqual(rc, 3)
        self.assertIn("line 2: a quote ' is not closed", str(err))

    def test_time_in_all_its_forms(self):
        for text, seconds in (("30", 1800), ("30:20", 1860), ("1:02:03", 3780), ("2-3", 183600), ("2-3:4", 183840), ("2-3:4:5", 183900),
                              ("0:01", 60), ("90:00:00", 324000), ("-1", 86400), ("UNLIMITED", 86400), ("infinite", 86400), ("0", 86400)):
            document = lt.ctl_json(["quote", "sbatch", "--user", "alice", "--time=" + text, "-p", "gpu", script("true")], db=self.db, now=NOW)
            self.assertEqual(document["components"][0]["seconds"], seconds, text)
        self.assertEqual(self.quote(script("true"))["components"][0]["seconds"], 600)

    def test_counts_of_nodes_tasks_cpus_and_gpus(self):
        for words, expected in (
                ("-N 3", {"node": 3, "cpu": 3}), ("-N2-4", {"node": 2, "cpu": 2}), ("-N 2 -n 8", {"node": 2, "cpu": 8}),
                ("-N 8 -n 2", {"node": 2, "cpu": 2}), ("-n 4 -c 2", {"node": 1, "cpu": 8}), ("-c4", {"node": 1, "cpu": 4}),
                ("-N2 --ntasks-per-node=4 -c2", {"node": 2, "cpu": 16}), ("--ntasks-per-node 4", {"node": 1, "cpu": 4}),
                ("-N2 --sockets-per-node=2", {"node": 2, "cpu": 4}), ("-B 2:4:1", {"node": 1, "cpu": 8}), ("-B 2:*:2", {"cpu": 4}),
                ("-n6 -O", {"cpu": 1}), ("--mincpus=5 -N2", {"cpu": 10}),
                ("--gres=gpu:2", {"gpu": 2}), ("--gres=gpu:a100:2,nvme:1 -N2", {"gpu": 4}), ("-G 3", {"gpu": 3}), ("--gpus=a100:1,h100:2", {"gpu": 3}),
                ("--gpus-per-node=2 -N3", {"gpu": 6}), ("--gpus-per-task=2 -n3", {"gpu": 6}), ("--gpus-per-socket=1 --sockets-per-node=2", {"gpu": 2}),
                ("--gpus=4 --cpus-per-gpu=3", {"cpu": 12, "gpu": 4}), ("-G2 --ntasks-per-gpu=2", {"gpu": 2, "cpu": 4}),
                ("--mem=2G -N2", {"mem_gib": 4}), ("--mem=512", {"mem_gib": 0.5}), ("--mem-per-cpu=1GB -n3", {"mem_gib": 3}),
                ("--mem=2G --mem-per-cpu=1G -n3", {"mem_gib": 3}), ("--mem=0 -N2", {"mem_gib": 128}), ("--mem=1025K", {"mem_gib": 2 / 1024}),
                ("--mem-per-gpu=4G -G2", {"mem_gib": 8}), ("-n3", {"mem_gib": 6}),
                ("--exclusive", {"cpu": 16, "gpu": 4, "node": 1, "mem_gib": 32}), ("--exclusive -n20", {"cpu": 32, "gpu": 8, "node": 2}),
                ("--exclusive=user", {"cpu": 1}), ("--exclusive --mem=1G", {"cpu": 16, "mem_gib": 1}),
                ("--exclusive --mem-per-cpu=1G", {"cpu": 16, "mem_gib": 16}), ("-G6 --mem=1G", {"node": 2, "cpu": 2, "mem_gib": 2}),
                ("-n20 --mem-per-cpu=1G", {"node": 2, "cpu": 20, "mem_gib": 20}), ("-n20 --mem=3G", {"node": 2, "mem_gib": 6}), ("-p large", {"cpu": 64, "gpu": 8, "mem_gib": 512})):
            with self.subTest(words=words):
                got = self.one("--config", lt.write_file(CONF, "ledgerd.conf"), "-A", "ml", *words.split(), script("true"), user="alice")
                self.assertEqual({name: got.get(name) for name in expected}, expected)

    def test_arrays(self):
        for text, parts, at_once in (("1-10", 10, 0), ("0-15:4", 4, 0), ("1,3,5%2", 3, 2)):
            got = self.one("--array", text, script("true"))
            self.assertEqual((got["parts"], got["at_once"]), (parts, at_once))
        document = self.quote("-a1-100%4", "-t60", "-n1", "--mem=0", "-G1", "-p", "gpu", script("true"))
        self.assertEqual(document["points"], "%.6f" % (4 * (1 + 0.01 + 0.064)))

    def test_components_of_a_heterogeneous_job_are_added_up(self):
        path = script("#SBATCH -A bio -t 60 -G 4 --mem=1G", "#SBATCH hetjob", "#SBATCH -p cpu -n 10", "#SBATCH packjob -n2 -p cpu", "srun x")
        document = self.quote(path)
        self.assertEqual([(c["partition"], c["meters"].get("gpu"), c["meters"]["cpu"], c["meters"]["mem_gib"], c["seconds"])
                          for c in document["components"]],
                         [("gpu", "4", "1", "1", 3600), ("cpu", None, "10", "1", 3600), ("cpu", None, "2", "1", 3600)])
        prices = [4 + 0.01 + 0.001, (1 + 0.002) * 0.8, (0.2 + 0.002) * 0.8]
        self.assertEqual(document["points"], "%.6f" % sum(prices))
        self.assertEqual([float(c["points"]) for c in document["components"]], [round(p, 6) for p in prices])
        document = self.quote("-t60", "-G8", "--mem=1", ":", "-G5", ":", "-n1", script("true"), expect=1)
        self.assertEqual([c["meters"].get("gpu") for c in document["components"]], ["8", "5", None])
        self.assertEqual(document["reason"], "insufficient_points")
        for component in document["components"]:
            self.assertLess(float(component["points"]), 12.4)
        document = self.quote("-t60", "-G1", ":", "-p", "unpriced", script("true"), expect=1)
        self.assertEqual(document["reason"], "no_rate")

    def test_what_is_not_understood_is_noted_or_refused(self):
        document = self.quote("--frobnicate=7", "-Y", "-t", "1", "--mail-user", "x@y", "-o", "out", script("#SBATCH --warp=9"))
        self.assertEqual(len(document["notes"]), 3)
        self.assertIn("--frobnicate=7: not an option of sbatch, left out", document["notes"])
        for words, code in ((["-t"], 2), (["-t", "soon", script("true")], 2), (["-N", "4-2", script("true")], 2), (["-n", "0", script("true")], 2),
                            (["--mem=1X", script("true")], 2), (["-a", "x", script("true")], 3), (["--gres=gpu:99999999999999999999", script("true")], 3),
                            (["-n", "9" * 30, script("true")], 2), ([], 2), (["-t1"], 2), (["/no/such/script"], 3),
                            (["-N1000000000", "-c1000000000", script("true")], 3), ([script("#SBATCH stray")], 3),
                            ([":"] * 200 + [script("true")], 3), ([script("#SBATCH" + " -n1" * 1100)], 3), ([lt.write_file("", "empty")], 3)):
            with self.subTest(words=words[:3]):
                rc, out, err = lt.run_ctl(["quote", "sbatch", "--user", "bob", *words], db=self.db, now=NOW)
                self.assertEqual(rc, code, err)

    def test_wrapped_commands_and_standard_input(self):
        self.assertEqual(self.one("--wrap", "sleep 3", "-n2")["cpu"], 2)
        rc, out, _ = lt.run_ctl(["quote", "sbatch", "--json", "--user", "bob", "-t1", "-"], db=self.db, now=NOW, stdin="#!/bin/sh\n#SBATCH -n 3\n")
        self.assertEqual((rc, json.loads(out)["components"][0]["meters"]["cpu"]), (0, "3"))

    def test_the_cluster_may_be_left_out_only_if_there_is_just_one(self):
        db = make_book("quotetwo")
        lt.psql(db, "INSERT INTO ledger.slurm_user VALUES ('other', 'bob', 1, 'bio')")
        rc, _, err = lt.run_ctl(["quote", "sbatch", "--user", "bob", script("true")], db=db, now=NOW)
        self.assertEqual(rc, 2, err)
        for words in (["--cluster", "sdli"], ["-M", "sdli"], ["--clusters=sdli"]):
            self.assertEqual(lt.ctl_json(["quote", "sbatch", "--user", "bob", *words, script("true")], db=db, now=NOW)["cluster"], "sdli")

    def test_a_downgraded_job_would_be_accepted(self):
        db = make_book("quotedown", exhausted={"slurm": "downgrade:low", "gateway": "deny"})
        document = lt.ctl_json(["quote", "sbatch", "--user", "bob", "-t1-0", "-G4", "--mem=1G", script("true")], db=db, now=NOW)
        self.assertEqual((document["allowed"], document["downgraded_to"]), (True, "low"))
        self.assertTrue(document["user_message"].endswith(": it runs with QOS low"), document["user_message"])


if __name__ == "__main__":
    unittest.main()
