"""Months that close: gates, slices of running work, late bookings, reports that stay as they were stored."""

import json
import os
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402
from test_life import act, job, refused, tokyo  # noqa: E402

NOW = tokyo("2027-06-10", "09:00:00")
JULY = tokyo("2027-07-03")
AUGUST = tokyo("2027-08-03")
GATES = ["month_over", "order", "sources", "quarantine", "verified"]


def micro(text):
    whole, _, part = text.lstrip("-").partition(".")
    value = int(whole) * 1000000 + int((part + "000000")[:6])
    return -value if text.startswith("-") else value


def running(number, start, seen, **fields):
    """A job of one GPU that is seen running: it costs a point an hour."""
    record = job(number, ("2027-06-01", "00:00:00"), **fields)
    del record["outcome"]
    return {**record, "state": "running", "start": start, "end": seen}


def final(number, start, end, **fields):
    return {**job(number, ("2027-06-01", "00:00:00"), **fields), "start": start, "end": end}


def new_book(**policy):
    """A book with a grant of 1000 and a source that was read past the end of June."""
    if policy:
        db = lt.create_db("months")
        for words, document in ((["policy", "apply"], site.policy(**policy)), (["rates", "apply"], site.card())):
            lt.ctl([*words, site.file_of(document)], db=db, now=site.NOW)
        for project, share in (("h1", "hpci"), ("h2", "hpci"), ("g1", "general")):
            lt.ctl(["project", "add", project, "--share", share], db=db, now=site.NOW)
    else:
        db = site.new_book("months")
    act(db, "grant", "h1", "1000", "--from", tokyo("2027-06-01"), now=NOW)
    return db


def read_through(db, instant, now, source="slurm:x"):
    lt.ctl(["import", "usage", "--source", source, "--through", instant], db=db, now=now, stdin="")


def close(db, month="2027-06", *words, now=JULY, expect=0):
    return act(db, "close", month, *words, now=now, expect=expect)


def gates(db, month="2027-06", *words, now=JULY):
    """The gates that stand in the way, by name, as --check lists them."""
    code, out, err = lt.run_ctl(["close", month, "--check", "--json", *words], db=db, now=now)
    document = json.loads(out)
    assert [gate["name"] for gate in document["gates"]] == GATES, err
    stopping = {gate["name"]: gate["detail"] for gate in document["gates"] if not gate["ok"]}
    assert (code, document["state"]) == (1 if stopping else 0, "open"), err
    return stopping


def month_of(db, month, now, project="h1"):
    document = lt.report_json(["monthly", month], db=db, now=now)
    return document, [p for p in document["projects"] if p["project"] == project][0]


def every_format(db, now):
    """What the closed June looks like, in every form that there is."""
    shown = {}
    for words in (["monthly", "2027-06"], ["monthly", "2027-06", "--share", "hpci"],
                  ["monthly", "2027-06", "--project", "h1"], ["statement", "h1", "2027-06"]):
        for form in ("text", "csv", "json"):
            code, out, err = lt.run_report([*words, "--format", form], db=db, now=now)
            assert code == 0, err
            shown[" ".join([*words, form])] = out
    with lt.start_ledgerd(db) as daemon:
        for path in ("/v1/reports/monthly?month=2027-06", "/v1/projects/h1/statement?month=2027-06"):
            shown[path] = daemon.request("GET", path).text
    return shown


class MonthsTest(unittest.TestCase):
    def verify(self, db, now):
        code, out, err = lt.run_ctl(["verify"], db=db, now=now)
        self.assertEqual(0, code, out + err)

    def balanced(self, db, month, now):
        """Every project's columns add up, and what came late and what moved is what was adjusted."""
        document = lt.report_json(["monthly", month], db=db, now=now)
        for p in document["projects"]:
            column = {name: micro(p[name]) for name in
                      ("opening", "granted", "refunded", "adjusted", "expired", "closing")}
            charged = sum(micro(points) for points in p["charged"].values())
            self.assertEqual(column["closing"], column["opening"] + column["granted"] - charged + column["refunded"]
                             + column["adjusted"] - column["expired"], p)
            self.assertEqual(charged, sum(micro(u["points"]) for u in p["users"]), p)
            self.assertEqual(charged, sum(micro(c["points"]) for c in p["classes"]), p)
        return document


