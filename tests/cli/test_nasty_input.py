"""Every input of tests/data/nasty, through the command and into the example site's book.

The tables beside the inputs say what must come of each item (tests/data/README.md); the unit tests hold the importers
to them field by field, this file holds the book to them: counts, exit code, and the reason of everything
in quarantine. Nothing may be lost, and nothing may be booked that has no price.
"""

import collections
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt  # noqa: E402

NASTY = os.path.join(lt.ROOT, "tests", "data", "nasty")
SITE = os.path.join(lt.ROOT, "contrib", "sdli")
NOW = "2027-07-05T09:00:00+09:00"


def site_make(prefix):
    """A sandbox with the example site's policy, card and projects, and no records."""
    db = lt.create_db(prefix)
    lt.ctl(["policy", "apply", os.path.join(SITE, "policy.json")], db=db, now=NOW)
    lt.ctl(["rates", "apply", os.path.join(SITE, "rates.json")], db=db, now=NOW)
    subprocess.run(["sh", os.path.join(SITE, "projects.sh")], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, LEDGER_DB=db, LEDGER_NOW=NOW, LEDGERCTL=lt.LEDGERCTL))
    return db


def table_load(folder):
    with open(os.path.join(NASTY, folder, "expected.json"), encoding="utf-8") as file:
        return json.load(file)


class Expected:
    """What a case's items must leave: counts, and the quarantine's reasons."""

    def __init__(self, case):
        self.booked = self.skipped = 0
        self.reasons = collections.Counter()
        for item in case.get("items", []):
            if "skipped" in item:
                self.skipped += 1
            elif "bad" in item:
                self.reasons[item["bad"]] += 1
            elif item["book"] == "booked":
                self.booked += 1
            else:
                self.reasons[item["book"]] += 1

    def counts(self):
        quarantined = sum(self.reasons.values())
        return {"read": self.booked + quarantined, "booked": self.booked, "amended": 0,
                "duplicate": 0, "quarantined": quarantined, "skipped": self.skipped}


class NastyInputTest(unittest.TestCase):
    maxDiff = None

    def import_arguments(self, folder, table, case):
        path = os.path.join(NASTY, folder, case["file"])
        if table["source"].startswith("slurm:"):
            return ["import", "slurm", path, "--cluster", "sdli", "--format", case["format"]]
        return ["import", "usage", path, "--source", table["source"], "--format", case["format"],
                "--project", table["project"], "--user", table["user"]]

    def case_run(self, db, folder, table, case, seen):
        expected = Expected(case)
        rc, out, err = lt.run_ctl([*self.import_arguments(folder, table, case), "--json"], db=db,
                                  now=NOW)
        self.assertEqual(rc, 3 if expected.reasons or "error" in case else 0, out + err)
        if "error" in case:
            self.assertIn(case["file"], err)
        if out.strip():
            self.assertEqual({k: v for k, v in json.loads(out).items()
                              if k not in ("points", "seconds")}, expected.counts())
        elif "error" not in case:
            self.fail("no counts")
        listed = lt.ctl_json(["quarantine", "list"], db=db, now=NOW)
        fresh = [entry for entry in listed if entry["n"] not in seen]
        seen.update(entry["n"] for entry in fresh)
        self.assertEqual(collections.Counter(entry["reason"] for entry in fresh), expected.reasons)
        self.assertTrue(all(entry["detail"] for entry in fresh), fresh)

    def table_run(self, folder):
        db, table, seen = site_make("nasty"), table_load(folder), set()
        for case in table["cases"]:
            with self.subTest(case["file"], why=case["why"]):
                self.case_run(db, folder, table, case, seen)
        self.assertTrue(lt.ctl_json(["verify"], db=db, now=NOW)["ok"])

    def test_slurm_listings(self):
        self.table_run("slurm")

    def test_token_records(self):
        self.table_run("tokens")


if __name__ == "__main__":
    unittest.main()
