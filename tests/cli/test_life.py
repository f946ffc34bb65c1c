"""Grants with a life: what expires when, where it goes, and what takes it back."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402


def act(db, *words, now, expect=0):
    return lt.ctl_json([str(word) for word in words], db=db, now=now, expect=expect)


def refused(db, *words, now, expect=1):
    code, _, err = lt.run_ctl([str(word) for word in words], db=db, now=now)
    assert code == expect, f"{words}: exit {code}, not {expect}\n{err}"
    return err


def tokyo(day, clock="00:00:00"):
    return f"{day}T{clock}+09:00"


def job(number, start, hours=1, project="h1", gpus=1, **fields):
    """A record of `gpus` GPUs for whole hours from `start` (within one day): costs gpus x hours."""
    day, clock = start
    end = f"{int(clock[:2]) + hours:02d}{clock[2:]}"
    return {"source": "slurm:x", "id": f"j{number}", "project": project, "class": "gpu", "user": "u1",
            "start": tokyo(day, clock), "end": tokyo(day, end), "state": "final", "outcome": "completed",
            "qos": "normal", "meters": {"gpu": str(gpus)}, **fields}


def account(db, name):
    return lt.scalar(db, f"""
        SELECT round(coalesce(sum(CASE WHEN t.credit_account = a.account_no THEN t.amount_micro
                                  ELSE -t.amount_micro END), 0) / 1000000.0, 6)::text
          FROM ledger.account a JOIN ledger.transfer t ON a.account_no IN (t.credit_account, t.debit_account)
         WHERE a.name = '{name}'""")


class ExpiryTest(unittest.TestCase):
    def verify(self, db, now):
        code, out, err = lt.run_ctl(["verify"], db=db, now=now)
        self.assertEqual(0, code, out + err)

    def test_a_grant_expires_at_midnight_in_the_sites_zone(self):
        db = site.new_book("life")
        act(db, "grant", "h1", "100", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=site.NOW)
        site.import_records(db, [job(1, ("2027-06-20", "10:00:00"), 4)], now=tokyo("2027-06-21"))
        before = act(db, "balance", "h1", now=tokyo("2027-06-30", "23:59:59"))
        self.assertEqual(("96.000000", "0.000000", "96.000000"),
                         (before["posted"], before["expired"], before["available"]))
        after = act(db, "balance", "h1", now=tokyo("2027-07-01"))
        self.assertEqual(("0.000000", "96.000000", "0.000000"),
                         (after["posted"], after["expired"], after["available"]))
        self.assertEqual("96.000000", account(db, "expired/hpci"))
        # it counts in the month of the last instant before the end, whenever it is posted
        self.assertEqual([["2027-06-01"]], lt.query(db, "SELECT month FROM ledger.transfer WHERE kind = 'expire'"))
        project = [p for p in lt.report_json(["monthly", "2027-06"], db=db, now=tokyo("2027-07-02"))["projects"]
                   if p["project"] == "h1"][0]
        self.assertEqual(("96.000000", "0.000000"), (project["expired"], project["closing"]))
        self.verify(db, tokyo("2027-07-02"))

    def test_posting_again_posts_nothing(self):
        db = site.new_book("life")
        act(db, "grant", "h1", "100", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=site.NOW)
        act(db, "balance", "h1", now=tokyo("2027-07-01"))
        before = site.book_digest(db)
        for now in (tokyo("2027-07-01"), tokyo("2027-09-01")):
            act(db, "balance", "h1", now=now)
            refused(db, "refund", "slurm:x", "nothing", now=now)  # a verb that may write
        self.assertEqual(before, site.book_digest(db))

    def test_a_late_charge_takes_its_part_of_the_expiry_back(self):
        db = site.new_book("life")
        act(db, "grant", "h1", "10", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=site.NOW)
        act(db, "grant", "h1", "50", "--from", tokyo("2027-07-01"), "--to", tokyo("2027-08-01"), now=site.NOW)
        act(db, "balance", "h1", now=tokyo("2027-07-02"))
        self.assertEqual("10.000000", account(db, "expired/hpci"))
        site.import_records(db, [job(1, ("2027-06-20", "10:00:00"), 4)], now=tokyo("2027-07-02"))
        self.assertEqual("6.000000", account(db, "expired/hpci"))
        balance = act(db, "balance", "h1", now=tokyo("2027-07-03"))
        self.assertEqual(("50.000000", "6.000000", "50.000000", "4.000000"),
                         (balance["posted"], balance["expired"], balance["available"], balance["spent"]))
        # more than the grant had: the rest is debt, which the next one pays
        site.import_records(db, [job(2, ("2027-06-20", "10:00:00"), 9)], now=tokyo("2027-07-04"))
        self.assertEqual("0.000000", account(db, "expired/hpci"))
        balance = act(db, "balance", "h1", now=tokyo("2027-07-05"))
        self.assertEqual(("47.000000", "0.000000", "47.000000"),
                         (balance["posted"], balance["expired"], balance["available"]))
        self.verify(db, tokyo("2027-07-05"))

    def test_the_order_of_expiry_and_charge_does_not_matter(self):
        books = []
        for early in (True, False):
            db = site.new_book("life")
            act(db, "grant", "h1", "10", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=site.NOW)
            act(db, "grant", "h1", "7", "--from", tokyo("2027-06-10"), "--to", tokyo("2027-07-10"), now=site.NOW)
            if early:
                act(db, "balance", "h1", now=tokyo("2027-07-20"))
            site.import_records(db, [job(1, ("2027-06-20", "00:00:00"), 12), job(2, ("2027-07-05", "10:00:00"), 3)],
                                now=tokyo("2027-07-20"))
            act(db, "balance", "h1", now=tokyo("2027-07-20"))
            books.append([account(db, name) for name in ("expired/hpci", "project/h1", "spent/hpci")])
            self.verify(db, tokyo("2027-07-20"))
        self.assertEqual(books[0], books[1])
        self.assertEqual(["2.000000", "0.000000", "15.000000"], books[0])

    def test_the_policy_sends_expired_points_back_to_a_pool_whose_year_still_runs(self):
        db = lt.create_db("life")
        lt.ctl(["policy", "apply", site.file_of(site.policy(on_expiry="pool"))], db=db, now=site.NOW)
        lt.ctl(["rates", "apply", site.file_of(site.card())], db=db, now=site.NOW)
        lt.ctl(["project", "add", "h1", "--share", "hpci"], db=db, now=site.NOW)
        act(db, "grant", "h1", "100", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=site.NOW)
        act(db, "grant", "h1", "30", "--from", tokyo("2027-06-01"), "--to", tokyo("2028-04-01"), now=site.NOW)
        act(db, "balance", "h1", now=tokyo("2027-07-01"))
        self.assertEqual("4147170.000000", account(db, "pool/hpci/2027"))
        self.assertEqual("100.000000", act(db, "balance", "h1", now=tokyo("2027-07-01"))["expired"])
        # what the pool got back it can grant again, and a late charge takes it out once more
        left = act(db, "grant", "h1", "4147170", "--to", tokyo("2027-08-01"), now=tokyo("2027-07-02"))
        self.assertEqual("0.000000", left["pool_left"])
        site.import_records(db, [job(1, ("2027-06-20", "10:00:00"), 4)], now=tokyo("2027-07-03"))
        self.assertEqual("-4.000000", account(db, "pool/hpci/2027"))
        self.verify(db, tokyo("2027-07-03"))
        refused(db, "grant", "h1", "0.000001", now=tokyo("2027-07-03"))
        # at the year's end there is no pool to go back to, and what the pool still has lapses
        self.assertEqual("0.000000", act(db, "balance", "h1", now=tokyo("2028-04-01"))["posted"])
        self.assertEqual("0.000000", account(db, "pool/hpci/2027"))
        self.assertEqual("4147196.000000", account(db, "expired/hpci"))
        self.verify(db, tokyo("2028-04-01"))

    def test_what_a_pool_has_not_granted_lapses_with_its_fiscal_year(self):
        db = site.new_book("life")
        act(db, "grant", "h1", "100", now=site.NOW)
        act(db, "balance", "h1", now=tokyo("2028-03-31", "23:59:59"))
        self.assertEqual("4147100.000000", account(db, "pool/hpci/2027"))
        act(db, "balance", "h1", now=tokyo("2028-04-01"))
        self.assertEqual(["0.000000", "0.000000"],
                         [account(db, "pool/hpci/2027"), account(db, "pool/general/2027")])
        self.assertEqual(["4147200.000000", "518400.000000"],
                         [account(db, "expired/hpci"), account(db, "expired/general")])
        self.assertEqual([["2028-03-01"]],
                         lt.query(db, "SELECT DISTINCT month FROM ledger.transfer WHERE kind = 'expire'"))
        self.verify(db, tokyo("2028-04-02"))
        before = site.book_digest(db)
        act(db, "balance", "h1", now=tokyo("2028-05-01"))
        self.assertEqual(before, site.book_digest(db))
        refused(db, "grant", "h1", "1", "--from", tokyo("2028-03-01"), now=tokyo("2028-04-02"))

    def test_a_leap_day_is_a_day(self):
        db = site.new_book("life")
        act(db, "grant", "h1", "24", "--from", tokyo("2028-02-01"), "--to", tokyo("2028-02-29"), now=site.NOW)
        act(db, "grant", "h1", "24", "--from", tokyo("2028-02-29"), "--to", tokyo("2028-03-01"), now=site.NOW)
        record = {**job(1, ("2028-02-28", "00:00:00"), 1),
                  "start": tokyo("2028-02-28", "12:00:00"), "end": tokyo("2028-03-01", "12:00:00")}
        site.import_records(db, [record], now=tokyo("2028-03-02"))
        # the slice of February ends on the 29th: that day's grant pays all of it but what it lacks
        balance = act(db, "balance", "h1", now=tokyo("2028-03-02"))
        self.assertEqual(("24.000000", "-24.000000", "48.000000"),
                         (balance["expired"], balance["posted"], balance["spent"]))
        rows = lt.query(db, "SELECT DISTINCT month FROM ledger.transfer WHERE kind = 'expire'")
        self.assertEqual([["2028-02-01"]], rows)
        self.verify(db, tokyo("2028-03-02"))

    def test_the_year_that_begins_with_service_in_june_ends_in_march(self):
        db = site.new_book("life")
        grant = act(db, "grant", "h1", "5", "--from", tokyo("2027-06-01"), now=site.NOW)
        self.assertEqual((2027, "2028-04-01T00:00:00+09:00"), (grant["fiscal_year"], grant["to"]))
        self.assertEqual("5.000000", act(db, "balance", "h1", now=tokyo("2028-03-31", "23:59:59"))["available"])
        self.assertEqual("5.000000", act(db, "balance", "h1", now=tokyo("2028-04-01"))["expired"])

    def test_what_has_expired_is_not_extended_revoked_or_granted_again(self):
        db = site.new_book("life")
        grant = act(db, "grant", "h1", "5", "--to", tokyo("2027-07-01"), now=site.NOW)
        for words in (("extend", grant["id"], "--to", tokyo("2027-08-01")), ("revoke", grant["id"])):
            self.assertIn("expired", refused(db, "grant", *words, now=tokyo("2027-07-01")))
        act(db, "grant", "extend", act(db, "grant", "h1", "5", "--to", tokyo("2027-08-01"),
                                       now=tokyo("2027-07-15"))["id"], "--to", tokyo("2027-09-01"),
            now=tokyo("2027-07-31", "23:59:59"))
        balance = act(db, "balance", "h1", now=tokyo("2027-08-15"))
        self.assertEqual(("5.000000", "5.000000"), (balance["expired"], balance["available"]))

    def test_a_grant_for_time_past_expires_at_once(self):
        db = site.new_book("life")
        site.import_records(db, [job(1, ("2027-06-20", "10:00:00"), 4)], now=tokyo("2027-07-02"))
        act(db, "grant", "h1", "10", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"),
            now=tokyo("2027-07-03"))
        self.assertEqual(("6.000000", "0.000000"), (account(db, "expired/hpci"), account(db, "project/h1")))
        self.verify(db, tokyo("2027-07-03"))

    def test_a_running_ledgerd_posts_an_expiry_within_a_second_or_two(self):
        db = site.new_book("life")
        act(db, "grant", "h1", "5", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=site.NOW)
        with lt.start_ledgerd(db, now=tokyo("2027-06-30", "23:59:58")) as daemon:
            self.assertEqual("5.000000", daemon.get_json("/v1/projects/h1/balance")["posted"])
            lt.eventually(lambda: account(db, "expired/hpci") == "5.000000", seconds=8)

    def test_verify_names_an_expiry_that_does_not_follow(self):
        db = site.new_book("life")
        act(db, "grant", "h1", "100", "--from", tokyo("2027-06-01"), "--to", tokyo("2027-07-01"), now=site.NOW)
        act(db, "balance", "h1", now=tokyo("2027-07-01"))
        lt.psql(db, "UPDATE ledger.grant_expiry SET sink_micro = sink_micro - 1")
        code, out, _ = lt.run_ctl(["verify", "--json"], db=db, now=tokyo("2027-07-01"))
        self.assertEqual(5, code)
        self.assertIn("grant 1 of h1", out)


if __name__ == "__main__":
    unittest.main()