class GatesTest(MonthsTest):
    def test_a_month_that_is_not_over_stays_open(self):
        db = new_book()
        read_through(db, NOW, NOW)
        stopping = gates(db, now=tokyo("2027-06-30", "23:59:59"))
        self.assertIn("2027-07-01T00:00:00+09:00", stopping["month_over"])
        err = refused(db, "close", "2027-06", now=tokyo("2027-06-30", "23:59:59"))
        self.assertIn("month_over", err)
        self.assertNotIn("month_over", gates(db, now=tokyo("2027-07-01")))

    def test_months_close_in_order(self):
        db = new_book()
        read_through(db, AUGUST, AUGUST)
        self.assertIn("2027-06", gates(db, "2027-07", now=AUGUST)["order"])
        close(db, now=AUGUST)
        self.assertEqual({}, gates(db, "2027-07", now=AUGUST))
        close(db, "2027-07", now=AUGUST)
        self.assertIn("2027-08", gates(db, "2027-09", now=tokyo("2027-10-02"))["order"])

    def test_running_work_of_an_earlier_month_makes_that_the_first_one(self):
        db = lt.create_db("months")
        lt.ctl(["policy", "apply", site.file_of(site.policy(supply=[]))], db=db, now=NOW)
        lt.ctl(["rates", "apply", site.file_of(site.card())], db=db, now=NOW)
        lt.ctl(["project", "add", "h1", "--share", "hpci"], db=db, now=NOW)
        site.import_records(db, [running(1, tokyo("2027-06-30", "20:00:00"), tokyo("2027-08-02"))], now=AUGUST)
        self.assertIn("2027-06", gates(db, "2027-07", now=AUGUST)["order"])
        self.assertEqual({}, gates(db, "2027-06", now=AUGUST))

    def test_usage_that_cost_nothing_makes_its_month_the_first_one(self):
        db = lt.create_db("months")
        lt.ctl(["policy", "apply", site.file_of(site.policy(supply=[]))], db=db, now=NOW)
        lt.ctl(["rates", "apply", site.file_of(site.card())], db=db, now=NOW)
        lt.ctl(["project", "add", "h1", "--share", "hpci"], db=db, now=NOW)
        free = {"source": "gateway:a", "project": "h1", "class": "free", "state": "final", "outcome": "completed",
                "meters": {"output_tokens": "1000"}}
        site.import_records(db, [{**free, "id": day, "start": tokyo(day), "end": tokyo(day)}
                                 for day in ("2027-06-05", "2027-08-02")], now=AUGUST)
        self.assertIn("2027-06", gates(db, "2027-07", now=AUGUST)["order"])

    def test_every_source_is_read_past_the_end_and_its_lag(self):
        db = new_book()
        site.import_records(db, [job(1, ("2027-06-30", "20:00:00"), 3)], now=JULY)
        self.assertIn("slurm:x was read to 2027-06-30T23:00:00+09:00", gates(db)["sources"])
        site.import_records(db, [job(2, ("2027-07-01", "00:00:00"), 1)], now=JULY)
        self.assertEqual({}, gates(db))
        conf = lt.write_file("[slurm x]\nlag = 2d\n", "ledgerd.conf")
        self.assertIn("2027-07-03T00:00:00+09:00", gates(db, "2027-06", "-c", conf)["sources"])
        for text, due in (("[slurm x]\n", "2027-07-02T00:00:00+09:00"),  # a day, by default
                          ("[tokens gateway:a]\n", "gateway:a was never read")):
            conf = lt.write_file(text, "ledgerd.conf")
            self.assertIn(due, gates(db, "2027-06", "-c", conf)["sources"])
        site.import_records(db, [running(3, tokyo("2027-07-01"), tokyo("2027-07-02"))], now=JULY)
        conf = lt.write_file("[slurm x]\n", "ledgerd.conf")
        self.assertEqual({}, gates(db, "2027-06", "-c", conf))

    def test_a_quiet_source_is_closed_by_name(self):
        db = new_book()
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 1)], now=NOW)
        site.import_records(db, [{**job(2, ("2027-06-05", "10:00:00"), 1), "source": "slurm:y"}], now=NOW)
        stopping = gates(db)["sources"]
        self.assertIn("slurm:x", stopping)
        self.assertIn("slurm:y", stopping)
        stopping = gates(db, "2027-06", "--accept-quiet", "slurm:x")["sources"]
        self.assertNotIn("slurm:x", stopping)
        refused(db, "close", "2027-06", "--accept-quiet", "slurm:x", now=JULY)
        refused(db, "close", "2027-06", "--accept-quiet", "slurm:x,slurm:z", now=JULY, expect=2)
        close(db, "2027-06", "--accept-quiet", "slurm:x,slurm:y")
        detail = [a["detail"] for a in act(db, "audit", "list", now=JULY) if a["verb"] == "close"][0]
        for source in ("slurm:x", "slurm:y"):
            self.assertIn(f"quiet: {source} was read to 2027-06-05T11:00:00+09:00", detail)

    def test_an_import_says_how_far_a_source_was_read(self):
        db = new_book()
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 1)], now=NOW)
        self.assertIn("sources", gates(db))
        read_through(db, tokyo("2027-06-30"), JULY)
        self.assertIn("sources", gates(db))
        read_through(db, tokyo("2027-07-01"), JULY)
        read_through(db, tokyo("2027-06-15"), JULY)  # an older file takes nothing back
        self.assertEqual({}, gates(db))
        code, _, err = lt.run_ctl(["import", "usage", "--source", "s", "--through", AUGUST], db=db, now=JULY, stdin="")
        self.assertEqual(2, code, err)

    def test_records_in_quarantine_keep_every_month_open_that_they_touch(self):
        db = new_book()
        read_through(db, AUGUST, AUGUST)
        over = {**final(1, tokyo("2027-06-30", "20:00:00"), tokyo("2027-07-01", "04:00:00")), "project": "nobody"}
        site.import_records(db, [over], now=JULY, expect=3)
        self.assertIn("unknown_project", gates(db, now=AUGUST)["quarantine"])
        refused(db, "close", "2027-06", now=AUGUST)
        close(db, "2027-06", "--accept-quarantine", now=AUGUST)
        detail = [a["detail"] for a in act(db, "audit", "list", now=AUGUST) if a["verb"] == "close"][0]
        self.assertIn("entry 1 (slurm:x j1: unknown_project)", detail)
        self.assertIn("quarantine", gates(db, "2027-07", now=AUGUST))
        self.assertEqual(1, lt.report_json(["monthly", "2027-06"], db=db, now=AUGUST)["completeness"]["quarantined"])
        act(db, "project", "add", "nobody", "--share", "hpci", now=AUGUST)
        act(db, "quarantine", "retry", now=AUGUST)
        self.assertEqual({}, gates(db, "2027-07", now=AUGUST))
        document, project = month_of(db, "2027-07", AUGUST, "nobody")
        self.assertEqual([("2027-06", "nobody", "slurm:x", "j1", "-4.000000")],
                         [tuple(line.values()) for line in document["adjustments"]])
        self.assertEqual(("-4.000000", {"slurm:x": "4.000000"}), (project["adjusted"], project["charged"]))
        self.verify(db, AUGUST)

    def test_a_text_of_no_known_month_keeps_months_open(self):
        db = new_book()
        read_through(db, JULY, JULY)
        lt.ctl(["import", "usage", site.file_of('{"id":"a"}\n{"id":7,"start":"never"}\n', "x"), "--source", "test"], db=db, now=JULY, expect=3)
        self.assertIn("quarantine", gates(db))
        for n in (1, 2):
            act(db, "quarantine", "dismiss", n, now=JULY)
        self.assertEqual({}, gates(db))

    def test_a_book_that_does_not_verify_does_not_close(self):
        db = new_book()
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 1), job(2, ("2027-07-01", "10:00:00"), 1)],
                            now=JULY)
        lt.psql(db, "UPDATE ledger.usage_total SET points_micro = points_micro + 1")
        self.assertIn("usage_totals_match", gates(db)["verified"])
        refused(db, "close", "2027-06", now=JULY)
        self.assertEqual("0", lt.scalar(db, "SELECT count(*)::text FROM ledger.month_close"))


