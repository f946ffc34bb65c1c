"""Reports: every identity that they promise, and what an independent rating of the same records gives.

The records are random with a fixed seed (LEDGER_SEED changes it) and rated again by the oracle of the
property tests; sums over its slices are what the report must show, in every format.
"""

import csv
import hashlib
import io
import json
import os
import random
import re
import stat
import sys
import unittest
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from fractions import Fraction

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../lib", "../property", "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import ledger_test as lt  # noqa: E402
import rate_oracle  # noqa: E402
import small_site as site  # noqa: E402

JST = timezone(timedelta(hours=9))
MICRO = 1_000_000
SEED = int(os.environ.get("LEDGER_SEED", "20270601"))
MONTHS = ("2027-06", "2027-07", "2027-08")
SHARE_OF = {"h1": "hpci", "h2": "hpci", "g1": "general", "i1": "industry"}
FRACTIONS = {"hpci": Fraction(4, 5), "general": Fraction(1, 10), "industry": Fraction(1, 10)}


def micro(text):
    sign = -1 if text.startswith("-") else 1
    whole, fraction = text.lstrip("-").split(".")
    assert len(fraction) == 6, text
    return sign * (int(whole) * MICRO + int(fraction))


def half_even(value):
    """Micro-units of a fraction."""
    return round(value * MICRO)


def instant(text):
    return datetime.fromisoformat(text)


def job(rng, n):
    start = datetime(2027, 6, 1, tzinfo=JST) + timedelta(seconds=rng.randrange(70 * 86400))
    seconds = rng.choice((0, 1, 60, 3600, 86400, rng.randrange(1, 5 * 86400)))
    klass = rng.choice(("gpu", "gpu", "cpu"))
    meters = {"cpu": str(rng.randrange(1, 73)), "mem_gib": f"{rng.randrange(1, 481)}.5"}
    if klass == "gpu":
        meters["gpu"] = str(rng.randrange(1, 9))
    record = {"source": "slurm:a", "id": f"{n}@1", "project": rng.choice(sorted(SHARE_OF)),
              "user": rng.choice(("u1", "u2", "u3", "")), "class": klass, "start": start.isoformat(),
              "end": (start + timedelta(seconds=seconds)).isoformat(), "state": "final",
              "outcome": "completed", "qos": rng.choice(("normal", "urgent", "other")), "meters": meters}
    if seconds and rng.random() < 0.2:
        record["elapsed_seconds"] = rng.randrange(seconds + 1)
    return record


def tokens(rng, n):
    at = datetime(2027, 6, 20, tzinfo=JST) + timedelta(microseconds=rng.randrange(30 * 86400 * MICRO))
    return {"source": "gateway:b", "id": f"req-{n}", "project": rng.choice(sorted(SHARE_OF)),
            "user": rng.choice(("u1", "u4")), "class": rng.choice(("llm", "llm", "free")),
            "start": at.isoformat(), "end": at.isoformat(), "state": "final", "outcome": "completed",
            "meters": {"input_tokens": str(rng.randrange(100000)), "output_tokens": str(rng.randrange(9000))}}


def random_records():
    rng = random.Random(SEED)
    return [job(rng, n) for n in range(300)] + [tokens(rng, n) for n in range(300)]


def rated(record):
    answer = rate_oracle.rate({"timezone": "Asia/Tokyo", "fiscal_year_start": "04-01", "month_rule": "split",
                               "cards": [site.card()], "record": record})
    assert "error" not in answer, (record, answer)
    return answer


