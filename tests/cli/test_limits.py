"""ledgerctl limit set, clear and list, and what check says of limits."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt

POLICY = {"policy": "t", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
          "shares": [{"share": "hpci", "fraction": "1"}], "require_membership": True,
          "supply": [{"id": f"fy{year}", "fiscal_year": year, "from": f"{begin}T00:00:00+09:00",
                      "to": f"{year + 1}-04-01T00:00:00+09:00", "resource": "gpu", "count": 10, "hours": "100",
                      "points_per_hour": "1"} for year, begin in ((2027, "2027-06-01"), (2028, "2028-04-01"))]}
CARD = {"card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": "slurm:x", "class": "gpu", "per_hour": {"gpu": "1"}}]}


def job(number, user, start, end, gpus=1, state="final"):
    return json.dumps({"source": "slurm:x", "id": f"{number}@1", "project": "p", "user": user, "class": "gpu",
                       "start": start + "+09:00", "end": end + "+09:00", "state": state,
                       "meters": {"gpu": str(gpus)}, "seen": end + "+09:00"})


class Limits(unittest.TestCase):
    def setUp(self):
        self.db = lt.create_db("limits")
        self.now = "2027-06-15T12:00:00+09:00"
        for verb, document in (("policy", POLICY), ("rates", CARD)):
            self.ctl(verb, "apply", lt.write_file(json.dumps(document)))
        self.ctl("project", "add", "p", "--share", "hpci")
        for user in ("u1", "u2"):
            self.ctl("member", "add", "p", user)
        self.ctl("grant", "p", "600", "--from", "2027-06-01T00:00:00+09:00")
        self.ctl("grant", "p", "100", "--from", "2028-04-01T00:00:00+09:00")

    def ctl(self, *words, expect=0):
        return lt.ctl_json(words, db=self.db, now=self.now, expect=expect)

    def book(self, *jobs):
        lt.ctl(["import", "usage", "--source", "slurm:x", "--format", "ledger"], db=self.db, now=self.now,
               stdin="\n".join(jobs))

    def check(self, points, user="u1", now=None):
        rc, out, err = lt.run_ctl(["check", "p", points, "--user", user, "--json"], db=self.db, now=now or self.now)
        decision = json.loads(out)
        self.assertEqual(rc, 0 if decision["allowed"] else 1, err)
        return decision

    def test_a_day_of_a_user_and_a_month_of_the_project(self):
        self.ctl("limit", "set", "p", "--user", "u1", "--points", "10", "--period", "day")
        self.ctl("limit", "set", "p", "--points", "15.5", "--period", "month")
        self.book(job(1, "u1", "2027-06-15T00:00:00", "2027-06-15T06:00:00"),
                  job(2, "u2", "2027-06-14T00:00:00", "2027-06-14T07:00:00"))
        self.assertTrue(self.check("2.5")["allowed"])
        decision = self.check("4.000001")
        self.assertEqual(decision["reason"], "project_limit")
        self.assertEqual(decision["violated"], [
            {"limit": "project", "name": "p", "available": "2.500000", "period": "month", "points": "15.500000",
             "charged": "13.000000", "accrued": "0.000000", "held": "0.000000"},
            {"limit": "user", "name": "u1", "available": "4.000000", "period": "day", "points": "10.000000",
             "charged": "6.000000", "accrued": "0.000000", "held": "0.000000"}])
        self.assertEqual(decision["detail"], "project p may spend 15.500000 points this month, of which 2.500000 are "
                                             "left, and 4.000001 are asked for")
        self.ctl("limit", "set", "p", "--points", "100", "--period", "month")
        decision = self.check("4.000001")
        self.assertEqual((decision["reason"], decision["detail"]),
                         ("user_limit", "user u1 in project p may spend 10.000000 points today, of which 4.000000 are "
                                        "left, and 4.000001 are asked for"))
        self.assertTrue(self.check("4.000001", user="u2")["allowed"])
        # A new day has its own ten points, to the instant; the month goes on.
        self.assertFalse(self.check("10", now="2027-06-15T23:59:58+09:00")["allowed"])
        self.assertTrue(self.check("10", now="2027-06-16T00:00:00+09:00")["allowed"])
        self.assertEqual(self.check("88", user="u2", now="2027-06-16T00:00:00+09:00")["reason"], "project_limit")

    def test_every_limit_in_the_way_is_listed_in_order_of_precedence(self):
        for period in ("day", "month", "fiscal_year", "total"):
            self.ctl("limit", "set", "p", "--points", "1", "--period", period)
            self.ctl("limit", "set", "p", "--user", "u1", "--points", "1", "--period", period)
        decision = self.check("2000")
        self.assertEqual(decision["reason"], "insufficient_points")
        self.assertEqual([(v["limit"], v.get("period")) for v in decision["violated"]],
                         [("project", None)] + [("project", p) for p in ("day", "month", "fiscal_year", "total")]
                         + [("user", p) for p in ("day", "month", "fiscal_year", "total")] + [("share", None)])
        self.assertEqual(self.check("1", user="nobody")["reason"], "not_a_member")

    def test_fiscal_year_and_total(self):
        self.ctl("limit", "set", "p", "--points", "20", "--period", "fiscal_year")
        self.ctl("limit", "set", "p", "--user", "u2", "--points", "25", "--period", "total")
        self.book(job(1, "u2", "2028-03-31T10:00:00", "2028-04-01T04:00:00"))  # 14 before the edge, 4 after it
        self.assertEqual(self.check("6.000001", now="2028-03-31T23:59:59+09:00")["reason"], "project_limit")
        self.assertTrue(self.check("16", now="2028-04-01T00:00:00+09:00")["allowed"])
        self.assertEqual(self.check("7.000001", user="u2", now="2028-04-01T12:00:00+09:00")["reason"], "user_limit")
        self.assertTrue(self.check("7", user="u2", now="2028-04-01T12:00:00+09:00")["allowed"])

    def test_running_work_counts_and_records_are_booked_whatever_the_limit(self):
        self.ctl("limit", "set", "p", "--user", "u1", "--points", "5", "--period", "total")
        self.book(job(1, "u1", "2027-06-15T00:00:00", "2027-06-15T06:00:00", state="running"))
        decision = self.check("0")
        self.assertEqual((decision["reason"], decision["violated"][0]["accrued"], decision["violated"][0]["available"]),
                         ("user_limit", "6.000000", "-1.000000"))
        self.book(job(1, "u1", "2027-06-15T00:00:00", "2027-06-15T07:00:00"))
        self.assertEqual(self.check("0")["violated"][0]["charged"], "7.000000")
        self.assertTrue(lt.ctl_json(["verify"], db=self.db, now=self.now)["ok"])

    def test_list_and_clear(self):
        self.book(job(1, "u1", "2027-06-15T00:00:00", "2027-06-15T06:00:00"))
        done = self.ctl("limit", "set", "p", "--user", "u1", "--points", "10", "--period", "day")
        self.assertEqual(done, {"project": "p", "user": "u1", "period": "day", "points": "10.000000",
                                "unchanged": False})
        self.assertTrue(self.ctl("limit", "set", "p", "--user", "u1", "--points", "10", "--period", "day")["unchanged"])
        self.ctl("limit", "set", "p", "--points", "50", "--period", "total")
        self.assertEqual(self.ctl("limit", "list", "p"), [
            {"user": None, "period": "total", "points": "50.000000", "charged": "6.000000", "accrued": "0.000000",
             "held": "0.000000", "available": "44.000000", "from": None, "to": None},
            {"user": "u1", "period": "day", "points": "10.000000", "charged": "6.000000", "accrued": "0.000000",
             "held": "0.000000", "available": "4.000000", "from": "2027-06-15T00:00:00+09:00",
             "to": "2027-06-16T00:00:00+09:00"}])
        self.assertIn("44.000000", lt.ctl(["limit", "list", "p"], db=self.db, now=self.now))
        self.assertEqual(self.ctl("limit", "clear", "p", "--user", "u1", "--period", "month")["cleared"], 0)
        self.assertEqual(self.ctl("limit", "clear", "p", "--user", "u1")["cleared"], 1)
        self.assertEqual(self.ctl("limit", "clear", "p")["cleared"], 1)
        self.assertEqual(self.ctl("limit", "list", "p"), [])
        self.assertEqual([row["verb"] for row in self.ctl("audit", "list") if row["verb"].startswith("limit")],
                         ["limit set"] * 2 + ["limit clear"] * 2)

    def test_bad_words(self):
        for words, code in ((["set", "p", "--points", "1"], 2), (["set", "p", "--period", "day"], 2),
                            (["set", "p", "--points", "1", "--period", "week"], 2),
                            (["set", "p", "--points", "-1", "--period", "day"], 2),
                            (["set", "p", "--points", "1e3", "--period", "day"], 2),
                            (["set", "q", "--points", "1", "--period", "day"], 1), (["clear", "q"], 1),
                            (["list", "q"], 1), (["list"], 2)):
            rc, out, err = lt.run_ctl(["limit", *words], db=self.db, now=self.now)
            self.assertEqual((rc, out), (code, ""), words)
            self.assertTrue(err.startswith("ledgerctl: "), err)


if __name__ == "__main__":
    unittest.main()