class CloseTest(MonthsTest):
    def test_closing_again_says_so_with_the_same_digest(self):
        db = new_book()
        read_through(db, JULY, JULY)
        first = close(db)
        self.assertEqual(("closed", False), (first["state"], first["already"]))
        before = site.book_digest(db)
        for words in ((), ("--check",)):
            again = close(db, "2027-06", *words, now=AUGUST)
            self.assertEqual(("closed", True, first["digest"], first["closed_at"]),
                             (again["state"], again["already"], again["digest"], again["closed_at"]))
        self.assertEqual(before, site.book_digest(db))
        self.assertEqual(1, [a["verb"] for a in act(db, "audit", "list", now=AUGUST)].count("close"))
        document = lt.report_json(["monthly", "2027-06"], db=db, now=AUGUST)
        self.assertEqual(("closed", first["digest"]), (document["state"], document["digest"]))

    def test_the_digest_is_that_of_the_report_without_it(self):
        import hashlib
        db = new_book()
        read_through(db, JULY, JULY)
        digest = close(db)["digest"]
        text = lt.run_report(["monthly", "2027-06", "--format", "json"], db=db, now=AUGUST)[1]
        empty = text.replace(f'"digest": "{digest}"', '"digest": ""')
        self.assertEqual(digest, hashlib.sha256(empty.encode()).hexdigest())

    def test_a_check_changes_nothing(self):
        db = new_book()
        read_through(db, JULY, JULY)
        before = site.book_digest(db)
        self.assertEqual({}, gates(db))
        self.assertEqual(before, site.book_digest(db))

    def test_a_closed_month_is_the_same_for_ever_in_every_format(self):
        db = new_book()
        act(db, "grant", "h2", "20", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=NOW)
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 5),
                                 job(2, ("2027-06-06", "10:00:00"), 3, project="h2"),
                                 running(3, tokyo("2027-06-30", "20:00:00"), tokyo("2027-07-02"))], now=JULY)
        close(db)
        before = every_format(db, JULY)
        site.import_records(db, [
            {**job(1, ("2027-06-05", "10:00:00"), 7), "seen": tokyo("2027-07-10")},
            job(4, ("2027-06-07", "10:00:00"), 2, project="h2", user="u9"),
            final(3, tokyo("2027-06-30", "20:00:00"), tokyo("2027-07-02", "10:00:00")),
            job(5, ("2027-07-05", "10:00:00"), 2)], now=tokyo("2027-07-10"))
        act(db, "grant", "h1", "5", "--from", tokyo("2027-06-20"), now=tokyo("2027-07-10"))
        act(db, "refund", "slurm:x", "j1", "--points", "1", now=tokyo("2027-07-10"))
        act(db, "transfer", "h1", "h2", "3", now=tokyo("2027-07-10"))
        act(db, "supply", "adjust", "fy2027-gpu", "-1000", "--note", "cooling", now=tokyo("2027-07-10"))
        act(db, "project", "add", "h9", "--share", "hpci", now=tokyo("2027-07-10"))
        self.assertEqual(before, every_format(db, AUGUST))
        for month in ("2027-06", "2027-07"):
            self.balanced(db, month, AUGUST)
        self.verify(db, AUGUST)
        read_through(db, AUGUST, AUGUST)
        close(db, "2027-07", now=AUGUST)
        self.assertEqual(before, every_format(db, AUGUST))
        self.verify(db, AUGUST)

    def test_what_a_closed_month_never_had_has_no_report(self):
        db = new_book()
        read_through(db, JULY, JULY)
        close(db)
        act(db, "project", "add", "h9", "--share", "hpci", now=JULY)
        for words in (["monthly", "2027-05"], ["statement", "h9", "2027-06"], ["statement", "h1", "2027-05"]):
            code, out, err = lt.run_report(words, db=db, now=JULY)
            self.assertEqual((1, ""), (code, out), err)
        self.assertEqual(0, lt.run_report(["statement", "h9", "2027-07"], db=db, now=JULY)[0])
        with lt.start_ledgerd(db) as daemon:
            for path in ("/v1/reports/monthly?month=2027-05", "/v1/projects/h9/statement?month=2027-06"):
                reply = daemon.request("GET", path)
                self.assertEqual((404, "unknown_report"), (reply.status, reply.json()["code"]))

    def test_a_close_waits_for_an_import_and_the_import_for_the_close(self):
        db = new_book()
        read_through(db, JULY, JULY)
        lines = "".join(json.dumps(job(n, (f"2027-06-{n % 20 + 2:02d}", "10:00:00"), 1)) + "\n" for n in range(3000))
        path = site.file_of(lines, "many.ndjson")
        outcomes = []

        def run():
            outcomes.append(lt.run_ctl(["import", "usage", path, "--source", "slurm:x", "--batch", "50"], db=db,
                                       now=JULY))
        importing = threading.Thread(target=run)
        importing.start()
        closed = close(db)
        importing.join()
        self.assertEqual(0, outcomes[0][0], outcomes[0][2])
        june, in_june = month_of(db, "2027-06", AUGUST)
        july, in_july = month_of(db, "2027-07", AUGUST)
        self.assertEqual(closed["digest"], june["digest"])
        charged = micro(in_june["charged"].get("slurm:x", "0"))
        self.assertEqual(3000 * 1000000, charged - micro(in_july["adjusted"]))
        self.assertEqual(-micro(in_july["adjusted"]) // 1000000, len(july["adjustments"]))
        self.verify(db, AUGUST)

    def test_of_two_closes_at_once_one_closes(self):
        db = new_book()
        site.import_records(db, [running(1, tokyo("2027-06-30", "20:00:00"), tokyo("2027-07-01", "10:00:00"))],
                            now=JULY)
        closes = []
        threads = [threading.Thread(target=lambda: closes.append(close(db))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([False, True], sorted(closed["already"] for closed in closes))
        self.assertEqual(1, len({closed["digest"] for closed in closes}))
        self.assertEqual(1, [a["verb"] for a in act(db, "audit", "list", now=JULY)].count("close"))
        self.assertEqual("4.000000", act(db, "balance", "h1", now=JULY)["spent"])
        self.verify(db, JULY)

    def test_grants_that_ended_expire_before_the_month_closes(self):
        db = new_book()
        act(db, "grant", "h2", "20", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=NOW)
        read_through(db, JULY, JULY)
        close(db)
        self.assertEqual("20.000000", month_of(db, "2027-06", AUGUST, "h2")[1]["expired"])


class LateTest(MonthsTest):
    def test_a_late_record_is_adjusted_in_the_open_month(self):
        db = new_book()
        read_through(db, JULY, JULY)
        close(db)
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 5)], now=JULY)
        document, project = month_of(db, "2027-07", JULY)
        self.assertEqual([{"month": "2027-06", "project": "h1", "source": "slurm:x", "id": "j1",
                           "points": "-5.000000"}], document["adjustments"])
        self.assertEqual(("-5.000000", {}, [], "995.000000"),
                         (project["adjusted"], project["charged"], project["users"], project["closing"]))
        rows = lt.query(db, "SELECT month, belongs_to FROM ledger.transfer WHERE kind = 'charge'")
        self.assertEqual([["2027-07-01", "2027-06-01"]], rows)
        explained = lt.ctl_json(["explain", "slurm:x", "j1"], db=db, now=JULY)
        self.assertEqual([("2027-06", "2027-07")], [(c["month"], c["booked_in"]) for c in explained["charges"]])
        self.balanced(db, "2027-07", JULY)
        self.verify(db, JULY)

    def test_a_record_of_a_month_before_the_book_is_adjusted_too(self):
        db = new_book()
        read_through(db, JULY, JULY)
        lt.ctl(["rates", "apply", site.file_of(site.card(card="old", effective_from=tokyo("2027-04-01"))),
                "--retroactive"], db=db, now=NOW)
        close(db)
        site.import_records(db, [job(1, ("2027-05-05", "10:00:00"), 5)], now=JULY)
        document, _ = month_of(db, "2027-07", JULY)
        self.assertEqual([("2027-05", "-5.000000")], [(a["month"], a["points"]) for a in document["adjustments"]])
        self.verify(db, JULY)

    def test_an_amendment_of_a_closed_month_books_its_difference(self):
        db = new_book()
        site.import_records(db, [final(1, tokyo("2027-06-30", "20:00:00"), tokyo("2027-07-01", "04:00:00"))],
                            now=JULY)
        close(db)
        site.import_records(db, [{**final(1, tokyo("2027-06-30", "22:00:00"), tokyo("2027-07-01", "05:00:00")),
                                  "seen": tokyo("2027-07-04")}], now=tokyo("2027-07-05"))
        document, project = month_of(db, "2027-07", tokyo("2027-07-05"))
        self.assertEqual([("2027-06", "j1", "2.000000")],
                         [(a["month"], a["id"], a["points"]) for a in document["adjustments"]])
        self.assertEqual(("2.000000", {"slurm:x": "5.000000"}), (project["adjusted"], project["charged"]))
        self.assertEqual("7.000000", act(db, "balance", "h1", now=tokyo("2027-07-05"))["spent"])
        self.balanced(db, "2027-07", tokyo("2027-07-05"))
        self.verify(db, tokyo("2027-07-05"))

    def test_what_people_date_into_a_closed_month_books_in_the_open_one(self):
        db = new_book()
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 5), job(2, ("2027-07-01", "10:00:00"), 1)],
                            now=JULY)
        close(db)
        act(db, "grant", "h2", "7", "--from", tokyo("2027-06-15"), "--to", tokyo("2027-06-20"), now=JULY)
        act(db, "balance", "h2", now=JULY)  # and it expires in the month that is closed
        act(db, "grant", "g1", "11", "--from", tokyo("2027-06-15"), now=JULY)
        act(db, "grant", "revoke", "3", "--points", "1", now=JULY)
        act(db, "supply", "adjust", "fy2027-gpu", "-10", "--note", "x", now=JULY)
        act(db, "refund", "slurm:x", "j1", "--points", "2", now=JULY)
        document = self.balanced(db, "2027-07", JULY)
        self.assertEqual([("g1", "grant", "3", "11.000000"), ("h2", "expire", "2", "-7.000000"),
                          ("h2", "grant", "2", "7.000000")],
                         [(a["project"], a["source"], a["id"], a["points"]) for a in document["adjustments"]])
        projects = {p["project"]: p for p in document["projects"]}
        self.assertEqual(("0.000000", "0.000000", "0.000000"),
                         tuple(projects["h2"][name] for name in ("granted", "expired", "adjusted")))
        self.assertEqual(("-1.000000", "11.000000"), (projects["g1"]["granted"], projects["g1"]["adjusted"]))
        self.assertEqual("2.000000", projects["h1"]["refunded"])
        self.verify(db, JULY)

    def test_an_expiry_of_a_closed_month_is_taken_back_in_the_open_one(self):
        db = new_book()
        act(db, "grant", "h2", "20", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=NOW)
        read_through(db, JULY, JULY)
        close(db)
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 5, project="h2")], now=JULY)
        document, project = month_of(db, "2027-07", JULY, "h2")
        self.assertEqual([("expire", "5.000000"), ("slurm:x", "-5.000000")],
                         [(a["source"], a["points"]) for a in document["adjustments"]])
        self.assertEqual(("0.000000", "0.000000", "0.000000"),
                         (project["adjusted"], project["expired"], project["closing"]))
        self.verify(db, JULY)

    def test_an_automatic_refund_goes_with_its_charge(self):
        db = lt.create_db("months")
        card = site.card(refund={"node_fail": {"fraction": "1", "max_seconds": 7200}})
        for words, document in ((["policy", "apply"], site.policy()), (["rates", "apply"], card)):
            lt.ctl([*words, site.file_of(document)], db=db, now=NOW)
        lt.ctl(["project", "add", "h1", "--share", "hpci"], db=db, now=NOW)
        read_through(db, JULY, JULY)
        close(db)
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 5, outcome="node_fail")], now=JULY)
        document, project = month_of(db, "2027-07", JULY)
        self.assertEqual([("j1", "-3.000000")], [(a["id"], a["points"]) for a in document["adjustments"]])
        self.assertEqual(("-3.000000", "0.000000"), (project["adjusted"], project["refunded"]))
        self.verify(db, JULY)

    def test_late_charges_that_come_to_nothing_are_listed(self):
        db = new_book()
        site.import_records(db, [job(n, ("2027-06-05", "10:00:00"), 5) for n in (1, 2, 3)], now=NOW)
        read_through(db, JULY, JULY)
        close(db)
        site.import_records(db, [{**job(n, ("2027-06-05", "10:00:00"), hours), "seen": JULY}
                                 for n, hours in ((1, 4), (2, 6))], now=JULY)
        document, project = month_of(db, "2027-07", JULY)
        self.assertEqual([("j1", "1.000000"), ("j2", "-1.000000")],
                         [(a["id"], a["points"]) for a in document["adjustments"]])
        self.assertEqual("0.000000", project["adjusted"])
        self.verify(db, JULY)

    def test_tokens_that_a_service_served_late_are_adjusted_on_both_sides(self):
        db = new_book()
        act(db, "project", "add", "llm", "--service", "gateway:*/llm", now=NOW)
        read_through(db, JULY, JULY)
        close(db)
        site.import_records(db, [{"source": "gateway:a", "id": "r1", "project": "h1", "user": "u1", "class": "llm",
                                  "start": tokyo("2027-06-05"), "end": tokyo("2027-06-05"), "state": "final",
                                  "outcome": "completed", "meters": {"output_tokens": "100000000"}}], now=JULY)
        document, project = month_of(db, "2027-07", JULY)
        self.assertEqual({("h1", "-15.000000"), ("llm", "15.000000")},
                         {(a["project"], a["points"]) for a in document["adjustments"]})
        self.assertEqual("-15.000000", project["adjusted"])
        service = document["services"][0]
        self.assertEqual(("15.000000", "0.000000", "15.000000"),
                         (service["adjusted"], service["received"], service["closing"]))
        self.verify(db, JULY)


