"""Corrections: adjusted supply, transfers between projects, refunds; each a posting, none an update."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402
from test_life import account, act, job, refused, tokyo  # noqa: E402

NOW = tokyo("2027-06-10", "09:00:00")


def clean(test, db, now):
    code, out, err = lt.run_ctl(["verify"], db=db, now=now)
    test.assertEqual(0, code, out + err)


class SupplyTest(unittest.TestCase):
    def test_supply_is_adjusted_as_it_was_split(self):
        db = site.new_book("adjust")
        result = act(db, "supply", "adjust", "fy2027-gpu", "-1000.000001", "--note", "cooling", now=NOW)
        parts = {part["share"]: part["points"] for part in result["shares"]}
        self.assertEqual({"hpci": "-800.000001", "general": "-100.000000", "industry": "-100.000000"}, parts)
        self.assertEqual("4146399.999999", account(db, "pool/hpci/2027"))
        act(db, "supply", "adjust", "fy2027-gpu", "5", "--note", "and more", now=NOW)
        self.assertEqual("4146403.999999", account(db, "pool/hpci/2027"))
        shares = lt.report_json(["monthly", "2027-06"], db=db, now=NOW)["shares"]
        self.assertEqual("4146403.999999", [s for s in shares if s["share"] == "hpci"][0]["supply"])
        acts = [a["verb"] for a in act(db, "audit", "list", now=NOW)]
        self.assertEqual(2, acts.count("supply adjust"))
        clean(self, db, NOW)

    def test_what_was_not_delivered_was_not_offered(self):
        db = site.new_book("adjust")
        before = lt.report_json(["monthly", "2027-06"], db=db, now=NOW)["shares"][0]["gpu_hours"]
        act(db, "supply", "adjust", "fy2027-gpu", "-2592000", "--note", "half the year", now=NOW)
        after = lt.report_json(["monthly", "2027-06"], db=db, now=NOW)["shares"][0]["gpu_hours"]
        self.assertEqual(before["nominal"], after["nominal"])
        for name in ("available", "offered"):
            self.assertAlmostEqual(float(before[name]) / 2, float(after[name]), places=4)

    def test_a_pool_is_not_taken_below_what_it_granted(self):
        db = site.new_book("adjust")
        act(db, "grant", "g1", "518000", now=NOW)
        before = site.book_digest(db)
        err = refused(db, "supply", "adjust", "fy2027-gpu", "-4000.01", "--note", "x", now=NOW)
        self.assertIn("400.000000", err)
        self.assertIn("general/2027", err)
        refused(db, "supply", "adjust", "nothing", "-1", "--note", "x", now=NOW)
        refused(db, "supply", "adjust", "fy2027-gpu", "-1", now=NOW, expect=2)
        refused(db, "supply", "adjust", "fy2027-gpu", "0", "--note", "x", now=NOW, expect=2)
        self.assertEqual(before, site.book_digest(db))
        act(db, "supply", "adjust", "fy2027-gpu", "-4000", "--note", "x", now=NOW)
        clean(self, db, NOW)

    def test_supply_of_an_ended_year_changes_what_lapsed(self):
        db = site.new_book("adjust")
        act(db, "balance", "h1", now=tokyo("2028-04-02"))
        act(db, "supply", "adjust", "fy2027-gpu", "-100", "--note", "late", now=tokyo("2028-04-02"))
        self.assertEqual(["0.000000", "4147120.000000"],
                         [account(db, "pool/hpci/2027"), account(db, "expired/hpci")])
        clean(self, db, tokyo("2028-04-02"))

    def test_half_years_and_a_later_split_stand_side_by_side(self):
        db = lt.create_db("half")
        half = dict(fiscal_year=2027, resource="gpu", count=720, hours="3600", points_per_hour="1")
        first = site.policy(supply=[
            {"id": "h1", "from": tokyo("2027-06-01"), "to": tokyo("2027-11-01"), **half}])
        later = site.policy(
            policy="later", effective_from=tokyo("2027-11-01"),
            shares=[{"share": "hpci", "fraction": "0.90"}, {"share": "general", "fraction": "0.05"},
                    {"share": "industry", "fraction": "0.05"}],
            supply=[{"id": "h2", "from": tokyo("2027-11-01"), "to": tokyo("2028-04-01"), **half}])
        for document in (first, later):
            lt.ctl(["policy", "apply", site.file_of(document)], db=db, now=NOW)
        self.assertEqual("4406400.000000", account(db, "pool/hpci/2027"))
        act(db, "supply", "adjust", "h2", "-100", "--note", "x", now=NOW)
        act(db, "supply", "adjust", "h1", "-100", "--note", "x", now=NOW)
        self.assertEqual(["4406230.000000", "388785.000000"],
                         [account(db, "pool/hpci/2027"), account(db, "pool/general/2027")])
        clean(self, db, NOW)


class TransferTest(unittest.TestCase):
    def test_validity_goes_along(self):
        db = site.new_book("transfer")
        act(db, "grant", "h1", "10", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=NOW)
        act(db, "grant", "h1", "100", "--from", tokyo("2027-06-05"), "--to", tokyo("2027-09-01"), now=NOW)
        site.import_records(db, [job(1, ("2027-06-06", "10:00:00"), 4)], now=NOW)
        result = act(db, "transfer", "h1", "h2", "26", now=NOW)
        self.assertEqual(("26.000000", "80.000000", False), (result["points"], result["left"], result["repeated"]))
        grants = [(g["points"], g["from"], g["to"], g["remaining"]) for g in act(db, "balance", "h2", now=NOW)["grants"]]
        self.assertEqual([("6.000000", tokyo("2027-06-01"), tokyo("2027-07-01"), "6.000000"),
                          ("20.000000", tokyo("2027-06-05"), tokyo("2027-09-01"), "20.000000")], grants)
        balance = act(db, "balance", "h1", now=NOW)
        self.assertEqual(("80.000000", "80.000000"), (balance["posted"], balance["available"]))
        # what was moved expires with the receiver
        self.assertEqual("6.000000", act(db, "balance", "h2", now=tokyo("2027-07-01"))["expired"])
        self.assertEqual("0.000000", act(db, "balance", "h1", now=tokyo("2027-07-01"))["expired"])
        projects = {p["project"]: p for p in lt.report_json(["monthly", "2027-06"], db=db, now=tokyo("2027-07-01"))
                    ["projects"]}
        self.assertEqual(("-26.000000", "26.000000"), (projects["h1"]["adjusted"], projects["h2"]["adjusted"]))
        clean(self, db, tokyo("2027-07-01"))

    def test_no_more_moves_than_is_there(self):
        db = site.new_book("transfer")
        act(db, "grant", "h1", "10", now=NOW)
        act(db, "overdraft", "h1", "1000", now=NOW)
        site.import_records(db, [job(1, ("2027-06-10", "09:00:00"), 4)], now=tokyo("2027-06-11"))
        before = site.book_digest(db)
        later = tokyo("2027-06-11")
        self.assertIn("6.000000", refused(db, "transfer", "h1", "h2", "6.000001", now=later))
        refused(db, "transfer", "h1", "h1", "1", now=later, expect=2)
        refused(db, "transfer", "h1", "h2", "0", now=later, expect=2)
        refused(db, "transfer", "h1", "nobody", "1", now=later)
        self.assertIn("--across", refused(db, "transfer", "h1", "g1", "1", now=later))
        self.assertEqual(before, site.book_digest(db))
        act(db, "transfer", "h1", "h2", "6", now=later)
        clean(self, db, later)

    def test_a_key_moves_once(self):
        db = site.new_book("transfer")
        act(db, "grant", "h1", "10", now=NOW)
        first = act(db, "transfer", "h1", "h2", "4", "--key", "k", now=NOW)
        before = site.book_digest(db)
        again = act(db, "transfer", "h1", "h2", "4", "--key", "k", now=NOW)
        self.assertEqual((first["id"], True), (again["id"], again["repeated"]))
        refused(db, "transfer", "h1", "h2", "5", "--key", "k", now=NOW)
        self.assertEqual(before, site.book_digest(db))

    def test_across_shares_the_pools_lend(self):
        db = site.new_book("transfer")
        act(db, "grant", "g1", "518400", now=NOW)
        act(db, "transfer", "g1", "i1", "400", "--across", now=NOW)
        shares = {s["share"]: s for s in lt.report_json(["shares", "2027"], db=db, now=NOW)["shares"]}
        self.assertEqual(("518000.000000", "400.000000"),
                         (shares["general"]["granted"], shares["industry"]["granted"]))
        self.assertEqual(["0.000000", "518400.000000"],
                         [account(db, "pool/general/2027"), account(db, "pool/industry/2027")])
        # the receiver's grant is of the receiver's share: what is taken back goes to its pool
        grant = act(db, "grant", "list", "i1", now=NOW)[0]
        act(db, "grant", "revoke", grant["id"], now=NOW)
        self.assertEqual("518800.000000", account(db, "pool/industry/2027"))
        self.assertEqual("518799.000000", act(db, "grant", "i1", "1", now=NOW)["pool_left"])
        refused(db, "grant", "g1", "0.000001", now=NOW)
        clean(self, db, NOW)


class RefundTest(unittest.TestCase):
    def book(self):
        db = site.new_book("refund")
        act(db, "grant", "h1", "100", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=NOW)
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 8)], now=NOW)
        return db

    def test_a_refund_goes_back_to_the_grant_that_paid(self):
        db = self.book()
        result = act(db, "refund", "slurm:x", "j1", "--points", "3", "--ref", "T-1", now=tokyo("2027-06-20"))
        self.assertEqual(("h1", "3.000000", "8.000000", "5.000000"),
                         (result["project"], result["points"], result["charged"], result["refundable"]))
        balance = act(db, "balance", "h1", now=tokyo("2027-06-20"))
        self.assertEqual(("95.000000", "8.000000", "3.000000", "95.000000"),
                         (balance["posted"], balance["spent"], balance["refunded"], balance["available"]))
        self.assertEqual("95.000000", act(db, "balance", "h1", now=tokyo("2027-07-01"))["expired"])
        clean(self, db, tokyo("2027-07-01"))

    def test_a_refund_is_capped_at_the_charge(self):
        db = self.book()
        act(db, "refund", "slurm:x", "j1", "--points", "3", now=NOW)
        before = site.book_digest(db)
        self.assertIn("5.000000", refused(db, "refund", "slurm:x", "j1", "--points", "5.000001", now=NOW))
        refused(db, "refund", "slurm:x", "nothing", now=NOW)
        refused(db, "refund", "slurm:x", "j1", "--points", "0", now=NOW, expect=2)
        self.assertEqual(before, site.book_digest(db))
        self.assertEqual("5.000000", act(db, "refund", "slurm:x", "j1", now=NOW)["points"])
        refused(db, "refund", "slurm:x", "j1", now=NOW)
        clean(self, db, NOW)

    def test_where_that_grant_has_ended_the_next_one_gets_it(self):
        db = self.book()
        act(db, "grant", "h1", "50", "--from", tokyo("2027-07-01"), "--to", tokyo("2027-08-01"),
            now=tokyo("2027-06-20"))
        act(db, "refund", "slurm:x", "j1", now=tokyo("2027-07-10"))
        balance = act(db, "balance", "h1", now=tokyo("2027-07-10"))
        self.assertEqual(("58.000000", "58.000000", "92.000000"),
                         (balance["posted"], balance["available"], balance["expired"]))
        self.assertEqual("58.000000", balance["grants"][1]["remaining"])
        self.assertEqual([["2027-07-01"]], lt.query(db, "SELECT month FROM ledger.transfer WHERE kind = 'refund'"))
        project = [p for p in lt.report_json(["monthly", "2027-07"], db=db, now=tokyo("2027-07-11"))["projects"]
                   if p["project"] == "h1"][0]
        self.assertEqual("8.000000", project["refunded"])
        self.assertEqual("150.000000", act(db, "balance", "h1", now=tokyo("2027-08-01"))["expired"])
        clean(self, db, tokyo("2027-08-01"))

    def test_without_a_next_grant_it_stands_to_the_projects_credit(self):
        db = self.book()
        act(db, "refund", "slurm:x", "j1", now=tokyo("2027-07-10"))
        balance = act(db, "balance", "h1", now=tokyo("2027-07-11"))
        self.assertEqual(("8.000000", "92.000000"), (balance["posted"], balance["expired"]))
        clean(self, db, tokyo("2027-07-11"))
        act(db, "grant", "h1", "10", "--from", tokyo("2027-07-11"), "--to", tokyo("2027-08-01"),
            now=tokyo("2027-07-11"))
        self.assertEqual("18.000000", act(db, "balance", "h1", now=tokyo("2027-07-12"))["available"])
        clean(self, db, tokyo("2027-08-02"))

    def test_a_refund_of_served_tokens_comes_from_the_service(self):
        db = site.new_book("refund")
        act(db, "project", "add", "svc", "--service", "gateway:g/llm", now=NOW)
        act(db, "grant", "h1", "100", now=NOW)
        record = {"source": "gateway:g", "id": "t1", "project": "h1", "class": "llm", "user": "u",
                  "start": tokyo("2027-06-10"), "end": tokyo("2027-06-10"), "state": "final", "outcome": "completed",
                  "meters": {"input_tokens": "100000000"}}
        site.import_records(db, [record], now=tokyo("2027-06-11"))
        earned = account(db, "service/svc")
        self.assertEqual("3.750000", earned)
        act(db, "refund", "gateway:g", "t1", now=tokyo("2027-06-12"))
        self.assertEqual(("0.000000", "100.000000"), (account(db, "service/svc"), account(db, "project/h1")))
        lt.report_json(["monthly", "2027-06"], db=db, now=tokyo("2027-06-12"))
        clean(self, db, tokyo("2027-06-12"))

    def test_a_service_does_not_refund_what_it_never_earned(self):
        db = site.new_book("refund")
        act(db, "grant", "h1", "100", now=NOW)
        record = {"source": "gateway:g", "id": "t1", "project": "h1", "class": "llm", "user": "u",
                  "start": tokyo("2027-06-10"), "end": tokyo("2027-06-10"), "state": "final", "outcome": "completed",
                  "meters": {"input_tokens": "100000000"}}
        site.import_records(db, [record], now=tokyo("2027-06-11"))
        self.assertEqual("3.750000", account(db, "spent/hpci"))
        act(db, "project", "add", "svc", "--service", "gateway:g/llm", now=tokyo("2027-06-12"))
        act(db, "refund", "gateway:g", "t1", now=tokyo("2027-06-13"))
        self.assertEqual(("0.000000", "100.000000"), (account(db, "spent/hpci"), account(db, "project/h1")))
        self.assertEqual("0.000000", act(db, "balance", "svc", now=tokyo("2027-06-13"))["posted"])
        clean(self, db, tokyo("2027-06-13"))


class AutomaticRefundTest(unittest.TestCase):
    def book(self, **changes):
        db = lt.create_db("refund")
        lt.ctl(["policy", "apply", site.file_of(site.policy())], db=db, now=NOW)
        card = site.card(refund={"node_fail": {"fraction": "1", "max_seconds": 14400},
                                 "requeued": {"fraction": "0.5", "max_seconds": 14400}}, **changes)
        lt.ctl(["rates", "apply", site.file_of(card)], db=db, now=NOW)
        for project in ("h1", "h2"):
            lt.ctl(["project", "add", project, "--share", "hpci"], db=db, now=NOW)
        act(db, "grant", "h1", "100", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=NOW)
        act(db, "grant", "h2", "100", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=NOW)
        return db

    def project(self, db, now):
        balance = act(db, "balance", "h1", now=now)
        return balance["spent"], balance["refunded"], balance["posted"]

    def test_work_that_a_node_failed_comes_back_up_to_the_maximum(self):
        db = self.book()
        later = tokyo("2027-06-20")
        site.import_records(db, [
            job(1, ("2027-06-05", "10:00:00"), 3, outcome="node_fail"),       # all of 3
            job(2, ("2027-06-05", "10:00:00"), 8, outcome="node_fail"),       # 4 of 8 hours
            job(3, ("2027-06-05", "10:00:00"), 8, outcome="requeued"),        # half of 4 of 8
            job(4, ("2027-06-05", "10:00:00"), 8, outcome="node_fail",
                elapsed_seconds=3 * 3600),                                     # all of what it cost, 3
            job(5, ("2027-06-05", "10:00:00"), 8)], now=later)
        self.assertEqual(("30.000000", "12.000000", "82.000000"), self.project(db, later))
        # in the entry of the charge, linked to the record
        self.assertEqual([["1"]], lt.query(db, "SELECT count(DISTINCT entry_id) FROM ledger.transfer "
                                               "WHERE kind IN ('charge', 'refund')"))
        self.assertEqual("4", lt.scalar(db, "SELECT count(*) FROM ledger.refund JOIN ledger.record_identity "
                                            "USING (record_no)"))
        clean(self, db, later)
        # what is left to refund by hand is what the card did not give
        self.assertEqual("4.000000", act(db, "refund", "slurm:x", "j2", now=later)["points"])
        refused(db, "refund", "slurm:x", "j1", now=later)
        clean(self, db, later)

    def test_explain_lists_it_with_its_transfer_and_a_quote_foresees_it(self):
        db = self.book()
        later = tokyo("2027-06-20")
        versions = [job(1, ("2027-06-05", "10:00:00"), 8, outcome="node_fail", seen=tokyo("2027-06-06")),
                    job(1, ("2027-06-05", "10:00:00"), 8, outcome="requeued", seen=tokyo("2027-06-07"))]
        quotes = lt.ctl_json(["rates", "quote", site.file_of("".join(json.dumps(v) + "\n" for v in versions) +
                                                             json.dumps(job(2, ("2027-06-05", "10:00:00"), 8)))],
                             db=db, now=later)
        self.assertEqual(["4.000000", "2.000000", "0.000000"], [quote["refund"] for quote in quotes])
        for version in versions:
            site.import_records(db, [version], now=later)
        act(db, "refund", "slurm:x", "j1", "--points", "1", now=later)
        document = lt.ctl_json(["explain", "slurm:x", "j1"], db=db, now=later)
        self.assertEqual([("4.000000", 1, "card"), ("-2.000000", 2, "card"), ("1.000000", 2, "hand")],
                         [(r["points"], r["version"], r["by"]) for r in document["refunds"]])
        self.assertEqual(("8.000000", "3.000000"), (document["points"], document["refunded"]))
        self.assertEqual({"outcome": "requeued", "fraction": "0.5", "max_seconds": "14400"}, document["refund_rule"])
        for refund in document["refunds"]:
            back = refund["points"].startswith("-")
            self.assertEqual(["project/h1", "spent/hpci"], sorted([refund["debit"], refund["credit"]]), refund)
            self.assertEqual("project/h1", refund["debit" if back else "credit"], refund)
            self.assertEqual([["refund", "2027-06-01"]], lt.query(
                db, f"SELECT kind, month FROM ledger.transfer WHERE transfer_id = {refund['transfer']}"))
        text = lt.ctl(["explain", "slurm:x", "j1"], db=db, now=later)
        for words in ("refunds and their transfers", "-2.000000", "refund by the card", "14400"):
            self.assertIn(words, text)

    def test_a_transfer_is_followed_back_to_its_records(self):
        db = self.book()
        later = tokyo("2027-06-20")
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 8, outcome="node_fail"),
                                 job(2, ("2027-06-05", "10:00:00"), 3)], now=later)
        record = lt.ctl_json(["explain", "slurm:x", "j1"], db=db, now=later)
        charge, refund = record["charges"][0]["transfer"], record["refunds"][0]["transfer"]
        document = lt.ctl_json(["explain", "transfer", str(charge)], db=db, now=later)
        self.assertEqual(("charge", "project/h1", "spent/hpci", "11.000000", "slurm:x", 2), tuple(
            document[name] for name in ("kind", "debit", "credit", "points", "source", "charges")))
        self.assertEqual([("slurm:x", "j1", "8.000000"), ("slurm:x", "j2", "3.000000")],
                         [(r["source"], r["id"], r["points"]) for r in document["records"]])
        document = lt.ctl_json(["explain", "transfer", str(refund)], db=db, now=later)
        self.assertEqual(("refund", ["j1"]), (document["kind"], [r["id"] for r in document["records"]]))
        self.assertIn("records that it stands for", lt.ctl(["explain", "transfer", str(charge)], db=db, now=later))
        self.assertIn("no transfer number 999", refused(db, "explain", "transfer", "999", now=later))
        refused(db, "explain", "transfer", "x", now=later, expect=2)

    def test_it_counts_in_the_months_of_the_charge(self):
        db = self.book()
        record = {**job(1, ("2027-06-30", "10:00:00"), 1, outcome="node_fail"),
                  "start": tokyo("2027-06-30", "22:00:00"), "end": tokyo("2027-07-01", "06:00:00")}
        site.import_records(db, [record], now=tokyo("2027-07-02"))
        rows = lt.query(db, "SELECT month, amount_micro FROM ledger.transfer WHERE kind = 'refund' ORDER BY 1")
        self.assertEqual([["2027-06-01", "1000000"], ["2027-07-01", "3000000"]], rows)
        # July's part was debt, June's came back to the grant that has expired
        self.assertEqual("99.000000", act(db, "balance", "h1", now=tokyo("2027-07-02"))["expired"])
        clean(self, db, tokyo("2027-07-02"))

    def test_an_amendment_changes_the_refund_with_the_charge(self):
        later = tokyo("2027-06-20")
        versions = [
            {"outcome": "node_fail", "seen": tokyo("2027-06-06")},
            {"outcome": "completed", "seen": tokyo("2027-06-07")},
            {"outcome": "node_fail", "project": "h2", "seen": tokyo("2027-06-08")},
            {"outcome": "requeued", "project": "h1", "gpus": 2, "seen": tokyo("2027-06-09")}]
        expected = [("3.000000", "3.000000"), ("3.000000", "0.000000"), ("0.000000", "0.000000"),
                    ("6.000000", "3.000000")]
        db = self.book()
        for version, (spent, refunded) in zip(versions, expected):
            site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 3, **version)], now=later)
            self.assertEqual((spent, refunded), self.project(db, later)[:2], version)
            clean(self, db, later)
        # all at once and backwards, it is the same
        db = self.book()
        site.import_records(db, [job(1, ("2027-06-05", "10:00:00"), 3, **version) for version in reversed(versions)],
                            now=later)
        self.assertEqual(expected[3], self.project(db, later)[:2])
        self.assertEqual("100.000000", act(db, "balance", "h2", now=later)["posted"])
        clean(self, db, later)


if __name__ == "__main__":
    unittest.main()
