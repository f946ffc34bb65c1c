"""The example site: its samples come from their traces, and its book is what plain arithmetic says.

The expected amounts are computed here from the sample files and the rate card with fractions, by the formula
of the rate card's documentation for the cases that the samples have: one card, one rule a class, no
minimum, nothing of the requested time.
"""

import csv
import json
import os
import subprocess
import sys
import unittest
from collections import defaultdict
from datetime import datetime, timedelta
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt  # noqa: E402

SITE = os.path.join(lt.ROOT, "contrib", "sdli")
NOW = "2027-07-05T09:00:00+09:00"
EDGE = datetime(2027, 7, 1)
ALIASES = {"geophys": "hp270032", "acme-drug": "ind27002"}
MICRO = 10 ** 6


def site(name):
    return os.path.join(SITE, name)


def rounded(points):
    """Half to even at six places; Python's round is exact on fractions."""
    return Fraction(round(points * MICRO), MICRO)


def text(points):
    micro = int(points * MICRO)
    return f"{'-' if micro < 0 else ''}{abs(micro) // MICRO}.{abs(micro) % MICRO:06d}"


def rules():
    with open(site("rates.json"), encoding="utf-8") as file:
        return {rule["class"]: rule for rule in json.load(file)["rules"]}


def jobs():
    """The job rows that ran or run; steps, pending and never started ones left out."""
    with open(site("slurm.sacct"), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE):
            if "." not in row["JobIDRaw"] and row["Start"] not in ("None", "Unknown"):
                yield row


def job_hourly(row, rule):
    tres = dict(item.split("=") for item in row["AllocTRES"].split(","))
    held = {"gpu": tres.get("gres/gpu", "0"), "cpu": tres["cpu"], "mem_gib": tres["mem"].rstrip("G")}
    largest = max(Fraction(held[meter]) * Fraction(price) for meter, price in rule["per_hour"].items())
    return largest * Fraction(rule["factors"]["qos"][row["QOS"]])


def job_expect(row, book, by_class):
    """Add one job: what is charged in which month, or what is accrued."""
    hourly = job_hourly(row, by_class[row["Partition"]])
    hours, minutes, seconds = map(int, row["Suspended"].split(":"))
    elapsed = Fraction(int(row["ElapsedRaw"]))
    wall = elapsed + hours * 3600 + minutes * 60 + seconds
    start = datetime.fromisoformat(row["Start"])
    end = start + timedelta(seconds=int(wall))
    whole = rounded(hourly * elapsed / 3600)
    project = book[ALIASES.get(row["Account"], row["Account"])]
    if row["End"] == "Unknown":
        project["accrued"] += whole
        return
    june = whole if end <= EDGE else Fraction(0)
    if start < EDGE < end:
        before = Fraction(int((EDGE - start).total_seconds()))
        june = rounded(hourly * before * elapsed / wall / 3600)
    project["2027-06"] += june
    project["2027-07"] += whole - june