class YearTest(MonthsTest):
    """March closes in April: what belongs to it belongs to the fiscal year before, too."""

    MARCH, APRIL, LATER = tokyo("2028-03-10"), tokyo("2028-04-03"), tokyo("2028-04-05")

    def book(self):
        """A closed March, and 10 points in all for the year that follows it."""
        supply = [{"id": f"fy{year}-gpu", "fiscal_year": year, "from": first, "to": tokyo(f"{year + 1}-04-01"),
                   "resource": "gpu", "count": 1, "hours": hours, "points_per_hour": "1"}
                  for year, first, hours in ((2027, tokyo("2028-03-01"), "1250"), (2028, tokyo("2028-04-01"), "12.5"))]
        db = lt.create_db("months")
        for words, document in ((["policy", "apply"], site.policy(effective_from=tokyo("2028-03-01"), supply=supply)),
                                (["rates", "apply"], site.card(effective_from=tokyo("2028-03-01")))):
            lt.ctl([*words, site.file_of(document)], db=db, now=self.MARCH)
        lt.ctl(["project", "add", "h1", "--share", "hpci"], db=db, now=self.MARCH)
        act(db, "grant", "h1", "100", "--from", tokyo("2028-03-01"), now=self.MARCH)
        act(db, "grant", "h1", "10", "--from", tokyo("2028-04-01"), now=self.MARCH)
        read_through(db, self.APRIL, self.APRIL)
        close(db, "2028-03", now=self.APRIL)
        return db

    def shares_of(self, db, year):
        document = lt.report_json(["shares", str(year)], db=db, now=self.LATER)
        share = [s for s in document["shares"] if s["share"] == "hpci"][0]
        return share["spent"], share["granted"]

    def test_what_is_late_by_a_year_counts_in_its_own(self):
        db = self.book()
        site.import_records(db, [job(1, ("2028-03-05", "10:00:00"), 8), job(2, ("2028-04-03", "10:00:00"), 1)],
                            now=self.LATER)
        answer = act(db, "check", "h1", "9", now=self.LATER)
        self.assertEqual((True, []), (answer["allowed"], answer["violated"]))
        self.assertEqual(("8.000000", "100.000000"), self.shares_of(db, 2027))
        self.assertEqual(("1.000000", "10.000000"), self.shares_of(db, 2028))
        document = self.balanced(db, "2028-04", self.LATER)
        self.assertEqual("1.000000", document["shares"][0]["fiscal_year_to_date"]["spent"])
        self.verify(db, self.LATER)


