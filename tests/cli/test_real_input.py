"""Every file of tests/data that other systems wrote, into one book.

tests/data/counts.json says how many records, bad items and skipped items each file holds. Here each one goes
through the command: every record must be booked or in quarantine for a true reason, whatever was
booked must have cost something where it used something, and the book must prove itself in the end.
"""

import csv
import glob
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt  # noqa: E402

DATA = os.path.join(lt.ROOT, "tests", "data")
NOW = "2027-07-05T09:00:00+09:00"

POLICY = {"policy": "real", "timezone": "Asia/Tokyo", "effective_from": "2020-01-01T00:00:00+09:00",
          "shares": [{"share": "all", "fraction": "1"}]}
CARD = {"card": "real", "effective_from": "2020-01-01T00:00:00+09:00",
        "rounding": {"places": 6, "mode": "ceil"},
        "rules": [{"source": "slurm:*", "class": "*", "per_hour": {"cpu": "0.01", "gpu": "1"}},
                  {"source": "gateway:*", "class": "*",
                   "per_million": {"input_tokens": "1", "cached_input_tokens": "0.25",
                                   "output_tokens": "4"}}]}

# Why a record of these files may be in quarantine: no id or submit time in it, audio seconds without a price.
TRUE_REASONS = {"no_identity", "count_unpriced"}


def accounts_of_text(path):
    with open(path, encoding="utf-8", newline="") as file:
        return {row.get("Account") for row in csv.DictReader(file, delimiter="|",
                                                             quoting=csv.QUOTE_NONE)}


def accounts_of_json(path):
    with open(path, encoding="utf-8") as file:
        return {job["account"] for job in json.load(file)["jobs"]}


def accounts():
    """Every account that a job of the files names."""
    found = set()
    for path in glob.glob(os.path.join(DATA, "slurm-text", "*sacct*_*.txt")):
        if "fields" not in path:
            found |= accounts_of_text(path)
    for path in glob.glob(os.path.join(DATA, "slurm-json", "**", "*.json"), recursive=True):
        found |= accounts_of_json(path)
    return sorted(name for name in found if name)


def cases():
    with open(os.path.join(DATA, "counts.json"), encoding="utf-8") as file:
        return json.load(file)["cases"]


def cluster_of(name):
    """The files of Slurm-web say that their cluster is hpc, ours sdli; sonar's do not say."""
    return "hpc" if name.startswith("slurm-json/2") and not name.startswith("slurm-json/22") else "sdli"


class RealInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = lt.create_db("real")
        lt.ctl(["policy", "apply", lt.write_file(json.dumps(POLICY))], db=cls.db, now=NOW)
        lt.ctl(["rates", "apply", lt.write_file(json.dumps(CARD))], db=cls.db, now=NOW)
        lt.ctl(["project", "add", "p1", "--share", "all"], db=cls.db, now=NOW)
        for cluster in ("sdli", "hpc"):
            for account in accounts():
                lt.ctl(["project", "alias", "p1", f"slurm:{cluster}", account], db=cls.db, now=NOW)

    def import_case(self, case):
        path = os.path.join(DATA, case["file"])
        if case["file"].startswith("slurm"):
            args = ["slurm", path, "--cluster", cluster_of(case["file"])]
        else:
            args = ["usage", path, "--source", "gateway:sdli", "--project", "p1"]
        return lt.run_ctl(["import", *args, "--format", case["format"], "--json"], db=self.db, now=NOW)

    def case_run(self, case):
        rc, out, err = self.import_case(case)
        if "error" in case:
            self.assertEqual(rc, 3)
            self.assertIn(case["file"], err)
            return
        counts = json.loads(out)
        self.assertEqual((counts["read"], counts["skipped"]),
                         (case["records"] + case["bad"], case["skipped"]), err)
        self.assertEqual(counts["read"], sum(counts[fate] for fate in (
            "booked", "amended", "duplicate", "quarantined")))
        self.assertEqual(rc, 3 if counts["quarantined"] else 0, err)

    def test_every_record_is_booked_or_in_quarantine_for_a_true_reason(self):
        for case in cases():
            with self.subTest(case["file"]):
                self.case_run(case)
        listed = lt.ctl_json(["quarantine", "list"], db=self.db, now=NOW)
        self.assertEqual([entry for entry in listed if entry["reason"] not in TRUE_REASONS], [])
        self.assertTrue(lt.ctl_json(["verify"], db=self.db, now=NOW)["ok"])

    def test_nothing_that_was_used_is_free(self):
        for case in cases():
            if case["records"] and "error" not in case:
                self.import_case(case)
        charged = lt.query(self.db, """
            SELECT r.id, sum(c.points_micro) AS micro FROM ledger.usage_record r
              JOIN ledger.charge c USING (record_no)
             WHERE r.version = (SELECT max(version) FROM ledger.usage_record v
                                 WHERE v.record_no = r.record_no)
               AND (r.meters ~ 'tokens=[1-9]'
                    OR (r.end_at > r.start_at AND coalesce(r.elapsed_seconds, '1') <> '0'))
             GROUP BY r.record_no, r.id""")
        self.assertGreater(len(charged), 100)
        self.assertEqual([row for row in charged if int(row[1]) <= 0], [])


if __name__ == "__main__":
    unittest.main()