def tokens():
    with open(site("tokens.csv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def request_expect(row, book, by_class):
    prices = by_class[row["class"]]["per_million"]
    cost = sum(Fraction(row["meters." + meter]) * Fraction(prices[meter])
               for meter in ("input_tokens", "output_tokens")) / MICRO
    book[row["project"]][row["start"][:7]] += rounded(cost)


def expected_book():
    book = defaultdict(lambda: defaultdict(Fraction))
    by_class = rules()
    for row in jobs():
        job_expect(row, book, by_class)
    for row in tokens():
        request_expect(row, book, by_class)
    return book


class SamplesTest(unittest.TestCase):
    def made(self, script, trace):
        return subprocess.run(["/usr/bin/python3", site(script), site(os.path.join("traces", trace))],
                              check=True, capture_output=True).stdout

    def read(self, name):
        with open(site(name), "rb") as file:
            return file.read()

    def test_jobs_are_what_the_script_makes_of_the_trace(self):
        self.assertEqual(self.made("swf2sacct.py", "evalys_easy_mediumWL_smallPF.swf"),
                         self.read("slurm.sacct"))

    def test_requests_are_what_the_script_makes_of_the_trace(self):
        self.assertEqual(self.made("azure2usage.py", "AzureLLMInferenceTrace_code.csv"),
                         self.read("tokens.csv"))

    def test_the_samples_are_as_large_as_promised(self):
        self.assertGreaterEqual(sum(1 for _ in jobs()), 800)
        self.assertEqual(len(tokens()), 8819)

    def test_jobs_and_requests_cross_the_months_edge(self):
        crossing = [row for row in jobs() if row["Start"] < "2027-07-01" < row["End"]
                    and row["End"] != "Unknown"]
        self.assertGreaterEqual(len(crossing), 5)
        self.assertEqual({row["start"][:7] for row in tokens()}, {"2027-06", "2027-07"})

    def test_no_instant_sees_more_gpus_than_the_centre_has(self):
        changes = []
        for row in jobs():
            tres = dict(item.split("=") for item in row["AllocTRES"].split(","))
            gpus = int(tres.get("gres/gpu", "0"))
            changes.append((row["Start"], gpus))
            if row["End"] != "Unknown":
                changes.append((row["End"], -gpus))
        busy = most = 0
        for _, change in sorted(changes):
            busy += change
            most = max(most, busy)
        self.assertLessEqual(most, 720)
        self.assertGreater(most, 360)


class BookTest(unittest.TestCase):
    """The whole site in one sandbox."""

    @classmethod
    def ctl(cls, *args, expect=0):
        return lt.ctl_json(args, db=cls.db, now=NOW, expect=expect)

    @classmethod
    def setUpClass(cls):
        cls.db = lt.create_db("site")
        lt.ctl(["policy", "apply", site("policy.json")], db=cls.db, now=NOW)
        lt.ctl(["rates", "apply", site("rates.json")], db=cls.db, now=NOW)
        for _ in range(2):  # the second run must change nothing and say nothing wrong
            done = subprocess.run(
                ["sh", site("projects.sh")], capture_output=True, text=True, check=False,
                env=dict(os.environ, LEDGER_DB=cls.db, LEDGER_NOW=NOW, LEDGERCTL=lt.LEDGERCTL))
            if done.returncode != 0:
                raise AssertionError(f"projects.sh: {done.returncode}\n{done.stdout}{done.stderr}")
        cls.slurm = cls.ctl("import", "slurm", site("slurm.sacct"), "--cluster", "sdli")
        cls.requests = cls.ctl("import", "usage", site("tokens.csv"), "--source", "gateway:sdli",
                               "--format", "csv")
        cls.book = expected_book()

    def test_every_record_is_booked(self):
        ran = sum(1 for _ in jobs())
        self.assertEqual((self.slurm["read"], self.slurm["booked"], self.slurm["quarantined"]),
                         (ran, ran, 0))
        self.assertEqual((self.requests["read"], self.requests["booked"],
                          self.requests["quarantined"]), (8819, 8819, 0))
        self.assertGreater(self.slurm["skipped"], 0)

    def test_balances_are_what_arithmetic_says(self):
        self.assertEqual(len(self.book), 10)
        for project, wanted in sorted(self.book.items()):
            balance = self.ctl("balance", project)
            spent = wanted["2027-06"] + wanted["2027-07"]
            self.assertEqual((balance["spent"], balance["accrued"]),
                             (text(spent), text(wanted["accrued"])), project)

    def test_the_months_are_what_arithmetic_says(self):
        for month in ("2027-06", "2027-07"):
            report = lt.report_json(["monthly", month], db=self.db, now=NOW)
            charged = {p["project"]: sum(map(Fraction, p["charged"].values()))
                       for p in report["projects"]}
            self.assertEqual({k: text(v) for k, v in charged.items() if v},
                             {k: text(v[month]) for k, v in self.book.items() if v[month]}, month)

    def test_the_supply_is_split_80_10_10(self):
        for year, pools in (("2027", ("4147200", "518400", "518400")),
                            ("2028", ("4976640", "622080", "622080"))):
            report = lt.report_json(["shares", year], db=self.db, now=NOW)
            supply = {share["share"]: share["supply"] for share in report["shares"]}
            self.assertEqual(supply, {name: points + ".000000" for name, points in
                                      zip(("hpci", "general", "industry"), pools)})

    def test_reading_everything_again_changes_nothing(self):
        before = self.ctl("balance", "hp270001")
        again = self.ctl("import", "slurm", site("slurm.sacct"), "--cluster", "sdli")
        self.assertEqual((again["duplicate"], again["booked"], again["amended"]),
                         (self.slurm["read"], 0, 0))
        after = self.ctl("balance", "hp270001")
        before.pop("as_of"), after.pop("as_of")
        self.assertEqual(before, after)

    def test_the_two_checks_of_the_demo(self):
        self.assertTrue(self.ctl("check", "hp270001", "1000", "--user", "u00042")["allowed"])
        refused = self.ctl("check", "ind27002", "500", "--user", "u00310", expect=1)
        self.assertEqual((refused["allowed"], refused["reason"]), (False, "insufficient_points"))
        self.assertLess(Fraction(refused["available"]), 100)

    def test_the_book_proves_itself(self):
        self.assertTrue(self.ctl("verify")["ok"])


if __name__ == "__main__":
    unittest.main()