class RunningTest(MonthsTest):
    """A job of a GPU for one hour costs a point."""

    def test_a_close_posts_the_slice_and_the_end_books_the_rest(self):
        db = new_book()
        start = tokyo("2027-06-30", "20:00:00")
        site.import_records(db, [running(1, start, tokyo("2027-07-01", "10:00:00"))], now=JULY)
        self.assertEqual(("0.000000", "14.000000"), self.standing(db, JULY))
        closed = close(db)
        self.assertEqual((1, "4.000000"), (closed["running"], closed["posted"]))
        self.assertEqual(("4.000000", "10.000000"), self.standing(db, JULY))
        june, project = month_of(db, "2027-06", JULY)
        self.assertEqual(({"slurm:x": "4.000000"}, "4.000000"),
                         (project["charged"], project["classes"][0]["meters"]["gpu_hours"]))
        self.assertEqual("4.000000", june["shares"][0]["gpu_hours"]["used"])
        self.verify(db, JULY)
        # sightings after the close move the accrual alone
        site.import_records(db, [running(1, start, tokyo("2027-07-01", "15:00:00"))], now=JULY)
        self.assertEqual(("4.000000", "15.000000"), self.standing(db, JULY))
        counts = site.import_records(db, [running(1, start, tokyo("2027-07-01", "12:00:00"))], now=JULY)
        self.assertEqual(1, counts["duplicate"])
        self.verify(db, JULY)
        counts = site.import_records(db, [final(1, start, tokyo("2027-07-01", "16:00:00"))], now=JULY)
        self.assertEqual((1, "16.000000"), (counts["booked"], counts["points"]))
        self.assertEqual(("20.000000", "0.000000"), self.standing(db, JULY))
        july, project = month_of(db, "2027-07", JULY)
        self.assertEqual(([], {"slurm:x": "16.000000"}, "16.000000"),
                         (july["adjustments"], project["charged"], project["classes"][0]["meters"]["gpu_hours"]))
        counts = site.import_records(db, [final(1, start, tokyo("2027-07-01", "16:00:00")),
                                          running(1, start, tokyo("2027-07-01", "17:00:00"))], now=JULY)
        self.assertEqual(2, counts["duplicate"])
        self.verify(db, JULY)

    def standing(self, db, now, project="h1"):
        balance = act(db, "balance", project, now=now)
        return balance["spent"], balance["accrued"]

    def test_work_that_runs_over_three_months_costs_its_rounded_whole(self):
        db = new_book()
        start = tokyo("2027-06-30", "23:00:00.000001")
        third = {"meters": {"gpu": "0.333333333"}}
        site.import_records(db, [{**running(1, start, tokyo("2027-07-02")), **third}], now=JULY)
        close(db)
        site.import_records(db, [{**running(1, start, tokyo("2027-08-02")), **third}], now=AUGUST)
        close(db, "2027-07", now=AUGUST)
        self.verify(db, AUGUST)
        site.import_records(db, [{**final(1, start, tokyo("2027-08-05", "01:00:00")), **third}],
                            now=tokyo("2027-08-06"))
        quoted = lt.ctl_json(["rates", "quote", site.file_of(json.dumps(
            {**final(1, start, tokyo("2027-08-05", "01:00:00")), **third}))], db=db, now=AUGUST)[0]
        self.assertEqual(quoted["points"], act(db, "balance", "h1", now=tokyo("2027-08-06"))["spent"])
        for slice_of in quoted["slices"]:
            _, project = month_of(db, slice_of["month"], tokyo("2027-08-06"))
            self.assertEqual({"slurm:x": slice_of["points"]}, project["charged"])
        self.assertEqual([], lt.report_json(["monthly", "2027-08"], db=db, now=tokyo("2027-08-06"))["adjustments"])
        self.assertEqual("3", lt.scalar(db, "SELECT version::text FROM ledger.record_identity"))
        self.verify(db, tokyo("2027-08-06"))

    def test_an_end_that_differs_from_what_was_seen_is_adjusted(self):
        db = new_book()
        start = tokyo("2027-06-30", "20:00:00")
        site.import_records(db, [running(1, start, tokyo("2027-07-01", "10:00:00"))], now=JULY)
        close(db)
        # suspended for half of its time
        site.import_records(db, [{**final(1, start, tokyo("2027-07-01", "16:00:00")), "elapsed_seconds": 36000}],
                            now=JULY)
        document, project = month_of(db, "2027-07", JULY)
        self.assertEqual(("2.000000", {"slurm:x": "8.000000"}), (project["adjusted"], project["charged"]))
        self.assertEqual([("2027-06", "j1", "2.000000")],
                         [(a["month"], a["id"], a["points"]) for a in document["adjustments"]])
        self.assertEqual(("10.000000", "0.000000"), self.standing(db, JULY))
        self.verify(db, JULY)

    def test_work_that_turns_out_cheaper_than_posted_accrues_nothing_below_zero(self):
        db = new_book()
        start = tokyo("2027-06-30", "12:00:00")
        site.import_records(db, [running(1, start, tokyo("2027-07-01", "01:00:00"))], now=JULY)
        close(db)
        site.import_records(db, [{**running(1, start, tokyo("2027-07-01", "02:00:00")), "elapsed_seconds": 3600}],
                            now=JULY)
        self.assertEqual(("12.000000", "0.000000"), self.standing(db, JULY))
        site.import_records(db, [{**final(1, start, tokyo("2027-07-01", "02:00:00")), "elapsed_seconds": 3600}],
                            now=JULY)
        self.assertEqual(("1.000000", "0.000000"), self.standing(db, JULY))
        self.verify(db, JULY)

    def test_sources_that_do_not_amend_end_their_work_all_the_same(self):
        db = new_book()
        start = tokyo("2027-06-30", "20:00:00")
        card = site.card(card="late", effective_from=tokyo("2027-06-02"), rules=[
            {"source": "*", "class": "gpu", "per_hour": {"gpu": "1"}}])
        lt.ctl(["rates", "apply", site.file_of(card)], db=db, now=NOW)
        where = {"source": "other:y"}
        site.import_records(db, [{**running(1, start, tokyo("2027-07-01", "10:00:00")), **where}], now=JULY)
        close(db)
        counts = site.import_records(db, [{**final(1, start, tokyo("2027-07-01", "12:00:00")), **where}], now=JULY)
        self.assertEqual(1, counts["booked"])
        self.assertEqual(("16.000000", "0.000000"), self.standing(db, JULY))
        self.verify(db, JULY)

    def test_limits_count_what_was_posted_once(self):
        db = new_book()
        act(db, "limit", "set", "h1", "--points", "100", "--period", "fiscal_year", now=NOW)
        act(db, "limit", "set", "h1", "--points", "100", "--period", "month", now=NOW)
        start = tokyo("2027-06-30", "20:00:00")
        site.import_records(db, [running(1, start, tokyo("2027-07-01", "10:00:00"))], now=JULY)
        before = self.left(db)
        close(db)
        self.assertEqual(before, self.left(db))
        site.import_records(db, [running(1, start, tokyo("2027-07-01", "10:00:01"))], now=JULY)
        site.import_records(db, [final(1, start, tokyo("2027-07-01", "10:00:00"))], now=JULY)
        self.assertEqual(before, self.left(db))
        self.verify(db, JULY)

    def left(self, db):
        """What the limits leave, whether charged or accrued."""
        limits = act(db, "limit", "list", "h1", now=JULY)
        self.assertEqual(2, len(limits))
        return [{k: v for k, v in limit.items() if k not in ("charged", "used", "accrued")} for limit in limits]