def gpu_seconds(record):
    """GPU-seconds by physical month, in micro-seconds: differences of the truncated cumulative amount."""
    start, end = instant(record["start"]), instant(record["end"])
    whole = Fraction((end - start) // timedelta(microseconds=1), MICRO)
    elapsed = Fraction(record.get("elapsed_seconds", whole))
    quantity = Fraction(record["meters"].get("gpu", "0"))
    result, before, edge = {}, 0, start
    while edge < end:
        year, month = edge.year + edge.month // 12, edge.month % 12 + 1
        until = min(end, datetime(year, month, 1, tzinfo=JST))
        done = Fraction((until - start) // timedelta(microseconds=1), MICRO)
        cumulative = int(quantity * elapsed * done / whole * MICRO)
        result[f"{edge.year}-{edge.month:02d}"] = cumulative - before
        before, edge = cumulative, until
    return result


class Expected:
    """What the oracle's slices come to."""

    def __init__(self, records):
        self.charged = defaultdict(int)  # month, project, source
        self.users = defaultdict(int)
        self.classes = defaultdict(lambda: [0, 0])
        self.gpu = defaultdict(int)
        self.total = 0
        for record in records:
            answer = rated(record)
            self.total += micro(answer["points"])
            for one in answer["slices"]:
                month, project = one["month"], record["project"]
                self.charged[month, project, record["source"]] += micro(one["points"])
                self.users[month, project, record["user"]] += micro(one["points"])
                cell = self.classes[month, project, record["source"], record["class"]]
                cell[0] += micro(one["points"])
                cell[1] += micro(one["list_points"])
            for month, seconds in gpu_seconds(record).items():
                self.gpu[month, SHARE_OF[record["project"]]] += seconds


class Monthly(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("report")
        for project, points in (("h1", "100000"), ("h2", "5"), ("g1", "20000"), ("i1", "3000.5")):
            lt.ctl(["grant", project, points, "--from", "2027-06-01T00:00:00+09:00"], db=cls.db, now=site.NOW)
        lt.ctl(["grant", "h1", "777", "--from", "2027-07-05T00:00:00+09:00"], db=cls.db, now=site.NOW)
        cls.records = random_records()
        cls.counts = site.import_records(cls.db, cls.records, now="2027-09-01T00:00:00+09:00")
        cls.expected = Expected(cls.records)
        cls.reports = {month: lt.report_json(["monthly", month], db=cls.db, now="2027-09-02T00:00:00+09:00")
                       for month in MONTHS}

    def test_everything_was_booked_as_the_oracle_says(self):
        self.assertEqual((600, 600), (self.counts["read"], self.counts["booked"]))
        self.assertEqual(self.expected.total, micro(self.counts["points"]))

    def test_columns_add_up_to_closing_which_opens_the_next_month(self):
        for month, report in self.reports.items():
            self.assertEqual(sorted(SHARE_OF), [p["project"] for p in report["projects"]])
            for p in report["projects"]:
                columns = {name: micro(p[name]) for name in ("opening", "granted", "refunded", "adjusted",
                                                             "expired", "closing", "charged_total")}
                charged = sum(micro(points) for points in p["charged"].values())
                self.assertEqual(charged, columns["charged_total"])
                self.assertEqual(columns["closing"],
                                 columns["opening"] + columns["granted"] - charged + columns["refunded"]
                                 + columns["adjusted"] - columns["expired"], (month, p))
        for month, following in zip(MONTHS, MONTHS[1:]):
            for p, q in zip(self.reports[month]["projects"], self.reports[following]["projects"]):
                self.assertEqual(p["closing"], q["opening"])

    def test_closing_is_the_balance_of_the_account(self):
        for p in self.reports[MONTHS[-1]]["projects"]:
            balance = lt.ctl_json(["balance", p["project"]], db=self.db, now="2027-09-02T00:00:00+09:00")
            self.assertEqual(balance["posted"], p["closing"])

    def test_charges_users_and_classes_are_the_oracles(self):
        for month, report in self.reports.items():
            for p in report["projects"]:
                name = p["project"]
                want = {s: v for (m, q, s), v in self.expected.charged.items() if (m, q) == (month, name) and v}
                self.assertEqual(want, {s: micro(v) for s, v in p["charged"].items()})
                want = {u: v for (m, q, u), v in self.expected.users.items() if (m, q) == (month, name)}
                self.assertEqual(want, {u["user"]: micro(u["points"]) for u in p["users"]})
                want = {(s, c): tuple(v) for (m, q, s, c), v in self.expected.classes.items()
                        if (m, q) == (month, name)}
                got = {(c["source"], c["class"]): (micro(c["points"]), micro(c["list_points"]))
                       for c in p["classes"] if c["list_points"] != "0.000000" or
                       (c["source"], c["class"]) in want}
                self.assertEqual(want, got)

    def test_users_and_classes_each_add_up_to_charged(self):
        for report in self.reports.values():
            for p in report["projects"]:
                charged = micro(p["charged_total"])
                self.assertEqual(charged, sum(micro(u["points"]) for u in p["users"]))
                self.assertEqual(charged, sum(micro(c["points"]) for c in p["classes"]))

    def test_a_discount_of_one_books_nothing_and_still_counts_usage(self):
        free = [c for r in self.reports.values() for p in r["projects"] for c in p["classes"]
                if c["class"] == "free"]
        self.assertTrue(free)
        for c in free:
            self.assertEqual("0.000000", c["points"])
            self.assertGreater(micro(c["list_points"]), 0)
            self.assertGreater(int(c["meters"]["input_tokens"]), 0)

    def test_token_meters_are_the_sums_of_the_records(self):
        want = defaultdict(int)
        for r in self.records:
            if r["source"] == "gateway:b":
                want[r["start"][:7], r["project"], r["class"]] += int(r["meters"]["input_tokens"])
        got = {(m, p["project"], c["class"]): int(c["meters"]["input_tokens"])
               for m, r in self.reports.items() for p in r["projects"] for c in p["classes"]
               if c["source"] == "gateway:b"}
        self.assertEqual(dict(want), got)

    def test_shares_are_the_sums_of_their_projects(self):
        for month, report in self.reports.items():
            total = 0
            for share in report["shares"]:
                mine = [p for p in report["projects"] if p["share"] == share["share"]]
                self.assertEqual(micro(share["spent"]), sum(micro(p["charged_total"]) for p in mine))
                self.assertEqual(micro(share["granted"]), sum(micro(p["granted"]) for p in mine))
                total += micro(share["spent"])
            for share in report["shares"]:
                fraction = half_even(Fraction(micro(share["spent"]), total)) if total > 0 else 0
                self.assertEqual(fraction, micro(share["fraction_of_spent"]), (month, share["share"]))

    def test_year_to_date_is_the_sum_of_the_months(self):
        for n, month in enumerate(MONTHS):
            for row, share in enumerate(self.reports[month]["shares"]):
                year = share["fiscal_year_to_date"]
                until = [self.reports[m]["shares"][row] for m in MONTHS[:n + 1]]
                for name in ("spent", "granted"):
                    self.assertEqual(micro(year[name]), sum(micro(m[name]) for m in until))
                for name in ("nominal", "available", "offered", "granted", "used", "service"):
                    self.assertEqual(micro(year["gpu_hours"][name]),
                                     sum(micro(m["gpu_hours"][name]) for m in until), (month, name))
                self.assertEqual(share["supply"], year["supply"])

    def test_gpu_hours_against_plain_arithmetic(self):
        days = {"2027-06": 30, "2027-07": 61, "2027-08": 92}  # until the end of the month
        used = defaultdict(Fraction)
        for month in MONTHS:
            nominal = Fraction(720 * 7200 * days[month], 305)  # 1 June to 31 March
            for share in self.reports[month]["shares"]:
                year, hours = share["fiscal_year_to_date"]["gpu_hours"], share["gpu_hours"]
                self.assertEqual(half_even(nominal), micro(year["nominal"]))
                self.assertEqual(hours["nominal"], hours["available"])
                self.assertEqual(half_even(nominal * FRACTIONS[share["share"]]), micro(year["offered"]))
                used[share["share"]] += Fraction(self.expected.gpu[month, share["share"]], 3600 * MICRO)
                self.assertEqual(half_even(used[share["share"]]), micro(year["used"]), (month, share["share"]))
                self.assertEqual(micro(share["granted"]), micro(hours["granted"]))  # 1 point an hour
                self.assertEqual("0.000000", hours["service"])

    def test_the_digest_is_of_the_document_with_an_empty_digest(self):
        _, out, _ = lt.run_report(["monthly", "2027-06", "--format", "json"], db=self.db, now=site.LATER)
        digest = json.loads(out)["digest"]
        empty = re.sub(r'"digest": "[0-9a-f]{64}"', '"digest": ""', out, count=1)
        self.assertEqual(digest, hashlib.sha256(empty.encode()).hexdigest())

    def test_the_same_book_gives_the_same_report(self):
        again = lt.report_json(["monthly", "2027-06"], db=self.db, now="2027-09-02T00:00:00+09:00")
        self.assertEqual(self.reports["2027-06"], again)

    def test_completeness(self):
        completeness = self.reports["2027-06"]["completeness"]
        last = {source: max(instant(r["end"]) for r in self.records if r["source"] == source)
                for source in ("slurm:a", "gateway:b")}
        self.assertEqual(last, {s: instant(t) for s, t in completeness["last_record"].items()})
        self.assertEqual((0, 0), (completeness["quarantined"], completeness["skipped"]))

    def test_csv_says_what_json_says(self):
        report = self.reports["2027-07"]
        code, out, err = lt.run_report(["monthly", "2027-07", "--format", "csv"], db=self.db,
                                       now="2027-09-02T00:00:00+09:00")
        self.assertEqual((0, ""), (code, err))
        rows = list(csv.DictReader(io.StringIO(out)))
        self.assertEqual({len(rows[0])}, {len([v for v in row.values() if v is not None]) for row in rows})
        self.assertEqual({"2027-07"}, {row["month"] for row in rows})
        projects = {row["project"]: row for row in rows if row["section"] == "project"}
        for p in report["projects"]:
            row = projects[p["project"]]
            for name in ("share", "opening", "granted", "charged_total", "refunded", "adjusted", "expired",
                         "closing", "accrued"):
                self.assertEqual(p[name], row[name])
        users = {(row["project"], row["user"]): row["points"] for row in rows if row["section"] == "user"}
        self.assertEqual({(p["project"], u["user"]): u["points"] for p in report["projects"]
                          for u in p["users"]}, users)
        charged = {(row["project"], row["source"]): row["points"] for row in rows
                   if row["section"] == "charged"}
        self.assertEqual({(p["project"], s): v for p in report["projects"] for s, v in p["charged"].items()},
                         charged)
        classes = {(r["project"], r["source"], r["class"]): (r["points"], r["list_points"]) for r in rows
                   if r["section"] == "class"}
        self.assertEqual({(p["project"], c["source"], c["class"]): (c["points"], c["list_points"])
                          for p in report["projects"] for c in p["classes"]}, classes)
        shares = {row["share"]: row for row in rows if row["section"] == "share"}
        for s in report["shares"]:
            self.assertEqual(s["gpu_hours"]["used"], shares[s["share"]]["gpu_hours.used"])
            self.assertEqual(s["spent"], shares[s["share"]]["spent"])

    def test_text_shows_the_same_numbers_and_totals(self):
        report = self.reports["2027-07"]
        code, out, err = lt.run_report(["monthly", "2027-07"], db=self.db, now="2027-09-02T00:00:00+09:00")
        self.assertEqual((0, ""), (code, err))
        lines = [line.split() for line in out.splitlines()]
        for p in report["projects"]:
            want = [p[n] for n in ("opening", "granted", "charged_total", "refunded", "adjusted", "expired",
                                   "closing", "accrued")]
            self.assertIn([p["project"], p["share"], *want], lines)
        totals = next(line for line in lines if line[:1] == ["total"])
        self.assertEqual([sum(micro(p[n]) for p in report["projects"])
                          for n in ("opening", "granted", "charged_total", "refunded", "adjusted", "expired",
                                    "closing", "accrued")], [micro(t) for t in totals[1:]])
        self.assertIn(report["digest"], out)
        self.assertIn("80.0000 %", out)

    def test_filters_keep_the_rows_and_the_digest_of_the_whole(self):
        whole = self.reports["2027-06"]
        for words, keep in ((["--share", "hpci"], {"h1", "h2"}), (["--project", "g1"], {"g1"})):
            part = lt.report_json(["monthly", "2027-06", *words], db=self.db, now="2027-09-02T00:00:00+09:00")
            self.assertEqual([p for p in whole["projects"] if p["project"] in keep], part["projects"])
            self.assertEqual(whole["digest"], part["digest"])
            self.assertEqual({words[0][2:]: words[1]}, part["excerpt"])
        for words in (["--share", "lottery"], ["--project", "nobody"]):
            code, out, err = lt.run_report(["monthly", "2027-06", *words], db=self.db)
            self.assertEqual((1, ""), (code, out), err)
            self.assertIn(words[1], err)

    def test_statement_is_the_projects_part_with_grants_and_days(self):
        whole = next(p for p in self.reports["2027-07"]["projects"] if p["project"] == "h1")
        statement = lt.report_json(["statement", "h1", "2027-07"], db=self.db,
                                   now="2027-09-02T00:00:00+09:00")
        for name, value in whole.items():
            self.assertEqual(value, statement[name], name)
        self.assertEqual(["100000.000000", "777.000000"], [g["points"] for g in statement["grants"]])
        self.assertEqual(micro(whole["charged_total"]), sum(micro(d["points"]) for d in statement["days"]))
        by_day = defaultdict(int)
        for r in self.records:
            if r["project"] != "h1":
                continue
            for one in rated(r)["slices"]:
                last = instant(r["end"]) - timedelta(microseconds=1 if r["end"] != r["start"] else 0)
                month_end = datetime(2027, 8, 1, tzinfo=JST) - timedelta(microseconds=1)
                if one["month"] == "2027-07":
                    by_day[str(min(last, month_end).date()), r["source"]] += micro(one["points"])
        self.assertEqual(dict(by_day), {(d["day"], d["source"]): micro(d["points"])
                                        for d in statement["days"]})
        for form in ("text", "csv"):
            code, out, err = lt.run_report(["statement", "h1", "2027-07", "--format", form], db=self.db)
            self.assertEqual((0, ""), (code, err))
            self.assertIn(whole["closing"], out)
            self.assertIn(statement["days"][0]["points"], out)

    def test_shares_of_the_year_are_the_sums_of_its_months(self):
        report = lt.report_json(["shares", "2027"], db=self.db, now="2027-09-02T00:00:00+09:00")
        self.assertEqual(2027, report["fiscal_year"])
        for row, share in enumerate(report["shares"]):
            months = {m["month"]: m for m in share["months"]}
            self.assertEqual(12, len(months))
            for month in MONTHS:
                monthly = self.reports[month]["shares"][row]
                self.assertEqual(monthly["spent"], months[month]["spent"])
                self.assertEqual(monthly["gpu_hours"], months[month]["gpu_hours"])
            self.assertEqual(micro(share["spent"]), sum(micro(m["spent"]) for m in months.values()))
            self.assertEqual(micro(share["remaining"]), micro(share["supply"]) - micro(share["spent"]))
            self.assertEqual(micro(share["ungranted"]), micro(share["supply"]) - micro(share["granted"]))
            offered = sum(micro(m["gpu_hours"]["offered"]) for m in months.values())
            self.assertEqual(720 * 7200 * FRACTIONS[share["share"]] * MICRO, offered)
            self.assertEqual(offered, micro(share["gpu_hours"]["offered"]))
            self.assertEqual(720 * 7200 * MICRO, micro(share["gpu_hours"]["nominal"]))
        for form in ("text", "csv"):
            code, out, err = lt.run_report(["shares", "2027", "--format", form], db=self.db)
            self.assertEqual((0, ""), (code, err))
            self.assertIn(report["shares"][0]["spent"], out)


class Odd(unittest.TestCase):
    def test_a_month_with_nothing_is_a_report_of_zeros(self):
        db = site.new_book("report")
        for month in ("2027-06", "2030-01", "1999-12"):
            report = lt.report_json(["monthly", month], db=db, now=site.NOW)
            self.assertEqual(["hpci", "general", "industry"], [s["share"] for s in report["shares"]])
            self.assertEqual({"0.000000"}, {p["closing"] for p in report["projects"]})
            for form in ("text", "csv"):
                code, _, err = lt.run_report(["monthly", month, "--format", form], db=db, now=site.NOW)
                self.assertEqual((0, ""), (code, err))

    def test_without_a_policy_there_is_no_report(self):
        db = lt.create_db("report")
        for words in (["monthly", "2027-06"], ["shares", "2027"]):
            code, out, err = lt.run_report(words, db=db)
            self.assertEqual((1, ""), (code, out))
            self.assertIn("policy", err)

    def test_an_unknown_project_has_no_statement(self):
        db = site.new_book("report", projects=False)
        code, out, err = lt.run_report(["statement", "nobody", "2027-06"], db=db)
        self.assertEqual((1, ""), (code, out))
        self.assertIn("nobody", err)

    def test_a_file_is_replaced_as_a_whole_or_not_at_all(self):
        db = site.new_book("report")
        path = os.path.join(lt.temp_dir(), "june.json")
        code, out, err = lt.run_report(["monthly", "2027-06", "--format", "json", "-o", path], db=db)
        self.assertEqual((0, "", ""), (code, out, err))
        with open(path, encoding="utf-8") as file:
            self.assertEqual("2027-06", json.load(file)["month"])
        code, _, _ = lt.run_report(["statement", "nobody", "2027-06", "-o", path], db=db)
        self.assertEqual(1, code)
        with open(path, encoding="utf-8") as file:
            self.assertEqual("2027-06", json.load(file)["month"])
        self.assertEqual(["june.json"], os.listdir(os.path.dirname(path)))
        code, _, err = lt.run_report(["monthly", "2027-06", "-o", "/nonexistent/june"], db=db)
        self.assertEqual(3, code)
        self.assertIn("/nonexistent/june", err)

    def test_a_pipe_or_a_link_is_not_replaced(self):
        db = site.new_book("report")
        folder = lt.temp_dir()
        pipe, link, file = (os.path.join(folder, name) for name in ("pipe", "link", "file"))
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        with open(file, "w", encoding="utf-8") as old:
            old.write("old")
        os.symlink("file", link)
        for path in (pipe, link):
            code, out, err = lt.run_report(["shares", "2027", "--format", "json", "-o", path], db=db,
                                            now=site.LATER)
            self.assertEqual((0, "", ""), (code, out, err))
        self.assertTrue(stat.S_ISFIFO(os.lstat(pipe).st_mode))
        self.assertTrue(stat.S_ISLNK(os.lstat(link).st_mode))
        with open(file, encoding="utf-8") as new:
            self.assertEqual(os.read(reader, 1 << 20).decode(), new.read())
        self.assertEqual(["file", "link", "pipe"], sorted(os.listdir(folder)))

    def test_running_work_shows_as_accrued_in_the_current_month_alone(self):
        db = site.new_book("report")
        lt.ctl(["grant", "h1", "1000", "--from", "2027-06-01T00:00:00+09:00"], db=db, now=site.NOW)
        site.import_records(db, [{
            "source": "slurm:a", "id": "9@1", "project": "h1", "user": "u", "class": "gpu",
            "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T10:00:00+09:00", "state": "running",
            "meters": {"gpu": "2", "cpu": "1", "mem_gib": "1"}}], now=site.NOW)
        report = lt.report_json(["monthly", "2027-06"], db=db, now=site.NOW)
        project = next(p for p in report["projects"] if p["project"] == "h1")
        self.assertEqual(("20.000000", "1000.000000", {}),
                         (project["accrued"], project["closing"], project["charged"]))
        self.assertEqual("20.000000", report["shares"][0]["accrued"])
        report = lt.report_json(["monthly", "2027-06"], db=db, now=site.LATER)
        self.assertEqual({"0.000000"}, {p["accrued"] for p in report["projects"]})

    def test_quarantined_and_skipped_are_counted(self):
        db = site.new_book("report")
        good = {"source": "slurm:a", "id": "1@1", "project": "h1", "user": "u", "class": "gpu",
                "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T10:00:00+09:00", "state": "final",
                "meters": {"gpu": "2", "cpu": "1", "mem_gib": "1"}}
        counts = site.import_records(db, [good, dict(good, id="2@1", project="nobody"),
                                          dict(good, id="3@1", meters={})], expect=3)
        self.assertEqual(2, counts["quarantined"])
        report = lt.report_json(["monthly", "2027-06"], db=db, now=site.LATER)
        self.assertEqual(2, report["completeness"]["quarantined"])

    def test_names_that_csv_must_quote_survive(self):
        db = site.new_book("report")
        user = 'a,"b"'
        site.import_records(db, [{
            "source": "slurm:a", "id": "1@1", "project": "h1", "user": user, "class": "gpu",
            "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T10:00:00+09:00", "state": "final",
            "meters": {"gpu": "1", "cpu": "1", "mem_gib": "1"}}])
        _, out, _ = lt.run_report(["monthly", "2027-06", "--format", "csv"], db=db)
        rows = list(csv.DictReader(io.StringIO(out)))
        self.assertIn(user, [row["user"] for row in rows])

    def test_a_book_that_contradicts_itself_is_not_reported(self):
        db = site.new_book("report")
        site.import_records(db, [{
            "source": "slurm:a", "id": "1@1", "project": "h1", "user": "u", "class": "gpu",
            "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T10:00:00+09:00", "state": "final",
            "meters": {"gpu": "1", "cpu": "1", "mem_gib": "1"}}])
        lt.psql(db, "UPDATE ledger.charge SET points_micro = points_micro + 1;")
        for words in (["monthly", "2027-06"], ["statement", "h1", "2027-06"]):
            code, out, err = lt.run_report(words, db=db)
            self.assertEqual((5, ""), (code, out))
            self.assertIn("h1", err)


class Services(unittest.TestCase):
    """A service's GPU hours are divided over the shares by the list points of its tokens."""

    def setUp(self):
        self.db = site.new_book("service")
        lt.ctl(["project", "add", "svc", "--service", "gateway:*/llm", "gateway:*/free"], db=self.db,
               now=site.NOW)

    def job(self, number, month, gpus):
        return {"source": "slurm:a", "id": f"{number}@1", "project": "svc", "user": "svc", "class": "gpu",
                "start": f"2027-{month}-02T00:00:00+09:00", "end": f"2027-{month}-02T10:00:00+09:00",
                "state": "final", "meters": {"gpu": str(gpus), "cpu": "1", "mem_gib": "1"}}

    def tokens(self, number, project, klass, count):
        at = "2027-06-03T00:00:00+09:00"
        return {"source": "gateway:b", "id": f"r{number}", "project": project, "user": "u", "class": klass,
                "start": at, "end": at, "state": "final", "meters": {"output_tokens": str(count)}}

    def test_hours_follow_the_list_points_and_nothing_is_paid_twice(self):
        # 3 parts of list points for hpci (1 of them free), 1 for general; 40 GPU hours in June, idle in July
        site.import_records(self.db, [self.job(1, "06", 4), self.job(2, "07", 4),
                                      self.tokens(1, "h1", "llm", 20_000_000),
                                      self.tokens(2, "h2", "free", 10_000_000),
                                      self.tokens(3, "g1", "llm", 10_000_000)])
        report = lt.report_json(["monthly", "2027-06"], db=self.db, now=site.LATER)
        hours = {s["share"]: s["gpu_hours"] for s in report["shares"]}
        self.assertEqual({"hpci": "30.000000", "general": "10.000000", "industry": "0.000000"},
                         {s: h["service"] for s, h in hours.items()})
        self.assertEqual({"0.000000"}, {h["used"] for h in hours.values()})
        spent = {s["share"]: s["spent"] for s in report["shares"]}
        self.assertEqual({"hpci": "3.000000", "general": "1.500000", "industry": "0.000000"}, spent)
        service = report["services"][0]
        self.assertEqual(("svc", {"slurm:a": "40.000000"}, "4.500000", "-35.500000", "40.000000"),
                         (service["project"], service["charged"], service["received"], service["closing"],
                          service["gpu_hours"]))
        self.assertNotIn("svc", [p["project"] for p in report["projects"]])
        july = lt.report_json(["monthly", "2027-07"], db=self.db, now=site.LATER)
        self.assertEqual({"hpci": "32.000000", "general": "4.000000", "industry": "4.000000"},
                         {s["share"]: s["gpu_hours"]["service"] for s in july["shares"]})
        self.assertEqual("62.000000", july["shares"][0]["fiscal_year_to_date"]["gpu_hours"]["service"])

    def test_lending_moves_what_is_offered(self):
        lt.ctl(["grant", "i1", "10", "--lend-from", "hpci", "--from", "2027-06-01T00:00:00+09:00"], db=self.db,
               now=site.NOW)
        report = lt.report_json(["monthly", "2027-06"], db=self.db, now=site.LATER)
        plain = lt.report_json(["monthly", "2027-06"], db=site.new_book("service"), now=site.LATER)
        moved = {a["share"]: micro(a["gpu_hours"]["offered"]) - micro(b["gpu_hours"]["offered"])
                 for a, b in zip(report["shares"], plain["shares"])}
        self.assertEqual({"hpci": -10 * MICRO, "general": 0, "industry": 10 * MICRO}, moved)


if __name__ == "__main__":
    unittest.main()