class RuleTest(MonthsTest):
    START, SEEN, END = tokyo("2027-06-30", "20:00:00"), tokyo("2027-07-01", "10:00:00"), tokyo("2027-07-01", "16:00:00")

    def months(self, rule, submitted=None):
        """Points of the running job in June when it closes, then (charged, adjusted) of July once it has ended."""
        db = new_book(month_rule=rule)
        more = {"submitted": submitted} if submitted else {}
        site.import_records(db, [{**running(1, self.START, self.SEEN), **more}], now=JULY)
        read_through(db, JULY, JULY)
        close(db)
        _, june = month_of(db, "2027-06", JULY)
        self.verify(db, JULY)
        site.import_records(db, [{**final(1, self.START, self.END), **more}], now=JULY)
        self.verify(db, JULY)
        _, july = month_of(db, "2027-07", JULY)
        self.balanced(db, "2027-07", JULY)
        self.assertEqual("20.000000", act(db, "balance", "h1", now=JULY)["spent"])
        return june["charged"].get("slurm:x"), july["charged"].get("slurm:x"), july["adjusted"]

    def test_split_books_each_month_its_slice(self):
        self.assertEqual(("4.000000", "16.000000", "0.000000"), self.months("split"))

    def test_start_books_what_came_after_the_close_as_adjusted(self):
        self.assertEqual(("14.000000", None, "-6.000000"), self.months("start"))

    def test_end_books_nothing_before_the_end(self):
        self.assertEqual((None, "20.000000", "0.000000"), self.months("end"))

    def test_submit_books_in_the_month_of_submission(self):
        self.assertEqual(("14.000000", None, "-6.000000"), self.months("submit", tokyo("2027-06-02")))

    def test_submit_posts_work_that_began_after_the_month_in_which_it_was_submitted(self):
        db = new_book(month_rule="submit")
        waited = {"submitted": tokyo("2027-06-30", "23:00:00")}
        start = tokyo("2027-07-01", "01:00:00")
        site.import_records(db, [{**running(1, start, tokyo("2027-07-02", "01:00:00")), **waited},
                                 running(2, start, tokyo("2027-07-02", "01:00:00"))], now=JULY)
        closed = close(db)
        self.assertEqual((1, "24.000000"), (closed["running"], closed["posted"]))
        _, june = month_of(db, "2027-06", JULY)
        self.assertEqual({"slurm:x": "24.000000"}, june["charged"])
        self.assertEqual("24.000000", act(db, "balance", "h1", now=JULY)["accrued"])
        self.verify(db, JULY)


class DamageTest(MonthsTest):
    def closed_book(self):
        db = new_book()
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 5), job(2, ("2027-07-02", "10:00:00"), 5)],
                            now=JULY)
        close(db)
        lt.ctl(["verify"], db=db, now=JULY)
        return db

    def failed(self, db):
        code, out, err = lt.run_ctl(["verify", "--json"], db=db, now=JULY)
        self.assertEqual(5, code, out + err)
        return {check["name"]: check["detail"] for check in json.loads(out)["checks"] if not check["ok"]}

    def damage(self, sql):
        db = self.closed_book()
        lt.psql(db, f"SET session_replication_role = replica; {sql}")
        return self.failed(db)

    def test_a_reopened_month_is_found(self):
        failed = self.damage("DELETE FROM ledger.month_close; DELETE FROM ledger.month_statement")
        self.assertIn("2027-06 was reopened", failed["months_as_sealed"])

    def test_a_reopened_month_is_found_although_the_seal_was_stripped(self):
        failed = self.damage("DELETE FROM ledger.month_close; DELETE FROM ledger.month_statement;"
                             "UPDATE ledger.seal SET closes = NULL WHERE transfers > 0")
        self.assertIn("seals_are_a_chain", failed)

    def test_a_changed_close_is_found(self):
        for change in ("closed_at = closed_at + interval '1 second'", "audit_n = audit_n - 1",
                       "digest = repeat('0', 64)", "statements_digest = repeat('0', 64)"):
            with self.subTest(change=change):
                failed = self.damage(f"UPDATE ledger.month_close SET {change}")
                self.assertIn("2027-06", failed["months_as_sealed"])

    def test_a_changed_report_is_found(self):
        failed = self.damage("UPDATE ledger.month_close SET report = replace(report, '5.000000', '4.000000')")
        self.assertEqual(["closed_reports_match"], list(failed))
        self.assertIn("2027-06: the report", failed["closed_reports_match"])

    def test_a_changed_statement_is_found(self):
        failed = self.damage("UPDATE ledger.month_statement SET document = replace(document, '5.000000', '4.000000')")
        self.assertIn("the statement of h1", failed["closed_reports_match"])
        failed = self.damage("DELETE FROM ledger.month_statement WHERE project_id = 'h1'")
        self.assertIn("its statements", failed["closed_reports_match"])

    def test_a_row_that_was_added_to_a_closed_month_is_found(self):
        failed = self.damage("INSERT INTO ledger.transfer (transfer_id, month, entry_id, debit_account, credit_account,"
                             " amount_micro, kind, booked_at) SELECT 99, '2027-06-01', entry_id, debit_account,"
                             " credit_account, 1, 'grant', booked_at FROM ledger.transfer WHERE kind = 'grant'")
        self.assertIn("2027-06 was closed with", failed["months_stay_closed"])

    def test_a_late_transfer_that_was_put_into_its_own_month_is_found(self):
        db = self.closed_book()
        site.import_records(db, [job(3, ("2027-06-06", "10:00:00"), 5)], now=JULY)
        lt.ctl(["verify"], db=db, now=JULY)
        lt.psql(db, "SET session_replication_role = replica; UPDATE ledger.transfer SET month = belongs_to,"
                    " belongs_to = NULL WHERE belongs_to IS NOT NULL")
        failed = self.failed(db)
        self.assertIn("months_stay_closed", failed)
        self.assertIn("transfers_as_sealed", failed)

    def test_the_month_that_a_late_transfer_belongs_to_is_sealed(self):
        db = self.closed_book()
        site.import_records(db, [job(3, ("2027-06-06", "10:00:00"), 5)], now=JULY)
        lt.ctl(["verify"], db=db, now=JULY)
        lt.psql(db, "SET session_replication_role = replica; UPDATE ledger.transfer SET belongs_to ="
                    " belongs_to - interval '1 month' WHERE belongs_to IS NOT NULL")
        self.assertIn("transfers_as_sealed", self.failed(db))

    def test_the_database_itself_refuses_a_transfer_of_a_closed_month(self):
        db = self.closed_book()
        with self.assertRaises(Exception) as refusal:
            lt.psql(db, "INSERT INTO ledger.transfer (transfer_id, month, entry_id, debit_account, credit_account,"
                        " amount_micro, kind, booked_at) VALUES (99, '2027-06-01', 1, 1, 2, 1, 'grant', now())")
        self.assertIn("closed", str(refusal.exception) + str(getattr(refusal.exception, "stderr", "")))

    def test_a_close_is_sealed_without_any_transfer(self):
        db = self.closed_book()
        read_through(db, AUGUST, AUGUST)
        seals = lt.scalar(db, "SELECT max(n)::text FROM ledger.seal")
        close(db, "2027-07", now=AUGUST)
        self.assertEqual([["0"]], lt.query(db, f"SELECT transfers FROM ledger.seal WHERE n > {seals}"))
        self.verify(db, AUGUST)
        lt.psql(db, "SET session_replication_role = replica; DELETE FROM ledger.month_close WHERE month = '2027-07-01';"
                    " DELETE FROM ledger.month_statement WHERE month = '2027-07-01'")
        self.assertIn("2027-07 was reopened", self.failed(db)["months_as_sealed"])

    def test_a_transfer_of_its_own_month_is_sealed_by_the_columns_that_it_always_had(self):
        import hashlib
        db = self.closed_book()
        columns = ("xid, transfer_id, month, entry_id, debit_account, credit_account, amount_micro, source_no, "
                   "charges, booked_at, kind, grant_id")
        row = subprocess.run(
            ["psql", "-X", "-q", db, "-c", f"COPY (SELECT {columns} FROM ledger.transfer WHERE kind = 'charge' ORDER BY "
             "xid, transfer_id LIMIT 1) TO STDOUT (FORMAT binary)"], check=True, capture_output=True).stdout[19:-2]
        leaf = lt.scalar(db, "SELECT encode(substring(leaves FROM position(int8send(t.transfer_id) IN leaves) + 8 FOR 32),"
                             " 'hex') FROM ledger.seal, (SELECT transfer_id FROM ledger.transfer WHERE kind = 'charge'"
                             " ORDER BY xid, transfer_id LIMIT 1) t WHERE n = 1")
        self.assertEqual(leaf, hashlib.sha256(row).hexdigest())


class HoldTest(MonthsTest):
    def standing(self, db, now):
        balance = act(db, "balance", "h1", now=now)
        return tuple(balance[name] for name in ("posted", "held", "accrued", "available"))

    def test_a_hold_is_covered_by_what_was_posted_and_by_what_accrues(self):
        db = new_book()
        hold = act(db, "hold", "h1", "24", "--key", "night", "--ttl", "2d", now=tokyo("2027-07-01", "09:00:00"))
        start, named = tokyo("2027-06-30", "20:00:00"), {"hold": hold["hold"]}
        now = tokyo("2027-07-01", "10:00:00")
        site.import_records(db, [{**running(1, start, now), **named}], now=now)
        self.assertEqual(("1000.000000", "10.000000", "14.000000", "976.000000"), self.standing(db, now))
        close(db, now=now)
        self.assertEqual(("996.000000", "10.000000", "10.000000", "976.000000"), self.standing(db, now))
        self.verify(db, now)
        later = tokyo("2027-07-01", "12:00:00")
        site.import_records(db, [{**running(1, start, later), **named}], now=later)
        self.assertEqual("976.000000", act(db, "balance", "h1", now=later)["available"])
        site.import_records(db, [{**final(1, start, later), **named}], now=later)
        self.assertEqual(("984.000000", "0.000000", "0.000000", "984.000000"), self.standing(db, later))
        self.assertEqual("16000000", lt.scalar(db, "SELECT sum(charged_micro)::text FROM ledger.hold_event"))
        self.verify(db, later)


if __name__ == "__main__":
    unittest.main()
